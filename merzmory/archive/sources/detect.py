"""Which source fits a place: what lies there says whose export it is."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from merzmory.archive.sources.source import as_place
from merzmory.errors import ArchiveError
from merzmory.originals import access as originals
from merzmory.originals import remote

_LOOK_AT = 5_000  # files of a folder, and of each ZIP
_ZIPS = 12  # ZIPs of a folder
_DEEP = 5  # folders
_INSTAGRAM = re.compile(
    r"(?:^|/)(?:your_instagram_activity/"
    r"|content/(?:posts_\d+|stories|archived_posts|profile_photos|reels)\.json$"
    r"|(?:media/(?:posts|stories|archived_posts|reels|profile)|photos)/\d{6}/)"
)
_OLD_INSTAGRAM = re.compile(r"(?:^|/)media\.json$")  # beside photos/YYYYMM, until 2020
_TAKEOUT = re.compile(r"(?:^|/)Takeout/|\.supplemental-metadata(?:\(\d+\))?\.json$")
_PICTURE = re.compile(r"\.(?:jpe?g|png|hei[cf]|gif|webp|tiff?|avif|bmp)$", re.IGNORECASE)
_SIDECAR = re.compile(r"\.(?:jpe?g|png|heic|gif|webp|mp4)(?:\(\d+\))?\.json$", re.IGNORECASE)


def source_for(folder: Path | str) -> str:
    """The name of the source that reads a folder, a ZIP or a URL: its key in SOURCES.

    A folder whose pictures all lie in an unpacked export is that export; one without pictures is
    what its own ZIPs are.

    Raises:
        ArchiveError: its ZIPs are exports of more than one kind.
    """
    place = as_place(folder)
    if remote.is_url(place):
        return "zip" if place.lower().endswith(".zip") else "folder"
    try:
        changed = Path(place).stat().st_mtime_ns
    except OSError:
        return "zip" if place.lower().endswith(".zip") else "folder"  # which says what is missing
    return _kind(place, changed)


@functools.lru_cache(maxsize=32)
def _kind(place: str, _changed: int) -> str:
    if Path(place).is_file():
        return _export(_members(place)) or "zip"
    names = list(islice(_below(place), _LOOK_AT))
    zips = [name for name in names if "/" not in name and name.lower().endswith(".zip")]
    if any(_OLD_INSTAGRAM.fullmatch(name) for name in names):
        kinds = {_export(names)}
    else:
        kinds = {_export(group) for group in _groups(names)}
    if kinds:
        return (kinds.pop() or "folder") if len(kinds) == 1 else "folder"
    kinds = {_export(_members(os.path.join(place, name))) for name in zips[:_ZIPS]}  # noqa: PTH118
    if len(kinds) > 1:
        raise ArchiveError(
            f"{place} holds ZIPs of more than one kind: give one of them, or put each kind into a "
            "folder of its own."
        )
    return (kinds.pop() or "zip") if kinds else "folder"


def _groups(names: Iterable[str]) -> list[list[str]]:
    """The files by the folder in `place` that they are below, where there are pictures in it."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition("/")[0] if "/" in name else "", []).append(name)
    return [group for group in groups.values() if any(map(_PICTURE.search, group))]


def _export(names: Iterable[str]) -> str:
    old = photos = sidecars = False
    for name in names:
        if _TAKEOUT.search(name):
            return "takeout"
        found = _INSTAGRAM.search(name)
        if found and not found[0].lstrip("/").startswith("photos/"):
            return "instagram_export"
        photos = photos or found is not None
        old = old or _OLD_INSTAGRAM.search(name) is not None
        sidecars = sidecars or _SIDECAR.search(name) is not None
    if old and photos:
        return "instagram_export"
    return "takeout" if sidecars else ""


def _members(archive: str) -> Iterator[str]:
    try:
        for member in islice(originals.members(archive), _LOOK_AT):
            yield member.name
    except (OSError, ArchiveError):
        return


def _below(place: str) -> Iterator[str]:
    """Names below a folder, its own first, then deeper and deeper."""
    level = [place]
    start = len(os.path.join(place, ""))  # noqa: PTH118
    for _depth in range(_DEEP):
        deeper: list[str] = []
        for folder in level:
            try:
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    deeper.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path[start:].replace(os.sep, "/")
        level = deeper
