"""The catalogue: what is known of every file of an archive, and why it is kept or not.

Assets are what was measured of a picture's bytes, locations are the files that hold them, and
decisions are appended, never changed. The state of a file is read from these three.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from merzmory.archive import marks, people
from merzmory.archive import rows as read
from merzmory.archive import tables as t
from merzmory.archive.assets import (
    ERROR,
    KEPT,
    READ,
    SKIPPED,
    VERDICTS,
    Asset,
    Decision,
    Location,
    Pending,
    Row,
)
from merzmory.archive.database import Database
from merzmory.archive.marks import Mark, Marks
from merzmory.archive.people import Sight
from merzmory.archive.sources.source import Found
from merzmory.errors import ArchiveError
from merzmory.records import Photo

T = TypeVar("T")
_BATCH = 500  # rows a statement, below SQLite's limit of variables


class Known(NamedTuple):
    """What the catalogue knows of a location: enough to leave an unchanged file closed."""

    state: int  # `state_of` the file as it was seen; 0 where it has to be looked into
    skipped: str  # why its bytes were not needed, "" where they were


@dataclass(frozen=True, slots=True)
class Scan:
    """A walk over the archive: `shards` of files to look into."""

    id: int
    shards: int
    files: int


class Catalogue:
    """One archive's catalogue, in SQLite at a path, or at any SQLAlchemy URL."""

    def __init__(self, place: Path | str) -> None:
        """Open the catalogue, making or migrating it.

        Raises:
            FormatError: it is damaged, or newer than this version.
            StorageError: it cannot be written.
        """
        self._database = Database(place)

    # what the archive holds

    def keepers(self, ruling: str | None = None) -> list[Photo]:
        """The photographs that are kept, oldest first; under `ruling`, or else the latest one.

        Raises:
            ArchiveError: `ruling` has not been made yet.
        """
        found = []
        with self._database.reading() as connection:
            ruling = self._ruling(connection, ruling)
            faces, sights = read.faces(connection), people.sights(connection)
            for row in read.rows(connection, ruling):
                if row.verdict == KEPT and row.sha256:
                    seen = sights.get(row.sha256) or Sight(faces.get(row.sha256, ()))
                    found.append(
                        Photo(
                            row.sha256, row.path, row.width, row.height, row.taken, row.place,
                            seen.faces, row.origin, row.uncertain, seen.points, seen.blurred,
                        )
                    )  # fmt: skip
        return sorted(found, key=lambda p: (p.taken or "9999", p.path, p.id))

    def rows(self, ruling: str | None = None) -> list[Row]:
        """One row for each regular file under the root, by path.

        Raises:
            ArchiveError: `ruling` has not been made yet.
        """
        with self._database.reading() as connection:
            return list(read.rows(connection, self._ruling(connection, ruling)))

    def counts(self, ruling: str | None = None) -> dict[str, int]:
        """How many files have each of the five verdicts; they add up to `len(rows())`."""
        counted = dict.fromkeys(VERDICTS, 0)
        with self._database.reading() as connection:
            for row in read.rows(connection, self._ruling(connection, ruling)):
                counted[row.verdict] += 1
        return counted

    def assets(self) -> list[Asset]:
        """The pictures that were read and are still there, by sha256; 1 kB of memory each."""
        with self._database.reading() as connection:
            return list(read.assets(connection, verdict=READ))

    def holds_pictures(self) -> bool:
        """Whether a picture was read and is still there."""
        with self._database.reading() as connection:
            return next(read.assets(connection, verdict=READ), None) is not None

    # ingest

    def known(
        self, algorithm: int, *, waits_no_more: Callable[[str], bool]
    ) -> tuple[dict[str, Known], dict[str, Known]]:
        """Every location ever seen: those that were there last time, and those that were not.

        Files have to be looked into that were measured by another version than `algorithm`, that
        could not be opened, and those with a sentence that `waits_no_more`. 280 bytes of memory a
        file.
        """
        wanted = select(
            t.location.c.path,
            t.location.c.bytes,
            t.location.c.mtime_ns,
            t.location.c.origin,
            t.location.c.verdict,
            t.location.c.reason,
            t.location.c.sha256.is_not(None),
            t.asset.c.algorithm,
            t.location.c.missing_since.is_not(None),
        ).outerjoin_from(t.location, t.asset, t.asset.c.sha256 == t.location.c.sha256)
        there: dict[str, Known] = {}
        away: dict[str, Known] = {}
        with self._database.reading() as connection:
            for row in connection.execute(wanted.execution_options(yield_per=_BATCH)):
                path, size, changed, origin, verdict, reason, hashed, version, missing = row
                old = version != algorithm or (verdict == SKIPPED and waits_no_more(reason))
                again = old if hashed else verdict == ERROR
                state = 0 if again else state_of(size, changed, origin)
                skipped = "" if hashed else sys.intern(reason)
                (away if missing else there)[os.fsdecode(path)] = Known(state, skipped)
        return there, away

    def broken(self) -> set[str]:
        """The paths of the pictures that could not be read, or not whole."""
        wanted = (
            select(t.location.c.path)
            .outerjoin_from(t.location, t.asset, t.asset.c.sha256 == t.location.c.sha256)
            .where((t.location.c.verdict == ERROR) | (t.asset.c.lost > 0))
        )
        with self._database.reading() as connection:
            return {os.fsdecode(path) for (path,) in connection.execute(wanted)}

    def open_scan(
        self,
        digest: str,
        todo: Sequence[Found],
        *,
        shard_size: int,
        gone: Iterable[str] = (),
        back: Iterable[str] = (),
    ) -> Scan:
        """Lay `todo` out in shards; an unfinished scan of the same state is taken up instead.

        `gone` are known files that are no longer there, `back` those that are there again.
        """
        with self._database.writing() as connection:
            last = connection.execute(select(t.scan).order_by(t.scan.c.id.desc()).limit(1)).first()
            if last is not None and last.finished is None and last.digest == digest:
                return Scan(last.id, last.shards, last.files)
            connection.execute(delete(t.pending))
            for paths, when in ((gone, _now()), (back, None)):
                change = (
                    update(t.location)
                    .where(t.location.c.path == bindparam("file"))
                    .values(missing_since=when)
                )
                for batch in _batches({"file": os.fsencode(path)} for path in paths):
                    connection.execute(change, batch)
            shards = -(-len(todo) // shard_size)
            number = connection.execute(
                insert(t.scan).values(
                    digest=digest, shards=shards, files=len(todo), started=_now(),
                    finished=None if todo else _now(),
                )
            ).inserted_primary_key  # fmt: skip
            assert number is not None
            for batch in _batches(
                {
                    "scan": number[0], "path": os.fsencode(file.path), "shard": index // shard_size,
                    "skip": file.skip or None, "origin": read.origin_text(file.origin),
                }
                for index, file in enumerate(todo)
            ):  # fmt: skip
                connection.execute(insert(t.pending), batch)
            return Scan(number[0], shards, len(todo))

    def shard(self, scan: Scan, index: int) -> list[Pending]:
        """The files of a shard, by path; none where it has been recorded."""
        wanted = select(t.pending.c.path, t.pending.c.skip, t.pending.c.origin).where(
            t.pending.c.scan == scan.id, t.pending.c.shard == index
        )
        with self._database.reading() as connection:
            found = [
                Pending(os.fsdecode(path), skip or "", read.origin_of(origin))
                for path, skip, origin in connection.execute(wanted)
            ]
        return sorted(found, key=lambda file: file.path)

    def left(self, scan: Scan) -> int:
        """How many files of the scan have not been looked into."""
        wanted = select(func.count()).where(t.pending.c.scan == scan.id)
        with self._database.reading() as connection:
            return int(connection.scalar(wanted) or 0)

    @contextmanager
    def measured(self, algorithm: int) -> Iterator[Callable[[str], tuple[str, str] | None]]:
        """`verdict_of(sha256)`: (verdict, reason) of a picture that this version measured.

        None of one that it did not, wherever the file lay.
        """
        wanted = select(t.asset.c.verdict, t.asset.c.reason).where(
            t.asset.c.sha256 == bindparam("sha"), t.asset.c.algorithm == algorithm
        )
        with self._database.reading() as connection:

            def verdict_of(sha256: str) -> tuple[str, str] | None:
                row = connection.execute(wanted, {"sha": sha256}).first()
                return (row[0], row[1]) if row else None

            yield verdict_of

    def record(
        self,
        scan: Scan,
        index: int,
        *,
        assets: Iterable[Asset],
        locations: Iterable[Location],
        gone: Iterable[str],
        algorithm: int,
    ) -> None:
        """Write what a shard found, in one transaction, and that it is done."""
        now = _now()
        with self._database.writing() as connection:
            upsert = _upsert(connection)
            for batch in _batches(
                {**asdict(asset), "faces": json.dumps(asset.faces), "algorithm": algorithm}
                for asset in assets
            ):
                upsert(t.asset, batch, keep=())
            for batch in _batches(
                {
                    **asdict(place), "path": os.fsencode(place.path),
                    "origin": read.origin_text(place.origin),
                    "first_seen": now, "missing_since": None,
                }
                for place in locations
            ):  # fmt: skip
                upsert(t.location, batch, keep=("first_seen",))
            for path in gone:
                connection.execute(
                    update(t.location)
                    .where(t.location.c.path == os.fsencode(path))
                    .values(missing_since=now)
                )
            connection.execute(
                delete(t.pending).where(t.pending.c.scan == scan.id, t.pending.c.shard == index)
            )

    def close_scan(self, scan: Scan) -> None:
        """Say that every shard of the scan is recorded."""
        with self._database.writing() as connection:
            connection.execute(
                update(t.scan)
                .where(t.scan.c.id == scan.id, t.scan.c.finished.is_(None))
                .values(finished=_now())
            )

    # culling

    def ruled_over(self, ruling: str) -> str | None:
        """The digest of the pictures that `ruling` was last made over; None if never."""
        with self._database.reading() as connection:
            return connection.scalar(select(t.ruling.c.pictures).where(t.ruling.c.id == ruling))

    def is_latest(self, ruling: str) -> bool:
        """Whether `ruling` is the one that speaks where none is named."""
        with self._database.reading() as connection:
            return self._ruling(connection, None) == ruling

    def decide(
        self,
        ruling: str,
        settings: Mapping[str, Any],
        pictures: str,
        decisions: Iterable[Decision],
    ) -> int:
        """Append the decisions that differ from the standing ones; the number appended."""
        now = _now()
        with self._database.writing() as connection:
            standing = read.standing(connection, ruling)
            fresh = [d for d in decisions if standing.get(d.sha256, read.sound(d.sha256)) != d]
            for batch in _batches({**asdict(d), "ruling": ruling, "at": now} for d in fresh):
                connection.execute(insert(t.decision), batch)
            row = {"id": ruling, "settings": json.dumps(settings, sort_keys=True)}
            _upsert(connection)(t.ruling, [{**row, "pictures": pictures, "at": now}], keep=())
        return len(fresh)

    # what a person says

    def mark(self, said: Iterable[Mark]) -> int:
        """Append what is said, as one batch that is undone together; how many marks it changed."""
        with self._database.writing() as connection:
            return marks.append(connection, said, _now())[1]

    def undo(self) -> list[Mark]:
        """Take the last batch of marks back: what it had said; none where nothing stands."""
        with self._database.writing() as connection:
            return marks.undo(connection, _now())

    def marks(self) -> dict[str, Marks]:
        """What was said of pictures and stands, by sha256."""
        with self._database.reading() as connection:
            return marks.standing(connection)

    def _ruling(self, connection: Connection, wanted: str | None) -> str | None:
        if wanted is None:
            latest = select(t.ruling.c.id).order_by(t.ruling.c.at.desc()).limit(1)
            return connection.scalar(latest)
        if connection.scalar(select(t.ruling.c.id).where(t.ruling.c.id == wanted)) is None:
            raise ArchiveError(
                "The archive has not been culled with these thresholds yet: run `merzmory cull` "
                "with the same config first."
            )
        return wanted


def state_of(size: int, mtime_ns: int, origin: str | None) -> int:
    """A number for a file as it was seen and for what its source says; not for other processes."""
    return hash((size, mtime_ns, origin)) or 1


def _upsert(connection: Connection) -> Callable[..., None]:
    """`upsert(table, rows, keep=columns that stay)`, in the words of the database at hand."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite

    def upsert(table: Table, rows: list[dict[str, Any]], *, keep: Sequence[str]) -> None:
        statement = dialect.insert(table)
        keys = [column.name for column in table.primary_key]
        changed = {
            column.name: statement.excluded[column.name]
            for column in table.columns
            if column.name not in {*keys, *keep}
        }
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)

    return upsert


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, _BATCH)):
        yield batch


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
