"""Photographs that are all unlike each other, for tests that ingest some."""

from __future__ import annotations

import numpy as np
from PIL import Image


def snapshot(number: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """The photograph of that number, `size` (width, height): soft colours under noise."""
    dice = np.random.default_rng(number)
    coarse = Image.fromarray(dice.integers(0, 256, (5, 7, 3), np.uint8))
    smooth = coarse.resize(size, Image.Resampling.BICUBIC)
    noisy = np.asarray(smooth, np.int16) + dice.integers(-20, 21, (size[1], size[0], 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
