"""Originals at a URL, by way of fsspec (the extra `remote`): listed, asked for, opened, never changed.

Nothing is reached but what somebody named as a URL.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from merzmory.errors import ArchiveError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a disk
_CHANGED = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


def is_url(place: str) -> bool:
    """Whether a place is written as a URL."""
    return _URL.match(place) is not None


def kind(url: str) -> str:
    """What lies there: "file", "directory", or "" for nothing.

    Raises:
        ArchiveError: fsspec, or what it needs for this kind of URL, is not installed.
        OSError: it cannot be reached.
    """
    try:
        return str(_told(url)["type"])
    except FileNotFoundError:
        return ""


def status(url: str) -> tuple[int, int]:
    """(bytes, time of change in nanoseconds, 0 where the place does not say).

    Raises:
        ArchiveError: as `kind`.
        OSError: it is gone, is no file, or cannot be reached.
    """
    told = _told(url)
    if told["type"] != "file":
        raise OSError(f"{url} is no regular file")
    return _facts(told)


def opened(url: str) -> BinaryIO:
    """A stream of the file's bytes, which can be sought.

    Raises:
        ArchiveError: as `kind`.
        OSError: it is gone, or cannot be reached.
    """
    system, path = _system(url)
    with _reaching(url):
        return cast(BinaryIO, system.open(path, "rb"))


def walk(url: str) -> Iterator[tuple[str, int, int]]:
    """(URL, bytes, time of change) of every file at or below `url`, by name.

    Raises:
        ArchiveError: as `kind`.
        OSError: it cannot be reached.
    """
    system, path = _system(url)
    with _reaching(url):
        found = system.find(path, detail=True)
    start = path.rstrip("/")
    for name in sorted(found):  # as the place names it, perhaps by another scheme: gcs, gs
        yield (f"{url.rstrip('/')}{name[len(start) :]}", *_facts(found[name]))


def _told(url: str) -> Mapping[str, Any]:
    system, path = _system(url)
    with _reaching(url):
        return cast("Mapping[str, Any]", system.info(path))


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    """Each kind of place has errors of its own: here they are an OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{url} cannot be reached: {error}") from error


def _system(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise ArchiveError(
            f"{url} is read by way of fsspec, which is not installed: run "
            "`pip install merzmory[remote]`, or give a folder on this computer."
        ) from error
    try:
        system, path = fsspec.url_to_fs(url)
    except (ImportError, ValueError) as error:
        sentence = str(error).strip().removesuffix(".")
        raise ArchiveError(
            f"{url} cannot be opened ({sentence}): install what it needs, or give a folder on "
            "this computer."
        ) from error
    return system, str(path)


def _facts(told: Mapping[str, Any]) -> tuple[int, int]:
    changed = next((told[key] for key in _CHANGED if told.get(key)), 0)
    if isinstance(changed, str):
        try:
            changed = datetime.datetime.fromisoformat(changed)
        except ValueError:
            changed = 0
    if isinstance(changed, datetime.datetime):
        changed = changed.timestamp()
    return int(told.get("size") or 0), int(changed * 1_000_000_000)
