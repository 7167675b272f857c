"""One photograph in several files: the file that is read, and a sentence for each of the others.

It is decided over all names of a folder, so that neither half is ever read without the other known.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from merzmory.archive.sources.source import Found
from merzmory.originals import access as originals

_JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".heic", ".heif", ".hif"})  # what a camera makes beside
_DEVELOPED = _JPEG | {".tif", ".tiff"}
_FILM = frozenset({".mov", ".mp4"})
_EDITED = re.compile(r"(.*img_)(\d{4,5})")  # iPhone: IMG_1234 becomes IMG_E1234


@dataclass(frozen=True, slots=True)
class _Named:
    """A file by its name: folder and stem in lower case, its suffix, the name as people see it."""

    folder: str
    stem: str
    suffix: str
    shown: str


def paired(
    files: Iterable[Found],
    *,
    raw: frozenset[str],
    prefer_raw: bool = False,
    broken: Container[str] = frozenset(),
) -> Iterator[Found]:
    """`files` with `skip` said for those that belong to a photograph which is read in their place.

    RAW (the suffixes `raw`) yields to the JPEG, HEIC or TIFF of its name, or with `prefer_raw` the
    JPEG or HEIC to it; an iPhone's edited copy, IMG_E1234, is read and IMG_1234 is not; the film of
    a Live Photo and Apple's AAE say whose they are. Empty files and the paths in `broken` stand for
    nothing. Order and number of the files stay.
    """
    for _folder, run in groupby(files, key=_place):
        group = list(run)
        if not any(_is_a_half(found.path, raw) for found in group):
            yield from group
            continue
        names = [_named(found.path) for found in group]
        beside: defaultdict[tuple[str, str], list[_Named]] = defaultdict(list)
        for found, name in zip(group, names, strict=True):
            if found.bytes and not found.skip and found.path not in broken:
                beside[name.folder, name.stem].append(name)
        for found, name in zip(group, names, strict=True):
            sentence = found.skip or _sentence(name, beside, raw, prefer_raw)
            yield replace(found, skip=sentence) if sentence and not found.skip else found


def _sentence(
    name: _Named,
    beside: dict[tuple[str, str], list[_Named]],
    raw: frozenset[str],
    prefer_raw: bool,
) -> str:
    def has(stem: str, suffixes: frozenset[str]) -> str:
        twins = beside.get((name.folder, stem), ())
        return next((t.shown for t in twins if t.suffix in suffixes and t != name), "")

    if name.suffix in _FILM:
        photograph = has(name.stem, _JPEG)
        return f"It is the film of {photograph}, a Live Photo." if photograph else ""
    if name.suffix == ".aae":
        photograph = has(name.stem, _DEVELOPED | raw)
        whose = f"how {photograph} was" if photograph else "how a photograph was"
        return f"It is Apple's note of {whose} edited: pictures are read as they lie there."
    if name.suffix not in _DEVELOPED | raw:
        return ""
    apple = _EDITED.fullmatch(name.stem)
    if apple and (edited := has(f"{apple[1]}e{apple[2]}", _DEVELOPED)):
        return f"You edited this photograph: {edited} is read in its place."
    if name.suffix in raw:
        if prefer_raw and has(name.stem, _JPEG):
            return ""
        developed = has(name.stem, _DEVELOPED)
        return f"It is the RAW of {developed}, which is read in its place." if developed else ""
    if prefer_raw and name.suffix in _JPEG and (better := has(name.stem, raw)):
        return f"It was made with the RAW {better}, which is read in its place."
    return ""


def _is_a_half(path: str, raw: frozenset[str]) -> bool:
    """Whether a file may belong to another: most folders hold none such."""
    low = path.lower()
    suffix = os.path.splitext(low)[1]  # noqa: PTH122  (for every file)
    return suffix in _FILM or suffix in raw or suffix == ".aae" or "img_e" in low


def _place(found: Found) -> str:
    """What is decided over: a folder, or a ZIP as a whole, as its order is its own."""
    archive, between, _member = found.path.partition(originals.BETWEEN)
    return archive if between else os.path.dirname(found.path)  # noqa: PTH120  (for every file)


def _named(path: str) -> _Named:
    slashes = path.replace(os.sep, "/")
    folder, _, shown = slashes.rpartition("/")
    stem, suffix = os.path.splitext(shown)  # noqa: PTH122
    return _Named(folder, stem.lower(), suffix.lower(), " ".join(shown.split()))
