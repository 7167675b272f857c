"""Opening the catalogue's database: SQLite beside its archive, or any URL (Postgres).

SQLite runs with a write-ahead log, so that pages and steps read while one shard writes; a
write takes the lock at its beginning (BEGIN IMMEDIATE), and waits for its turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, inspect, text
from sqlalchemy.pool import NullPool

from merzmory.archive.tables import HEAD
from merzmory.errors import FormatError, StorageError, storage_errors

_PATIENCE = 60.0  # seconds to wait for another writer


class Database:
    """Connections to one catalogue, migrated to the newest tables."""

    def __init__(self, place: Path | str) -> None:
        """Open, make or migrate the database at a path or URL.

        Raises:
            FormatError: it is damaged, or newer than this version.
            StorageError: its folder cannot be written, or the disk is full.
        """
        self.place = place
        if isinstance(place, Path):
            with storage_errors(place.parent):
                try:
                    place.parent.mkdir(parents=True, exist_ok=True)
                except (FileExistsError, NotADirectoryError) as error:
                    raise StorageError(
                        f"{place.parent} is a file, not a folder: move it away, or choose another "
                        "place with --set outputs=FOLDER."
                    ) from error
            self.engine = _sqlite(URL.create("sqlite", database=str(place)))
        elif place.startswith("sqlite"):
            self.engine = _sqlite(place)
        else:
            self.engine = create_engine(place, poolclass=NullPool)
        self._migrate()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the catalogue.

        Raises:
            FormatError: the database is damaged.
            StorageError: it cannot be opened.
        """
        with self._errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is kept whole or not at all; one at a time.

        Raises:
            FormatError: the database is damaged.
            StorageError: the disk is full, or another writer does not end.
        """
        with self._errors(), self.engine.execution_options(write=True).begin() as connection:
            yield connection

    def sweep(self) -> None:
        """Write the database anew, so that nothing is left in its files of what was deleted.

        Raises:
            StorageError: the disk is full, or another writer does not end.
        """
        with self._errors(), self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                cursor = connection.connection.cursor()
                for words in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    cursor.execute(words)

    def _migrate(self) -> None:
        with self.reading() as connection:
            version = _version(connection)
        if version == HEAD:
            return
        if version is not None and version > HEAD:
            raise FormatError(
                f"{self.place} was made by a newer version of MERZmory (its tables are {version}, "
                f"this version reads up to {HEAD}): update merzmory."
            )
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("path_separator", "newline")
        config.set_main_option(
            "script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%")
        )
        with self._errors():
            if self.engine.dialect.name == "sqlite":
                with self.engine.connect() as connection:
                    connection.connection.cursor().execute("PRAGMA journal_mode=WAL")
            with self.engine.execution_options(write=True).begin() as connection:
                if _version(connection) != HEAD:  # another opener may have been first
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (exc.DBAPIError, sqlite3.Error) as error:
            cause = str(getattr(error, "orig", error)).lower()
            if "full" in cause:
                sentence = (
                    f"The disk that holds {self.place} is full: free some space and run the same "
                    "command again; what is finished is kept."
                )
            elif "readonly" in cause or "unable to open" in cause or "permission" in cause:
                sentence = (
                    f"{self.place} cannot be written: give yourself permission for its folder, or "
                    "choose another place with --set outputs=FOLDER."
                )
            elif "locked" in cause or "busy" in cause:
                sentence = (
                    f"{self.place} is being written by another command: wait until that one has "
                    "ended and run this one again."
                )
            elif "not a database" in cause or "malformed" in cause or "no such" in cause:
                raise FormatError(
                    f"{self.place} is damaged: move it away and run `merzmory ingest` again; your "
                    "photographs are untouched."
                ) from error
            else:
                raise
            raise StorageError(sentence) from error


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found else None


def _sqlite(url: URL | str) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": _PATIENCE})

    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        connection.execute("PRAGMA synchronous=NORMAL")

    def begun(connection: Connection) -> None:
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
