"""Digging: what lies nearest to one picture, as a whole and by part; and the question turned around.

    dig.png    the picture, and four columns of photographs: whole, colour, texture, patch
    wipe.png   the picture, the nearest photograph, and one laid half over the other
    wipe.gif   the same, moving
    dig.json   the matches

Alike in one part is less than alike: a column says which part, and no column says source.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from merzmory import provenance
from merzmory.archaeology.embedders import Embedder, Vectors, embed_files, embed_unit
from merzmory.archaeology.index import (
    VECTORS,
    open_rows,
    photo_search,
    search,
    search_rows,
    unique_photos,
)
from merzmory.archaeology.match import caption, match_of
from merzmory.archaeology.memorisation import read_scale
from merzmory.archaeology.parts import BOXES, PATCHES, Colour, Patch, Texture
from merzmory.errors import ConfigError
from merzmory.frame import SQUARE, Frame
from merzmory.manifest import Work, lay_out, read_manifest, write_aside
from merzmory.originals import decode
from merzmory.records import Announce, Progress
from merzmory.sheet import about, sheet

Piece = tuple[int, float, bool, tuple[float, ...] | None]  # row, distance, mirrored, box

WHOLE = "whole"
PARTS: dict[str, Callable[[], Embedder]] = {"colour": Colour, "texture": Texture, "patch": Patch}
FILES = ("dig.png", "wipe.png", "wipe.gif", "dig.json")
_RANKS = 4  # photographs a column
_AROUND = 8  # pictures nearest to a photograph
_TILE, _WIPE = 224, 384  # pixels
_FRAMES, _PAUSE, _TICK = 24, 900, 50  # frames of the moving wipe; milliseconds at an end, a frame
_BATCH = 64  # pictures in memory at once
_BOX = "#e8b23a"


def from_sample(
    *,
    seed: int | None,
    samples: Path,
    dataset: Path,
    indexes: Mapping[str, Path],
    by: Mapping[str, Embedder],
    scale: Path,
    folder: Path,
    cameras: Callable[[], Mapping[str, str]] = dict,
    shape: Frame = SQUARE,
    settings: Mapping[str, Any],
) -> Work:
    """`FILES` for the picture of `seed`; for None, of the picture that lies nearest to a photograph.

    `indexes` and the embedders `by` that made them, by WHOLE and the names of PARTS, are finished
    when the shard runs; so is the `scale` of the whole.

    Raises:
        ConfigError: there is no picture of that seed.
    """
    lines = read_manifest(samples)
    if seed is not None and seed not in {line["seed"] for line in lines}:
        raise ConfigError(
            f"There is no picture of seed {seed} among the samples: they go from "
            f"{lines[0]['seed']} to {lines[-1]['seed']}."
        )

    def make(part: Path, _index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        squares = read_manifest(dataset)
        photos = [square["photo"] for square in squares]
        line = next((line for line in lines if line["seed"] == seed), None)
        line = line or lines[_telling(indexes[WHOLE], by[WHOLE], samples, lines)]
        picture = SQUARE.read_square(samples / line["file"])
        known, taken_with = read_scale(scale), cameras()
        columns: list[list[Image.Image]] = []
        captions: list[list[str]] = []
        told: list[dict[str, Any]] = []
        query = _busiest(picture)
        for done, (name, embedder) in enumerate(by.items(), 1):
            found: list[Piece]
            if name == "patch":
                found = _by_patch(indexes[name], embedder, picture, query, photos)
            else:
                found = [
                    (*hit, None) for hit in _by_whole(indexes[name], embedder, picture, photos)
                ]
            columns.append([])
            captions.append([])
            for rank, (row, distance, mirrored, box) in enumerate(found, 1):
                match = match_of(line["file"], rank, squares[row], distance, mirrored)
                said = {
                    **asdict(match),
                    "part": name,
                    "camera": taken_with.get(match.photo),
                    "percentile": None,
                    "level": known.level(distance) if name == WHOLE else "none",
                }
                told.append(said)
                shown = shape.read_square(dataset / match.file)
                columns[-1].append(_boxed(shown, box))
                captions[-1].append(caption(said))
            announce(Progress("dig", done, len(by), "layers"))
        own = _boxed(picture, BOXES[query])
        rows = [
            [own if rank == 0 else None, *(_at(column, rank) for column in columns)]
            for rank in range(_RANKS)
        ]
        text = [
            [about(line) if rank == 0 else "", *(_at(column, rank) or "" for column in captions)]
            for rank in range(_RANKS)
        ]
        drawn = sheet(
            rows,
            tile=_TILE,
            ratio=picture.width / picture.height,
            title="What lies nearest, layer by layer",
            note="nearest as a whole, by colour, by texture, and by the piece inside the box",
            column_labels=("picture", *by),
            captions=text,
        )
        first = told[0]
        _save(drawn, part / "dig.png", samples / line["file"])
        photograph = shape.read_square(dataset / first["file"])
        wiped = _wipe(part, picture, photograph, about(line), caption(first), first["mirrored"])
        _save(wiped, part / "wipe.png", samples / line["file"])
        return _told(part, told)

    return lay_out("dig", folder, settings, 1, make)


def from_photo(
    *,
    photo: Path,
    samples: Path,
    dataset: Path,
    scale: Path,
    folder: Path,
    by: Embedder,
    shape: Frame = SQUARE,
    settings: Mapping[str, Any],
) -> Work:
    """`FILES` for a photograph: the pictures nearest to it, and a wipe to the nearest.

    A photograph of the dataset is taken as its square shows it, another one by its middle.

    Raises:
        PictureError: the file is no picture, or is damaged (by the shard).
    """
    lines = read_manifest(samples)

    def make(part: Path, _index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        original, said = _photograph(photo, dataset, shape, samples / lines[0]["file"])
        asked = [embed_unit(by, side[None]) for side in _sides(original)]
        distances = np.empty((2, len(lines)), np.float32)
        for start in range(0, len(lines), _BATCH):
            files = [samples / line["file"] for line in lines[start : start + _BATCH]]
            made = embed_files(by, files)
            for side, vector in enumerate(asked):
                distances[side, start : start + _BATCH] = np.maximum(1 - made @ vector[0], 0)
            announce(Progress("dig", start + len(files), len(lines), "pictures"))
        best = np.argsort(distances.min(axis=0), kind="stable")[:_AROUND].tolist()
        known, told = read_scale(scale), []
        for rank, row in enumerate(best, 1):
            distance = round(float(distances[:, row].min()), 4)
            told.append(
                {
                    **lines[row],
                    "rank": rank,
                    "distance": distance,
                    "mirrored": bool(distances[1, row] < distances[0, row]),
                    "level": known.level(distance),
                }
            )
        tiles: list[list[Any]] = [[original], [None]]
        text = [[said], [""]]
        for number, near in enumerate(told):
            tiles[number * 2 // _AROUND].append(samples / near["file"])
            text[number * 2 // _AROUND].append(_reversed(near))
        drawn = sheet(
            tiles,
            tile=_TILE,
            ratio=original.width / original.height,
            title="What the machine makes that lies nearest to this photograph",
            note=f"the nearest of {len(lines)} pictures",
            column_labels=("photograph", "nearest"),
            captions=text,
        )
        first = told[0]
        _save(drawn, part / "dig.png", samples / first["file"])
        picture = SQUARE.read_square(samples / first["file"])
        wiped = _wipe(part, picture, original, _reversed(first), said, first["mirrored"])
        _save(wiped, part / "wipe.png", samples / first["file"])
        return _told(part, told)

    return lay_out("dig", folder, settings, 1, make)


def _telling(index: Path, by: Embedder, samples: Path, lines: Sequence[Mapping[str, Any]]) -> int:
    """Which picture lies nearest to a photograph."""
    nearest = []
    for start in range(0, len(lines), _BATCH):
        files = [samples / line["file"] for line in lines[start : start + _BATCH]]
        sides = [embed_files(by, files, mirrored=turned) for turned in (False, True)]
        nearest.append(np.minimum(*(search(index, side, 1)[1][:, 0] for side in sides)))
    return int(np.concatenate(nearest).argmin())


def _by_whole(
    index: Path, by: Embedder, picture: Image.Image, photos: Sequence[str]
) -> list[tuple[int, float, bool]]:
    plain, turned = (embed_unit(by, side[None]) for side in _sides(picture))
    return photo_search(index, plain, turned, photos, _RANKS)[0]


def _by_patch(
    index: Path, by: Embedder, picture: Image.Image, query: int, photos: Sequence[str]
) -> list[Piece]:
    """The nearest pieces to the window `query` or its mirror image: (row, distance, mirrored, box)."""
    rows = open_rows(index / VECTORS).reshape(len(photos) * PATCHES, -1)
    both: list[tuple[float, bool, int]] = []
    column = query % 3
    windows = (query, query - column + 2 - column)  # where it lies in the mirror image
    of = [photo for photo in photos for _ in range(PATCHES)]
    for mirrored, (side, window) in enumerate(zip(_sides(picture), windows, strict=True)):
        own: Vectors = embed_unit(by, side[None]).reshape(PATCHES, -1)[window : window + 1]
        # each window has length 1/3 in the index and here: 9 makes the product a cosine
        places, distances = search_rows(rows, 9 * own, (_RANKS - 1) * _most(of) + 1, index)
        pairs = zip(distances[0].tolist(), places[0].tolist(), strict=True)
        both += [(distance, bool(mirrored), place) for distance, place in pairs]
    return [
        (place // PATCHES, distance, mirrored, BOXES[place % PATCHES])
        for place, distance, mirrored in unique_photos(sorted(both), of, _RANKS)
    ]


def _most(photos: Sequence[str]) -> int:
    return int(np.unique(np.asarray(photos), return_counts=True)[1].max())


def _busiest(picture: Image.Image) -> int:
    """The window with the most detail: the largest variance of its light."""
    grey = np.asarray(picture.convert("L").resize((64, 64)), np.float32)
    windows = [grey[int(y * 64) : int(b * 64), int(x * 64) : int(r * 64)] for x, y, r, b in BOXES]
    return int(np.argmax([window.var() for window in windows]))


def _sides(picture: Image.Image) -> tuple[Any, Any]:
    """The pixels of a picture and of its mirror image, [H, W, 3]."""
    pixels = np.asarray(picture)
    return pixels, np.ascontiguousarray(pixels[:, ::-1])


def _at(column: Sequence[Any], rank: int) -> Any:
    return column[rank] if rank < len(column) else None


def _boxed(picture: Image.Image, box: tuple[float, ...] | None) -> Image.Image:
    if box is None:
        return picture
    larger = picture.resize(
        (_TILE, round(_TILE * picture.height / picture.width)), Image.Resampling.LANCZOS
    )
    across, down = larger.width - 1, larger.height - 1
    edges = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
    ImageDraw.Draw(larger).rectangle(edges, outline=_BOX, width=2)
    return larger


def _photograph(photo: Path, dataset: Path, shape: Frame, like: Path) -> tuple[Image.Image, str]:
    """(what is compared of it, its caption)."""
    for line in read_manifest(dataset):
        if Path(line["path"]) == photo:
            taken = line["taken"][:10] if line["taken"] else "no date"
            return shape.read_square(dataset / line["file"]), f"{photo.name}\n{taken}"
    size = SQUARE.read_square(like).size
    whole = decode.upright_srgb(photo, shortest=2 * max(size))
    return ImageOps.fit(whole, size, Image.Resampling.LANCZOS), f"{photo.name}\nits middle"


def _reversed(line: Mapping[str, Any]) -> str:
    """The caption of a picture that lies near a photograph."""
    first = f"seed {line['seed']} · distance {line['distance']:.2f}"
    second = [line["level"]] if line["level"] != "none" else []
    second += ["mirrored"] if line["mirrored"] else []
    return f"{first}\n{' · '.join(second)}".rstrip()


def _wipe(
    part: Path,
    made: Image.Image,
    photo: Image.Image,
    of_made: str,
    of_photo: str,
    mirrored: bool,
) -> Image.Image:
    """wipe.gif, and its sheet: one picture laid over the other; mirrored, where that is nearer."""
    width = max(2, round(_WIPE * min(1.0, made.width / made.height)))
    size = (width, round(width * made.height / made.width))
    over, under = (p.resize(size, Image.Resampling.LANCZOS) for p in (made, photo))
    if mirrored:
        under = ImageOps.mirror(under)
    drawn = sheet(
        [[over, _laid(over, under, 0.5), under]],
        tile=_WIPE,
        ratio=size[0] / size[1],
        column_labels=("picture", "half and half", "nearest photograph"),
        captions=[[of_made, "", of_photo]],
    )
    both = Image.new("RGB", (2 * size[0], size[1]))
    both.paste(over, (0, 0))
    both.paste(under, (size[0], 0))
    palette = both.quantize(256)  # one for all frames: no flicker, and quick
    shares = (1 + np.cos(np.linspace(0, np.pi, _FRAMES))) / 2
    there = [_laid(over, under, float(share)).quantize(palette=palette) for share in shares]
    frames = [*there, *there[-2:0:-1]]
    pauses = [_PAUSE if n in (0, _FRAMES - 1) else _TICK for n in range(len(frames))]
    frames[0].save(
        part / "wipe.gif", save_all=True, append_images=frames[1:], duration=pauses, loop=0
    )
    return drawn


def _save(drawn: Image.Image, path: Path, picture: Path) -> None:
    """Write a sheet of photographs and a generated `picture`, whose record it takes along."""
    record = {**provenance.inherited(picture), "kind": "dig"}
    provenance.save_png(drawn, path, record, provenance.COMPOSITE)


def _laid(over: Image.Image, under: Image.Image, share: float) -> Image.Image:
    """The left `share` of `over`, laid over `under`."""
    edge, laid = round(share * over.width), under.copy()
    laid.paste(over.crop((0, 0, edge, over.height)), (0, 0))
    if 0 < edge < over.width:
        ImageDraw.Draw(laid).line((edge, 0, edge, over.height), fill="white")
    return laid


def _told(part: Path, told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    text = json.dumps({"format": 1, "matches": told}, indent=1, ensure_ascii=False)
    write_aside(part / "dig.json", text.encode("utf-8", "backslashreplace"))
    return [{"file": file} for file in FILES]
