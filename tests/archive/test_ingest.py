"""Every file once, in one row; unchanged files stay closed; nothing is lost and nothing changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from merzmory.archive import ingest, photograph, workers
from merzmory.archive.assets import Pending, Row
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.sources.folder import FolderSource
from merzmory.errors import ArchiveError, FormatError
from merzmory.manifest import Work, do
from merzmory.originals import decode, raw
from merzmory.records import Progress

Pictures = Callable[[int], Image.Image]


def _plan(folder: Path, archive: Path, shard_size: int = 4) -> Work:
    return ingest.plan(source=FolderSource(folder), archive=archive, shard_size=shard_size)


def _rows(archive: Path) -> dict[str, Row]:
    return {Path(row.path).name: row for row in catalogue_of(archive).rows()}


@pytest.fixture
def folder(tmp_path: Path, pictures: Pictures) -> Path:
    """Ten photographs in two folders."""
    for number in range(10):
        place = tmp_path / "photos" / ("a" if number < 5 else "b")
        place.mkdir(parents=True, exist_ok=True)
        pictures(number).save(place / f"{number}.jpg", quality=90)
    return tmp_path / "photos"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were decoded, as they are."""
    names: list[str] = []
    look = workers.Pool.look

    def listening(pool: workers.Pool, files: Sequence[Pending], *rest: Any) -> Iterator[Any]:
        for number, found in look(pool, files, *rest):
            if found.asset is not None:
                names.append(Path(files[number].path).name)
            yield number, found

    monkeypatch.setattr(workers.Pool, "look", listening)
    return names


def _hashes(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
        for p in folder.rglob("*") if p.is_file() and not p.is_symlink()
    }  # fmt: skip


