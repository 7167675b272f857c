"""What lies at a place: the files of a folder with everything below it, of a ZIP, or of a URL.

Links are not followed, only files are seen, and a ZIP is read where it lies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from merzmory.archive.sources.source import Found
from merzmory.errors import ArchiveError
from merzmory.originals import access as originals
from merzmory.originals import remote, zips

_A_ZIP = (
    "It is a ZIP, which is not opened here: give its path to `merzmory ingest` to have it read."
)
_A_PART = "It is a ZIP: what it holds is listed file by file."


@dataclass(frozen=True, slots=True)
class Item:
    """A file, and its name from the place on: folders with "/" between, also on Windows."""

    name: str
    found: Found


def contents(place: str, closed: Callable[[str], None], *, parts: bool = False) -> Iterator[Item]:
    """Every regular file at `place`, in a fixed order; hidden ones too.

    ZIPs in a folder are one file each; with `parts`, those that lie in the folder itself are
    followed by what they hold. `closed` hears of what cannot be opened.

    Raises:
        ArchiveError: there is no such place, or it cannot be opened, or is neither folder nor ZIP.
    """
    if _is_file(place):
        try:
            yield from _members(place)
        except zips.UnreadableZipError as error:
            raise ArchiveError(f"{place} {error}.") from error
        except OSError as error:
            raise _not_opened(place, error) from error
        return
    for item in _at_url(place) if remote.is_url(place) else _in_folder(place, closed):
        if not item.name.lower().endswith(".zip"):
            yield item
        elif parts and "/" not in item.name:
            yield from _part(item)
        else:
            yield _skipped(item, _A_ZIP)


def is_zip(place: str) -> bool:
    """Whether a name says that a file is a ZIP."""
    return place.lower().endswith(".zip")


def _part(item: Item) -> Iterator[Item]:
    try:
        held = list(_members(item.found.path))
    except zips.UnreadableZipError as error:
        yield _skipped(item, f"It {error}.")
    except OSError as error:
        yield _skipped(item, f"It cannot be opened ({error.strerror or error}).")
    else:
        yield _skipped(item, _A_PART)
        yield from held


def _skipped(item: Item, sentence: str) -> Item:
    found = item.found
    return Item(item.name, Found(found.path, found.bytes, found.mtime_ns, skip=sentence))


def _members(archive: str) -> Iterator[Item]:
    _size, changed = originals.status(archive)
    for member in originals.members(archive):
        path = originals.inside(archive, member.name)
        yield Item(member.name, Found(path, member.bytes, changed, skip=member.refused))


def _is_file(place: str) -> bool:
    if not remote.is_url(place):
        return Path(place).is_file()
    try:
        return remote.kind(place) == "file"
    except OSError as error:
        raise _not_opened(place, error) from error


def _at_url(place: str) -> Iterator[Item]:
    start = f"{place.rstrip('/')}/"
    found = False
    try:
        for path, size, changed in remote.walk(place):
            found = True
            yield Item(path[len(start) :], Found(path, size, changed))
    except OSError as error:
        raise _not_opened(place, error) from error
    if not found:
        raise ArchiveError(f"There is nothing at {place}: check the URL.")


def _in_folder(place: str, closed: Callable[[str], None]) -> Iterator[Item]:
    folder = Path(place)
    if not folder.exists():
        raise ArchiveError(
            f"There is no folder or ZIP {place}: check the path, or connect the disk, and give it "
            "with --set archive.folder=FOLDER."
        )
    if not folder.is_dir():
        raise ArchiveError(
            f"{place} is neither a folder nor a file: give the folder or the ZIP that holds your "
            "photographs with --set archive.folder=FOLDER."
        )
    try:
        with os.scandir(folder):
            pass
    except OSError as error:
        raise _not_opened(place, error) from error
    start = len(os.path.join(place, ""))  # noqa: PTH118  (with the separator behind it)
    for found in _walk(folder, closed):
        yield Item(found.path[start:].replace(os.sep, "/"), found)


def _walk(root: Path, closed: Callable[[str], None]) -> Iterator[Found]:
    top = root.stat()
    visited = {(top.st_dev, top.st_ino)}
    todo = [str(root)]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            closed(folder)
            continue
        below: list[str] = []
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    key = (status.st_dev, status.st_ino)
                    if not status.st_ino or key not in visited:  # Windows gives inode 0 here
                        visited.add(key)
                        below.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield Found(entry.path, status.st_size, status.st_mtime_ns)
            except OSError:
                closed(entry.path)
        todo += reversed(below)


def _not_opened(place: str, error: OSError) -> ArchiveError:
    return ArchiveError(
        f"{place} cannot be opened ({error.strerror or error}): give yourself permission to read "
        "it, or choose another place with --set archive.folder=FOLDER."
    )
