"""Originals at a URL: the same promises as on a disk, and one sentence where the extra is missing."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from merzmory.archive import ingest
from merzmory.archive.sources.detect import source_for
from merzmory.archive.sources.source import SOURCES
from merzmory.config import Archive
from merzmory.errors import ArchiveError
from merzmory.manifest import do
from merzmory.originals import access as originals
from merzmory.originals import remote

fsspec = pytest.importorskip("fsspec", reason="needs the extra remote")


@pytest.fixture
def place() -> Iterator[str]:
    """A place in memory with two photographs, and a ZIP of two."""
    memory = fsspec.filesystem("memory")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number in range(4):
            picture = io.BytesIO()
            Image.effect_noise((90, 70), 20 + 20 * number).convert("RGB").save(picture, "PNG")
            if number < 2:
                memory.pipe(f"/bucket/album/{number}.png", picture.getvalue())
            else:
                archive.writestr(f"{number}.png", picture.getvalue())
    memory.pipe("/bucket/more.zip", data.getvalue())
    yield "memory://bucket"
    memory.rm("/bucket", recursive=True)


def test_a_root_and_a_zip_in_memory(place: str) -> None:
    assert source_for(place) == "folder" and source_for(f"{place}/more.zip") == "zip"
    folder = Archive(folder=place).folder  # type: ignore[arg-type]  # as TOML gives it
    assert folder == place
    for root, count in ((folder, 3), (f"{place}/more.zip", 2)):
        source = SOURCES[source_for(root)](folder=root)
        found = list(source.files())
        assert found == list(source.files()) and len(found) == count and source.label
        for file in found:
            assert (file.bytes, file.mtime_ns) == originals.status(file.path)
            with originals.opened(file.path) as data:
                assert len(data.read()) == file.bytes


def test_ingest_of_a_url(place: str, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.get("/bucket", str(tmp_path / "bucket"), recursive=True)
    url = f"local://{tmp_path}/bucket"  # fsspec's, and there for every process
    for root, count in ((url, 3), (f"{url}/more.zip", 2)):
        source, archive = SOURCES[source_for(root)](folder=root), tmp_path / f"{count}"
        do(ingest.plan(source=source, archive=archive, shard_size=2, workers=1))
        rows = ingest.catalogue_of(archive).rows()
        assert len(rows) == count and all(row.path.startswith(url) for row in rows)
        assert sum(row.verdict == "kept" for row in rows) == 2
        assert ingest.plan(source=source, archive=archive, shard_size=2).shards == 0


def test_a_url_of_a_file_here(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("here")
    url = (tmp_path / "a.txt").as_uri()
    with originals.opened(url) as data:
        assert data.read() == b"here"
    assert originals.status(url)[0] == 4
    assert SOURCES["folder"](folder=tmp_path.as_uri()).settings["folder"] == str(tmp_path)


def test_what_is_not_there(place: str) -> None:
    with pytest.raises(FileNotFoundError):
        originals.status(f"{place}/no.jpg")
    with pytest.raises(ArchiveError, match="nothing at memory://nowhere"):
        list(SOURCES["folder"](folder="memory://nowhere").files())
    with pytest.raises(ArchiveError, match="cannot be opened"):
        remote.kind("nosuchscheme://x")


def test_without_the_extra_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ArchiveError, match=r"pip install merzmory\[remote\]"):
        list(SOURCES["folder"](folder="s3://bucket/photos").files())
