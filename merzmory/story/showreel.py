"""A film of any pictures, without a config and without a network: they lie in a folder, and that is all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from merzmory import provenance
from merzmory.archive import dates, metadata
from merzmory.archive.photograph import PICTURES, RAW
from merzmory.config import Film
from merzmory.errors import ArchiveError, ConfigError, FormatError, storage_errors
from merzmory.film import montage
from merzmory.film.reel import film_in
from merzmory.film.slides import frame_size
from merzmory.frame import ratio_of
from merzmory.manifest import Work
from merzmory.originals import decode
from merzmory.story import filming, holding

_ALIKE = ("run", "step", "base", "licence", "may_sell", "network_sha256", "psi")


@dataclass(frozen=True, slots=True)
class Found:
    """A picture, and what its file or its folder says of it."""

    path: Path
    size: tuple[int, int]  # upright
    taken: str | None
    place: tuple[float, float] | None
    album: str  # the folder inside the one that was named


@dataclass(frozen=True, slots=True)
class Gathered:
    """The pictures in order, and sentences for those that cannot or must not be shown."""

    pictures: tuple[Found, ...]
    left_out: tuple[str, ...]


def gathered(places: Sequence[Path], *, by: str = "name") -> Gathered:
    """The pictures of folders, with all below them, or of files; by name or by date.

    Files keep the order in which they are given. Pictures without a date come last. Results of an
    experiment that are held back there are left out.

    Raises:
        ArchiveError: there is no such place, no picture in it, or every one is held back.
        ConfigError: `by` is neither name nor date.
    """
    if by not in ("name", "date"):
        raise ConfigError(f"--by {by} is not known: pictures are sorted by name or by date.")
    found: list[Found] = []
    left_out: list[str] = []
    for place in places:
        if not place.exists():
            raise ArchiveError(f"There is no {place}: check the path.")
        inside = place.is_dir()
        paths = sorted(place.rglob("*"), key=_natural) if inside else [place]
        for path in paths:
            hidden = any(part.startswith(".") for part in path.relative_to(place).parts)
            if inside and (
                hidden or path.suffix.lower() not in PICTURES | RAW or not path.is_file()
            ):
                continue
            try:
                found.append(_look(path, place if inside else path.parent))
            except ArchiveError as error:
                left_out.append(f"{path.name}: {error}")
    if not found:
        raise ArchiveError(
            f"There are no pictures in {', '.join(str(place) for place in places)}: name a folder "
            "of JPEG, PNG, WebP, TIFF or HEIC files."
        )
    if back := holding.withheld(one.path for one in found):
        said = holding.sentence([path.name for path in back])
        found = [one for one in found if one.path not in back]
        if not found:
            raise ArchiveError(said)
        left_out.append(said)
    if by == "date":
        found.sort(key=lambda one: (one.taken is None, one.taken or ""))
    return Gathered(tuple(found), tuple(left_out))


def slideshow(found: Gathered, out: Path, knobs: Film) -> Work:
    """The Work of the film; its folder lies beside `out` until `hand_over`.

    It has the shape of the first picture, unless `knobs` say another. What it says of its making is
    what the pictures say: made by a network, in part, or nothing.

    Raises:
        ConfigError: the settings do not go together.
    """
    pictures = [one.path for one in found.pictures]
    captions = _captions(found, knobs)
    width, height = found.pictures[0].size
    ratio = ratio_of(knobs.aspect) if knobs.aspect else width / height
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in pictures]
    settings = {**knobs.model_dump(mode="json"), "pictures": stats, "captions": captions}
    if knobs.music is not None and knobs.music.is_file():
        settings["music"] = [str(knobs.music), knobs.music.stat().st_mtime_ns]
    generated = sum(_is_made(path) for path in pictures)
    some = provenance.COMPOSITE if generated else ""

    @cache
    def record() -> Mapping[str, Any]:
        said = [one for path in pictures if (one := provenance.inherited(path))]
        return {"kind": "slideshow", "count": len(pictures), **_common(said)}

    return montage.slideshow(
        pictures=pictures,
        folder=out.with_name(f"{out.name}.making"),
        settings=settings,
        seconds_per_picture=knobs.seconds_per_picture,
        size=frame_size(knobs.size, ratio),
        captions=captions,
        titles=[text or f"Picture {number}" for number, text in enumerate(captions, 1)],
        record=record,
        source=provenance.TRAINED if generated == len(pictures) else some,
        **knobs.model_dump(include=filming.KNOBS),
    )


def hand_over(folder: Path, out: Path) -> None:
    """Move the film of a finished folder to `out`, and the folder away.

    Raises:
        StorageError: `out` cannot be written.
    """
    with storage_errors(out.parent):
        film_in(folder).replace(out)
        shutil.rmtree(folder)


def _look(path: Path, root: Path) -> Found:
    with decode.opened(path) as picture:
        told = metadata.read(picture)
        size = picture.size[::-1] if decode.orientation(picture) >= 5 else picture.size
    guess = None if told.taken else dates.guess(path.name, ())
    album = path.parent.name if path.parent != root else ""
    return Found(path, size, told.taken or (guess and guess.taken), told.place, album)


def _captions(found: Gathered, knobs: Film) -> list[str]:
    if knobs.texts is not None:
        return filming.own_texts(knobs.texts, len(found.pictures))
    if knobs.captions == "none":
        return [""] * len(found.pictures)
    return [filming.told(knobs.captions, p.taken, p.place, p.album) for p in found.pictures]


def _common(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all of some records say alike of where they come from, and their seeds."""
    if not records:
        return {}
    first = records[0]
    alike = {
        key: first[key]
        for key in _ALIKE
        if key in first and all(record.get(key) == first[key] for record in records)
    }
    seeds = [record["seed"] for record in records if "seed" in record]
    return {**alike, **({"seeds": seeds} if seeds else {})}


def _is_made(path: Path) -> bool:
    """Whether a picture says itself that a network made it."""
    try:
        return "lgorithmicMedia" in provenance.told(path)[1]
    except FormatError:
        return False


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """img2 before img10."""
    words = re.split(r"(\d+)", str(path).casefold())
    return [(0, int(word), "") if word.isdecimal() else (1, 0, word) for word in words]
