"""Who uses the local Prefect server, and which runs they have open.

A process that uses it holds an operating system's lock on `users/ID.lock` and lists its open runs
in `users/ID.json`. The system lets the lock go when the process ends, however it ends: a held
lock means a living user, after a reboot as well as when its process number is used again.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from merzmory.manifest import write_aside


class Presence:
    """One living user of the server of `home`, from `enter` to `leave`."""

    def __init__(self, home: Path) -> None:
        self._runs: list[str] = []
        self._lock = _lock(_folder(home) / f"{os.getpid()}-{secrets.token_hex(4)}.lock")

    def enter(self) -> None:
        """Be seen by others from now on."""
        Path(self._lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(timeout=0)

    def begin(self, run: str) -> None:
        """Note that the flow run `run` (its id) is open here."""
        self._note([*self._runs, run])

    def end(self, run: str) -> None:
        """Note that the flow run `run` has its last state."""
        self._note([known for known in self._runs if known != run])

    def leave(self) -> None:
        """Be gone; runs that are still open are left behind for the next start."""
        self._lock.release()
        if not self._runs:
            _forget(Path(self._lock.lock_file))

    def _note(self, runs: list[str]) -> None:
        self._runs = runs
        path = Path(self._lock.lock_file).with_suffix(".json")
        if runs:
            write_aside(path, json.dumps({"format": 1, "runs": runs}).encode())
        else:
            path.unlink(missing_ok=True)


@contextmanager
def present(home: Path) -> Iterator[Presence]:
    """A Presence that leaves when the block ends."""
    here = Presence(home)
    here.enter()
    try:
        yield here
    finally:
        here.leave()


def living(home: Path) -> int:
    """How many processes use the server of `home` now."""
    return sum(_is_held(path) for path in _folder(home).glob("*.lock"))


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """The flow runs (ids) that a process which is no more had open."""

    runs: list[str]
    lock: Path

    def forget(self) -> None:
        """Strike them off the list."""
        _forget(self.lock)


def left_behind(home: Path) -> list[LeftBehind]:
    """What processes that ended without a word (kill -9, power cut) had open."""
    found = []
    for path in sorted(_folder(home).glob("*.lock")):
        if _is_held(path):
            continue
        runs: list[str] = []
        with suppress(OSError, ValueError, KeyError):
            runs = [str(r) for r in json.loads(path.with_suffix(".json").read_text())["runs"]]
        found.append(LeftBehind(runs, path))
    return found


def _folder(home: Path) -> Path:
    return home / "users"


def _lock(path: Path) -> FileLock:
    return FileLock(path, thread_local=False)


def _is_held(path: Path) -> bool:
    probe = _lock(path)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    probe.release()
    return False


def _forget(lock: Path) -> None:
    lock.with_suffix(".json").unlink(missing_ok=True)
    with suppress(OSError):  # Windows keeps a file that is just being probed
        lock.unlink(missing_ok=True)
