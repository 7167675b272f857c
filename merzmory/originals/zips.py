"""A ZIP that is read in place: what it holds, what of that is refused and why, and its bytes.

Whatever its headers claim, no more is held in memory than the limits below, and nothing is unpacked
onto the disk.
"""

from __future__ import annotations

import functools
import io
import os
import re
import stat
import struct
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from merzmory.originals import remote

MAX_MEMBERS = 500_000  # files in a ZIP
MAX_DIRECTORY = 64 * 2**20  # bytes of a ZIP's own table of contents
MAX_MEMBER = 512 * 2**20  # bytes of a file that is read out of a ZIP
MAX_TOTAL = 2**40  # bytes that the files in a ZIP may claim together
MAX_RATIO = 200  # unpacked bytes for a packed one; photographs are near 1, JSON near 20
_HARMLESS = 16 * 2**20  # bytes: what unpacks to less is no bomb, however well it packs
_OPEN = 16  # ZIPs that are kept open

_PACKERS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 0x1 | 0x40  # flag bits
_UTF8 = 0x800  # flag bit
_DRIVE = re.compile(r"[A-Za-z]:")
_END = b"PK\x05\x06"  # end of central directory


class UnreadableZipError(OSError):
    """A file that is no ZIP to be read; its text goes on after the file's name."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a ZIP. `name` is its own in this ZIP; a second file of a name is NAME (2)."""

    name: str
    bytes: int  # unpacked, as the header claims
    refused: str  # why it is not read, in one sentence; "" where it may be


class Zip:
    """An open ZIP. Several threads may read from it."""

    def __init__(self, path: str) -> None:
        """Read the table of contents.

        Raises:
            UnreadableZipError: it is no ZIP, is cut off, is a piece of one, or is far too large.
            OSError: the file cannot be opened.
        """
        self._file = (
            remote.opened(path) if remote.is_url(path) else Path(path).open("rb")  # noqa: SIM115  (open as long as the Zip is)
        )
        self._lock = threading.Lock()
        try:
            self._zip = _table(self._file)
        except BaseException:
            self._file.close()
            raise
        self._infos = _named(self._zip.infolist())

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def members(self) -> list[Member]:
        """The files, in the ZIP's order; folders are none."""
        found = []
        total = 0
        for name, info in self._infos.items():
            total += info.file_size
            refused = _refused(name, info)
            if not refused and total > MAX_TOTAL:
                refused = (
                    f"The ZIP claims to hold more than {MAX_TOTAL // 2**40} TB: what comes after "
                    "that is not read."
                )
            found.append(Member(name, info.file_size, refused))
        return found

    def size(self, name: str) -> int:
        """The unpacked bytes of a file, as the header claims; KeyError where there is none."""
        return self._infos[name].file_size

    def opened(self, name: str) -> io.BufferedIOBase:
        """A stream of a file's bytes that is unpacked as far as it is read, and can be sought.

        Raises:
            FileNotFoundError: there is no such file in the ZIP.
            OSError: it is refused, or damaged (also while it is read).
        """
        info = self._infos.get(name)
        if info is None:
            raise FileNotFoundError(f"the ZIP holds no {name}")
        refused = _refused(name, info)
        if refused:
            raise OSError(refused[0].lower() + refused[1:].removesuffix("."))
        if info.file_size > MAX_MEMBER:
            raise OSError(
                f"it is larger than the {MAX_MEMBER // 2**20} MB that are read out of a ZIP: "
                "unpack the ZIP into a folder"
            )
        try:
            with self._lock:
                stream = self._zip.open(info)
        except Exception as error:  # zipfile raises what damage makes of its headers
            raise _damaged(error) from error
        return _Stream(self, stream, info.file_size)


def opened(path: str, size: int, mtime_ns: int) -> Zip:
    """The ZIP at a path, kept open for the next call; size and time say which state of it.

    Raises:
        UnreadableZipError, OSError: as `Zip`.
    """
    return _kept(path, size, mtime_ns, os.getpid())  # a forked process shares no file position


@functools.lru_cache(maxsize=_OPEN)
def _kept(path: str, _size: int, _mtime_ns: int, _process: int) -> Zip:
    return Zip(path)


