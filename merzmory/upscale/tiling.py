"""Large pictures through a network in pieces, so that memory does not grow with the picture.

Each tile is given `overlap` pixels of its surroundings, which are cut off its result. Where
`overlap` reaches as far as the network looks, the pieces equal the whole; at the picture's own
border a tile ends where the picture ends, as the whole does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from merzmory.records import Announce, Progress, silent
from merzmory.upscale.upscaler import Pictures, resized

_LOBES = 3  # pixels of input that lanczos looks to either side


@dataclass(frozen=True, slots=True)
class Network:
    """What is known of a network that enlarges pictures."""

    run: Callable[[Pictures], Pictures]  # [..., h, w, 3] to [..., h*scale, w*scale, 3]
    scale: int
    overlap: int  # pixels of input that it looks to either side
    multiple: int = 1  # h and w are multiples of it
    least_tile: int = 0  # pixels of input


@dataclass(frozen=True, slots=True)
class Tiles:
    """An engine: a network over tiles of `tile` pixels of input.

    Where the network's own factor is not `scale`, lanczos does the rest; below a `strength` of 1,
    lanczos's picture is mixed in, at 0 nothing of the network is left. Both happen tile by tile.
    """

    name: str
    scale: int
    network: Network
    tile: int
    strength: float = 1.0

    def __call__(self, images: Pictures, announce: Announce = silent) -> Pictures:
        height, width = images.shape[-3:-1]
        fold = self.network.multiple
        short = [(0, 0)] * (images.ndim - 3) + [(0, -height % fold), (0, -width % fold), (0, 0)]
        whole = np.pad(images, short, mode="edge") if any(map(any, short)) else images
        large = tiled(
            self._enlarged,
            whole,
            tile=max(self.tile, self.network.least_tile),
            overlap=self.network.overlap + _LOBES,
            scale=self.scale,
            multiple=fold,
            announce=announce,
        )
        return large[..., : height * self.scale, : width * self.scale, :]

    def _enlarged(self, part: Pictures) -> Pictures:
        height, width = (side * self.scale for side in part.shape[-3:-1])
        if self.strength == 0:
            return resized(part, height, width)
        sharp = resized(self.network.run(part), height, width)
        if self.strength == 1:
            return sharp
        smooth = resized(part, height, width).astype(np.float32)
        mixed = smooth + self.strength * (sharp - smooth)
        return np.rint(mixed).astype(np.uint8)


def tiled(
    run: Callable[[Pictures], Pictures],
    images: Pictures,
    *,
    tile: int,
    overlap: int,
    scale: int,
    multiple: int = 1,
    announce: Announce = silent,
) -> Pictures:
    """`run`, which maps [..., h, w, 3] to [..., h*scale, w*scale, 3], over `images` in tiles.

    Tiles begin at multiples of `multiple` pixels, which a network that folds pixels into
    channels needs. Beside the result, no more than a tile of (tile + 2 overlap)² is held.
    """
    height, width, channels = images.shape[-3:]
    tile, overlap = _up(tile, multiple), _up(overlap, multiple)
    if height <= tile and width <= tile:
        return run(images)
    out = np.empty((*images.shape[:-3], height * scale, width * scale, channels), np.uint8)
    down, across = _spans(height, tile, overlap), _spans(width, tile, overlap)
    for row, (top, bottom, above, below) in enumerate(down):
        for column, (left, right, before, behind) in enumerate(across, 1):
            part = run(np.ascontiguousarray(images[..., above:below, before:behind, :]))
            out[..., top * scale : bottom * scale, left * scale : right * scale, :] = part[
                ...,
                (top - above) * scale : (bottom - above) * scale,
                (left - before) * scale : (right - before) * scale,
                :,
            ]
            done, total = row * len(across) + column, len(down) * len(across)
            announce(Progress("upscale", done, total, "tiles"))
    return out


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """(start, end) of each tile, and of what it is given to see."""
    return [
        (start, end, max(0, start - overlap), min(length, end + overlap))
        for start in range(0, length, tile)
        for end in [min(start + tile, length)]
    ]


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
