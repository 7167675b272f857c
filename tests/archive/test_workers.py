"""A file hurts its worker and nothing else; nobody is left behind; the number does not matter."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from merzmory.archive import ingest, workers
from merzmory.archive.assets import ERROR, READ, Pending
from merzmory.archive.sources.folder import FolderSource
from merzmory.archive.workers import Look, Pool
from merzmory.manifest import do

from .pathological import endless_jpeg, vast_png

Pictures = Callable[[int], Image.Image]
posix = pytest.mark.skipif(sys.platform == "win32", reason="the limits are POSIX's")


@pytest.fixture
def folder(tmp_path: Path, pictures: Pictures) -> Path:
    """Three sound photographs and, between them by name, room for one that is not."""
    place = tmp_path / "photos"
    place.mkdir()
    for name in ("a.jpg", "c.jpg", "d.jpg"):
        pictures(ord(name[0])).save(place / name, quality=90)
    return place


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two workers; a second of work a file."""
    made = Pool(2, seconds=1)
    yield made
    made.close()


def _look(pool: Pool, folder: Path) -> dict[str, Look]:
    files = [Pending(str(path)) for path in sorted(folder.iterdir())]
    return {Path(files[number].path).name: look for number, look in pool.look(files)}


def _said(look: Look) -> tuple[str, str]:
    assert look.place is not None
    return (look.asset.verdict, look.asset.reason) if look.asset else (
        look.place.verdict, look.place.reason
    )  # fmt: skip


def _sound(looks: dict[str, Look]) -> bool:
    return all(_said(look) == (READ, "") for name, look in looks.items() if name != "b.jpg")


def _at_work(pool: Pool, then: Callable[[int], None]) -> threading.Thread:
    """Call `then(process id)` of the worker that has hashed b.jpg and decodes it now."""

    def watch() -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            for worker in list(pool._workers):
                if worker.place is not None and worker.place.path.endswith("b.jpg"):
                    time.sleep(0.2)
                    then(worker.process.pid)
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@posix
def test_a_file_that_never_ends_is_given_up(folder: Path, pool: Pool) -> None:
    (folder / "b.jpg").write_bytes(endless_jpeg())
    looks = _look(pool, folder)
    assert len(looks) == 4 and _sound(looks)
    verdict, reason = _said(looks["b.jpg"])
    assert verdict == ERROR and "more than 1 seconds of work" in reason
    assert looks["b.jpg"].asset is not None  # its hash is known: it is not tried again


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the limit of memory")
def test_a_file_that_eats_memory_is_given_up(folder: Path) -> None:
    (folder / "b.jpg").write_bytes(vast_png())
    small = Pool(1, memory=800 * 2**20)
    try:
        looks = _look(small, folder)
    finally:
        small.close()
    assert len(looks) == 4 and _sound(looks)
    verdict, reason = _said(looks["b.jpg"])
    assert verdict == ERROR and "memory" in reason


@posix
def test_a_decoder_that_crashes_takes_its_worker_alone(folder: Path, pool: Pool) -> None:
    (folder / "b.jpg").write_bytes(endless_jpeg())
    watch = _at_work(pool, lambda pid: os.kill(pid, signal.SIGSEGV))
    looks = _look(pool, folder)
    watch.join()
    assert len(looks) == 4 and _sound(looks)
    verdict, reason = _said(looks["b.jpg"])
    assert verdict == ERROR and "makes its decoder crash" in reason
    assert _sound(_look(pool, folder))  # another one took its place


@posix
def test_a_worker_that_is_killed_leaves_its_file_for_the_next_time(folder: Path) -> None:
    (folder / "b.jpg").write_bytes(endless_jpeg(scans=200))
    pool = Pool(2)
    watch = _at_work(pool, lambda pid: os.kill(pid, signal.SIGKILL))
    looks = _look(pool, folder)
    watch.join()
    pool.close()
    assert len(looks) == 4 and _sound(looks)
    place = looks["b.jpg"].place
    assert place is not None and (place.verdict, place.sha256) == (ERROR, None)
    assert "ended from outside" in place.reason


@posix
def test_a_file_that_gives_nothing_is_given_up(
    folder: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_PATIENCE", 2)
    (folder / "b.jpg").write_bytes(endless_jpeg())
    watch = _at_work(pool, lambda pid: os.kill(pid, signal.SIGSTOP))
    looks = _look(pool, folder)
    watch.join()
    assert len(looks) == 4 and _sound(looks)
    assert "gave nothing for 2 seconds" in _said(looks["b.jpg"])[1]


def test_a_worker_that_does_not_start_is_one_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('no cv2 here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    broken = Pool(1)
    with pytest.raises(workers.ArchiveError, match="does not start"):
        _look(broken, folder)
    broken.close()


def _dump(archive: Path) -> list[tuple[object, ...]]:
    """All that the catalogue says but for the times at which it was written."""
    with sqlite3.connect(archive / "catalogue.sqlite") as base:
        assets = base.execute("SELECT * FROM asset ORDER BY sha256").fetchall()
        places = base.execute(
            "SELECT path, bytes, mtime_ns, sha256, verdict, reason, origin FROM location "
            "ORDER BY path"
        ).fetchall()
    return [*assets, *places]


def test_the_number_of_workers_does_not_show(tmp_path: Path, pictures: Pictures) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        suffix = ("jpg", "png", "webp", "tif")[number % 4]
        pictures(number).save(folder / f"{number:02d}.{suffix}")
    for number in range(4):
        shutil.copy(folder / f"{number * 4:02d}.jpg", folder / f"copy{number}.jpg")
    whole = (folder / "00.jpg").read_bytes()
    odd = {"cut.jpg": whole[:300], "empty.jpg": b"", "text.jpg": b"text", "a.txt": b"notes",
           "film.mov": b"film", "none": b"\xff\xd8\xff"}  # fmt: skip
    for name, data in odd.items():
        (folder / name).write_bytes(data)
    dumps = []
    for count in (1, 2, 3):
        archive = tmp_path / f"archive{count}"
        work = ingest.plan(
            source=FolderSource(folder), archive=archive, shard_size=64, workers=count
        )
        do(work)
        dumps.append(_dump(archive))
    assert len([row for row in dumps[0] if len(row) == 7]) == 30
    assert dumps[0] == dumps[1] == dumps[2]


_INGEST = """
import sys
from pathlib import Path
from merzmory.archive import ingest
from merzmory.archive.sources.folder import FolderSource
from merzmory.manifest import do
do(ingest.plan(source=FolderSource(sys.argv[1]), archive=Path(sys.argv[2]), shard_size=64))
"""


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            about = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(about[1]) == parent and about[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def _is_there(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to see processes")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_behind(folder: Path, tmp_path: Path, sent: signal.Signals) -> None:
    (folder / "b.jpg").write_bytes(endless_jpeg())
    parent = subprocess.Popen(
        [sys.executable, "-c", _INGEST, str(folder), str(tmp_path / "archive")],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until = time.monotonic() + 30
    while not (programs := _children(parent.pid)):
        assert time.monotonic() < until and parent.poll() is None
        time.sleep(0.02)
    time.sleep(0.8)  # it decodes
    parent.send_signal(sent)
    assert parent.wait(30) != 0
    while any(_is_there(pid) for pid in programs):
        assert time.monotonic() < until
        time.sleep(0.05)
