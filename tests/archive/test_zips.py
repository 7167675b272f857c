"""A hostile or damaged ZIP is one sentence for each file, bounded, and never unpacked."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from merzmory.archive import ingest
from merzmory.archive.sources.source import SOURCES
from merzmory.errors import ArchiveError
from merzmory.manifest import do
from merzmory.originals import access as originals
from merzmory.originals import zips

_CENTRAL, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"


def _headers(data: bytes, name: bytes) -> dict[bytes, int]:
    """Where the two headers of a member begin."""
    found = {}
    for kind, name_at in ((_LOCAL, 30), (_CENTRAL, 46)):
        at = data.find(kind)
        while data[at + name_at : at + name_at + len(name)] != name:
            at = data.index(kind, at + 1)
        found[kind] = at
    return found


def _patched(path: Path, name: str, field: str, value: int) -> None:
    """Change a field of a member's central header, and of its local one where it has it too."""
    offsets = {"flags": (8, 6, "<H"), "method": (10, 8, "<H"), "size": (24, 22, "<L")}
    central, local, form = offsets[field]
    data = bytearray(path.read_bytes())
    places = _headers(bytes(data), name.encode())
    struct.pack_into(form, data, places[_CENTRAL] + central, value)
    struct.pack_into(form, data, places[_LOCAL] + local, value)
    path.write_bytes(data)


@pytest.fixture
def jpegs(pictures: Callable[[int], Image.Image]) -> Callable[[int], bytes]:
    """Photographs as bytes, by number."""

    def make(seed: int) -> bytes:
        data = io.BytesIO()
        pictures(seed).save(data, "JPEG", quality=90)
        return data.getvalue()

    return make


@pytest.fixture
def hostile(tmp_path: Path, jpegs: Callable[[int], bytes]) -> Path:
    """A real ZIP of most of what can be wrong with one."""
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile says that a name is there already
        archive.mkdir("folder")
        names = (
            "good.jpg", "../up.jpg", "a/../../up.jpg", "/absolute.jpg", "C:drive.jpg",
            "back\\slash.jpg", "locked.jpg", "strange.jpg", "torn.jpg", "same.jpg", "same.jpg",
            "Case.jpg", "case.jpg", "latin1.jpg", "utf8__.jpg", "short.jpg",
        )  # fmt: skip
        for number, name in enumerate(names):
            archive.writestr(name, jpegs(number), zipfile.ZIP_STORED)
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bomb.jpg", bytes(48 * 2**20))
        archive.writestr("inner.zip", b"PK\x05\x06" + bytes(18))
        archive.writestr("film.mp4", b"film")
        archive.writestr("notes.txt", "notes")
    _patched(path, "locked.jpg", "flags", 1)
    _patched(path, "strange.jpg", "method", 9)  # Deflate64
    _patched(path, "short.jpg", "size", 100)
    data = bytearray(path.read_bytes())
    at = data.index(jpegs(8))
    data[at + 300] ^= 0xFF
    data = data.replace(b"latin1.jpg", b"caf\xe9.x.jpg").replace(b"utf8__.jpg", "фя__.jpg".encode())
    path.write_bytes(data)
    return path


def test_a_row_for_every_file_of_a_hostile_zip(hostile: Path, tmp_path: Path) -> None:
    before = hostile.read_bytes()
    do(ingest.plan(source=SOURCES["zip"](folder=hostile), archive=tmp_path / "a", shard_size=8))
    rows = {originals.parts(row.path)[1]: row for row in ingest.catalogue_of(tmp_path / "a").rows()}
    assert len(rows) == 21
    assert all(row.reason.endswith(".") and "\n" not in row.reason for row in rows.values())
    said = {
        "../up.jpg": "leads out", "a/../../up.jpg": "leads out", "/absolute.jpg": "leads out",
        "C:drive.jpg": "leads out", "back\\slash.jpg": "backslash", "locked.jpg": "encrypted",
        "strange.jpg": "method", "link.jpg": "link", "bomb.jpg": "200 times",
        "inner.zip": "inside a ZIP", "film.mp4": "film", "notes.txt": "not a picture",
    }  # fmt: skip
    for name, word in said.items():
        assert rows[name].verdict == "skipped" and word in rows[name].reason, name
    for name in ("torn.jpg", "short.jpg"):
        assert rows[name].verdict == "error" and "checksum" in rows[name].reason, name
    kept = {name for name, row in rows.items() if row.verdict == "kept"}
    assert kept == {
        "good.jpg", "same.jpg", "same (2).jpg", "Case.jpg", "case.jpg", "café.x.jpg", "фя__.jpg"
    }  # fmt: skip
    assert hostile.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "hostile.zip"]


