"""Large pictures through a network in pieces, so that memory does not grow with the picture.

Each tile is given `overlap` pixels of its surroundings, which are cut off its result. Where
`overlap` reaches as far as the network looks, the pieces equal the whole; at the picture's own
border a tile ends where the picture ends, as the whole does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]


def tiled(
    run: Callable[[Picture], Picture],
    image: Picture,
    *,
    tile: int,
    overlap: int,
    scale: int,
    multiple: int = 1,
) -> Picture:
    """`run`, which maps [h, w, 3] to [h*scale, w*scale, 3], over `image` [H, W, 3] in tiles.

    Tiles begin at multiples of `multiple` pixels, which a network that folds pixels into
    channels needs. Beside the result, no more than a tile of (tile + 2 overlap)² is held.
    """
    height, width, channels = image.shape
    tile, overlap = _up(tile, multiple), _up(overlap, multiple)
    if height <= tile and width <= tile:
        return run(image)
    out = np.empty((height * scale, width * scale, channels), np.uint8)
    for top, bottom, above, below in _spans(height, tile, overlap):
        for left, right, before, behind in _spans(width, tile, overlap):
            part = run(np.ascontiguousarray(image[above:below, before:behind]))
            out[top * scale : bottom * scale, left * scale : right * scale] = part[
                (top - above) * scale : (bottom - above) * scale,
                (left - before) * scale : (right - before) * scale,
            ]
    return out


def _spans(length: int, tile: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """(start, end) of each tile, and of what it is given to see."""
    for start in range(0, length, tile):
        end = min(start + tile, length)
        yield start, end, max(0, start - overlap), min(length, end + overlap)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
