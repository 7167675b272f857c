"""The catalogue migrates, waits its turn, says in one sentence what is wrong with it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st

from merzmory.archive import tables
from merzmory.archive.assets import READ, Asset, Decision, Location
from merzmory.archive.catalogue import Catalogue
from merzmory.archive.sources.source import Found
from merzmory.errors import ArchiveError, FormatError, StorageError


def _fill(catalogue: Catalogue, names: list[str], shard_size: int = 100) -> None:
    scan = catalogue.open_scan(
        "state", [Found(name, 1, 1) for name in names], shard_size=shard_size
    )
    for index in range(scan.shards):
        paths = [file.path for file in catalogue.shard(scan, index)]
        catalogue.record(
            scan, index,
            assets=[Asset(f"sha-{path}", 1, width=9, height=8, faces=((1, 2, 3, 4),)) for path in paths],
            locations=[Location(path, 1, 1, f"sha-{path}", READ) for path in paths],
            gone=(), algorithm=1,
        )  # fmt: skip
    catalogue.close_scan(scan)


def test_migrations_make_the_tables_that_are_asked(tmp_path: Path) -> None:
    Catalogue(tmp_path / "c.sqlite")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'c.sqlite'}")
    found = sqlalchemy.MetaData()
    found.reflect(engine)
    assert set(found.tables) == {*tables.metadata.tables, "alembic_version"}
    for name, table in tables.metadata.tables.items():
        columns = {c.name: (str(c.type), c.nullable, c.primary_key) for c in table.columns}
        made = found.tables[name].columns
        assert {c.name: (str(c.type), c.nullable, c.primary_key) for c in made} == columns
    with sqlite3.connect(tmp_path / "c.sqlite") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (tables.HEAD,)
        ]


def test_a_url_serves_as_well_as_a_path(tmp_path: Path) -> None:
    _fill(Catalogue(f"sqlite:///{tmp_path / 'c.sqlite'}"), ["a"])
    assert [photo.path for photo in Catalogue(tmp_path / "c.sqlite").keepers()] == ["a"]


def test_statements_are_postgres_too() -> None:
    """The tables and upserts compile for Postgres; a server is not needed for that."""
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    for table in tables.metadata.tables.values():
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))
    insert = postgresql.insert(tables.location)
    upsert = insert.on_conflict_do_update(
        index_elements=["path"], set_={"reason": insert.excluded["reason"]}
    )
    assert "ON CONFLICT (path)" in str(upsert.compile(dialect=postgresql.dialect()))


@pytest.mark.parametrize("damage", ["text", "head", "middle", "no tables"])
def test_a_damaged_catalogue_is_one_sentence(tmp_path: Path, damage: str) -> None:
    place = tmp_path / "c.sqlite"
    _fill(Catalogue(place), [f"{n}" for n in range(500)])
    with sqlite3.connect(place) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if damage == "no tables":
            connection.execute("DROP TABLE asset")
    connection.close()
    data = bytearray(place.read_bytes())
    if damage == "text":
        data = bytearray(b"this is not a catalogue\n" * 400)
    elif damage == "head":
        data[:16] = b"\0" * 16
    elif damage == "middle":
        data[4096:] = b"\xff" * (len(data) - 4096)
    place.write_bytes(data)
    with pytest.raises(FormatError, match=r"c\.sqlite is damaged: move it away") as caught:
        Catalogue(place).keepers()
    assert "photographs are untouched" in str(caught.value)


def test_a_newer_catalogue_is_refused(tmp_path: Path) -> None:
    Catalogue(tmp_path / "c.sqlite")
    with sqlite3.connect(tmp_path / "c.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(FormatError, match="newer version of MERZmory"):
        Catalogue(tmp_path / "c.sqlite")


def test_a_full_disk_is_one_sentence_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "c.sqlite"
    catalogue = Catalogue(place)
    _fill(catalogue, ["a"])
    pages = sqlite3.connect(place).execute("PRAGMA page_count").fetchone()[0]
    limit = f"PRAGMA max_page_count={pages}"
    sqlalchemy.event.listen(
        catalogue._database.engine, "connect", lambda connection, _record: connection.execute(limit)
    )
    with pytest.raises(StorageError, match=r"is full: free some space"):
        _fill(catalogue, [f"{n}" * 50 for n in range(2000)])
    assert [photo.path for photo in Catalogue(place).keepers()] == ["a"]


def test_a_place_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is a file, not a folder"):
        Catalogue(tmp_path / "file" / "c.sqlite")
    with pytest.raises(StorageError, match="is a file, not a folder"):
        Catalogue(tmp_path / "file" / "deeper" / "c.sqlite")


def test_many_openers_and_writers_wait_their_turn(tmp_path: Path) -> None:
    place = tmp_path / "c.sqlite"
    names = [f"{n:03d}" for n in range(64)]

    def work(_thread: int) -> None:
        Catalogue(place)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    scan = Catalogue(place).open_scan("state", [Found(name, 1, 1) for name in names], shard_size=4)

    def shard(index: int) -> None:
        catalogue = Catalogue(place)
        paths = [file.path for file in catalogue.shard(scan, index)]
        catalogue.record(
            scan, index, assets=[Asset(path, 1) for path in paths],
            locations=[Location(path, 1, 1, path, READ) for path in paths], gone=(), algorithm=1,
        )  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(shard, range(scan.shards)))
    assert [row.path for row in Catalogue(place).rows()] == names
    assert Catalogue(place).left(scan) == 0


def test_keepers_say_what_is_known(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "c.sqlite")
    _fill(catalogue, ["a"])
    (photo,) = catalogue.keepers()
    assert (photo.id, photo.width, photo.height) == ("sha-a", 9, 8)
    assert photo.faces == ((1, 2, 3, 4),) and photo.place is None
    with pytest.raises(ArchiveError, match="merzmory cull"):
        catalogue.keepers("never made")


@given(
    st.lists(
        st.lists(st.sampled_from(["kept", "rejected", "duplicate"]), min_size=3, max_size=3),
        max_size=5,
    )
)
@settings(max_examples=12, deadline=None)
def test_decisions_are_appended_and_the_last_one_stands(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[str]]
) -> None:
    place = tmp_path_factory.mktemp("decisions") / "c.sqlite"
    catalogue = Catalogue(place)
    _fill(catalogue, ["a", "b", "c"])
    appended = 0
    for number, verdicts in enumerate(rounds):
        decisions = [
            Decision(f"sha-{name}", "", verdict, f"Because {verdict}.")
            for name, verdict in zip("abc", verdicts, strict=True)
        ]
        appended += catalogue.decide("ruling", {}, f"{number}", decisions)
        assert [row.verdict for row in catalogue.rows("ruling")] == verdicts
        assert catalogue.decide("ruling", {}, f"{number}", decisions) == 0
        assert sum(catalogue.counts().values()) == 3
    with sqlite3.connect(place) as connection:
        assert connection.execute("SELECT count(*) FROM decision").fetchone() == (appended,)
    shutil.rmtree(place.parent)


def test_migrations_travel_in_the_package() -> None:
    """Alembic reads its scripts from files beside the module, so they must be installed as such."""
    root = Path(tables.__file__).parent / "migrations"
    assert (root / "env.py").is_file()
    newest = max(p.stem for p in (root / "versions").glob("0*.py"))
    assert newest.split("_")[0] == tables.HEAD
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert "archive/migrations/*" in text and "archive/migrations/versions/*" in text


def test_opening_a_migrated_catalogue_needs_no_alembic(tmp_path: Path) -> None:
    Catalogue(tmp_path / "c.sqlite")
    code = (
        "import sys; from pathlib import Path; from merzmory.archive.catalogue import Catalogue;"
        "Catalogue(Path(sys.argv[1])).counts(); sys.exit('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "c.sqlite"], timeout=60)
    assert done.returncode == 0
