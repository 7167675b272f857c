"""Where photographs come from. A source is one short file and a line in SOURCES."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from merzmory.records import Origin


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file, or a ZIP's member (`originals.inside`), as a source saw it: not opened yet."""

    path: str
    bytes: int
    mtime_ns: int
    origin: Origin | None = None  # what the source knows of it
    skip: str = ""  # why it is not read as a photograph, in one sentence; "" where it may be one


class Source(Protocol):
    """An archive of photographs. Making a source touches nothing; `files` looks."""

    @property
    def label(self) -> str:
        """A short name for people and for the catalogue's folder."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What identifies the archive: equal settings share one catalogue."""
        ...

    def files(self, closed: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """Every regular file, in a fixed order; `closed` hears of folders that do not open.

        Raises:
            ArchiveError: there is no such archive, or it cannot be opened at all.
        """
        ...


def _folder(**knobs: Any) -> Source:
    from merzmory.archive.sources.folder import FolderSource

    return FolderSource(**knobs)


def _sample(**knobs: Any) -> Source:
    from merzmory.archive.sources.sample import SampleSource

    return SampleSource(**knobs)


SOURCES: dict[str, Callable[..., Source]] = {
    "folder": _folder,  # folder: Path
    "sample": _sample,  # into: Path, photos: int, seed: int
}


def as_path(folder: Path | str) -> Path:
    """A folder as people write it: `~` is their home."""
    return Path(folder).expanduser()
