"""Photographs in: every file of a source is looked into once, and never opened for writing.

The walk compares paths, sizes and times with the catalogue, and lays what is new out in shards.
A shard hashes its files, measures the pictures whose bytes were never seen before, and writes
its rows in one transaction: a kill loses no more than the shard it falls into.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from merzmory.archive import workers as programs
from merzmory.archive.assets import ERROR, READ, SKIPPED, Location, Pending
from merzmory.archive.catalogue import Catalogue, Scan, state_of
from merzmory.archive.listing import listed
from merzmory.archive.photograph import ALGORITHM, by_name, may_hold_a_picture
from merzmory.archive.rows import origin_text
from merzmory.archive.sources.source import Found, Source
from merzmory.archive.workers import Look
from merzmory.errors import ArchiveError, FormatError
from merzmory.manifest import Far, Work
from merzmory.originals import decode
from merzmory.records import Announce, Progress

CATALOGUE = "catalogue.sqlite"


def catalogue_of(archive: Path) -> Catalogue:
    """The catalogue in an archive's folder.

    Raises:
        FormatError: it is damaged, or newer than this version.
    """
    return Catalogue(archive / CATALOGUE)


def plan(
    *,
    source: Source,
    archive: Path,
    shard_size: int,
    workers: int = 0,
    film_frames: int = 0,
    prefer_raw: bool = False,
) -> Work:
    """Lay out reading the files of `source` that are new or changed into `archive`'s catalogue.

    Of a photograph in several files one is read; `film_frames` of each film are, too (`listed`).
    `workers` programs decode side by side; 0 is as many as there are cores. The catalogue is the
    same with any number of them. No shards are left where nothing changed. A plan that was begun
    is taken up with the same shards as long as the files are the same.

    Raises:
        ArchiveError: the source is missing, closed, empty, or without a single picture.
        FormatError: the catalogue is damaged.
        StorageError: `archive` cannot be written.
    """
    closed: list[str] = []
    catalogue = catalogue_of(archive)
    files = listed(
        _outside(source, closed, archive),
        source=str(source.settings["source"]),
        place=str(source.settings.get("folder") or ""),
        film_frames=film_frames,
        prefer_raw=prefer_raw,
        broken=catalogue.broken(),
    )
    state, todo = _compared(catalogue, files, source.label)
    behind = tuple(f"{folder}{os.sep}" for folder in closed)
    gone = [path for path in state.unseen if not path.startswith(behind)]
    if not todo and not gone and not state.back:
        return Work("ingest", archive, 0, lambda _i, _a: None, lambda: _whole(catalogue, archive))
    scan = catalogue.open_scan(
        state.digest, todo, shard_size=shard_size, gone=gone, back=state.back
    )
    note = f"{len(closed)} folders could not be opened, {closed[0]} first" if closed else ""

    def run_shard(index: int, announce: Announce) -> None:
        files = catalogue.shard(scan, index)
        looks: list[Look] = [Look(None)] * len(files)
        done = index * shard_size
        with catalogue.measured(ALGORITHM) as verdict_of:

            def is_new(sha256: str) -> bool:
                said = verdict_of(sha256)
                return said is None or (said[0] == SKIPPED and decode.waits_no_more(said[1]))

            for number, look in programs.shared(workers).look(files, is_new):
                looks[number] = look
                done += 1
                announce(Progress("ingest", done, scan.files, "photos", note=note))
        _record(catalogue, scan, index, files, looks)

    def take(index: int, looks: list[Look], announce: Announce) -> None:
        files = catalogue.shard(scan, index)
        _record(catalogue, scan, index, files, looks)
        done = scan.files - catalogue.left(scan)
        announce(Progress("ingest", done, scan.files, "photos", note=note))

    def finish() -> Path:
        if catalogue.left(scan):
            raise FormatError(
                f"{catalogue.left(scan)} files of {source.label} have not been read: run the "
                "command again."
            )
        programs.close()
        catalogue.close_scan(scan)
        return _whole(catalogue, archive)

    far = Far(
        lambda index: catalogue.shard(scan, index), partial(_looked, workers=workers or 1), take
    )
    return Work("ingest", archive, scan.shards, run_shard, finish, far)


def _looked(files: list[Pending], *, workers: int) -> list[Look]:
    """What each file is, all measured; on any machine that sees the same originals."""
    looks: list[Look] = [Look(None)] * len(files)
    pool = programs.Pool(workers)  # of this task: others may run in this process
    try:
        for number, look in pool.look(files):
            looks[number] = look
    finally:
        pool.close()
    return looks


def _record(
    catalogue: Catalogue, scan: Scan, index: int, files: list[Pending], looks: list[Look]
) -> None:
    """Write a shard's files; where only the hash was read, the known picture speaks for them."""
    if not files:
        return
    assets = {look.asset.sha256: look.asset for look in looks if look.asset}
    locations: list[Location] = []
    with catalogue.measured(ALGORITHM) as verdict_of:
        for file, look in zip(files, looks, strict=True):
            place = look.place
            if place is None:
                continue
            if place.sha256:
                asset = assets.get(place.sha256)
                said = (asset.verdict, asset.reason) if asset else verdict_of(place.sha256)
                if said is None:  # its twin was being measured when the worker was ended
                    said, place = (ERROR, programs.ENDED), replace(place, sha256=None)
                place = replace(place, verdict=said[0], reason=said[1])
            locations.append(replace(place, origin=file.origin))
    gone = [file.path for file, look in zip(files, looks, strict=True) if look.place is None]
    catalogue.record(
        scan, index, assets=assets.values(), locations=locations, gone=gone, algorithm=ALGORITHM
    )


