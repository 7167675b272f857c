"""Photographs that were fetched from a service: what they are, where they lie, what is missing.

    FOLDER/
      photographs/     only what decodes; written aside, then renamed
      fetched.jsonl    a line an item (a post, a photograph) that was dealt with
      whole.json       the last complete pass
      missing.txt      what could not be fetched, and why

A line says {"id", "pictures": [{"file", "origin"}], "missing": [{"what", "why"}], "films"}; the
last line of an id counts. A kill loses no more than the item it falls into, whose files are found
on the disk by their names.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from merzmory.archive.rows import origin_of, origin_text
from merzmory.archive.sources.folder import FolderSource
from merzmory.archive.sources.source import Found
from merzmory.errors import ArchiveError, storage_errors
from merzmory.manifest import write_aside
from merzmory.originals import decode
from merzmory.records import Origin

TRIES = 3  # of a picture that does not come whole
PAUSE_SECONDS = 2.0  # between two of them
LARGEST = 128 * 2**20  # bytes of a picture
_SUFFIX = {"JPEG": ".jpg", "MPO": ".jpg", "HEIF": ".heic", "TIFF": ".tif", "PPM": ".ppm"}


class FaultError(Exception):
    """A picture did not come; `final` says that asking again is of no use."""

    def __init__(self, why: str, *, final: bool = False, expired: bool = False) -> None:
        self.final, self.expired = final, expired
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Item:
    """A post or a photograph that was dealt with."""

    id: str
    pictures: tuple[tuple[str, Origin], ...] = ()  # (file, where it comes from)
    missing: tuple[tuple[str, str], ...] = ()  # (what, why)
    films: int = 0  # left out


class Downloads:
    """One folder of fetched photographs. Making it touches nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photographs = folder / "photographs"
        self.items: dict[str, Item] = {}
        self.barren = 0  # items in a row of which no picture came
        self._ledger = folder / "fetched.jsonl"

    @contextmanager
    def opened(self, service: str) -> Iterator[None]:
        """Fetch inside the block: the folder is there, known, and this process's alone.

        Raises:
            ArchiveError: another command fetches from the same service.
            StorageError: the disk is full, or the folder cannot be written.
        """
        with storage_errors(self.folder):
            self.photographs.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder.parent / "lock")
            try:
                with lock.acquire(timeout=0):
                    for half in self.photographs.glob("*.part"):
                        half.unlink()
                    self._mend()
                    self.read()
                    yield
            except Timeout:
                raise ArchiveError(
                    f"Another command is fetching from {service}: let it end; one at a time is "
                    "asked of us."
                ) from None

    def read(self) -> None:
        """Read what is known of every item."""
        try:
            text = self._ledger.read_text("utf-8")
        except OSError:
            text = ""
        self.items = {}
        for line in text.split("\n"):
            try:
                item = _item(json.loads(line))
            except (ValueError, KeyError, TypeError):  # a kill cut it off
                continue
            self.items[item.id] = item

    def has(self, ident: str) -> bool:
        """Whether an item is here with all its pictures."""
        return ident in self.items and not self.items[ident].missing

    @property
    def count(self) -> int:
        """How many photographs there are."""
        return sum(len(item.pictures) for item in self.items.values())

    def note(self, item: Item) -> None:
        """Say that an item was dealt with."""
        line = {
            "id": item.id,
            "pictures": [
                {"file": file, "origin": origin_text(origin)} for file, origin in item.pictures
            ],
            "missing": [{"what": what, "why": why} for what, why in item.missing],
            "films": item.films,
        }
        with self._ledger.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line, sort_keys=True) + "\n")
            out.flush()
            os.fsync(out.fileno())
        self.items[item.id] = item
        if item.pictures or item.missing:
            self.barren = 0 if item.pictures else self.barren + 1

    def picture(self, stem: str, get: Callable[[FaultError | None], bytes], when: float) -> str:
        """The file of a picture: found, or got by `get(what went wrong before)` and decoded.

        `when` becomes its time, in seconds since 1970.

        Raises:
            FaultError: it did not come whole, three times.
        """
        for there in sorted(self.photographs.glob(f"{stem}.*")):
            if _format(there.read_bytes()) is not None:
                return there.name
            there.unlink()  # a power cut left it
        last: FaultError | None = None
        for number in range(TRIES):
            if number:
                time.sleep(PAUSE_SECONDS)
            try:
                data = get(last)
            except FaultError as fault:
                last = fault
                if fault.final:
                    break
                continue
            kind = _format(data)
            if kind is None:
                last = FaultError("what came was no whole photograph")
                continue
            path = self.photographs / f"{stem}{_SUFFIX.get(kind, f'.{kind.lower()}')}"
            write_aside(path, data)
            os.utime(path, (when, when))
            return path.name
        assert last is not None
        raise last

    def finish(self, count: int) -> None:
        """Say that a pass is complete which asked for `count` photographs (0: for all)."""
        listed = [f"{what}  {why}\n" for item in self.items.values() for what, why in item.missing]
        path = self.folder / "missing.txt"
        if listed:
            write_aside(path, "".join(sorted(listed)).encode())
        else:
            path.unlink(missing_ok=True)
        said = {"format": 1, "count": count, "photographs": self.count}
        write_aside(self.folder / "whole.json", json.dumps(said).encode())

    def is_whole(self, count: int) -> bool:
        """Whether a complete pass asked for at least as many."""
        try:
            asked = int(json.loads((self.folder / "whole.json").read_text("utf-8"))["count"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return asked == 0 or 0 < count <= asked

    def summary(self) -> str:
        """What is here, in a sentence or two."""
        self.read()
        films = sum(item.films for item in self.items.values())
        missing = sum(len(item.missing) for item in self.items.values())
        said = f"{self.count} photographs lie in {self.photographs}."
        if films:
            said += f" {films} films were left out."
        if missing:
            said += (
                f" {missing} photographs did not come: {self.folder / 'missing.txt'} lists them."
            )
        return said

    def files(self, closed: Callable[[str], None], remedy: str) -> Iterator[Found]:
        """Every file, in a fixed order, with its origin.

        Raises:
            ArchiveError: nothing was fetched yet; `remedy` says what to do.
        """
        if not self.photographs.is_dir():
            raise ArchiveError(f"Nothing was fetched yet: {remedy}")
        self.read()
        origins = {file: origin for item in self.items.values() for file, origin in item.pictures}
        for found in FolderSource(self.photographs).files(closed):
            yield replace(found, origin=origins.get(Path(found.path).name))

    def _mend(self) -> None:
        """Cut off a last line that a kill left without its end."""
        if not self._ledger.exists():
            return
        data = self._ledger.read_bytes()
        if data and not data.endswith(b"\n"):
            write_aside(self._ledger, data[: data.rfind(b"\n") + 1])


def body(chunks: Iterator[bytes]) -> bytes:
    """The bytes of an answer.

    Raises:
        FaultError: they are more than a photograph's.
    """
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > LARGEST:
            raise FaultError(f"it is larger than {LARGEST >> 20} MB", final=True)
    return bytes(data)


def seconds(taken: datetime) -> float:
    """Seconds since 1970, of a time that a file can bear."""
    return max(0.0, taken.timestamp())


def _format(data: bytes) -> str | None:
    """The format of a picture that decodes to its last line; None of anything else."""
    try:
        with decode.opened(io.BytesIO(data)) as picture:
            kind = picture.format or ""
            decode.developed(picture, longest=256)
    except (decode.PictureError, *decode.DAMAGE):
        return None
    return kind


def _item(line: dict[str, Any]) -> Item:
    pictures = []
    for picture in line["pictures"]:
        origin = origin_of(picture["origin"])
        assert origin is not None
        pictures.append((str(picture["file"]), origin))
    missing = tuple((str(m["what"]), str(m["why"])) for m in line["missing"])
    return Item(str(line["id"]), tuple(pictures), missing, int(line["films"]))


class Fetched:
    """What sources that fetch have in common: their photographs are what was downloaded."""

    downloads: Downloads

    @property
    def summary(self) -> str:
        """What is here, in a sentence or two."""
        return self.downloads.summary()

    def files(self, closed: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """What was fetched, in a fixed order.

        Raises:
            ArchiveError: nothing was fetched yet.
        """
        yield from self.downloads.files(closed, "run `merzmory fetch` with the same config.")
