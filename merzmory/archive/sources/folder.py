"""Any folder, with everything below it, or any ZIP: photographs without further notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from merzmory.archive.sources.contents import contents
from merzmory.archive.sources.source import Found, Placed


class FolderSource(Placed):
    """A folder, a removable disk, a ZIP or a URL. ZIPs inside a folder stay closed."""

    name = "folder"

    def files(self, closed: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """Every regular file, by name; hidden ones too.

        Symbolic links, FIFOs, sockets and devices are neither followed nor opened; a folder that
        is reached twice (bind mounts) is read once.

        Raises:
            ArchiveError: the place is missing, is neither folder nor ZIP, or cannot be opened.
        """
        for item in contents(self.place, closed):
            yield item.found