@dataclass(slots=True)
class _State:
    """How the files stand against the catalogue: its digest, what is not there, what is again."""

    digest: str
    unseen: list[str]
    back: list[str]


def _compared(
    catalogue: Catalogue, files: Iterator[Found], label: str
) -> tuple[_State, list[Found]]:
    """The walk against the catalogue; the files to look into, in the walk's order.

    Memory is some 250 bytes for each known file, and as much for each one to look into.

    Raises:
        ArchiveError: there are no files, or no pictures among them.
    """
    known, away = catalogue.known(ALGORITHM, waits_no_more=decode.waits_no_more)
    digest = hashlib.sha256()
    todo: list[Found] = []
    back: list[str] = []
    count, pictures = 0, False
    for file in files:
        count += 1
        pictures = pictures or (not file.skip and may_hold_a_picture(file.path))
        origin = origin_text(file.origin)
        said = f"\0{file.bytes}\0{file.mtime_ns}\0{file.skip}\0{origin}\n"
        digest.update(os.fsencode(file.path) + said.encode())
        was = known.pop(file.path, None)
        if was is None and (was := away.pop(file.path, None)) is not None:
            back.append(file.path)
        if (
            was is None
            or was.state != state_of(file.bytes, file.mtime_ns, origin)
            or _is_said_otherwise(was.skipped, file)
        ):
            todo.append(file)
    if not pictures:
        _refuse(count, label)
    return _State(digest.hexdigest(), list(known), back), todo


def _is_said_otherwise(skipped: str, file: Found) -> bool:
    """Whether a file is left closed for another reason than `skipped`, or no longer."""
    if file.skip or not skipped:
        return file.skip != skipped
    said = by_name(file.path)
    return said is None or said not in {"", skipped}  # "": its first bytes decided


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


def _refuse(count: int, label: str) -> None:
    if not count:
        raise ArchiveError(
            f"The archive {label} is empty: put photographs into that folder, or give another one "
            "with --set archive.folder=FOLDER."
        )
    raise ArchiveError(
        f"The archive {label} holds {count} files but no pictures: JPEG, PNG, WebP, TIFF, AVIF, "
        "BMP, GIF, HEIC and RAW are read; give another folder with --set archive.folder=FOLDER."
    )


def _whole(catalogue: Catalogue, archive: Path) -> Path:
    """The archive's folder, if it holds at least one picture that could be read."""
    if catalogue.holds_pictures():
        return archive
    rows = [row for row in catalogue.rows() if row.verdict != READ]
    bad = next((row for row in rows if row.sha256), rows[0])
    raise ArchiveError(
        f"None of the {len(rows)} files could be read as a picture; {bad.path}, for one: "
        f"{bad.reason}"
    )
