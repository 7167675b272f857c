"""What one can mean by alike: a colour, a surface, a piece. Embedders that see only one of them.

colour    which colours lie in which quarter
texture   surfaces: grain, stripes, leaves; neither colours nor places
patch     pieces: nine windows of half the side
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from merzmory.archaeology.hoglab import Floats, histogram, hog, lab, resized, thumbnail, unit

Pictures = npt.NDArray[np.uint8]

_SIDE = 128  # pixels that texture and patches look at
_RADII = (1, 2, 4)  # pixels between a pixel and its eight neighbours
_WINDOW = 32  # pixels of a window of the picture at 64
_THUMB = 4  # pixels of a window's Lab thumbnail
PATCHES = 9
BOXES = tuple((x, y, x + 0.5, y + 0.5) for y, x in itertools.product((0, 0.25, 0.5), repeat=2))


class Colour:
    """Lab histograms of the whole and its quarters."""

    kind = "colour 1"
    dimensions = 5 * 48

    def embed(self, images: Pictures) -> Floats:
        """uint8 [N, H, W, 3] to float32 [N, 240]."""
        if not len(images):
            return np.empty((0, self.dimensions), np.float32)
        return histogram(lab(np.stack([resized(image) for image in images])))


class Texture:
    """Uniform local binary patterns of the light (Ojala et al. 2002), at three radii."""

    kind = "texture 1"
    dimensions = len(_RADII) * 59

    def embed(self, images: Pictures) -> Floats:
        """uint8 [N, H, W, 3] to float32 [N, 177]: roots of the shares of patterns."""
        found = np.empty((len(images), self.dimensions), np.float32)
        for row, image in enumerate(images):
            light = lab(resized(image, _SIDE))[..., 0]
            found[row] = np.concatenate([_patterns(light, radius) for radius in _RADII])
        return found


class Patch:
    """Nine windows, each by its gradients and a Lab thumbnail."""

    kind = "patch 1"
    length = (_WINDOW // 8 - 1) ** 2 * 36 + _THUMB**2 * 3
    dimensions = PATCHES * length

    def embed(self, images: Pictures) -> Floats:
        """uint8 [N, H, W, 3] to float32 [N, 9 * 372]; each window's part has length 1/3."""
        if not len(images):
            return np.empty((0, self.dimensions), np.float32)
        colour = lab(np.stack([resized(image) for image in images]))
        found = []
        for x, y, _, _ in BOXES:
            top, left = round(y * 64), round(x * 64)
            window = colour[:, top : top + _WINDOW, left : left + _WINDOW]
            parts = unit(hog(window[..., 0])), 0.6 * unit(thumbnail(window, _THUMB))
            found.append(unit(np.concatenate(parts, axis=1)) / np.float32(3))
        return np.concatenate(found, axis=1)


def _patterns(light: Floats, radius: int) -> Floats:
    """Roots of the shares of the 58 uniform patterns and of the rest, [59]."""
    r = radius
    inner = light[r:-r, r:-r]
    around = [(-r, -r), (-r, 0), (-r, r), (0, r), (r, r), (r, 0), (r, -r), (0, -r)]
    code = np.zeros(inner.shape, np.int64)
    for bit, (dy, dx) in enumerate(around):
        moved = light[r + dy : light.shape[0] - r + dy, r + dx : light.shape[1] - r + dx]
        code |= (moved > inner + 1).astype(np.int64) << bit  # 1 of L*: less is noise
    tally = np.bincount(_UNIFORM[code].ravel(), minlength=59)
    return np.sqrt(tally / code.size).astype(np.float32)


def _uniform() -> npt.NDArray[np.int64]:
    """By code: the number of its pattern, 58 for those that change more than twice around."""
    names = np.full(256, 58)
    count = 0
    for code in range(256):
        turned = (code >> 1) | ((code & 1) << 7)
        if (code ^ turned).bit_count() <= 2:
            names[code] = count
            count += 1
    return names


_UNIFORM = _uniform()
