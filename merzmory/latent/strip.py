"""The film strip of forgetting: the same seeds at step after step of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from merzmory import provenance
from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint
from merzmory.gan.device import choose_device
from merzmory.latent.labels import in_turn, pictures
from merzmory.manifest import Work, lay_out
from merzmory.records import Announce, Progress
from merzmory.sheet import sheet

NETWORKS: dict[Literal["ema", "raw"], str] = {
    "ema": "running average (G_ema)",
    "raw": "last step (G)",
}


def choose(steps: Sequence[int], columns: int) -> list[int]:
    """At most `columns` of the ascending `steps`, first and last among them, evenly spread."""
    if len(steps) <= columns:
        return list(steps)
    last = len(steps) - 1
    return [steps[round(i * last / (columns - 1))] for i in range(columns)]


def plan(
    *,
    snapshots: Mapping[int, Path],
    folder: Path,
    seeds: int,
    columns: int,
    psi: float,
    tile: int,
    device: str,
    settings: Mapping[str, Any],
    labels: Sequence[str] = (),
    label: str = "",
    shape: Frame = SQUARE,
    birth: Callable[[], Mapping[str, Any]] = dict,
) -> Work:
    """Two sheets, strip-ema.png and strip-raw.png: rows are seeds 0.., columns are steps.

    `snapshots` maps a step to its slim checkpoint, which holds G and G_ema. In a network that
    knows `labels`, rows take `label`, or all in turn. Tiles show what a square in `shape` shows.
    Sheets say inside what `birth()` tells of the network.

    Raises:
        ConfigError: `label` is none of `labels`.
    """
    turn = in_turn(labels, label, "strip.label")
    classes = [turn[seed % len(turn)] for seed in range(seeds)]
    steps = choose(sorted(snapshots), columns)
    networks = list(NETWORKS)

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        which = networks[index]
        grid: list[list[Image.Image]] = [[] for _ in range(seeds)]
        for number, step in enumerate(steps):
            generator = checkpoint.load_generator(snapshots[step], which, choose_device(device))
            made = pictures(generator, range(seeds), classes, psi)
            for row, picture in zip(grid, made, strict=True):
                row.append(shape.shown(Image.fromarray(picture)))
            announce(Progress("strip", index * len(steps) + number + 1, 2 * len(steps), "columns"))
        drawn = sheet(
            grid,
            tile=tile,
            ratio=grid[0][0].width / grid[0][0].height,
            column_labels=[f"step {step}" for step in steps],
            row_labels=[
                f"seed {seed}" + (f" · {labels[c]}" if c is not None else "")
                for seed, c in enumerate(classes)
            ],
        )
        file = f"strip-{which}.png"
        record = {
            **birth(),
            **settings,
            "kind": "strip",
            "network": which,
            "steps": steps,
            "psi": psi,
        }
        provenance.save_png(drawn, part / file, record)
        return [{"file": file, "network": which, "title": NETWORKS[which], "steps": steps}]

    return lay_out("strip", folder, settings, len(networks), make)
