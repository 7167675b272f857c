"""Photographs that a keyword finds on Flickr, under licences that allow to make something of them.

What each photograph asks for (its owner, its licence, its address) stays with it, and ends in the
gallery's credits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from merzmory.archive.sources import secret, waiting
from merzmory.archive.sources.downloads import Downloads, FaultError, Fetched, Item, seconds
from merzmory.archive.sources.flickr_api import KINDS, Flickr, Licence, addresses
from merzmory.errors import ConfigError
from merzmory.manifest import Work, digest
from merzmory.records import Announce, Origin, Progress

KEY = "FLICKR_API_KEY"
BARREN = 8  # photographs in a row that do not come: the picture servers refuse


class FlickrSource(Fetched):
    """A search's photographs."""

    def __init__(
        self,
        into: Path,
        *,
        text: str = "",
        tags: Sequence[str] = (),
        licences: Sequence[str],
        count: int,
        originals: bool,
        per_hour: int,
        key_file: Path | None = None,
    ) -> None:
        """`licences` are kinds of `flickr_api.KINDS`; without derivatives is none of them.

        Raises:
            ConfigError: nothing is searched for, or a licence is unknown or allows no remix.
        """
        if not text and not tags:
            raise ConfigError(
                "Flickr needs a word to search for: --set archive.flickr.text=WORD, or a list of "
                "archive.flickr.tags."
            )
        unfit = [kind for kind in licences if kind not in KINDS]
        if unfit or not licences:
            raise ConfigError(
                f"archive.flickr.licences cannot hold {', '.join(unfit) or 'nothing'}: choose from "
                f"{', '.join(KINDS)}; works without derivatives may not be trained on."
            )
        self.text, self.tags, self.licences = text, tuple(tags), tuple(sorted(set(licences)))
        self.count, self.originals, self.per_hour, self.key_file = (
            count, originals, per_hour, key_file,
        )  # fmt: skip
        self.downloads = Downloads(into / "flickr" / f"search-{digest(self.settings)}")
        self.waiting = waiting.Waiting(self.downloads.folder.parent / "waiting.json", "Flickr")

    @property
    def label(self) -> str:
        """What is searched for."""
        return f"flickr {self.text or ' '.join(self.tags)}"

    @property
    def settings(self) -> Mapping[str, Any]:
        """The search and its licences."""
        return {
            "source": "flickr", "text": self.text, "tags": list(self.tags),
            "licences": list(self.licences), "originals": self.originals,
        }  # fmt: skip

    @property
    def intent(self) -> str:
        """What fetching will do, for the person to read before it starts."""
        what = " ".join(filter(None, [f"“{self.text}”" if self.text else "", *self.tags]))
        return (
            f"Fetching up to {self.count} photographs of {what} from flickr.com (licences: "
            f"{', '.join(self.licences)}) into {self.downloads.folder}: at most {self.per_hour} "
            "requests an hour."
        )

    def plan(self, *, again: bool = False) -> Work:
        """The Work of fetching what is not here yet; none where all was fetched before.

        `again` asks Flickr even so: for what is new, and for what did not come.

        Raises:
            ConfigError: there is no key.
            ArchiveError: the key's file can be read by others.
            WaitingError: Flickr asked to wait, and the time has not come.
        """
        folder = self.downloads.folder
        if self.downloads.is_whole(self.count) and not again:
            return Work("fetch", folder, 0, lambda _i, _a: None, lambda: folder)
        self._key()
        self.waiting.check(asked=again)

        def run_shard(_index: int, announce: Announce) -> None:
            with self.downloads.opened("Flickr"):
                self.waiting.check()
                self._fetch(Flickr(self._key(), self.waiting, self.per_hour), announce)

        return Work("fetch", folder, 1, run_shard, lambda: folder)

    def _key(self) -> str:
        key = os.environ.get(KEY, "").strip()
        if not key and self.key_file is not None:
            key = (secret.read(self.key_file) or "").strip()
        if not key:
            raise ConfigError(
                f"Flickr wants a key: take one at flickr.com/services/api/keys, and set {KEY} in "
                "the environment, or name a file that holds it (chmod 600) as "
                "archive.flickr.key_file."
            )
        return key

    def _fetch(self, flickr: Flickr, announce: Announce) -> None:
        downloads = self.downloads
        allowed = {
            number: licence
            for number, licence in flickr.licences().items()
            if licence.kind in self.licences
        }
        if allowed and downloads.count < self.count:
            today = int(waiting.now().timestamp())
            for record in flickr.search(
                text=self.text, tags=self.tags, licences=sorted(allowed), now=today
            ):
                licence = allowed.get(str(record.get("license")))  # a search is not to be trusted
                ident = str(record["id"])
                if licence is None or record.get("media", "photo") != "photo":
                    continue
                if not downloads.has(ident):
                    downloads.note(self._item(flickr, record, licence))
                if downloads.barren >= BARREN:
                    raise self.waiting.refused("photograph after photograph did not come")
                announce(Progress("fetch", downloads.count, self.count, "photographs"))
                if downloads.count >= self.count:
                    break
        downloads.finish(self.count)

    def _item(self, flickr: Flickr, record: Mapping[str, Any], licence: Licence) -> Item:
        ident = str(record["id"])
        origin = _origin(record, licence)
        urls = addresses(record, originals=self.originals)

        def get(last: FaultError | None) -> bytes:
            if last is not None and last.expired and len(urls) > 1:
                urls.pop(0)  # a smaller one
            return flickr.picture(urls[0])

        try:
            if not urls:
                raise FaultError("Flickr offers no size of 1024 pixels or more")
            file = self.downloads.picture(ident, get, _when(origin))
        except FaultError as fault:
            return Item(ident, missing=((origin.url, str(fault)),))
        return Item(ident, ((file, origin),))


def _origin(record: Mapping[str, Any], licence: Licence) -> Origin:
    owner = str(record.get("owner", ""))
    known = str(record.get("datetakenunknown", "0")) == "0" and record.get("datetaken")
    latitude, longitude = _number(record.get("latitude")), _number(record.get("longitude"))
    return Origin(
        source="flickr",
        name=str(record.get("title") or ""),
        taken=str(record["datetaken"]).replace(" ", "T") if known else None,
        taken_from="flickr" if known else "",
        place=(latitude, longitude) if latitude or longitude else None,  # 0, 0 stands for none
        owner=str(record.get("ownername") or owner),
        licence=licence.label,
        url=f"https://www.flickr.com/photos/{owner}/{record['id']}/",
    )


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _when(origin: Origin) -> float:
    try:
        return seconds(datetime.fromisoformat(origin.taken or "2004-02-10"))
    except (ValueError, OverflowError, OSError):
        return 0.0
