"""What every engine is: a name, a factor, and a function from pictures to larger pictures."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from PIL import Image

from merzmory.records import Announce, silent

Pictures = npt.NDArray[np.uint8]  # [..., H, W, 3], sRGB


@runtime_checkable
class Upscaler(Protocol):
    """Equal pictures give equal pictures."""

    @property
    def name(self) -> str:
        """Of the engine."""
        ...

    @property
    def scale(self) -> int:
        """How many times as wide and high."""
        ...

    def __call__(self, images: Pictures, announce: Announce = silent) -> Pictures:
        """uint8 [..., H, W, 3] to uint8 [..., H*scale, W*scale, 3].

        Announces Progress("upscale", done, total, "tiles") where there are several tiles.
        """
        ...


def resized(images: Pictures, height: int, width: int) -> Pictures:
    """uint8 [..., H, W, 3] to uint8 [..., height, width, 3] by lanczos."""
    if images.shape[-3:-1] == (height, width):
        return images
    out = np.empty((*images.shape[:-3], height, width, 3), np.uint8)
    for index in np.ndindex(images.shape[:-3]):
        whole = Image.fromarray(np.ascontiguousarray(images[index]))
        out[index] = np.asarray(whole.resize((width, height), Image.Resampling.LANCZOS))
    return out
