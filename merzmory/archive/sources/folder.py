"""Any folder, with everything below it; links are not followed, and only files are seen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from merzmory.archive.sources.source import Found, as_path
from merzmory.errors import ArchiveError


class FolderSource:
    """A folder or a removable disk. Its absolute path identifies it."""

    def __init__(self, folder: Path | str) -> None:
        """`folder` may begin with `~`; it is looked at by `files` alone."""
        self.folder = Path(os.path.abspath(as_path(folder)))  # noqa: PTH100  (links stay links)

    @property
    def label(self) -> str:
        """The folder's own name."""
        return self.folder.name or "disk"

    @property
    def settings(self) -> Mapping[str, Any]:
        """The folder's path."""
        return {"source": "folder", "folder": str(self.folder)}

    def files(self, closed: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """Every regular file below the folder, by name; hidden ones too.

        Symbolic links, FIFOs, sockets and devices are neither followed nor opened; a folder that
        is reached twice (bind mounts) is read once.

        Raises:
            ArchiveError: the folder is missing, is a file, or cannot be opened.
        """
        if not self.folder.exists():
            raise ArchiveError(
                f"There is no folder {self.folder}: check the path, or connect the disk, and "
                "give it with --set archive.folder=FOLDER."
            )
        if not self.folder.is_dir():
            raise ArchiveError(
                f"{self.folder} is a file, not a folder: give the folder that holds your "
                "photographs with --set archive.folder=FOLDER."
            )
        try:
            with os.scandir(self.folder):
                pass
        except OSError as error:
            raise ArchiveError(
                f"{self.folder} cannot be opened ({error.strerror}): give yourself permission to "
                "read it, or choose another folder with --set archive.folder=FOLDER."
            ) from error
        yield from _walk(self.folder, closed)


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
