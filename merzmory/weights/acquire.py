"""Weights come into the cache: downloaded, imported, or brought along; whole and checked, or not at all.

    fetch           downloads, on the user's command and never otherwise, with resume
    import_file     takes a file of the ledger that was downloaded by hand
    add             takes a network that no ledger knows, with what its owner says of it

What is let in, `vetting` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from merzmory.errors import WeightsError, storage_errors
from merzmory.gan import checkpoint
from merzmory.manifest import sha256_of
from merzmory.records import Announce, silent
from merzmory.turns import taken
from merzmory.weights import ledger, passports
from merzmory.weights.download import (
    CHUNK,
    UnreachableError,
    WrongFileError,
    discard,
    download,
    make_room,
    settle,
)
from merzmory.weights.ledger import Weight
from merzmory.weights.passports import Passport
from merzmory.weights.vetting import check, inspected, public, today, welcome

OFFLINE = "MERZMORY_OFFLINE"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_NETWORKS = (checkpoint.SUFFIX, *checkpoint.FOREIGN)


def fetch(
    name: str,
    cache: Path,
    accept_licence: bool = False,
    announce: Announce = silent,
    *,
    mirror: str = "",
    offline: bool = False,
    accept_change: bool = False,
) -> Path:
    """Download `name` into the cache; what a stopped download has is kept and gone on with.

    The `mirror` (an address or a folder that holds files under their publishers' names) is tried first,
    then the addresses of the ledger. Announces Progress("fetch", done, total, "MB"); where another
    command brings the same name, waits for it.

    Raises:
        WeightsError: the name is unknown, its licence was not accepted, no address answers, what
            came is not the file of the ledger, or not the one that came first.
        StorageError: the cache cannot be written, or has no room.
    """
    weight = ledger.known(name, cache)
    here = ledger.here(weight, cache)
    if here is not None or weight.embedded:
        return here if here is not None else ledger.find(name, cache)
    if weight.needs_accept and not accept_licence:
        raise WeightsError(
            f"{name} comes under the {weight.licence} ({weight.licence_phrase}): read "
            f"{weight.licence_url} and run `merzmory weights fetch {name} --accept-licence`."
        )
    with _alone(name, cache, announce):
        here = ledger.here(weight, cache)  # another command may have brought it meanwhile
        if here is not None:
            return here
        return _fetch(weight, cache, announce, _places(weight, mirror), offline, accept_change)


def import_file(name: str, file: Path, cache: Path, *, accept_change: bool = False) -> Path:
    """Copy `file` into the cache as `name`, checked by size and SHA-256; returns the copy.

    Raises:
        WeightsError: the name is unknown, or the file is missing, not the one of the ledger, or not
            the one that came first.
        StorageError: the cache cannot be written, or has no room.
    """
    weight = ledger.known(name, cache)
    if weight.embedded:
        raise WeightsError(
            f"{name} is part of the project and needs no import: use it by its name."
        )
    target = weight.cached(cache)
    with _alone(name, cache, silent), _copied(file, target) as part:
        sha = check(weight, part, f"{file}")
        welcome(weight, part, target, sha, file.name, accept_change)
    return target


def add(
    name: str,
    source: str,
    cache: Path,
    *,
    title: str = "",
    licence: str = "",
    may_sell: Literal["yes", "no", "ask"] = "ask",
    window: tuple[int, ...] = (),
    offline: bool = False,
    announce: Announce = silent,
) -> Path:
    """Take a network that the ledger does not know into the cache as `name`: a file, or an address.

    `licence` and `may_sell` are its owner's word; `window` is x0, y0, x1, y1 of the picture in its
    square, in pixels, where bars surround it. Nothing inside the file is executed.

    Raises:
        WeightsError: the name is taken or no name, the file is no network or one of the ledger's, the
            window is not inside its square, or the address does not answer.
        StorageError: the cache cannot be written, or has no room.
    """
    if not _NAME.fullmatch(name) or name in ledger.entries() or name in ledger.brought(cache):
        raise WeightsError(
            f"{name!r:.60} cannot be the name: use up to 40 small letters, digits and dashes, and none "
            "of `merzmory weights list`."
        )
    remote = "://" in source
    given = unquote(urlsplit(source).path) if remote else source
    suffix = Path(given).suffix.lower()
    if suffix not in _NETWORKS:
        raise WeightsError(
            f"{source} is no network file: give one of {', '.join(_NETWORKS)}, or its address."
        )
    target = cache / f"{name}{suffix}"
    with _alone(name, cache, announce):
        if not remote:
            with _copied(Path(source).expanduser(), target) as part:
                _take_in(name, source, part, target, title, licence, may_sell, window)
            return target
        _refuse_offline(name, offline)
        part = _part(target)
        with storage_errors(cache):
            why = _try(source, part, None, announce, judged=False)
        if isinstance(why, WeightsError):
            raise why
        if why is not None:
            raise WeightsError(
                f"{source} could not be downloaded ({why}): check the address and run the same command "
                "again, which goes on where it stopped."
            ) from why
        try:
            _take_in(name, source, part, target, title, licence, may_sell, window)
        finally:
            discard(part)
    return target


def _fetch(
    weight: Weight,
    cache: Path,
    announce: Announce,
    places: list[str],
    offline: bool,
    accept_change: bool,
) -> Path:
    target = weight.cached(cache)
    part = _part(target)
    reason: Exception | None = None
    for place in places:
        if "://" not in place:
            file = Path(place)
            if not file.is_file():
                reason = UnreachableError(f"{file} is not there")
                continue
            with _copied(file, target) as copy:
                sha = check(weight, copy, place)
                welcome(weight, copy, target, sha, place, accept_change)
            return target
        _refuse_offline(weight.name, offline)
        with storage_errors(cache):
            reason = _try(place, part, weight, announce, judged=weight.sha256 is not None)
            if reason is not None:
                continue
            try:
                sha = check(weight, part, f"What {urlsplit(place).netloc} sent")
                welcome(weight, part, target, sha, place, accept_change)
            except WeightsError as error:
                discard(part)  # a whole file, and not ours
                reason = error
            else:
                discard(part)
                return target
    if isinstance(reason, WeightsError):
        raise reason
    raise WeightsError(
        f"{weight.name} could not be downloaded ({reason}): check the connection and run the same "
        f"command again, which goes on where it stopped, or download {weight.urls[0]} yourself and run "
        f"`merzmory weights import {weight.name} FILE`."
    ) from reason


def _try(
    url: str, part: Path, weight: Weight | None, announce: Announce, *, judged: bool
) -> Exception | None:
    """Download; the reason why not."""
    try:
        expected = weight.bytes if weight else None
        download(url, part, expected=expected, judged=judged, announce=announce)
    except UnreachableError as error:
        return error
    except WrongFileError as error:
        name, host = (weight.name if weight else "a network"), urlsplit(url).netloc
        return WeightsError(
            f"What {host} sent {error}: it is not {name}, and nothing of it was kept; open {url} in a "
            "browser, and import the file that it gives you."
        )
    return None


def _take_in(
    name: str,
    source: str,
    part: Path,
    target: Path,
    title: str,
    licence: str,
    may_sell: Literal["yes", "no", "ask"],
    window: tuple[int, ...],
) -> None:
    """Look at a network that was brought along, and settle it with its passport."""
    sha, about = sha256_of(part), inspected(part, target, source)
    known = ledger.of_file(sha, "")
    if known is not None:
        use = (
            "use that name"
            if known.embedded
            else f"run `merzmory weights import {known.name} FILE`"
        )
        raise WeightsError(f"{source} is {known.name} of the ledger: {use}.")
    side = int(about["resolution"])
    if window and not (
        len(window) == 4
        and 0 <= window[0] < window[2] <= side
        and 0 <= window[1] < window[3] <= side
    ):
        raise WeightsError(
            f"The window {','.join(map(str, window))} is not inside a square of {side} pixels: give "
            "x0,y0,x1,y1 of the picture between its bars."
        )
    said = Passport(
        sha, part.stat().st_size, source=public(source), since=today(), title=title or name,
        kind="base" if "train" in about["can"] else "generator", resolution=side,
        licence=" ".join(licence.split())[:200], may_sell=may_sell, window=window,
    )  # fmt: skip
    passports.write(target, said)
    settle(part, target)


@contextmanager
def _copied(file: Path, target: Path) -> Iterator[Path]:
    """A copy of `file` beside `target`, which is gone afterwards unless it was settled."""
    part = target.with_name(target.name + ".import.part")
    try:
        source = file.open("rb")
    except OSError as error:
        raise WeightsError(
            f"{file} cannot be read ({error.strerror}): check the path of the file to import."
        ) from error
    with source, storage_errors(target.parent):
        make_room(target.parent, file.stat().st_size)
        try:
            with part.open("wb") as out:
                while chunk := source.read(CHUNK):
                    out.write(chunk)
            yield part
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _alone(name: str, cache: Path, announce: Announce) -> Iterator[None]:
    """Nobody else brings `name` meanwhile; whoever does is waited for."""
    note = f"another command is bringing {name}; this one waits for it"
    with storage_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with taken(FileLock(cache / f".{name}.lock"), announce, "fetch", note):
            yield


def _places(weight: Weight, mirror: str) -> list[str]:
    """Where `weight` may come from: the mirror's file of the publisher's name, then the ledger's."""
    if not mirror or not weight.urls:
        return list(weight.urls)
    file = Path(urlsplit(weight.urls[0]).path).name
    first = f"{mirror.rstrip('/')}/{file}" if "://" in mirror else Path(mirror).expanduser() / file
    return [str(first), *weight.urls]


def _refuse_offline(name: str, offline: bool) -> None:
    if offline:
        raise WeightsError(
            f"{name} would have to come over the network, and {OFFLINE} is set: import a file with "
            f"`merzmory weights import {name} FILE`, or unset it."
        )


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")
