"""The ledger of weights: where a base or network comes from, and what its licence allows.

    ledger()        what is known, from weights.toml
    find            the file of a name: inside the project, in the cache, or a path of the user's
    import_file     takes a downloaded file into the cache, checked
    fetch           downloads, on the user's command and never otherwise, with resume
    status          what is here and what is missing

The cache holds NAME.SUFFIX, each file written aside and renamed once its checksum is right.
"""

from __future__ import annotations

import difflib
import hashlib
import http.client
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache as once
from importlib import resources
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from merzmory.errors import WeightsError, storage_errors
from merzmory.records import Announce, Progress, silent

_CHUNK = 1 << 20  # bytes read at once
_TIMEOUT = 30.0  # seconds without a byte

# a base can be trained
Kind = Literal["base", "generator", "upscaler", "embedder", "metric", "faces"]


@dataclass(frozen=True, slots=True)
class Weight:
    """One entry of the ledger. `bytes` and `sha256` are None where nobody has confirmed them."""

    name: str
    kind: Kind
    title: str
    urls: tuple[str, ...]
    licence: str
    licence_url: str
    licence_phrase: str  # what it means, in a few words
    may_sell: bool | Literal["ask"]  # what is made with it
    needs_accept: bool
    bytes: int | None = None
    sha256: str | None = None
    resolution: int | None = None  # pixels
    window: tuple[
        int, ...
    ] = ()  # x0, y0, x1, y1: the picture in its square, where bars surround it
    aspect: str = ""  # width:height of that picture
    notes: str = ""
    embedded: str = ""  # its path inside the package

    def cached(self, cache: Path) -> Path:
        """Where the file lies in the cache, or would."""
        suffix = Path(urlsplit(self.urls[0]).path).suffix if self.urls else ""
        return cache / f"{self.name}{suffix}"


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a weight is here. `str` gives a line for people."""

    weight: Weight
    path: Path | None  # None: missing

    def __str__(self) -> str:
        weight = self.weight
        here = "missing" if self.path is None else "built in" if weight.embedded else "here"
        size = f"{weight.bytes / 1e6:,.0f} MB" if weight.bytes else ""
        sell = {True: "may sell", False: "no sales", "ask": "ask first"}[weight.may_sell]
        return (
            f"{weight.name:<27} {weight.kind:<9} {here:<8} {size:>6}  {sell:<9}  "
            f"{weight.title} · {weight.licence}"
        )


@once
def ledger() -> Mapping[str, Weight]:
    """Every weight that the project knows, by name, in the order of weights.toml."""
    text = (resources.files("merzmory") / "weights.toml").read_text("utf-8")
    return read_ledger(text)


def read_ledger(text: str) -> dict[str, Weight]:
    """The entries of a ledger written as TOML."""
    tables = tomllib.loads(text)
    found = {}
    for name, entry in tables["weights"].items():
        values: dict[str, Any] = {**entry, "urls": tuple(entry["urls"])}
        values["window"] = tuple(entry.get("window", ()))
        licence = tables["licences"][values.pop("licence")]
        found[name] = Weight(
            name=name,
            licence=licence["name"],
            licence_url=licence["url"],
            licence_phrase=licence["phrase"],
            may_sell=licence["may_sell"],
            needs_accept=licence.get("needs_accept", False),
            **values,
        )
    return found


def find(name: str, cache: Path) -> Path:
    """The file of `name`: built in, in the cache, or the file that `name` is the path of.

    Raises:
        WeightsError: it is not here; the error names its licence and the command that imports
            it, or the nearest known name.
    """
    if name not in ledger():
        given = Path(name).expanduser()
        if given.is_file():
            return given
        if given.suffix or len(given.parts) > 1:
            raise WeightsError(f"There is no file {given}: check the path, or give a known name.")
    weight = _known(name)
    path = _here(weight, cache)
    if path is not None:
        return path
    if weight.embedded:
        raise WeightsError(
            f"The {weight.kind} {name} should be inside the package ({weight.embedded}) and is "
            "not: install merzmory again."
        )
    raise WeightsError(
        f"The {weight.kind} {name} ({weight.title}; {weight.licence}: {weight.licence_phrase}) is "
        f"not here: download it from {weight.urls[0]} and run "
        f"`merzmory weights import {name} FILE`."
    )


def import_file(name: str, file: Path, cache: Path) -> Path:
    """Copy `file` into the cache as `name`, checked by size and SHA-256; returns the copy.

    Raises:
        WeightsError: the name is unknown, or the file is missing or not the one of the ledger.
        StorageError: the cache cannot be written.
    """
    weight = _known(name)
    if weight.embedded:
        raise WeightsError(
            f"{name} is part of the project and needs no import: use it by its name."
        )
    target = weight.cached(cache)
    part = target.with_name(target.name + ".import.part")
    try:
        source = file.open("rb")
    except OSError as error:
        raise WeightsError(
            f"{file} cannot be read ({error.strerror}): check the path of the file to import."
        ) from error
    with source, storage_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as out:
                while chunk := source.read(_CHUNK):
                    out.write(chunk)
            _check(weight, part, f"{file}")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target


def fetch(
    name: str, cache: Path, accept_licence: bool = False, announce: Announce = silent
) -> Path:
    """Download `name` into the cache; what a stopped download has is kept and gone on with.

    The addresses of the ledger are tried in turn. Announces Progress("fetch", done, total, "MB").

    Raises:
        WeightsError: the name is unknown, its licence was not accepted, no address answers, or
            what came is not the file of the ledger.
        StorageError: the cache cannot be written.
    """
    weight = _known(name)
    here = _here(weight, cache)
    if here is not None or weight.embedded:
        return here if here is not None else find(name, cache)
    if weight.needs_accept and not accept_licence:
        raise WeightsError(
            f"{name} comes under the {weight.licence} ({weight.licence_phrase}): read "
            f"{weight.licence_url} and run `merzmory weights fetch {name} --accept-licence`."
        )
    target = weight.cached(cache)
    part = target.with_name(target.name + ".part")
    reason: Exception | None = None
    with storage_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        for url in weight.urls:
            try:
                _download(weight, url, part, announce)
                _check(weight, part, f"What {urlsplit(url).netloc} sent")
            except WeightsError as error:
                part.unlink()  # a whole file, and not ours
                reason = error
            except (urllib.error.URLError, http.client.HTTPException, _CutOffError) as error:
                reason = error
            else:
                part.replace(target)
                return target
    if isinstance(reason, WeightsError):
        raise reason
    raise WeightsError(
        f"{name} could not be downloaded ({reason}): check the connection and run the same command "
        f"again, or download {weight.urls[0]} yourself and run `merzmory weights import {name} "
        "FILE`."
    ) from reason


def status(cache: Path) -> list[Status]:
    """Every entry of the ledger, and where its file is."""
    return [Status(weight, _here(weight, cache)) for weight in ledger().values()]


def is_here(name: str, cache: Path) -> bool:
    """Whether the ledger knows `name` and its file is here."""
    weight = ledger().get(name)
    return weight is not None and _here(weight, cache) is not None


def of_file(sha256: str, name: str) -> Weight | None:
    """The entry whose file has this SHA-256; this name, where the ledger knows no SHA-256."""
    for weight in ledger().values():
        if weight.sha256 == sha256 or (weight.sha256 is None and weight.name == name):
            return weight
    return None


class _CutOffError(Exception):
    """The connection ended before the file did."""


def _download(weight: Weight, url: str, part: Path, announce: Announce) -> None:
    """Bring `part` to its full length from `url`, from where it is (RFC 9110, 14.2)."""
    have = part.stat().st_size if part.exists() else 0
    if weight.bytes is not None and have == weight.bytes:
        return
    if weight.bytes is not None and have > weight.bytes:
        part.unlink()
        have = 0
    headers = {"User-Agent": "merzmory", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise
        part.unlink()
        _download(weight, url, part, announce)
        return
    with answer:
        begins = str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-")
        resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT and begins
        done = have if resumed else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else weight.bytes
        with part.open("ab" if resumed else "wb") as out:
            while chunk := _read(answer):
                out.write(chunk)
                done += len(chunk)
                whole = total if total is not None else done
                announce(Progress("fetch", done // 10**6, whole // 10**6, "MB"))
    if total is not None and done < total:
        raise _CutOffError(f"the connection ended at {done:,} of {total:,} bytes")


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _CutOffError(f"the connection broke: {error}") from error


def _check(weight: Weight, path: Path, what: str) -> None:
    """Whether `path` is the ledger's file: its size, its SHA-256, and no web page."""
    size = path.stat().st_size
    if weight.bytes is not None and size != weight.bytes:
        raise WeightsError(
            f"{what} has {size:,} bytes and {weight.name} has {weight.bytes:,}: download it again "
            f"from {weight.urls[0]}."
        )
    with path.open("rb") as opened:
        if opened.read(64).lstrip()[:1] in (b"", b"<"):
            raise WeightsError(
                f"{what} is a web page or empty, not {weight.name}: download it again from "
                f"{weight.urls[0]}."
            )
        opened.seek(0)
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if weight.sha256 is not None and found != weight.sha256:
        raise WeightsError(
            f"{what} is not {weight.name} or is damaged (SHA-256 {found[:12]}…, expected "
            f"{weight.sha256[:12]}…): download it again from {weight.urls[0]}."
        )


def _known(name: str) -> Weight:
    if name in ledger():
        return ledger()[name]
    near = difflib.get_close_matches(name, ledger(), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "`merzmory weights list` shows what is known."
    raise WeightsError(f"There are no weights named {name}: {hint}")


def _here(weight: Weight, cache: Path) -> Path | None:
    if weight.embedded:
        inside = Path(str(resources.files("merzmory") / weight.embedded))
        return inside if inside.is_file() else None
    path = weight.cached(cache)
    if not path.is_file():
        return None
    return path if weight.bytes in (None, path.stat().st_size) else None
