"""A time-lapse of the training: the same seeds, while the weights move from the base to the archive.

Between two snapshots the *weights* are mixed, not the pictures: W(t) = (1 - t) W_a + t W_b. Each
in-between frame is a picture that a network of its own makes. The snapshots lie on the way that
the training took; the straight line between two of them is an interpolation, and so is the step
number shown there: (1 - t) a + t b, rounded. Each stretch between two snapshots lasts equally long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint
from merzmory.gan.device import choose_device
from merzmory.gan.generate import Pixels
from merzmory.gan.networks import StyleGenerator
from merzmory.latent.labels import in_turn, pictures
from merzmory.sheet import DARK

_STILL = 0.08  # share of the film that stands still at either end


def frames(
    *,
    snapshots: Mapping[int, Path],
    which: Literal["ema", "raw"],
    seeds: int,
    count: int,
    size: tuple[int, int],
    psi: float,
    device: str,
    labels: Sequence[str] = (),
    label: str = "",
    shape: Frame = SQUARE,
) -> Callable[[int], NDArray[np.uint8]]:
    """A function from frame number 0 .. count-1 to frame [H, W, 3]: seeds 0 .. seeds-1 in a grid.

    `snapshots` maps steps to slim checkpoints; `size` is (W, H) in pixels. Three generators and
    one frame are held, however long the film. In a network that knows `labels`, seeds take
    `label`, or all in turn. Tiles show what a square in `shape` shows.

    Raises:
        ConfigError: `label` is none of `labels`.
    """
    turn = in_turn(labels, label, "strip.label")
    classes = [turn[seed % len(turn)] for seed in range(seeds)]
    steps = sorted(snapshots)
    between = _Between([snapshots[step] for step in steps], which, device)
    last: dict[float, NDArray[np.uint8]] = {}

    def frame(number: int) -> NDArray[np.uint8]:
        at = position(number, count, len(steps))
        if at not in last:
            made = pictures(between(at), range(seeds), classes, psi)
            leg = min(int(at), max(len(steps) - 2, 0))
            step = round(float(np.interp(at, [leg, leg + 1], (steps + steps[-1:])[leg : leg + 2])))
            last.clear()
            last[at] = drawn(made, f"step {step}", size, shape)
        return last[at]

    return frame


def position(number: int, count: int, snapshots: int) -> float:
    """Where frame `number` of `count` stands: 0 at the first of the snapshots, 1 at the second ..."""
    share = number / max(count - 1, 1)
    moved = (share - _STILL) / (1 - 2 * _STILL)
    return min(max(moved, 0.0), 1.0) * (snapshots - 1)


def drawn(
    made: Pixels, label: str, size: tuple[int, int], shape: Frame = SQUARE
) -> NDArray[np.uint8]:
    """Squares [N, s, s, 3] as `shape` shows them, in a grid as large as `size` (W, H) holds.

    `label` stands below.
    """
    width, height = size
    margin, gap, text = height // 24, max(2, height // 90), max(11, height // 40)
    foot = round(text * 2.2)
    room = width - 2 * margin, height - margin - max(margin, foot)
    across, down = shape.size(made.shape[1])
    columns, tile = _grid(len(made), room, gap, across / down)
    rows = -(-len(made) // columns)
    left = (width - columns * tile[0] - (columns - 1) * gap) // 2
    top = margin + (room[1] - rows * tile[1] - (rows - 1) * gap) // 2
    page = Image.new("RGB", size, DARK.paper)
    for number, picture in enumerate(made):
        row, column = divmod(number, columns)
        where = left + column * (tile[0] + gap), top + row * (tile[1] + gap)
        shown = shape.shown(Image.fromarray(picture))
        page.paste(shown.resize(tile, Image.Resampling.LANCZOS), where)
    ImageDraw.Draw(page).text(
        (left, height - max(margin, foot) // 2),
        label,
        font=ImageFont.load_default(text),
        fill=DARK.quiet,
        anchor="lm",
    )
    return np.asarray(page)


def _grid(count: int, room: tuple[int, int], gap: int, ratio: float) -> tuple[int, tuple[int, int]]:
    """Columns, and (width, height) of a tile, of the grid with the largest tiles of `ratio`."""

    def width(columns: int) -> int:
        rows = -(-count // columns)
        across = (room[0] - (columns - 1) * gap) // columns
        return max(1, min(across, int((room[1] - (rows - 1) * gap) // rows * ratio)))

    best = max(range(1, count + 1), key=width)
    return best, (width(best), max(1, int(width(best) / ratio)))


class _Between:
    """The generator between snapshots: at 1.25, a quarter of the way from the second to the third."""

    def __init__(self, files: Sequence[Path], which: Literal["ema", "raw"], device: str) -> None:
        self.files, self.which = files, which
        self.device = choose_device(device)
        self.generator = self._load(0)
        self.ends: dict[int, dict[str, Tensor]] = {}

    @torch.inference_mode()
    def __call__(self, at: float) -> StyleGenerator:
        leg = int(at)
        wanted = [leg] if at == leg else [leg, leg + 1]
        self.ends = {n: self.ends.get(n) or self._load(n).state_dict() for n in wanted}
        low, high = self.ends[wanted[0]], self.ends[wanted[-1]]
        for name, value in self.generator.state_dict().items():
            if value.is_floating_point():
                torch.lerp(low[name], high[name], at - leg, out=value)
            else:
                value.copy_(low[name])
        return self.generator

    def _load(self, number: int) -> StyleGenerator:
        return checkpoint.load_generator(self.files[number], self.which, self.device)
