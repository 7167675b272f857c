"""Photographs in: every file of a source is looked into once, and never opened for writing.

The walk compares paths, sizes and times with the catalogue, and lays what is new out in shards.
A shard hashes its files, measures the pictures whose bytes were never seen before, and writes
its rows in one transaction: a kill loses no more than the shard it falls into.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from merzmory import decode
from merzmory.archive.assets import ERROR, READ, SKIPPED, Asset, Location
from merzmory.archive.catalogue import Catalogue, Known
from merzmory.archive.photograph import ALGORITHM, Held, hold, may_hold_a_picture, measure
from merzmory.archive.rows import origin_text
from merzmory.archive.sources.source import Found, Source
from merzmory.errors import ArchiveError, FormatError
from merzmory.manifest import Work
from merzmory.records import Announce, Progress

_CATALOGUE = "catalogue.sqlite"


def catalogue_of(archive: Path) -> Catalogue:
    """The catalogue in an archive's folder.

    Raises:
        FormatError: it is damaged, or newer than this version.
    """
    return Catalogue(archive / _CATALOGUE)


def plan(*, source: Source, archive: Path, shard_size: int) -> Work:
    """Lay out reading the files of `source` that are new or changed into `archive`'s catalogue.

    No shards are left where nothing changed. A plan that was begun is taken up with the same
    shards as long as the files are the same.

    Raises:
        ArchiveError: the source is missing, closed, empty, or without a single picture.
        FormatError: the catalogue is damaged.
        StorageError: `archive` cannot be written.
    """
    closed: list[str] = []
    found = {file.path: file for file in _outside(source, closed, archive)}
    _refuse_nothing(found, source.label)
    catalogue = catalogue_of(archive)
    known = catalogue.known()
    todo = [file for path, file in found.items() if _is_new(file, known.get(path))]
    behind = tuple(f"{folder}{os.sep}" for folder in closed)
    gone = [
        path
        for path, was in known.items()
        if path not in found and not was.missing and not path.startswith(behind)
    ]
    back = [path for path, was in known.items() if was.missing and path in found]
    if not todo and not gone and not back:
        return Work("ingest", archive, 0, lambda _i, _a: None, lambda: _whole(catalogue, archive))
    scan = catalogue.open_scan(_digest(found), todo, shard_size=shard_size, gone=gone, back=back)

    def run_shard(index: int, announce: Announce) -> None:
        files = catalogue.shard(scan, index)
        done = index * shard_size
        locations: list[Location] = []
        assets: dict[str, Asset] = {}
        left: list[str] = []
        note = f"{len(closed)} folders could not be opened, {closed[0]} first" if closed else ""
        for file in files:
            held = hold(file.path, file.skip)
            if held is None:
                left.append(file.path)
            else:
                place = _judged(held, assets, catalogue)
                locations.append(replace(place, origin=file.origin))
            done += 1
            announce(Progress("ingest", done, scan.files, "photos", note=note))
        if files:
            catalogue.record(
                scan, index, assets=assets.values(), locations=locations, gone=left,
                algorithm=ALGORITHM,
            )  # fmt: skip

    def finish() -> Path:
        if catalogue.left(scan):
            raise FormatError(
                f"{catalogue.left(scan)} files of {source.label} have not been read: run the "
                "command again."
            )
        catalogue.close_scan(scan)
        return _whole(catalogue, archive)

    return Work("ingest", archive, scan.shards, run_shard, finish)


def _judged(held: Held, assets: dict[str, Asset], catalogue: Catalogue) -> Location:
    """The file's location; its picture is measured into `assets` if it never was before."""
    place = held.location
    if place.sha256 is None:
        return place
    asset = assets.get(place.sha256)
    if asset is None:
        asset = catalogue.measured([place.sha256], ALGORITHM).get(place.sha256)
    if asset is None or (asset.verdict == SKIPPED and decode.reads_heic()):
        asset = assets[place.sha256] = measure(held)
    return Location(
        place.path, place.bytes, place.mtime_ns, place.sha256, asset.verdict, asset.reason
    )


def _is_new(file: Found, was: Known | None) -> bool:
    """Whether a file has to be looked into."""
    if was is None or (was.bytes, was.mtime_ns) != (file.bytes, file.mtime_ns):
        return True
    if origin_text(file.origin) != was.origin:
        return True
    if file.skip:
        return was.reason != file.skip
    if not was.hashed:
        return was.verdict == ERROR  # it could not be opened: try again
    if was.verdict == SKIPPED and decode.reads_heic():
        return True  # HEIC, before the extra was there
    return was.algorithm != ALGORITHM


def _outside(source: Source, closed: list[str], archive: Path) -> Iterator[Found]:
    """The source's files without what this project made, where outputs lie inside its root."""
    archive = archive.resolve()
    own = archive
    root = source.settings.get("folder")
    if root and archive.parent.name == "archives":
        outputs = archive.parents[1]
        if not Path(root).resolve().is_relative_to(outputs):
            own = outputs
    for file in source.files(closed.append):
        if not file.path.startswith(f"{own}{os.sep}"):
            yield file


def _refuse_nothing(found: dict[str, Found], label: str) -> None:
    if not found:
        raise ArchiveError(
            f"The archive {label} is empty: put photographs into that folder, or give another one "
            "with --set archive.folder=FOLDER."
        )
    if not any(not file.skip and may_hold_a_picture(path) for path, file in found.items()):
        raise ArchiveError(
            f"The archive {label} holds {len(found)} files but no pictures: JPEG, PNG, WebP, TIFF, "
            "AVIF, BMP, GIF and HEIC are read; give another folder with "
            "--set archive.folder=FOLDER."
        )


def _whole(catalogue: Catalogue, archive: Path) -> Path:
    """The archive's folder, if it holds at least one picture that could be read."""
    if catalogue.assets():
        return archive
    rows = [row for row in catalogue.rows() if row.verdict != READ]
    bad = next((row for row in rows if row.sha256), rows[0])
    raise ArchiveError(
        f"None of the {len(rows)} files could be read as a picture; {bad.path}, for one: "
        f"{bad.reason}"
    )


def _digest(found: dict[str, Found]) -> str:
    """A name for the state of the files: paths, sizes and times."""
    state = hashlib.sha256()
    for path in sorted(found):
        file = found[path]
        said = f"\0{file.bytes}\0{file.mtime_ns}\0{file.skip}\0{origin_text(file.origin)}\n"
        state.update(os.fsencode(path) + said.encode())
    return state.hexdigest()
