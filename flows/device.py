"""One training at a time on a device, machine-wide: two would starve each other of memory."""

from __future__ import annotations

import getpass
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from merzmory.errors import MerzmoryError
from merzmory.records import Announce, silent
from merzmory.turns import taken


def named(device: str) -> str:
    """The one name of a device: "auto" and "cuda" become what the engine takes.

    Raises:
        MerzmoryError: there is no such device here.
    """
    from merzmory.gan.config import EngineError
    from merzmory.gan.training import choose_device

    try:
        name = str(choose_device(device))
    except EngineError as error:
        raise MerzmoryError(f"{str(error)[:1].upper()}{str(error)[1:]} (train.device).") from error
    return "cuda:0" if name == "cuda" else name


@contextmanager
def one_training(device: str, announce: Announce = silent) -> Iterator[None]:
    """Hold `device` for a training; while another training holds it, wait and announce that."""
    name = named(device)
    note = f"another training is using the {name}; this one starts when it ends"
    with taken(_lock(name), announce, "train", note):
        yield


def _lock(name: str) -> FileLock:
    slug = re.sub(r"[^\w-]+", "-", name)
    folder = Path(tempfile.gettempdir())
    lock = FileLock(folder / f"merzmory-{slug}.lock", mode=0o666)
    try:
        with lock.acquire(timeout=0):
            return lock
    except Timeout:
        return lock
    except OSError:  # another person's file that this one may not open: each waits for their own
        return FileLock(folder / f"merzmory-{getpass.getuser()}-{slug}.lock")
