"""An original's bytes, wherever they lie: in a file, at a URL, in a ZIP that is read in place, a film.

A member of a ZIP is written `ARCHIVE!/MEMBER`, a film's frame `FILM!@SECONDS`. Everything is opened
read-only.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import cast

from merzmory.originals import remote, stills, zips

BETWEEN = "!/"  # an archive's path and its member's name


def inside(archive: str, member: str) -> str:
    """The path of a ZIP's member."""
    return f"{archive}{BETWEEN}{member}"


def parts(path: str) -> tuple[str, str]:
    """(archive, member) of the path of a ZIP's member; (path, "") of a file's."""
    at = path.find(BETWEEN)
    while at >= 0:
        if _is_archive(path[:at]):
            return path[:at], path[at + len(BETWEEN) :]
        at = path.find(BETWEEN, at + 1)
    return path, ""


def opened(path: str) -> io.BufferedReader:
    """A binary stream that can be sought, of an original's bytes.

    Raises:
        ArchiveError: it is a URL, and what reads those is not installed.
        OSError: it is gone, closed to this user, refused (`zips`), or damaged inside its ZIP; the
            last also while it is read.
    """
    still = stills.parts(path)
    if still:
        return cast(io.BufferedReader, io.BytesIO(stills.frame(*still)))
    archive, member = parts(path)
    if member:
        try:
            return cast(io.BufferedReader, _zip(archive).opened(member))
        except zips.UnreadableZipError as error:
            raise OSError(f"its ZIP {error}") from error
    if remote.is_url(path):
        return cast(io.BufferedReader, remote.opened(path))
    return Path(path).open("rb")


def read(path: str, most: int) -> bytes:
    """All bytes of an original that is not longer than `most`.

    Raises:
        ArchiveError, OSError: as `opened`; or it is longer.
    """
    with opened(path) as data:
        held = data.read(most + 1)
    if len(held) > most:
        raise OSError(f"it is longer than {most} bytes")
    return held


def status(path: str) -> tuple[int, int]:
    """(bytes, time of change in nanoseconds) of an original, without opening it.

    A member's time is its ZIP's; a frame has its film's size and time.

    Raises:
        ArchiveError: it is a URL, and what reads those is not installed.
        OSError: it is gone, or no regular file (a link, a pipe, a device).
    """
    still = stills.parts(path)
    archive, member = (still[0], "") if still else parts(path)
    size, changed = _file(archive)
    if not member:
        return size, changed
    try:
        return zips.opened(archive, size, changed).size(member), changed
    except KeyError as error:
        raise FileNotFoundError(f"{archive} holds no {member}") from error


def members(archive: str) -> list[zips.Member]:
    """What a ZIP holds, in its own order.

    Raises:
        UnreadableZipError: it is no ZIP, cut off, a piece of one, or beyond the limits of `zips`.
        ArchiveError, OSError: as `status`.
    """
    return _zip(archive).members()


def _zip(archive: str) -> zips.Zip:
    return zips.opened(archive, *_file(archive))


def _file(path: str) -> tuple[int, int]:
    if remote.is_url(path):
        return remote.status(path)
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path} is no regular file")
    return found.st_size, found.st_mtime_ns


def _is_archive(path: str) -> bool:
    if remote.is_url(path):
        return path.lower().endswith(".zip")  # every question is a journey
    return Path(path).is_file()
