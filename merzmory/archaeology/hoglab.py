"""Shape and colour in one vector, without any download: HOG, a Lab thumbnail, a Lab histogram.

Measured with mirrored queries: 840 crops of 21 photographs, 200 of them asked for again after
each of seven changes (small JPEG, mirror, turned crop, shift, colour, warp with blur and noise,
60/40 blend): the right crop came first 77 times in 100, with a 64-bit pHash 61 times.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]

_SIDE = 64  # pixels that are looked at
_CELL = 8  # pixels of a HOG cell
_BINS = 9  # unsigned directions over 180 degrees
_THUMB = 12  # pixels of the Lab thumbnail
_LEVELS = (12, 18, 18)  # histogram bins of L, a, b ...
_QUARTERS = 2  # ... in each of 2 x 2 quarters and in the whole: 5 x 48 bins
_WEIGHTS = (1.0, 0.4, 0.6)  # HOG, thumbnail, histogram
_FAINT = 100.0  # summed gradient in L of a block of nothing but noise

# linear sRGB to CIE XYZ over the D65 white (IEC 61966-2-1)
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    np.float32,
) / np.array([[0.95047], [1.0], [1.08883]], np.float32)
_LINEAR = np.array(
    [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.arange(256) / 255],
    np.float32,
)


class HogLab:
    """The embedder `hoglab`: needs no network and no weights."""

    kind = "hoglab 1"
    dimensions = (
        (_SIDE // _CELL - 1) ** 2 * 4 * _BINS + _THUMB**2 * 3 + (_QUARTERS**2 + 1) * sum(_LEVELS)
    )

    def embed(self, images: npt.NDArray[np.uint8]) -> Floats:
        """uint8 [N, H, W, 3] sRGB to float32 [N, dimensions] of unit length."""
        if not len(images):
            return np.empty((0, self.dimensions), np.float32)
        colour = lab(np.stack([resized(image) for image in images]))
        parts = (hog(colour[..., 0]), thumbnail(colour), histogram(colour))
        whole = np.concatenate(
            [w * unit(part) for w, part in zip(_WEIGHTS, parts, strict=True)], axis=1
        )
        return unit(whole)


def lab(images: npt.NDArray[np.uint8]) -> Floats:
    """uint8 sRGB [..., 3] to CIE L*a*b* over D65, float32: L 0..100, a and b about -128..127."""
    xyz = _LINEAR[images] @ _XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def hog(light: Floats) -> Floats:
    """Histograms of oriented gradients (Dalal and Triggs, CVPR 2005): [N, S, S] to [N, D].

    8 x 8 pixel cells, 9 unsigned directions shared between neighbours, blocks of 2 x 2 cells
    under L2-Hys (clipped at 0.2 and normalised again).
    """
    count, side, _ = light.shape
    padded = np.pad(light, ((0, 0), (1, 1), (1, 1)), mode="edge")
    dx = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    dy = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    length = np.hypot(dx, dy)
    direction = (np.arctan2(dy, dx) % np.pi) * (_BINS / np.pi) - 0.5
    low = np.floor(direction)
    share = direction - low
    cells = side // _CELL
    down, across = np.divmod(np.arange(side * side), side)
    cell = (down // _CELL) * cells + across // _CELL  # [S*S]
    cell = cell[None] + np.arange(count)[:, None] * cells * cells
    found = np.zeros(count * cells * cells * _BINS, np.float32)
    for bins, weight in ((low, length * (1 - share)), (low + 1, length * share)):
        place = cell * _BINS + bins.reshape(count, -1).astype(np.int64) % _BINS
        found += np.bincount(place.ravel(), weight.ravel(), found.size).astype(np.float32)
    grid = found.reshape(count, cells, cells, _BINS)
    blocks = np.concatenate(
        [grid[:, :-1, :-1], grid[:, :-1, 1:], grid[:, 1:, :-1], grid[:, 1:, 1:]], axis=-1
    )
    blocks = np.minimum(unit(blocks, floor=_FAINT), 0.2)
    flat: Floats = unit(blocks, floor=1e-3).reshape(count, -1)
    return flat


def thumbnail(colour: Floats, count: int = _THUMB) -> Floats:
    """[N, S, S, 3] to the Lab thumbnail [N, count * count * 3] around middle grey."""
    edges = np.linspace(0, colour.shape[1], count + 1).round().astype(int)
    sums = np.add.reduceat(np.add.reduceat(colour, edges[:-1], axis=1), edges[:-1], axis=2)
    sizes = np.diff(edges)
    mean = sums / (sizes[:, None] * sizes[None, :])[None, :, :, None]
    centred: Floats = mean - np.array([50, 0, 0], np.float32)
    return centred.reshape(len(colour), -1)


def histogram(colour: Floats) -> Floats:
    """[N, S, S, 3] to roots of the shares of pixels by level (Hellinger), whole and quarters."""
    count, half = len(colour), _SIDE // _QUARTERS
    parts = [colour]
    for row in range(_QUARTERS):
        for column in range(_QUARTERS):
            rows = slice(row * half, (row + 1) * half)
            parts.append(colour[:, rows, column * half : (column + 1) * half])
    found = []
    for part in parts:
        pixels = part.reshape(count, -1, 3)
        for channel, (levels, low, high) in enumerate(
            zip(_LEVELS, (0, -60, -60), (100, 60, 60), strict=True)
        ):
            level = ((pixels[..., channel] - low) * (levels / (high - low))).astype(np.int64)
            level = level.clip(0, levels - 1) + np.arange(count)[:, None] * levels
            tally = np.bincount(level.ravel(), minlength=count * levels).reshape(count, levels)
            found.append(np.sqrt(tally / pixels.shape[1]))
    return np.concatenate(found, axis=1).astype(np.float32)


def resized(image: npt.NDArray[np.uint8], side: int = _SIDE) -> npt.NDArray[np.uint8]:
    """`image` at the side that is looked at; Pillow's triangle filter widens when it reduces."""
    if image.shape[:2] == (side, side):
        return image
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small)


def unit(vectors: Floats, floor: float = 1e-12) -> Floats:
    """Vectors along the last axis, made of unit length (shorter where they are below `floor`)."""
    length = np.sqrt((vectors**2).sum(-1, keepdims=True) + floor**2)
    unit: Floats = (vectors / length).astype(np.float32)
    return unit
