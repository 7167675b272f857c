"""Which files are let in: whole, of the right kind, and the ones that they should be.

Where the ledger knows no SHA-256, that of the first file is written down (`passports`), and every later
one is compared with it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from merzmory.errors import WeightsError
from merzmory.gan import checkpoint, legacy
from merzmory.gan.config import EngineError
from merzmory.manifest import sha256_of
from merzmory.weights import ledger, passports
from merzmory.weights.download import settle
from merzmory.weights.ledger import Weight
from merzmory.weights.passports import Passport

_BEGINS = {  # pickles of protocol 2 on; ZIP; field 1 of a protocol buffer
    ".pkl": (b"\x80",), ".pt": (b"PK", b"\x80"), ".pth": (b"PK", b"\x80"), ".onnx": (b"\x08",),
}  # fmt: skip
_NETWORKS = ("base", "generator")


def verify(name: str, cache: Path) -> str:
    """Whether the file of `name` is the one that it should be: a sentence that says by what.

    Raises:
        WeightsError: it is not here, is damaged, or not the one that came first.
        FormatError: its passport is damaged.
    """
    weight = ledger.known(name, cache)
    path = Path(ledger.find(name, cache)) if weight.embedded else weight.cached(cache)
    if not path.is_file():
        ledger.find(name, cache)  # says how it comes
    sha = check(weight, path, str(path))
    if weight.sha256 is not None:
        by = "as when it was brought" if weight.file else "by the ledger's SHA-256"
        return f"{name} is right, {by}."
    first = passports.read(path)
    if first is None:
        if weight.kind in _NETWORKS:
            inspected(path, path, str(path))
        _record(path, sha, path.name)
        return (
            f"{name} is whole; its SHA-256 {sha[:12]}… is written down, and compared from now on."
        )
    _refuse_other(weight, first, sha)
    return f"{name} is the file that came first, on {first.since}."


def welcome(
    weight: Weight, part: Path, target: Path, sha: str, source: str, accept_change: bool
) -> None:
    """Settle a whole file, with a passport where the ledger does not vouch for it.

    Raises:
        WeightsError: it is not the network that its name says, or not the one that came first.
        FormatError: the first one's passport is damaged.
    """
    if weight.sha256 is None:
        if weight.kind in _NETWORKS:
            inspected(part, target, source)
        first = passports.read(target)
        if first is None or accept_change:
            _record(target, sha, source, part.stat().st_size)
        else:
            _refuse_other(weight, first, sha)
    settle(part, target)


def check(weight: Weight, path: Path, what: str) -> str:
    """The SHA-256 of `path`, if it is the ledger's file: its size, its SHA-256, and no web page.

    Raises:
        WeightsError: it is not; the sentence begins with `what`.
    """
    size, again = path.stat().st_size, f"download it again from {', '.join(weight.urls[:1])}"
    again = again if weight.urls else "bring it again"
    if weight.bytes is not None and size != weight.bytes:
        raise WeightsError(
            f"{what} has {size:,} bytes and {weight.name} has {weight.bytes:,}: {again}."
        )
    with path.open("rb") as opened:
        head = opened.read(64)
    if head.lstrip()[:1] in (b"", b"<"):
        raise WeightsError(f"{what} is a web page or empty, not {weight.name}: {again}.")
    if weight.sha256 is None and not head.startswith(_BEGINS.get(weight.cached(path).suffix, b"")):
        raise WeightsError(f"{what} is no file of weights, not {weight.name}: {again}.")
    found = sha256_of(path)
    if weight.sha256 is not None and found != weight.sha256:
        raise WeightsError(
            f"{what} is not {weight.name} or is damaged (SHA-256 {found[:12]}…, expected "
            f"{weight.sha256[:12]}…): {again}."
        )
    return found


def inspected(part: Path, target: Path, source: str) -> dict[str, Any]:
    """What the network in `part` is; it is called as `target` will be.

    Raises:
        WeightsError: it is none, is damaged, or only half of one.
    """
    foreign = target.suffix.lower() in checkpoint.FOREIGN
    look: Callable[[Path], dict[str, Any]] = legacy.inspect if foreign else checkpoint.inspect
    try:
        return look(part)
    except EngineError as error:
        why = str(error).replace(str(part), f"the file {public(source)}")
        raise WeightsError(f"{why[:1].upper()}{why[1:]}.") from error


def public(source: str) -> str:
    """What may be said of a place: an address without its query (a key), a file without its folder."""
    if "://" not in source:
        return Path(source).name
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def today() -> str:
    """ISO 8601, in UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _record(target: Path, sha: str, source: str, size: int | None = None) -> None:
    length = target.stat().st_size if size is None else size
    passports.write(target, Passport(sha, length, source=public(source), since=today()))


def _refuse_other(weight: Weight, first: Passport, sha: str) -> None:
    if sha != first.sha256:
        raise WeightsError(
            f"This {weight.name} is another file than the one that came first, on {first.since} (SHA-256 "
            f"{sha[:12]}…, then {first.sha256[:12]}…): ask its publisher why, and if it is meant, bring "
            f"it with `merzmory weights import {weight.name} FILE --accept-change`."
        )
