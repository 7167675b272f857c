"""One at a time: a lock between programs, for which whoever comes later waits and says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from merzmory.records import Announce, Progress

LOOK_AGAIN_SECONDS = 1.0


@contextmanager
def taken(lock: FileLock, announce: Announce, step: str, note: str) -> Iterator[None]:
    """Hold `lock`; while another program does, wait, announcing `note` of `step` each second.

    Raises:
        OSError: the lock's file cannot be written.
    """
    while True:
        try:
            lock.acquire(timeout=LOOK_AGAIN_SECONDS)
            break
        except Timeout:
            announce(Progress(step, 0, 0, note=note))
    try:
        yield
    finally:
        lock.release()
