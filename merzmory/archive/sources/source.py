"""Where photographs come from. A source is one short file and a line in SOURCES."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Protocol

from merzmory.manifest import Work
from merzmory.originals import remote
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


class Placed:
    """What the sources share that read one place: a folder, a ZIP, or a URL identifies them."""

    name: ClassVar[str]  # in SOURCES

    def __init__(self, folder: Path | str) -> None:
        """`folder` may begin with `~`; it is looked at by `files` alone."""
        self.place = as_place(folder)

    @property
    def label(self) -> str:
        """The folder's own name; a ZIP's without its ending."""
        named = PurePosixPath(self.place) if remote.is_url(self.place) else Path(self.place)
        return (named.stem if named.suffix.lower() == ".zip" else named.name) or "disk"

    @property
    def settings(self) -> Mapping[str, Any]:
        """The source's name and the place."""
        return {"source": self.name, "folder": self.place}


class Distant(Source, Protocol):
    """A source on the network; nothing is asked of it before the Work of `plan` runs."""

    @property
    def intent(self) -> str:
        """What will be fetched from where, for the person to read before it starts."""
        ...

    @property
    def summary(self) -> str:
        """What was fetched, in a sentence or two."""
        ...

    def plan(self, *, again: bool = False) -> Work:
        """The Work of fetching; none where all was fetched, unless a person asks `again`.

        Raises:
            MerzmoryError: a consent, a key or a login is missing.
            WaitingError: the service asked to wait, and the time has not come.
        """
        ...


def _folder(**knobs: Any) -> Source:
    from merzmory.archive.sources.folder import FolderSource

    return FolderSource(**knobs)


def _sample(**knobs: Any) -> Source:
    from merzmory.archive.sources.sample import SampleSource

    return SampleSource(**knobs)


def _zip(**knobs: Any) -> Source:
    from merzmory.archive.sources.zip import ZipSource

    return ZipSource(**knobs)


def _instagram_export(**knobs: Any) -> Source:
    from merzmory.archive.sources.instagram_export import InstagramExportSource

    return InstagramExportSource(**knobs)


def _takeout(**knobs: Any) -> Source:
    from merzmory.archive.sources.takeout import TakeoutSource

    return TakeoutSource(**knobs)


def _instagram(**knobs: Any) -> Source:
    from merzmory.archive.sources.instagram import InstagramSource

    return InstagramSource(**knobs)


def _flickr(**knobs: Any) -> Source:
    from merzmory.archive.sources.flickr import FlickrSource

    return FlickrSource(**knobs)


SOURCES: dict[str, Callable[..., Source]] = {
    "folder": _folder,  # folder: Path | str (a ZIP's path or a URL, too; as in the next three)
    "zip": _zip,
    "instagram_export": _instagram_export,
    "takeout": _takeout,
    "sample": _sample,  # into: Path, photos: int, seed: int
    "instagram": _instagram,  # into, private: Path, profile, login, what: str, newest: int, ...
    "flickr": _flickr,  # into: Path, text: str, tags, licences: list, count: int, ...
}


def as_path(folder: Path | str) -> Path:
    """A folder as people write it: `~` is their home."""
    return Path(folder).expanduser()


def as_place(folder: Path | str) -> str:
    """A folder's or file's absolute path, in which links stay links; a URL as it is."""
    place = str(folder)
    if remote.is_url(place):
        local = place.removeprefix("file://")
        return place if local == place else local
    return os.path.abspath(as_path(folder))  # noqa: PTH100  (resolving would follow links)
