"""Photographs are looked into by programs of their own, so that a file can only hurt its worker.

A decoder that hangs, eats memory or crashes takes its process with it and nothing else: the file
gets its sentence and another worker starts. Plain processes and pipes, so that they work inside
Prefect's, Dask's and Ray's workers too, on every system; when their parent ends, they end.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from merzmory.archive.assets import ERROR, Asset, Location, Pending
from merzmory.errors import ArchiveError
from merzmory.originals import access as originals

SECONDS = 10  # of computing a file: the slowest sound ones (200 megapixels of HEIC) take 5
MEMORY = 3 * 2**30  # bytes a worker may address: 178 megapixels, decoded and converted, take 2 GiB
_PATIENCE = 12  # times SECONDS of waiting: disks and neighbours are slow, 2 GB at 20 MB/s are 100 s
_START_SECONDS = 120.0  # a cold start from a slow disk; a warm one takes 0.2 s
_END_SECONDS = 5.0  # between a worker's last word and its end
_FILES_A_WORKER = 16  # fewer are read sooner than another worker starts
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",  # threads address memory
    # glibc: pictures come out of memory that is kept, for new pages cost 2 ms a photograph
    "MALLOC_MMAP_THRESHOLD_": f"{2**28}", "MALLOC_TRIM_THRESHOLD_": f"{2**28}",
}  # fmt: skip
ENDED = (
    "What read it was ended from outside, perhaps for want of memory: close other programs and run "
    "the command again."
)


@dataclass(frozen=True, slots=True)
class Look:
    """What a file is. `place` is None where it is gone; `asset` is its picture, if measured now."""

    place: Location | None
    asset: Asset | None = None


class _Worker:
    """A process, and the file that it is looking into."""

    def __init__(self, seconds: int, memory: int, answers: queue.SimpleQueue[Any]) -> None:
        code_at = str(Path(__file__).resolve().parents[2])
        paths = [code_at, *filter(None, [os.environ.get("PYTHONPATH")])]
        apart: dict[str, Any] = {"start_new_session": True}  # Ctrl-C is their parent's
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
            apart = {"creationflags": flags}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "merzmory.archive.worker", str(seconds), str(memory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={
                **os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths),
            },
            **apart,
        )  # fmt: skip
        self.ready = False
        self.late = False
        self.file: Pending | None = None
        self.number = -1
        self.place: Location | None = None
        self.deadline = time.monotonic() + _START_SECONDS
        assert self.process.stdout is not None
        threading.Thread(
            target=self._listen, args=(self.process.stdout, answers), daemon=True
        ).start()

    def _listen(self, lines: BinaryIO, answers: queue.SimpleQueue[Any]) -> None:
        with suppress(ValueError, OSError):  # closed meanwhile
            for line in lines:
                answers.put((self, json.loads(line)))
        answers.put((self, None))

    def tell(self, line: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # it died just now: its end is on the way
            self.process.stdin.write(json.dumps(line).encode() + b"\n")
            self.process.stdin.flush()

    def settled(self) -> int:
        """The number of its file, which it is done with."""
        self.file = None
        return self.number

    def end(self) -> int:
        """Kill it, wait for it, and give its exit status."""
        self.process.kill()
        status = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with suppress(OSError):
                if pipe is not None and not pipe.closed:
                    pipe.close()
        return status


class Pool:
    """Up to `count` workers, started when there is work for them and kept until `close`."""

    def __init__(self, count: int = 0, *, seconds: int = SECONDS, memory: int = MEMORY) -> None:
        """`count` 0 is as many as this process has cores; the limits are for each file."""
        self.count = count or _cores()
        self._seconds, self._memory = seconds, memory
        self._workers: list[_Worker] = []
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._one = threading.Lock()

    def look(
        self, files: Sequence[Pending], is_new: Callable[[str], bool] = lambda _sha256: True
    ) -> Iterator[tuple[int, Look]]:
        """(number in `files`, what it is) of each file, as they get done.

        `is_new` says whether bytes with this hash are to be measured; equal ones among `files`
        are measured once.

        Raises:
            ArchiveError: the workers do not start.
        """
        with self._one:
            waiting = deque(enumerate(files))
            measured: set[str] = set()

            def wanted(sha256: str) -> bool:
                if sha256 in measured or not is_new(sha256):
                    return False
                measured.add(sha256)
                return True

            self._start(min(self.count, -(-len(files) // _FILES_A_WORKER)))
            left = len(files)
            try:
                while left:
                    self._hand_out(waiting)
                    for number, look in self._heard(wanted):
                        left -= 1
                        yield number, look
            finally:
                if left:
                    self.close()

    def close(self) -> None:
        """End the workers, in the middle of a file too."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def _start(self, count: int) -> None:
        while len(self._workers) < count:
            self._workers.append(_Worker(self._seconds, self._memory, self._answers))

    def _hand_out(self, waiting: deque[tuple[int, Pending]]) -> None:
        for worker in self._workers:
            if worker.file is None and waiting:
                worker.number, worker.file = waiting.popleft()
                worker.place = None
                worker.tell({"path": worker.file.path, "skip": worker.file.skip})
                if worker.ready:
                    worker.deadline = self._later()

    def _heard(self, wanted: Callable[[str], bool]) -> Iterator[tuple[int, Look]]:
        """Wait for one line of a worker, or for one that is late; the file that it settles."""
        busy = [worker for worker in self._workers if worker.file is not None]
        try:
            wait = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
            worker, line = self._answers.get(timeout=wait)
        except queue.Empty:
            now = time.monotonic()
            for worker in busy:
                if worker.deadline <= now:
                    worker.late = True
                    worker.process.kill()
                    worker.deadline = now + _START_SECONDS  # its end comes as a line
            return
        if worker not in self._workers:
            return
        if line is None:
            yield from self._replaced(worker)
        elif "ready" in line:
            worker.ready, worker.deadline = True, self._later()
        elif "place" in line:
            worker.place = _location(line["place"])
            if worker.place is None or worker.place.sha256 is None:
                yield worker.settled(), Look(worker.place)
            else:
                worker.tell({"measure": wanted(worker.place.sha256)})
        else:
            yield worker.settled(), Look(worker.place, _asset(line["asset"]))

    def _replaced(self, worker: _Worker) -> Iterator[tuple[int, Look]]:
        """Another worker in the place of one that ended; the file that it ended over."""
        with suppress(subprocess.TimeoutExpired):  # its own end, not ours, says what it was
            worker.process.wait(_END_SECONDS)
        said = b""
        if not worker.ready and worker.process.stderr is not None:
            said = worker.process.stderr.read()[-500:]
        status = worker.end()
        self._workers.remove(worker)
        if not worker.ready:
            words = said.decode(errors="replace").strip().rsplit("\n", 1)[-1]
            raise ArchiveError(
                "The program that reads photographs does not start "
                f"({words or f'it ends with {status}'}): install merzmory again, or free some "
                "memory."
            )
        self._start(len(self._workers) + 1)
        if worker.file is not None:
            yield worker.number, self._ended(worker, worker.file, status)

    def _ended(self, worker: _Worker, file: Pending, status: int) -> Look:
        """What to say of the file that a worker ended over."""
        again = False
        if worker.late:
            sentence = (
                f"It gave nothing for {self._seconds * _PATIENCE} seconds, which is the limit: "
                "look whether its disk answers, and save a fresh copy of it."
            )
        elif status == -getattr(signal, "SIGXCPU", 0):
            sentence = (
                f"It takes more than {self._seconds} seconds of work, which is the limit: it is "
                "damaged, so save a fresh copy of it."
            )
        elif status in {-getattr(signal, "SIGKILL", 0), -signal.SIGTERM}:
            again = True
            sentence = ENDED
        else:
            sentence = "It makes its decoder crash: it is damaged, so save a fresh copy of it."
        place = worker.place
        if place is None:
            with suppress(OSError):
                place = Location(file.path, *originals.status(file.path), None, ERROR)
        if place is None:
            return Look(None)
        if again or place.sha256 is None:  # without a hash, the next ingest tries it again
            return Look(Location(file.path, place.bytes, place.mtime_ns, None, ERROR, sentence))
        return Look(place, Asset(place.sha256, place.bytes, ERROR, sentence))

    def _later(self) -> float:
        return time.monotonic() + self._seconds * _PATIENCE


def shared(count: int) -> Pool:
    """This process's pool of `count` workers; it is closed when the process ends."""
    key = (os.getpid(), count)  # a forked child has none of its parent's threads
    if key not in _pools:
        _pools[key] = Pool(count)
    return _pools[key]


def close() -> None:
    """End the workers of this process's pools."""
    for (process, _count), pool in _pools.items():
        if process == os.getpid():
            pool.close()


_pools: dict[tuple[int, int], Pool] = {}
atexit.register(close)


def _cores() -> int:
    with suppress(AttributeError):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _location(said: Mapping[str, Any] | None) -> Location | None:
    return Location(**said) if said else None


def _asset(said: Mapping[str, Any] | None) -> Asset | None:
    if said is None:
        return None
    return Asset(**{**said, "faces": tuple(tuple(box) for box in said["faces"])})
