"""A ZIP of photographs, read without unpacking it: its members are the archive's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from merzmory.archive.sources.contents import contents
from merzmory.archive.sources.source import Found, Placed


class ZipSource(Placed):
    """A ZIP, or a folder that holds several beside each other."""

    name = "zip"

    def files(self, closed: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """Every file in the ZIP, in its own order; in a folder, the ZIPs are files themselves.

        Raises:
            ArchiveError: the place is missing, is neither folder nor ZIP, or cannot be opened.
        """
        for item in contents(self.place, closed, parts=True):
            yield item.found
