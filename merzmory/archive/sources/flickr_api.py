"""Flickr's REST interface: asked politely, its licences by their meaning, its searches in slices.

The key travels in the body of a POST, so that no address, error or proxy's log holds it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from merzmory.archive.sources.downloads import FaultError, body
from merzmory.archive.sources.waiting import Waiting
from merzmory.errors import ArchiveError, ConfigError

REST = "https://api.flickr.com/services/rest/"
TIMEOUT = 60.0  # seconds for an answer
RETRIES = (2.0, 10.0)  # seconds before Flickr is asked again when it stumbled
AT_MOST = 4000  # results of one query: behind them its pages repeat
PAGE = 250  # results a page, the most with places
FIRST_DAY = 1_075_593_600  # February 2004, when Flickr opened, in seconds since 1970
UNAVAILABLE = 600.0  # seconds of patience when Flickr is out of order
HOUR = 3600.0
KINDS = (
    "by", "by-sa", "by-nc", "by-nc-sa", "cc0", "public-domain", "no-known-restrictions",
    "us-government",
)  # fmt: skip
_SIZES = ("url_o", "url_k", "url_h", "url_l")  # the original, then 2048, 1600 and 1024 pixels
_CC = re.compile(r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)")
_STUMBLED = {105, 106}  # unavailable; failed for the moment
_BAD_KEY = {100}
_LIMIT = {201}


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence as Flickr numbers it, by its meaning: `kind` is one of KINDS, "" of any other."""

    id: str
    kind: str
    label: str  # such as CC BY-SA 2.0


