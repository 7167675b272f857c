"""Every source keeps the same promises; the folder is safe against what disks hold."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from merzmory.archive import ingest
from merzmory.archive.sources.folder import FolderSource
from merzmory.archive.sources.source import SOURCES, Source
from merzmory.errors import ArchiveError
from merzmory.manifest import digest, do
from merzmory.originals import access as originals

_Make = Callable[[], Source]


@pytest.fixture(params=sorted(SOURCES))
def make(request: pytest.FixtureRequest, tmp_path: Path, picture: Image.Image) -> _Make:
    """A way to make the source of a name, equal each time."""
    folder = tmp_path / "photographs"
    (folder / "below").mkdir(parents=True)
    for name in ("b.jpg", "a.jpg", "below/c.png"):
        picture.save(folder / name)
    packed = tmp_path / "packed" / "photographs.zip"
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, f"media/posts/202301/{file.name}")
    shutil.copytree(folder, packed.parent / "unpacked" / "Takeout" / "Google Photos")
    knobs: dict[str, dict[str, Any]] = {
        "folder": {"folder": folder},
        "zip": {"folder": packed},
        "instagram_export": {"folder": packed},
        "takeout": {"folder": packed.parent},
        "sample": {"into": tmp_path / "archives", "photos": 5},
    }
    into = tmp_path / "archives"
    knobs["instagram"] = {"into": into, "private": tmp_path / "private", "profile": "anna"}
    knobs["flickr"] = {"into": into, "text": "alps", "licences": ["by"], "count": 3,
                       "originals": False, "per_hour": 9}  # fmt: skip
    made: Any = SOURCES[request.param](**knobs[request.param])
    if request.param in {"instagram", "flickr"}:  # as if it had been fetched
        shutil.copytree(folder, made.downloads.photographs)
    return lambda: SOURCES[request.param](**knobs[request.param])


def test_contract(make: _Make, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    source = make()
    assert source.label and source.label == make().label
    assert digest(source.settings) == digest(make().settings)  # and is JSON
    assert set(tmp_path.rglob("*")) == before  # making a source touches nothing
    found = list(source.files())
    assert found == list(source.files()) == list(make().files())  # idempotent, in a fixed order
    assert len({file.path for file in found}) == len(found) >= 3
    for file in found:
        assert (file.bytes, file.mtime_ns) == originals.status(file.path)
    places = {Path(originals.parts(file.path)[0]) for file in found}
    root = Path(os.path.commonpath(places))
    below = [root] if root.is_file() else [p for p in root.rglob("*") if p.is_file()]
    assert places == set(below)  # nothing is left out


def test_contract_of_ingest(make: _Make, tmp_path: Path) -> None:
    files = list(make().files())
    before = {path: _sha256(path) for path in {originals.parts(f.path)[0] for f in files}}
    whole = tmp_path / "whole"
    do(ingest.plan(source=make(), archive=whole, shard_size=2))
    rows = ingest.catalogue_of(whole).rows()
    assert sorted(row.path for row in rows) == sorted(file.path for file in files)
    assert sum(row.verdict == "kept" for row in rows) >= 2  # of two with the same bytes, one
    assert all(row.reason.endswith(".") for row in rows)
    assert ingest.plan(source=make(), archive=whole, shard_size=2).shards == 0  # nothing new
    assert ingest.catalogue_of(whole).rows() == rows
    stopped = tmp_path / "stopped"
    ingest.plan(source=make(), archive=stopped, shard_size=2).run_shard(0, lambda _p: None)
    do(ingest.plan(source=make(), archive=stopped, shard_size=2))
    assert ingest.catalogue_of(stopped).rows() == rows
    assert {path: _sha256(path) for path in before} == before


def _sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert FolderSource("~/Pictures").place == str(tmp_path / "Pictures")
    assert FolderSource("~/Pictures/").settings == FolderSource(tmp_path / "Pictures").settings


def test_links_and_devices_are_not_followed_or_opened(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "x.jpg").write_bytes(b"x")
    (root / "deep" / "photo.jpg").write_bytes(b"y")
    (root / "loop").symlink_to(root)
    (root / "deep" / "up").symlink_to("..")
    (root / "away").symlink_to(outside)
    (root / "linked.jpg").symlink_to(outside / "x.jpg")
    (root / "dangling.jpg").symlink_to(root / "nothing")
    os.link(root / "deep" / "photo.jpg", root / "hard.jpg")
    os.mkfifo(root / "pipe.jpg")
    (root / "directory.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        home = Path.cwd()
        os.chdir(root)  # a socket's path is short
        try:
            server.bind("socket.jpg")
        finally:
            os.chdir(home)
        names = [os.path.relpath(file.path, root) for file in FolderSource(root).files()]
    assert names == ["hard.jpg", "deep/photo.jpg"]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    names = [
        b"caf\xe9.jpg",
        "ü.jpg".encode(),
        b"new\nline.jpg",
        b"-rf",
        b"%41.jpg",
        b"\xf0\x9f\x93\xb7",
    ]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    found = {os.fsencode(file.path).rsplit(b"/", 1)[1] for file in FolderSource(tmp_path).files()}
    assert found == set(names)


def test_a_closed_folder_is_told_and_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_bytes(b"x")
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    closed: list[str] = []
    found = list(FolderSource(tmp_path).files(closed.append))
    assert [Path(file.path).parent.name for file in found] == ["a", "c"]
    assert closed == [str(tmp_path / "b")]


def test_no_folder_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"no ZIP")
    for place, words in (
        ("nothing", "There is no folder or ZIP .* --set archive.folder=FOLDER"),
        ("file", "file is no ZIP: give a folder or a ZIP"),
    ):
        with pytest.raises(ArchiveError, match=words):
            list(FolderSource(tmp_path / place).files())

    def refuse(_path: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ArchiveError, match="cannot be opened"):
        list(FolderSource(tmp_path).files())
