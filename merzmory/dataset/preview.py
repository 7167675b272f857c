"""Contact sheets of crops, before anything is cut: photographs with their box, and the squares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from PIL import Image, ImageDraw

from merzmory.dataset.build import Cutter, developed
from merzmory.dataset.crop import Cut
from merzmory.errors import ArchiveError
from merzmory.manifest import Work, lay_out
from merzmory.records import Announce, Photo, Progress
from merzmory.sheet import sheet

_TILE = 200  # pixels
_ROWS = 6  # of photographs a sheet
_PAIRS = 3  # photographs beside each other, each with its square
_DIM = 0.35  # light left outside the box


def chosen(photos: Sequence[Photo], count: int) -> list[Photo]:
    """At most `count` of the photographs, evenly spread from the first to the last."""
    if len(photos) <= count:
        return list(photos)
    return [photos[i * (len(photos) - 1) // max(count - 1, 1)] for i in range(count)]


def plan(
    *,
    photos: Sequence[Photo],
    folder: Path,
    cutter: Cutter,
    count: int,
    methods: Sequence[str] = (),
    settings: Mapping[str, Any],
) -> Work:
    """Lay out sheets `crops-00.png` on of `count` photographs: with the box drawn, and the square.

    With `methods` a row is one photograph and its square by each of them. A line of the manifest is
    a sheet: {"file", "photos": ids}.

    Raises:
        ArchiveError: there are no photographs, or one is gone (by a shard).
    """
    if not photos:
        raise ArchiveError(
            "No photograph is kept, so there is nothing to crop: loosen the thresholds under [cull]."
        )
    cutters = {name: replace(cutter, crop=name) for name in methods}
    across = 1 if methods else _PAIRS
    shown = chosen(photos, count)
    pages = [shown[i : i + _ROWS * across] for i in range(0, len(shown), _ROWS * across)]

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        cells = []
        for number, photo in enumerate(pages[index], index * _ROWS * across + 1):
            cells.append(_cells(photo, cutter, cutters))
            announce(Progress("crops", number, len(shown), "photographs"))
        rows = [
            [cell for pair in cells[i : i + across] for cell in pair]
            for i in range(0, len(cells), across)
        ]
        drawn = sheet(
            [[picture for picture, _ in row] for row in rows],
            tile=_TILE,
            title="What is cut from the photographs",
            note=_said(cutter),
            column_labels=("photograph", *methods) if methods else (),
            captions=[[caption for _, caption in row] for row in rows],
        )
        file = f"crops-{index:02d}.png"
        drawn.save(part / file, optimize=True)
        return [{"file": file, "photos": [photo.id for photo in pages[index]]}]

    made_from = {**settings, "count": count, "methods": list(methods)}
    return lay_out("crops", folder, made_from, len(pages), make)


def _cells(
    photo: Photo, cutter: Cutter, cutters: Mapping[str, Cutter]
) -> list[tuple[Image.Image, str]]:
    """The photograph with its box, and its square by each cutter, each with its caption."""
    side = cutter.decoded(photo)
    image = developed(photo, max(side, _TILE) if side else None)
    found = cutter.find(photo, image)
    cells = [(_boxed(photo, image, found), PurePath(photo.path).name)]
    if not cutters:
        return [*cells, (cutter.square(photo, image, found), _how(found, cutter))]
    for one in cutters.values():
        found = one.find(photo, image)
        cells.append((one.square(photo, image, found), _how(found, one)))
    return cells


def _boxed(photo: Photo, image: Image.Image, found: Cut) -> Image.Image:
    """The photograph at the tile's size, darker outside of what is cut."""
    scale = _TILE / max(photo.width, photo.height)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    x0, y0, x1, y1 = found.box
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    if found.turned is not None:
        corners = [(x, y) for x, y in found.turned.corners.tolist()]
    outline = [
        (min(max(x * scale, 0), size[0] - 1), min(max(y * scale, 0), size[1] - 1))
        for x, y in corners
    ]
    inside = Image.new("L", size, 0)
    ImageDraw.Draw(inside).polygon(outline, fill=255)
    dark = small.point(lambda value: round(value * _DIM))
    drawn = Image.composite(small, dark, inside)
    ImageDraw.Draw(drawn).polygon(outline, outline="white", width=2)
    return drawn


def _how(found: Cut, cutter: Cutter) -> str:
    return f"{found.method} · enlarged" if cutter.enlarges(found) else found.method


def _said(cutter: Cutter) -> str:
    said = f"{cutter.resolution} pixels, by {cutter.crop}"
    if cutter.frame.is_plain:
        return said
    how = "squeezed" if cutter.frame.window == (0, 0, 1, 1) else "letterboxed"
    return f"{said}, {cutter.frame.aspect} {how}"