class Flickr:
    """One key's connection; `per_hour` requests, evenly spaced."""

    def __init__(self, key: str, waiting: Waiting, per_hour: int) -> None:
        self._key, self._waiting = key, waiting
        self._apart = HOUR / per_hour
        self._next = 0.0
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"MERZmory/{version('merzmory')}"

    def licences(self) -> dict[str, Licence]:
        """Every licence that Flickr knows today, by its number."""
        found = self._call("flickr.photos.licenses.getInfo", {})["licenses"]["license"]
        return {
            str(each["id"]): Licence(str(each["id"]), *_meaning(str(each.get("url", ""))))
            for each in found
        }

    def search(
        self, *, text: str, tags: Iterable[str], licences: Iterable[str], now: int
    ) -> Iterator[dict[str, Any]]:
        """The records of a search, each once: the most relevant 4,000 first, then by upload date.

        Raises:
            ConfigError: the key is not valid.
            WaitingError: Flickr is out of order, or the hour's requests are used up.
            ArchiveError: Flickr cannot be reached, or refuses the search.
        """
        asked = {
            "text": text, "tags": ",".join(tags), "tag_mode": "all",
            "license": ",".join(licences), "content_types": "0", "media": "photos",
            "safe_search": "1", "sort": "relevance",
            "extras": "license,owner_name,date_taken,media,geo," + ",".join(_SIZES),
        }  # fmt: skip
        asked = {name: value for name, value in asked.items() if value}
        seen: set[str] = set()
        total = yield from self._slice(asked, seen, self._page(asked, 1))
        if total > AT_MOST:
            yield from self._halves(asked, seen, FIRST_DAY, now)

    def picture(self, url: str) -> bytes:
        """The bytes at the address of a picture.

        Raises:
            FaultError: they do not come.
            WaitingError: Flickr asks to wait.
        """
        self._pace()
        try:
            with self._session.get(url, timeout=TIMEOUT, stream=True) as answer:
                if answer.status_code == 429:
                    raise self._waiting.pause(_patience(answer), "too many requests at once")
                if answer.status_code != 200:
                    gone = answer.status_code in {403, 404, 410}
                    raise FaultError(f"Flickr answered {answer.status_code}", expired=gone)
                if "photo_unavailable" in answer.url:
                    raise FaultError("Flickr says that it is unavailable", expired=True)
                return body(answer.iter_content(2**16))
        except (requests.RequestException, HTTPError):
            raise FaultError("the connection broke off") from None

    def _halves(
        self, asked: Mapping[str, str], seen: set[str], first: int, last: int
    ) -> Iterator[dict[str, Any]]:
        """The records uploaded from `first` to `last` (seconds), newest first, in whole slices."""
        between = {**asked, "min_upload_date": str(first), "max_upload_date": str(last)}
        page = self._page(between, 1)
        if _total(page) > AT_MOST and last > first:
            middle = (first + last) // 2
            yield from self._halves(asked, seen, middle + 1, last)
            yield from self._halves(asked, seen, first, middle)
        else:
            yield from self._slice(between, seen, page)

    def _slice(
        self, asked: Mapping[str, str], seen: set[str], page: Mapping[str, Any]
    ) -> Generator[dict[str, Any], None, int]:
        """The records of one query that were not seen before; how many it has in all."""
        total = _total(page)
        for number in range(1, -(-min(total, AT_MOST) // PAGE) + 1):
            if number > 1:
                page = self._page(asked, number)
            if not page["photo"]:
                break
            for record in page["photo"]:
                if str(record["id"]) not in seen:
                    seen.add(str(record["id"]))
                    yield dict(record)
        return total

    def _page(self, asked: Mapping[str, str], number: int) -> Mapping[str, Any]:
        said = {**asked, "per_page": str(PAGE), "page": str(number)}
        page = self._call("flickr.photos.search", said)["photos"]
        return dict(page)

    def _call(self, method: str, asked: Mapping[str, str]) -> Any:
        """What Flickr says; it is asked three times where it stumbles."""
        form = {**asked, "method": method, "api_key": self._key, "format": "json",
                "nojsoncallback": "1"}  # fmt: skip
        reached = False
        for pause in (0.0, *RETRIES):
            time.sleep(pause)
            self._pace()
            try:
                answer = self._session.post(REST, data=form, timeout=TIMEOUT)
                reached = True
                if answer.status_code == 429:
                    raise self._waiting.pause(_patience(answer), "the hour's requests are used up")
                said = answer.json() if answer.status_code == 200 else {}
                if said.get("stat") == "ok":
                    return said
                code = int(said.get("code", 0))
            except (requests.RequestException, ValueError, TypeError, AttributeError):
                continue
            if code in _BAD_KEY:
                raise ConfigError(
                    "Flickr does not know this key: take one at flickr.com/services/api/keys, and "
                    "set FLICKR_API_KEY or archive.flickr.key_file."
                )
            if code in _LIMIT:
                raise self._waiting.pause(HOUR, "the hour's requests are used up")
            if code and code not in _STUMBLED:
                why = str(said.get("message", "")).replace(self._key, "…")
                raise ArchiveError(
                    f"Flickr refuses the search ({code}: {why}): change archive.flickr.text or "
                    "archive.flickr.tags."
                )
        if not reached:
            raise ArchiveError(
                "Flickr cannot be reached: check the connection; the same command goes on, and "
                "what was fetched is kept."
            )
        raise self._waiting.pause(UNAVAILABLE, "it is out of order at the moment")

    def _pace(self) -> None:
        wait = self._next - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._next = time.monotonic() + self._apart


def addresses(record: Mapping[str, Any], *, originals: bool) -> list[str]:
    """Where a record's picture lies, the largest first; none below 1024 pixels."""
    sizes = _SIZES if originals else _SIZES[1:]
    return [str(record[size]) for size in sizes if record.get(size)]


def _meaning(url: str) -> tuple[str, str]:
    """(kind, label) of a licence by its address; ("", "") of one that allows no remix."""
    found = _CC.search(url)
    if found:
        kind, edition = found.groups()
        return (kind, f"CC {kind.upper()} {edition}") if kind in KINDS else ("", "")
    if "creativecommons.org/publicdomain/zero" in url:
        return "cc0", "CC0 1.0"
    if "creativecommons.org/publicdomain/mark" in url:
        return "public-domain", "Public Domain Mark 1.0"
    if "flickr.com/commons/usage" in url:
        return "no-known-restrictions", "No known copyright restrictions"
    if "usa.gov/" in url:
        return "us-government", "United States Government Work"
    return "", ""


def _total(page: Mapping[str, Any]) -> int:
    return int(page.get("total") or 0)  # a number, or one in quotes


def _patience(answer: requests.Response) -> float:
    said = answer.headers.get("Retry-After", "")
    return max(60.0, min(float(said), 24 * HOUR)) if said.isdigit() else HOUR
