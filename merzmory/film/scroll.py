"""A long sheet as a film: a window as wide as the sheet moves from its first row to its last."""

from __future__ import annotations

import cv2
import numpy as np

from merzmory.film.pixels import scaled
from merzmory.film.slides import Picture, eased

_STILL = 0.08  # share of the film that stands still at either end


class Scroll:
    """Frame i of `count`: `Scroll(...)(i)` is uint8 [H, W, 3], from i alone.

    The sheet [h, w, 3] is laid into the frame by its shorter fit: one that is wider than the film
    is scrolled from left to right, one that is higher from top to bottom.
    """

    def __init__(self, sheet: Picture, count: int, size: tuple[int, int]) -> None:
        self.count, self.size = count, size
        scale = max(size[0] / sheet.shape[1], size[1] / sheet.shape[0])
        width = max(size[0], round(sheet.shape[1] * scale))
        height = max(size[1], round(sheet.shape[0] * scale))
        self._sheet = scaled(sheet, width, height)

    def __call__(self, index: int) -> Picture:
        """Frame `index`."""
        share = index / max(self.count - 1, 1)
        done = eased((share - _STILL) / (1 - 2 * _STILL))
        x = done * (self._sheet.shape[1] - self.size[0])
        y = done * (self._sheet.shape[0] - self.size[1])
        left, top = int(x), int(y)
        part = self._sheet[top : top + self.size[1] + 1, left : left + self.size[0] + 1]
        return np.asarray(
            cv2.warpAffine(
                part,
                np.array([[1, 0, x - left], [0, 1, y - top]]),
                self.size,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            dtype=np.uint8,
        )
