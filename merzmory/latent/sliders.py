"""What directions do, as sheets: a row a seed, from one side to the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from merzmory import provenance
from merzmory.frame import SQUARE, Frame
from merzmory.latent import directions
from merzmory.latent.directions import Direction
from merzmory.latent.explore import Explorer
from merzmory.latent.layers import Range
from merzmory.manifest import Work, lay_out
from merzmory.records import Announce, Progress
from merzmory.sheet import sheet

SLIDERS = "directions.json"


def plan(
    *,
    explorer: Explorer,
    method: str,
    layers: Range,
    count: int,
    names: Sequence[str],
    seeds: int,
    first_seed: int,
    reach: float,
    columns: int,
    psi: float,
    label: str,
    tile: int,
    folder: Path,
    settings: Mapping[str, Any],
    title: str,
    shape: Frame = SQUARE,
    born: Mapping[str, Any] | None = None,
) -> Work:
    """direction-01.png and on: rows are seeds, columns amounts from -reach to +reach standard deviations;
    and directions.json. A line of the manifest says {"file", "name", "number", "deviation", "share"}.

    `names` are the first sliders' names, the others are called by method and number.
    """
    amounts = np.linspace(-reach, reach, columns).tolist()
    rows = [explorer.seed(seed, label, psi) for seed in range(first_seed, first_seed + seeds)]

    @cache
    def found() -> list[Direction]:
        of = explorer.checked(rows[0]).label
        known = directions.find(
            explorer.generator,
            method,
            layers,
            count,
            label=explorer.labels.index(of) if of else None,
        )
        return directions.renamed(known, names)

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        direction = found()[index]
        grid: list[list[Image.Image]] = []
        for row in rows:
            grid.append([])
            for amount in amounts:
                moved = directions.slid(explorer, row, [(direction, amount)])
                square = Image.fromarray(explorer.picture(moved, psi))
                grid[-1].append(shape.shown(square))
        first, behind = layers
        line: dict[str, Any] = {
            "file": f"direction-{index + 1:02d}.png",
            "name": direction.name,
            "number": index,
            "deviation": direction.deviation,
            "share": direction.share,
        }
        drawn = sheet(
            grid,
            tile=tile,
            ratio=grid[0][0].width / grid[0][0].height,
            title=f"{direction.name} · {title}",
            note=f"layers {first} to {behind - 1} · psi {psi:g} · {direction.share:.1%} of the whole · "
            "columns: standard deviations",
            column_labels=[f"{amount:+.3g}" if amount else "0" for amount in amounts],
            row_labels=[row.name + (f" · {row.label}" if row.label else "") for row in rows],
        )
        told = {**settings, **(born or {}), **line, "kind": "directions"}
        record = {k: v for k, v in told.items() if k != "file"}
        provenance.save_png(drawn, part / line["file"], record)
        announce(Progress("directions", index + 1, count, "directions"))
        return [line]

    def join(part: Path, _lines: list[dict[str, Any]]) -> None:
        directions.save(part / SLIDERS, found())

    return lay_out("directions", folder, settings, count, make, join=join)
