"""What a folder or a ZIP holds says which source reads it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from merzmory.archive.sources.detect import source_for
from merzmory.archive.sources.folder import FolderSource
from merzmory.archive.sources.takeout import TakeoutSource
from merzmory.archive.sources.zip import ZipSource
from merzmory.config import Archive, Config
from merzmory.errors import ArchiveError
from merzmory.story.archives import source

_HOLDS = {
    "folder": ["a.jpg", "2019/b.jpg", "notes.json"],
    "instagram_export": ["media/posts/202301/a.jpg", "your_instagram_activity/media/posts_1.json"],
    "takeout": ["Takeout/Google Photos/Photos from 2020/a.jpg"],
}


def _make(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def _pack(path: Path, names: Iterable[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return path


@pytest.mark.parametrize("kind", _HOLDS)
def test_a_folder_its_parent_a_zip_and_a_folder_of_zips(kind: str, tmp_path: Path) -> None:
    names = _HOLDS[kind]
    assert source_for(_make(tmp_path / "x" / "export", names)) == kind
    assert source_for(tmp_path / "x") == kind
    packed = "zip" if kind == "folder" else kind
    (tmp_path / "zips").mkdir()
    assert source_for(_pack(tmp_path / "zips" / "1.ZIP", names)) == packed
    _pack(tmp_path / "zips" / "2.zip", names)
    _make(tmp_path / "zips", ["readme.txt", ".DS_Store"])
    assert source_for(tmp_path / "zips") == packed


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["media.json", "photos/201901/a.jpg"], "instagram_export"),
        (["content/posts_1.json", "media/other/1.jpg"], "folder"),  # told by its neighbours alone
        (["media/stories/202401/a.webp"], "instagram_export"),
        (["Photos from 2020/a.jpg", "Photos from 2020/a.jpg.json"], "takeout"),
        (["Fotos von 2020/a.jpg", "Fotos von 2020/a.jpg.supplemental-metadata.json"], "takeout"),
        (["a.jpg", "Takeout/Google Photos/Photos from 2020/b.jpg"], "folder"),  # some of it
        ([], "folder"),
    ],
)
def test_other_layouts(names: list[str], kind: str, tmp_path: Path) -> None:
    assert source_for(_make(tmp_path, names)) == kind


def test_photographs_with_a_zip_among_them_stay_a_folder(tmp_path: Path) -> None:
    _make(tmp_path, ["a.jpg"])
    _pack(tmp_path / "old.zip", _HOLDS["takeout"])
    assert source_for(tmp_path) == "folder"
    [note] = [file.skip for file in FolderSource(tmp_path).files() if file.skip]
    assert "`merzmory ingest`" in note


def test_two_kinds_of_zips_are_asked_about(tmp_path: Path) -> None:
    _pack(tmp_path / "1.zip", _HOLDS["takeout"])
    _pack(tmp_path / "2.zip", _HOLDS["instagram_export"])
    with pytest.raises(ArchiveError, match="more than one kind"):
        source_for(tmp_path)


def test_what_is_not_there_is_named_by_the_source(tmp_path: Path) -> None:
    assert source_for(tmp_path / "no") == "folder" and source_for(tmp_path / "no.zip") == "zip"
    (tmp_path / "broken.zip").write_bytes(b"<html>")
    assert source_for(tmp_path / "broken.zip") == "zip"
    with pytest.raises(ArchiveError, match="web page"):
        list(ZipSource(tmp_path / "broken.zip").files())


def test_an_explicit_source_wins(tmp_path: Path) -> None:
    folder = _make(tmp_path, _HOLDS["takeout"])
    for said, kind in (("", TakeoutSource), ("folder", FolderSource), ("zip", ZipSource)):
        config = Config(archive=Archive(source=said, folder=folder))  # type: ignore[arg-type]
        assert type(source(config, config.workspace())) is kind
