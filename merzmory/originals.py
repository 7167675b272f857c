"""An original's bytes, wherever they lie: in a file, or in a ZIP that is read in place.

A member of a ZIP is written `ARCHIVE!/MEMBER`. Everything is opened read-only.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from functools import lru_cache
from pathlib import Path

BETWEEN = "!/"  # an archive's path and its member's name


def inside(archive: str, member: str) -> str:
    """The path of a ZIP's member."""
    return f"{archive}{BETWEEN}{member}"


def parts(path: str) -> tuple[str, str]:
    """(archive, member) of the path of a ZIP's member; (path, "") of a file's."""
    at = path.find(BETWEEN)
    while at >= 0:
        if Path(path[:at]).is_file():
            return path[:at], path[at + len(BETWEEN) :]
        at = path.find(BETWEEN, at + 1)
    return path, ""


def opened(path: str) -> io.BufferedReader | io.BytesIO:
    """A binary stream that can be sought, of an original's bytes.

    Raises:
        OSError: it is gone, closed to this user, or damaged inside its ZIP.
    """
    archive, member = parts(path) if BETWEEN in path else (path, "")
    if not member:
        return Path(path).open("rb")
    status = Path(archive).stat()
    try:
        return io.BytesIO(_archive(archive, status.st_size, status.st_mtime_ns).read(member))
    except KeyError as error:
        raise FileNotFoundError(f"{archive} holds no {member}") from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError) as error:
        raise OSError(f"{member} in {archive} is damaged") from error


def status(path: str) -> tuple[int, int]:
    """(bytes, time of change in nanoseconds) of an original, without opening it.

    Raises:
        OSError: it is gone, or no regular file (a link, a pipe, a device).
    """
    archive, member = parts(path) if BETWEEN in path else (path, "")
    found = os.lstat(archive)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{archive} is no regular file")
    if not member:
        return found.st_size, found.st_mtime_ns
    try:
        return _archive(archive, found.st_size, found.st_mtime_ns).getinfo(member).file_size, (
            found.st_mtime_ns
        )
    except (KeyError, zipfile.BadZipFile) as error:
        raise FileNotFoundError(f"{archive} holds no {member}") from error


@lru_cache(maxsize=8)
def _archive(path: str, _bytes: int, _mtime_ns: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)
