"""What a source lists, as it is looked into: one file a photograph, dates of names, films' frames."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace

from merzmory.archive.dates import guess
from merzmory.archive.pairs import paired
from merzmory.archive.photograph import FILMS, RAW
from merzmory.archive.sources.source import Found
from merzmory.originals import access as originals
from merzmory.originals import raw, remote, stills
from merzmory.records import Origin

_EXPORTS = frozenset({"takeout", "instagram_export"})  # named by the day they were asked for


def listed(
    files: Iterable[Found],
    *,
    source: str,
    place: str,
    film_frames: int,
    prefer_raw: bool,
    broken: Container[str],
) -> Iterator[Found]:
    """`files` of a `source` that reads `place` ("": of one that says all itself), and frames.

    Of a photograph in several files one is read that is not `broken` (`paired`); what has no date
    gets the one of its own or its folders' names, marked as uncertain; a film is followed by
    `film_frames` frames.
    """
    whole = paired(files, raw=RAW, prefer_raw=prefer_raw and raw.reads_raw(), broken=broken)
    for found in whole:
        suffix = os.path.splitext(found.path)[1].lower()  # noqa: PTH122  (for every file)
        if found.skip:
            yield found
        elif film_frames and suffix in FILMS:
            yield from _frames(found, film_frames, source, place)
        else:
            yield _dated(found, source, place)


def _dated(found: Found, source: str, place: str) -> Found:
    if not place or (found.origin and found.origin.taken):
        return found
    *folders, file = _names(found.path, place, with_place=source not in _EXPORTS)
    guessed = guess(file, folders)
    if guessed is None:
        return found
    origin = replace(
        found.origin or Origin(source),
        taken=guessed.taken,
        taken_from=guessed.taken_from,
        uncertain=True,
    )
    return replace(found, origin=origin)


def _names(path: str, place: str, *, with_place: bool) -> list[str]:
    """The folders from the place on, and the file; a ZIP is a folder like any."""
    below = path.removeprefix(place).replace(originals.BETWEEN, "/").replace(os.sep, "/")
    names = [name for name in below.split("/") if name]
    return [os.path.basename(place), *names] if with_place else names  # noqa: PTH119


def _frames(found: Found, count: int, source: str, place: str) -> Iterator[Found]:
    """A film's row, and its frames."""
    if originals.BETWEEN in found.path or remote.is_url(found.path):
        sentence = "It is a film inside a ZIP or at a URL: frames are read of films in a folder."
        yield replace(found, skip=sentence)
        return
    try:
        paths = stills.spread(found.path, count)
    except OSError:
        yield replace(found, skip="It is a film that ffmpeg does not open: no frames are read.")
        return
    yield replace(found, skip=f"It is a film: {len(paths)} of its frames are read.")
    dated = _dated(found, source, place).origin or Origin(source)
    for path in paths:
        second = float(path.rpartition(stills.MARK)[2])
        name = f"film at {int(second // 60):02d}:{int(second % 60):02d}"
        yield replace(found, path=path, origin=replace(dated, name=name))
