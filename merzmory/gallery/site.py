"""The exhibition as a static site: no server, no build step, nothing from elsewhere.

    index.html   gallery.css   gallery.js   icon.svg
    credits.html               whose photographs were learned from, where their licences ask for it
    pictures/0001-960.webp     the generated pictures, in several widths
    nearest/0001.webp          the photographs nearest to them, without any metadata
    film/film.mp4  film/poster.jpg

What is published holds no file name, path or place of a photograph; of its date only the month.
The words are nearest, never source: likeness is measured, descent is not.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from merzmory.errors import ArchiveError
from merzmory.frame import SQUARE, Frame
from merzmory.gallery import decisions
from merzmory.gallery.credits import credits_of
from merzmory.gallery.pictures import hang, photograph, shown_size
from merzmory.manifest import Work, finished_with, lay_out, read_manifest, write_aside
from merzmory.provenance import inherited
from merzmory.records import Announce, Progress

KIND = "gallery"
_HERE = Path(__file__).parent
_NOTHING = "There are no pictures to hang: make some samples first."
# what the larger picture says of itself; its nearest, where no photographs are to be shown
_NOT_ITS_OWN = {"nearest", "width", "height", "source_file"}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Beside:
    """A photograph beside a picture: what may be published of a match."""

    file: str
    width: int
    height: int
    rank: int
    distance: float
    mirrored: bool
    month: str  # "May 2014"; "" without a date


@dataclass(frozen=True, slots=True)
class _Plan:
    """The lines of a gallery: which picture, and which photographs lie beside it."""

    pictures: list[dict[str, Any]]
    nearest: list[list[dict[str, Any]]]  # of each picture, by rank
    names: dict[str, str]  # training square: its file on the site
    first: dict[str, int]  # training square: the picture that it is written with


def plan(
    *,
    pictures: Path,
    matches: Path,
    originals: Path,
    folder: Path,
    title: str,
    subtitle: str = "",
    photographer: str = "",
    film: Path | None = None,
    held: Collection[str] = (),
    show_originals: bool = True,
    noindex: bool = True,
    notice: Callable[[], str] = str,
    shape: Frame = SQUARE,
    settings: Mapping[str, Any],
    shard_size: int = 12,
) -> Work:
    """The Work of a static site of the finished folder `pictures`.

    The lines of `matches` whose "sample" is a picture's "source_file" name the training squares
    below `originals` that lie beside it, as `shape` shows them. Pictures whose "source_file" is in
    `held` are left out. `film` is an MP4 and is copied in; `notice` says what the licences allow.
    A line of the result is a picture: its files, sizes, seed, psi, step, colours and `Beside`s.

    Raises:
        ArchiveError: there are no pictures, or one cannot be read (by a shard).
        FormatError: `pictures` or `matches` is not finished.
        SettingsDifferError: `folder` was finished with other settings.
    """

    @cache
    def planned() -> _Plan:
        return _plan(pictures, matches if show_originals else None, held)

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        found = planned()
        start = index * shard_size
        made = []
        for number in range(start, min(start + shard_size, len(found.pictures))):
            made.append(_hang(part, found, number, pictures, originals, title, shape))
            announce(Progress("publish", number + 1, len(found.pictures), "pictures"))
        return made

    def join(part: Path, lines: list[dict[str, Any]]) -> None:
        owed = credits_of(read_manifest(originals))
        page = _render(
            "index.html.j2",
            pictures=lines,
            first=max(lines, key=lambda line: float(line["contrast"])),
            title=title,
            subtitle=subtitle,
            photographer=photographer,
            film=_film(part, film) if film is not None else None,
            archaeology=any(line["nearest"] for line in lines),
            noindex=noindex,
            credits=owed,
            notice=notice(),
        )
        if owed is not None:
            said = _render("credits.html.j2", title=title, credits=owed, noindex=noindex)
            write_aside(part / "credits.html", said.encode())
        for file in sorted((_HERE / "static").iterdir()):
            shutil.copyfile(file, part / file.name)
        write_aside(part / "index.html", page.encode())

    count = 0
    if not finished_with(folder, KIND, settings):  # or the inputs may be gone by now
        if not planned().pictures:
            raise ArchiveError(decisions.NOTHING_ELSE if held else _NOTHING)
        count = -(-len(planned().pictures) // shard_size)
    return lay_out(KIND, folder, settings, count, make, join=join)


def _plan(pictures: Path, matches: Path | None, held: Collection[str]) -> _Plan:
    lines = decisions.shown(read_manifest(pictures), held)
    of: dict[str, list[dict[str, Any]]] = {}
    for match in read_manifest(matches) if matches is not None else []:
        of.setdefault(match["sample"], []).append(match)
    nearest = [
        sorted(of.get(line.get("source_file", line["file"]), []), key=lambda m: int(m["rank"]))
        for line in lines
    ]
    names: dict[str, str] = {}
    first: dict[str, int] = {}
    for number, found in enumerate(nearest):
        for match in found:
            names.setdefault(match["file"], f"nearest/{len(names) + 1:04d}.webp")
            first.setdefault(match["file"], number)
    return _Plan(lines, nearest, names, first)


def _hang(
    part: Path,
    found: _Plan,
    number: int,
    pictures: Path,
    originals: Path,
    title: str,
    shape: Frame,
) -> dict[str, Any]:
    line = found.pictures[number]
    made_by = {key: line[key] for key in ("seed", "psi", "step") if line.get(key) is not None}
    record = {
        **{k: v for k, v in inherited(pictures / line["file"]).items() if k not in _NOT_ITS_OWN},
        "kind": "gallery",
        "title": title,
        "number": number + 1,
        **made_by,
        "nearest": [str(match["photo"])[:16] for match in found.nearest[number]],
    }
    hung = hang(pictures / line["file"], part, f"{number + 1:04d}", record)
    beside = []
    for match in found.nearest[number]:
        square, file = originals / match["file"], found.names[match["file"]]
        if found.first[match["file"]] == number:  # one shard writes it, the others name it
            photograph(square, part / file, shape)
        width, height = shown_size(square, shape)
        beside.append(
            Beside(
                file=file,
                width=width,
                height=height,
                rank=int(match["rank"]),
                distance=round(float(match["distance"]), 4),
                mirrored=bool(match.get("mirrored")),
                month=month(match.get("taken")),
            )
        )
    return {
        **asdict(hung),
        "number": number + 1,
        "source_file": line.get("source_file", line["file"]),
        **{key: line.get(key) for key in ("seed", "psi", "step")},
        "nearest": [asdict(photo) for photo in beside],
    }


def month(taken: str | None) -> str:
    """The month of an ISO 8601 date in words, "May 2014"; "" where there is none."""
    if not taken or len(taken) < 7 or not (taken[:4].isdigit() and taken[5:7].isdigit()):
        return ""
    number = int(taken[5:7])
    return f"{_MONTHS[number - 1]} {taken[:4]}" if 1 <= number <= 12 else ""


def _film(part: Path, film: Path) -> dict[str, Any]:
    """Copy the film and its poster in; what the page says of it."""
    folder = part / "film"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(film, folder / "film.mp4")
    poster = film.with_name("poster.jpg")
    if not poster.is_file():
        return {"file": "film/film.mp4", "poster": None, "width": None, "height": None}
    with Image.open(poster) as image:
        width, height = image.size
        packet = image.info.get("xmp", b"")  # that it is made by a network
        image.convert("RGB").save(folder / "poster.jpg", quality=88, xmp=packet)
    return {"file": "film/film.mp4", "poster": "film/poster.jpg", "width": width, "height": height}


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)
