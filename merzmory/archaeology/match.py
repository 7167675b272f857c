"""Archaeology: which photographs of the archive lie nearest to a generated picture?

Nearest says how alike two pictures are to the embedder, and no more: a generator does not copy
from one photograph, it remembers all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from merzmory import provenance
from merzmory.archaeology.embedders import Embedder, embed_files
from merzmory.archaeology.index import percentile, photo_search
from merzmory.archaeology.memorisation import read_scale
from merzmory.errors import FormatError
from merzmory.frame import SQUARE, Frame
from merzmory.manifest import Work, lay_out, read_manifest, read_settings
from merzmory.records import Announce, Match, Progress
from merzmory.sheet import about, sheet

SHEETS = "sheets"
_ROWS = 8  # pictures a sheet
_TILE = 224  # pixels
_TITLE = "Pictures and the nearest photographs"
_NOTE = "%: how many photographs of the archive lie nearer to one another than that"
_LABELS = ("nearest", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def plan(
    *,
    samples: Path,
    dataset: Path,
    index: Path,
    scale: Path,
    folder: Path,
    by: Embedder,
    nearest: int = 3,
    dates: Mapping[str, str] | None = None,
    cameras: Callable[[], Mapping[str, str]] = dict,
    shape: Frame = SQUARE,
    settings: Mapping[str, Any],
    shard_size: int = 64,
) -> Work:
    """The `nearest` photographs of each picture, at most one square a photograph.

    A line is a `records.Match`, its "camera", and two readings of its distance: "percentile", of
    100 photographs of the archive, how many lie nearer to another one than this picture to this
    photograph (0: nearer than any two; None in an archive of one photograph); and "level", none,
    echo or near copy, by the `scale`. Pictures are asked for as they are and mirrored, because
    training mirrors. `dates` says when a photograph (by its id) was taken where that was said after
    the dataset was made, `cameras` what with. The squares of the dataset are shown in `shape`, as
    the pictures are. `sheets/sheet-00.png` on show picture | nearest. `index` and `scale` need to
    be finished when the first shard runs.

    Raises:
        FormatError: the index was made with another embedder or dataset.
    """
    pictures = read_manifest(samples)
    shards = [pictures[i : i + shard_size] for i in range(0, len(pictures), shard_size)]

    def make(part: Path, number: int, announce: Announce) -> Iterable[dict[str, Any]]:
        squares = read_manifest(dataset)
        _check(index, by.kind, [line["file"] for line in squares])
        known, taken_with = read_scale(scale), cameras()
        files = [samples / line["file"] for line in shards[number]]
        photos = [line["photo"] for line in squares]
        plain, mirrored = embed_files(by, files), embed_files(by, files, mirrored=True)
        lines = []
        for picture, found in zip(
            shards[number], photo_search(index, plain, mirrored, photos, nearest), strict=True
        ):
            for rank, (row, distance, mirror) in enumerate(found, 1):
                square = squares[row]
                if dates and square["photo"] in dates:
                    square = {**square, "taken": dates[square["photo"]]}
                match = match_of(picture["file"], rank, square, distance, mirror)
                lines.append(
                    {
                        **asdict(match),
                        "camera": taken_with.get(match.photo),
                        "percentile": percentile(index, distance),
                        "level": known.level(distance),
                    }
                )
        done = number * shard_size + len(files)
        announce(Progress("match", done, len(pictures), "pictures"))
        return lines

    def join(part: Path, lines: list[dict[str, Any]]) -> None:
        (part / SHEETS).mkdir(exist_ok=True)
        of: dict[str, list[dict[str, Any]]] = {}
        for line in lines:
            of.setdefault(line["sample"], []).append(line)
        for page, start in enumerate(range(0, len(pictures), _ROWS)):
            shown = pictures[start : start + _ROWS]
            drawn = _sheet(shown, of, samples, dataset, min(nearest, len(_LABELS)), shape)
            record = {
                **provenance.inherited(samples / shown[0]["file"]),
                "kind": "matches",
                "seeds": [line["seed"] for line in shown if "seed" in line],
            }
            record.pop("seed", None)  # of the first alone
            path = part / SHEETS / f"sheet-{page:02d}.png"
            provenance.save_png(drawn, path, record, provenance.COMPOSITE)

    whole = {**settings, "nearest": nearest}
    return lay_out("matches", folder, whole, len(shards), make, join=join)


def _check(index: Path, kind: str, files: Sequence[str]) -> None:
    made_with = read_settings(index)["settings"].get("embedder")
    if made_with != kind or [line["file"] for line in read_manifest(index)] != files:
        raise FormatError(
            f"{index} was made from another dataset or with the embedder {made_with}, not "
            f"{kind}: move it away and run the command again."
        )


def match_of(
    sample: str, rank: int, square: Mapping[str, Any], distance: float, mirrored: bool
) -> Match:
    """The record of a photograph near a picture, from its square's line of the manifest."""
    place = square.get("place")
    x0, y0, x1, y1 = square["box"]
    return Match(
        sample=sample,
        rank=rank,
        photo=square["photo"],
        path=square["path"],
        file=square["file"],
        box=(x0, y0, x1, y1),
        distance=round(distance, 4),
        mirrored=mirrored,
        taken=square.get("taken"),
        place=(place[0], place[1]) if place else None,
    )


def _sheet(
    pictures: Sequence[Mapping[str, Any]],
    of: Mapping[str, Sequence[Mapping[str, Any]]],
    samples: Path,
    dataset: Path,
    columns: int,
    shape: Frame,
) -> Image.Image:
    rows, captions = [], []
    for picture in pictures:
        found = of.get(picture["file"], [])[:columns]
        near = [shape.read_square(dataset / line["file"]) for line in found]
        rows.append([samples / picture["file"], *near])
        captions.append([about(picture), *(caption(line) for line in found)])
    return sheet(
        rows,
        tile=_TILE,
        ratio=near[0].width / near[0].height,
        title=_TITLE,
        note=_NOTE,
        column_labels=("picture", *_LABELS[:columns]),
        captions=captions,
    )


def caption(line: Mapping[str, Any]) -> str:
    """The caption of a photograph: how near; date, and whether mirrored; place; camera."""
    first = f"distance {line['distance']:.2f}"
    if line["percentile"] is not None:
        first += f" · {line['percentile']:.0f} %"
    if line["level"] != "none":
        first += f" · {line['level']}"
    second = [line["taken"][:10]] if line["taken"] else ["no date"]
    second += ["mirrored"] if line["mirrored"] else []
    rest = [where(line["place"])] if line["place"] else []
    rest += [line["camera"]] if line["camera"] else []
    return "\n".join([first, " · ".join(second), *rest])


def where(place: Sequence[float]) -> str:
    """Latitude and longitude in words, to about a kilometre: 48.14 N 11.58 E."""
    latitude, longitude = place
    return (
        f"{abs(latitude):.2f} {'N' if latitude >= 0 else 'S'} "
        f"{abs(longitude):.2f} {'E' if longitude >= 0 else 'W'}"
    )