def test_every_file_has_one_row_and_originals_stay_as_they_are(
    folder: Path, tmp_path: Path, pictures: Pictures
) -> None:
    odd = folder / "odd"
    odd.mkdir()
    shutil.copy(folder / "a" / "1.jpg", odd / "copy.jpg")
    whole = (folder / "a" / "2.jpg").read_bytes()
    files = {
        "empty.jpg": b"", "text.jpg": b"not a picture at all", "cut.jpg": whole[: len(whole) // 2],
        "notes.txt": b"notes", "data.json": b"{}", ".DS_Store": b"\0\0\0\1Bud1",
        "._0.jpg": b"\0\5\x16\7", "film.mov": b"\0" * 64, "raw.CR2": b"II*\0\x10\0\0\0CR" + bytes(64),
        "page.jpg.crdownload": whole[:40], "all.zip": b"PK\3\4", "no-extension": whole + b"\0",
        "wrong.png": whole + b"\0\0",
    }  # fmt: skip
    for name, data in files.items():
        (odd / name).write_bytes(data)
    os.mkfifo(odd / "pipe.jpg")
    (odd / "link.jpg").symlink_to(folder / "a" / "3.jpg")
    before = _hashes(folder)
    do(_plan(folder, tmp_path / "archive"))
    rows = catalogue_of(tmp_path / "archive").rows()
    assert {row.path for row in rows} == set(before) and len(rows) == len(before)
    counts = catalogue_of(tmp_path / "archive").counts()
    assert sum(counts.values()) == len(rows)
    there = raw.reads_raw()
    assert counts == {
        "kept": 13, "duplicate": 1, "rejected": 0, "skipped": 8 - there, "error": 2 + there,
    }  # fmt: skip
    assert all(row.reason.endswith(".") and "\n" not in row.reason for row in rows)
    named = _rows(tmp_path / "archive")
    assert named["copy.jpg"].verdict == "duplicate" and "1.jpg" in named["copy.jpg"].reason
    assert "empty" in named["empty.jpg"].reason and "holds none" in named["text.jpg"].reason
    assert named["cut.jpg"].verdict == "kept"  # half of it is there: culling judges
    assert "RAW" in named["raw.CR2"].reason
    assert named["no-extension"].verdict == named["wrong.png"].verdict == "kept"
    for row in rows:
        assert row.sha256 in {None, before[row.path][0]}
    assert _hashes(folder) == before


def test_a_second_ingest_decodes_nothing(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    heard: list[Progress] = []
    work = _plan(folder, tmp_path / "archive")
    assert work.shards == 3
    assert do(work, heard.append) == tmp_path / "archive"
    assert sorted(decoded) == [f"{n}.jpg" for n in range(10)]
    assert [p.done for p in heard] == list(range(1, 11)) and heard[-1].total == 10
    decoded.clear()
    again = _plan(folder, tmp_path / "archive")
    assert again.shards == 0 and do(again) == tmp_path / "archive"
    assert decoded == []
    Image.new("RGB", (80, 80), "red").save(folder / "new.png")
    do(_plan(folder, tmp_path / "archive"))
    assert decoded == ["new.png"]


def test_an_unchanged_file_is_not_opened(folder: Path, tmp_path: Path) -> None:
    do(_plan(folder, tmp_path / "archive"))
    before = catalogue_of(tmp_path / "archive").rows()
    for path in folder.rglob("*.jpg"):  # whoever opens one sees it
        status = path.stat()
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "z.txt").write_text("new")
    do(_plan(folder, tmp_path / "archive"))
    assert catalogue_of(tmp_path / "archive").rows()[:-1] == before


def test_a_moved_file_is_recognised_by_its_content(
    folder: Path, tmp_path: Path, decoded: list[str]
) -> None:
    do(_plan(folder, tmp_path / "archive"))
    ids = {photo.id for photo in catalogue_of(tmp_path / "archive").keepers()}
    decoded.clear()
    (folder / "c").mkdir()
    (folder / "a" / "0.jpg").rename(folder / "c" / "renamed.jpg")
    os.utime(folder / "c" / "renamed.jpg")
    do(_plan(folder, tmp_path / "archive"))
    catalogue = catalogue_of(tmp_path / "archive")
    assert decoded == []
    assert {photo.id for photo in catalogue.keepers()} == ids
    assert str(folder / "c" / "renamed.jpg") in {photo.path for photo in catalogue.keepers()}
    assert len(catalogue.rows()) == 10


def test_vanished_files_leave_and_come_back_without_decoding(
    folder: Path, tmp_path: Path, decoded: list[str]
) -> None:
    do(_plan(folder, tmp_path / "archive"))
    (folder / "b").rename(tmp_path / "away")
    do(_plan(folder, tmp_path / "archive"))
    assert len(catalogue_of(tmp_path / "archive").rows()) == 5
    assert len(catalogue_of(tmp_path / "archive").keepers()) == 5
    (tmp_path / "away").rename(folder / "b")
    do(_plan(folder, tmp_path / "archive"))
    assert len(catalogue_of(tmp_path / "archive").keepers()) == 10
    assert len(decoded) == 10


def test_a_disk_that_is_away_forgets_nothing(folder: Path, tmp_path: Path) -> None:
    do(_plan(folder, tmp_path / "archive"))
    shutil.move(folder, tmp_path / "away")
    with pytest.raises(ArchiveError, match="connect the disk"):
        _plan(folder, tmp_path / "archive")
    folder.mkdir()  # its empty mount point
    with pytest.raises(ArchiveError, match="is empty"):
        _plan(folder, tmp_path / "archive")
    assert len(catalogue_of(tmp_path / "archive").keepers()) == 10


def test_a_folder_that_does_not_open_keeps_its_rows(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(_plan(folder, tmp_path / "archive"))
    scandir = os.scandir

    def refusing(path: object) -> object:
        if str(path) == str(folder / "b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", refusing)
    Image.new("RGB", (80, 80), "red").save(folder / "a" / "new.png")
    heard: list[Progress] = []
    do(_plan(folder, tmp_path / "archive"), heard.append)
    assert len(catalogue_of(tmp_path / "archive").rows()) == 11
    assert "1 folders could not be opened" in heard[-1].note


def test_a_changed_file_is_read_again(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    do(_plan(folder, tmp_path / "archive"))
    decoded.clear()
    Image.new("RGB", (90, 70), "green").save(folder / "a" / "0.jpg")
    do(_plan(folder, tmp_path / "archive"))
    assert decoded == ["0.jpg"]
    assert (_rows(tmp_path / "archive")["0.jpg"].width, 90) == (90, 90)


def test_a_new_version_of_the_measures_decodes_again(
    folder: Path, tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    do(_plan(folder, tmp_path / "archive"))
    decoded.clear()
    monkeypatch.setattr(ingest, "ALGORITHM", photograph.ALGORITHM + 1)
    do(_plan(folder, tmp_path / "archive"))
    assert len(decoded) == 10
    assert _plan(folder, tmp_path / "archive").shards == 0


def test_shards_in_any_order_and_taken_up_again(
    folder: Path, tmp_path: Path, decoded: list[str]
) -> None:
    do(_plan(folder, tmp_path / "one"))
    wanted = catalogue_of(tmp_path / "one").rows()
    decoded.clear()
    work = _plan(folder, tmp_path / "two", shard_size=3)
    work.run_shard(2, lambda _progress: None)
    assert len(decoded) == 3
    with pytest.raises(FormatError, match="7 files of photos have not been read"):
        work.finish()
    again = _plan(folder, tmp_path / "two", shard_size=64)  # begun: the same shards
    assert again.shards == 4
    for index in (3, 2, 0, 1, 1):
        again.run_shard(index, lambda _progress: None)
    again.finish()
    assert len(decoded) == 10
    assert catalogue_of(tmp_path / "two").rows() == wanted


_KILLED = """
import os, signal, sys
from pathlib import Path
from merzmory.archive import ingest
from merzmory.archive.sources.folder import FolderSource
from merzmory.manifest import do
def announce(progress):
    if progress.done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
source = FolderSource(sys.argv[1])
do(ingest.plan(source=source, archive=Path(sys.argv[2]), shard_size=4), announce)
"""


def test_kill_9_loses_no_more_than_its_shard(
    folder: Path, tmp_path: Path, decoded: list[str]
) -> None:
    archive = tmp_path / "archive"
    done = subprocess.run([sys.executable, "-c", _KILLED, folder, archive, "7"], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(catalogue_of(archive).rows()) == 4
    do(_plan(folder, archive))
    assert len(decoded) == 6
    assert catalogue_of(archive).counts()["kept"] == 10


def test_a_file_that_goes_between_plan_and_shard_is_no_error(folder: Path, tmp_path: Path) -> None:
    work = _plan(folder, tmp_path / "archive")
    (folder / "a" / "0.jpg").unlink()
    do(work)
    assert len(catalogue_of(tmp_path / "archive").rows()) == 9


def test_nothing_to_read_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with pytest.raises(ArchiveError, match="The archive photos is empty"):
        _plan(folder, tmp_path / "archive")
    (folder / "a.txt").write_text("a")
    (folder / "b.mov").write_bytes(b"\0" * 99)
    with pytest.raises(ArchiveError, match="holds 2 files but no pictures"):
        _plan(folder, tmp_path / "archive")
    (folder / "c.jpg").write_bytes(b"nothing")
    with pytest.raises(ArchiveError, match=r"None of the 3 files.*c\.jpg.*holds none"):
        do(_plan(folder, tmp_path / "archive"))


def test_what_the_project_made_is_not_taken_for_photographs(folder: Path) -> None:
    made = folder / "outputs" / "demo" / "samples-00000000"
    made.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(made / "0.png")
    archive = folder / "outputs" / "archives" / "photos-00000000"
    do(_plan(folder, archive))
    assert len(catalogue_of(archive).rows()) == 10
    assert _plan(folder, archive).shards == 0


def test_heic_waits_for_its_extra(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not decode.reads_heic():
        pytest.skip("needs pillow-heif to write a HEIC file")
    with Image.open(folder / "a" / "0.jpg") as picture:
        picture.save(folder / "phone.heic", "HEIF")
    with monkeypatch.context() as bare:
        bare.setattr(decode, "reads_heic", lambda: False)
        (tmp_path / "pillow_heif.py").write_text("raise ImportError")
        bare.setenv("PYTHONPATH", str(tmp_path))
        do(_plan(folder, tmp_path / "archive"))
        row = _rows(tmp_path / "archive")["phone.heic"]
        assert row.verdict == "skipped" and "merzmory[heic]" in row.reason
        assert _plan(folder, tmp_path / "archive").shards == 0
    do(_plan(folder, tmp_path / "archive"))
    assert _rows(tmp_path / "archive")["phone.heic"].verdict == "kept"
    assert _plan(folder, tmp_path / "archive").shards == 0


def test_names_of_any_bytes_are_catalogued(folder: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9\n.jpg"))
    shutil.copy(folder / "a" / "0.jpg", odd)
    do(_plan(folder, tmp_path / "archive"))
    assert str(odd) in {row.path for row in catalogue_of(tmp_path / "archive").rows()}
    assert _plan(folder, tmp_path / "archive").shards == 0


def test_real_photographs(shared: Path, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    for part in ("jpg/gps", "jpg/invalid", "heic/IMG_5195.HEIC"):
        original = shared / "photos" / "exif-samples" / part
        if original.is_dir():
            shutil.copytree(original, source / part)
        else:
            shutil.copy(original, source)
    before = _hashes(source)
    do(_plan(source, tmp_path / "archive", shard_size=64))
    rows = catalogue_of(tmp_path / "archive").rows()
    assert {row.path for row in rows} == set(before)
    assert _hashes(source) == before
    named = {Path(row.path).name: row for row in rows}
    assert named["DSCN0010.jpg"].place == (43.467448, 11.885127)
    assert all(row.verdict in {"kept", "duplicate"} for row in rows if row.path.endswith("jpg"))
    phone = named["IMG_5195.HEIC"]
    assert phone.verdict == ("kept" if decode.reads_heic() else "skipped")
    if phone.verdict == "kept":
        assert (phone.width, phone.height, phone.taken) == (2566, 3313, "2021-04-11T15:47:53-05:00")