class _Stream(io.BufferedIOBase):
    """A file in a ZIP; what was unpacked stays at hand, so that a decoder may go back."""

    def __init__(self, archive: Zip, stream: Any, size: int) -> None:
        self._archive = archive  # keeps the file open
        self._stream, self._size = stream, size
        self._held = io.BytesIO()
        self._unpacked = 0
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("a position before the beginning")
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        wanted = end - self._unpacked
        if wanted > 0:
            try:
                data = self._stream.read(wanted)  # at the end, the checksum is compared
            except Exception as error:  # zlib, bz2, lzma and zipfile have their own
                raise _damaged(error) from error
            if len(data) < wanted:
                raise OSError("it is damaged: download the ZIP again")
            self._held.seek(self._unpacked)
            self._held.write(data)
            self._unpacked = end
        self._held.seek(self._at)
        data = self._held.read(max(0, end - self._at))
        self._at += len(data)
        return data

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Bounded:
    """A file that gives no more at once than a table of contents may be long."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read
        self.bounded = True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self.bounded and size > MAX_DIRECTORY:
            raise UnreadableZipError(_too_many())
        return self._read(size)


def _table(file: BinaryIO) -> zipfile.ZipFile:
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(512)
    if not end:
        raise UnreadableZipError("is empty: download it again")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        raise UnreadableZipError(
            "is a web page and no ZIP: the download was refused, so log in and download it again"
        )
    if _piece(file, head, end):
        raise UnreadableZipError(
            "is one piece of a ZIP that was split: join the pieces first, with the program that "
            "made them"
        )
    bounded = _Bounded(file)
    try:
        table = zipfile.ZipFile(bounded)  # it reads and seeks
    except UnreadableZipError:
        raise
    except Exception as error:  # zipfile raises what damage makes of its fields
        if isinstance(error, OSError) and error.errno:
            raise
        cut = head.startswith(b"PK\x03\x04")
        raise UnreadableZipError(
            "is cut off or damaged: download it again"
            if cut
            else "is no ZIP: give a folder or a ZIP"
        ) from error
    if len(table.filelist) > MAX_MEMBERS:
        raise UnreadableZipError(_too_many())
    bounded.bounded = False
    return table


def _piece(file: BinaryIO, head: bytes, end: int) -> bool:
    """Whether the file is one disk of several (APPNOTE 4.4.19: number of this disk)."""
    if head.startswith(b"PK\x07\x08"):
        return True
    file.seek(max(0, end - 22 - 2**16))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 6:
        return False
    disk: int = struct.unpack("<H", tail[at + 4 : at + 6])[0]
    return disk not in (0, 0xFFFF)  # 0xFFFF: the ZIP64 record says it


def _named(infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The files by name; a name that is there already gets a number before its extension."""
    named: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        if info.filename.endswith("/"):
            continue
        name = _name(info) or "without a name"
        number, (stem, suffix) = 1, os.path.splitext(name)  # noqa: PTH122  (called for every file)
        while name in named:
            number += 1
            name = f"{stem} ({number}){suffix}"
        named[name] = info
    return named


def _name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: UTF-8 without saying so, Latin-1, or code page 437 as the rule is."""
    if info.flag_bits & _UTF8 or info.filename.isascii():
        return info.filename
    try:
        raw = info.filename.encode("cp437")
    except UnicodeEncodeError:  # it came from the field for Unicode names
        return info.filename
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if all(byte < 0x80 or byte >= 0xC0 for byte in raw):  # frames and Greek in code page 437
        return raw.decode("latin-1")
    return info.filename


def _refused(name: str, info: zipfile.ZipInfo) -> str:
    if "\\" in name:
        return (
            "Its name holds a backslash, which may lead out of the ZIP: unpack the ZIP into a "
            "folder to have it read."
        )
    if name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        return "Its name leads out of the ZIP, so it is not read."
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "It is a link to another file, and links are not followed."
    if kind not in (0, stat.S_IFREG):
        return "It is no regular file."
    if info.flag_bits & _ENCRYPTED:
        return "It is encrypted: unpack the ZIP with its password into a folder to have it read."
    if info.compress_type not in _PACKERS:
        return (
            "It is packed by a method that is not read here: unpack the ZIP with another program "
            "into a folder."
        )
    if info.file_size > max(_HARMLESS, MAX_RATIO * info.compress_size):
        return (
            f"It claims to unpack to more than {MAX_RATIO} times its size, as no photograph does, "
            "so it is not read."
        )
    if name.lower().endswith(".zip"):
        return (
            "It is a ZIP inside a ZIP, which is not opened: unpack the outer one, and read this one "
            "by itself."
        )
    return ""


def _damaged(error: Exception) -> OSError:
    if isinstance(error, OSError) and error.errno:
        return error
    if "CRC" in str(error):
        return OSError("its checksum is wrong: the ZIP is damaged, so download it again")
    return OSError("it is damaged: download the ZIP again")


def _too_many() -> str:
    return f"claims to hold more than {MAX_MEMBERS:,} files: unpack it into a folder"