def test_a_header_that_claims_too_much_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small.jpg", b"abc")
        archive.writestr("large.jpg", bytes(2**20))
    _patched(path, "small.jpg", "size", 1000)
    with originals.opened(f"{path}!/small.jpg") as data, pytest.raises(OSError, match="damaged"):
        data.read()
    _patched(path, "large.jpg", "size", zips.MAX_MEMBER + 1)
    with pytest.raises(OSError, match="200 times"):
        originals.opened(f"{path}!/large.jpg")
    with pytest.raises(OSError, match="longer than 10"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.json", b"x" * 11)
        originals.read(f"{path}!/x.json", 10)


def test_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.jpg", bytes(100))
    monkeypatch.setattr(zips, "MAX_TOTAL", 250)
    assert [bool(m.refused) for m in zips.Zip(str(path)).members()] == [False] * 2 + [True] * 3
    monkeypatch.setattr(zips, "MAX_MEMBER", 99)
    with pytest.raises(OSError, match="read out of a ZIP"):
        zips.Zip(str(path)).opened("0.jpg")
    monkeypatch.setattr(zips, "MAX_MEMBERS", 4)
    with pytest.raises(zips.UnreadableZipError, match="more than 4 files"):
        zips.Zip(str(path))
    monkeypatch.setattr(zips, "MAX_DIRECTORY", 64)
    with pytest.raises(zips.UnreadableZipError, match="more than 4 files"):
        zips.Zip(str(path))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>log in</html>", "is a web page"),
        (b"PK\x03\x04" + bytes(500), "cut off"),
        (b"PK\x07\x08PK\x03\x04" + bytes(100), "one piece"),
        (b"PK\x05\x06\x02\x00\x02\x00" + bytes(14), "one piece"),
        (b"\xff\xd8\xff" + bytes(500), "no ZIP"),
    ],
)
def test_what_is_no_whole_zip(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(data)
    for name in ("zip", "folder", "instagram_export", "takeout"):
        with pytest.raises(ArchiveError, match=rf"export\.zip .*{said}.*\.$"):
            list(SOURCES[name](folder=path).files())
    [found] = SOURCES["takeout"](folder=tmp_path).files()  # one part of several
    assert found.path == str(path) and said in found.skip and found.skip.endswith(".")


def test_a_truncated_zip_of_photographs(hostile: Path) -> None:
    hostile.write_bytes(hostile.read_bytes()[:-60])
    with pytest.raises(ArchiveError, match="cut off or damaged: download it again"):
        list(SOURCES["zip"](folder=hostile).files())


def test_a_stream_is_unpacked_as_far_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    data = os.urandom(100_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bin", data)
    with originals.opened(f"{path}!/a.bin") as stream:
        assert stream.read(10) == data[:10] and stream.tell() == 10
        assert stream.seek(-5, os.SEEK_END) == 99_995 and stream.read() == data[-5:]
        assert stream.seek(3) == 3 and stream.read(4) == data[3:7]
        assert stream.seek(200_000) == 200_000 and stream.read() == b""
        assert stream.seek(0) == 0 and stream.read() == data
        with pytest.raises(ValueError, match="before"):
            stream.seek(-1)


def test_threads_read_one_zip_and_few_stay_open(tmp_path: Path) -> None:
    names = [f"{number}.bin" for number in range(40)]
    paths = []
    for which in range(zips._OPEN + 4):
        paths.append(tmp_path / f"{which}.zip")
        with zipfile.ZipFile(paths[-1], "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, f"{which} {name}" * 500)

    def read(job: tuple[int, str]) -> bool:
        which, name = job
        with originals.opened(f"{paths[which]}!/{name}") as data:
            return data.read() == (f"{which} {name}" * 500).encode()

    with ThreadPoolExecutor(4) as pool:
        jobs = [(which, name) for name in names[:10] for which in range(len(paths))]
        assert all(pool.map(read, jobs))
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("needs /proc to count the open files")
    files = [os.path.realpath(link) for link in descriptors.iterdir()]
    assert 0 < sum(file.startswith(str(tmp_path)) for file in files) <= zips._OPEN
