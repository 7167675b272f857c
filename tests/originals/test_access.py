"""Originals are read from files and out of ZIPs, and only read."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from merzmory.originals import access as originals


def _zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"album/{name}.jpg", data)
    return path


def test_a_member_is_read_in_place(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "export.zip", a=b"one")
    path = originals.inside(str(archive), "album/a.jpg")
    with originals.opened(path) as data:
        assert data.read() == b"one"
        data.seek(1)
        assert data.read() == b"ne"
    assert originals.status(path) == (3, archive.stat().st_mtime_ns)
    assert [p.name for p in tmp_path.iterdir()] == ["export.zip"]


def test_a_folder_with_the_sign_in_its_name_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "wow!"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"plain")
    with originals.opened(str(folder / "a.jpg")) as data:
        assert data.read() == b"plain"
    archive = _zip(folder / "b.zip", a=b"packed")
    with originals.opened(originals.inside(str(archive), "album/a.jpg")) as data:
        assert data.read() == b"packed"


def test_what_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    archive = str(_zip(tmp_path / "export.zip", a=b"one"))
    for path in (str(tmp_path / "no.jpg"), originals.inside(archive, "album/no.jpg")):
        with pytest.raises(FileNotFoundError):
            originals.opened(path)
        with pytest.raises(FileNotFoundError):
            originals.status(path)


def test_links_and_pipes_have_no_status(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(OSError, match="regular file"):
            originals.status(str(tmp_path / name))


def test_an_archive_that_changed_is_read_anew(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "export.zip", a=b"one")
    path = originals.inside(str(archive), "album/a.jpg")
    with originals.opened(path) as data:
        assert data.read() == b"one"
    _zip(archive, a=b"another")
    with originals.opened(path) as data:
        assert data.read() == b"another"
