"""A grid of the explorer as a folder: its sheet, its single pictures, its origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from merzmory import provenance
from merzmory.frame import SQUARE, Frame
from merzmory.latent import vectors
from merzmory.latent.explore import Cell, Explorer, Place, centre_out, view
from merzmory.manifest import Work, lay_out
from merzmory.records import Announce, Progress
from merzmory.sheet import sheet

SHEET, ORIGIN = "grid.png", "origin.npz"
_SHARD = 8  # pictures: what a kill may cost


def plan(
    *,
    explorer: Explorer,
    place: Place,
    columns: int,
    rows: int,
    tile: int,
    folder: Path,
    settings: Mapping[str, Any],
    title: str,
    shape: Frame = SQUARE,
    born: Mapping[str, Any] | None = None,
) -> Work:
    """Pictures of the cells around an origin, cell_+01_-02.png, and grid.png of them all.

    A line of the manifest says {"file", "column", "row", "psi"}; origin.npz holds the origin.
    Pictures are made from the middle outwards, and show what a square in `shape` shows; they tell
    what they were `born` of.
    """
    said = {**settings, **(born or {}), "kind": "grid"}
    said["grid_seed"] = said.pop("seed", place.seed)  # "seed" in a record is that of a picture
    across, down = view(columns, rows)
    cells = centre_out(across, down)
    shards = [cells[i : i + _SHARD] for i in range(0, len(cells), _SHARD)]

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        lines = []
        for number, (cell, pixels) in enumerate(explorer.pictures(place, shards[index])):
            line: dict[str, Any] = {
                "file": f"cell_{cell[0]:+03d}_{cell[1]:+03d}.png",
                "column": cell[0],
                "row": cell[1],
                "psi": place.psi,
            }
            record = {k: v for k, v in {**said, **line}.items() if k != "file"}
            picture = shape.shown(Image.fromarray(pixels))
            provenance.save_png(picture, part / line["file"], record)
            lines.append(line)
            announce(Progress("explore", index * _SHARD + number + 1, len(cells), "pictures"))
        return lines

    def join(part: Path, lines: list[dict[str, Any]]) -> None:
        vectors.save(part / ORIGIN, [place.origin])
        files: dict[Cell, Path] = {
            (line["column"], line["row"]): part / line["file"] for line in lines
        }
        with Image.open(files[0, 0]) as middle:
            ratio = middle.width / middle.height
        drawn = sheet(
            [[files[column, row] for column in across] for row in down],
            tile=tile,
            ratio=ratio,
            title=title,
            note=f"distance {place.distance:g} · psi {place.psi:g} · grid seed {place.seed}",
            column_labels=[str(column) for column in across],
            row_labels=[str(row) for row in down],
        )
        provenance.save_png(drawn, part / SHEET, said)

    return lay_out("explore", folder, settings, len(shards), make, join=join)
