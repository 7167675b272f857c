"""Photographs with people in them, made from the small faces that come with scikit-image (LFW)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage
from PIL import Image, ImageFilter

_FACE, _ROOM = 150, 60  # pixels: of a face, and of skin's colour around it
SIZE = (480, 360)


def face(number: int) -> Image.Image:
    """One of a hundred faces of different people, with some room around it."""
    faces = np.load(Path(skimage.__file__).parent / "data" / "lfw_subset.npy", mmap_mode="r")
    pixels = Image.fromarray((faces[number] * 255).astype(np.uint8))
    large = pixels.resize((_FACE, _FACE), Image.Resampling.BICUBIC)
    return Image.fromarray(np.pad(large, _ROOM, mode="edge")).filter(ImageFilter.GaussianBlur(1))


def photograph(seed: int, who: int | None = None, *, frame: int = 0) -> Image.Image:
    """A scene by its seed, with somebody in it; frames of one face differ in place, light and size."""
    dice = np.random.default_rng(seed)
    coarse = Image.fromarray(dice.integers(0, 256, (9, 12, 3), np.uint8))
    scene = np.asarray(coarse.resize(SIZE, Image.Resampling.BICUBIC), np.int16)
    noisy = scene + dice.integers(-25, 26, scene.shape)
    picture = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    if who is not None:
        side = 270 - 12 * (frame % 4)
        light = 1.0 - 0.06 * (frame % 3)
        shown = face(who).resize((side, side)).point(lambda value: round(value * light))
        picture.paste(shown.convert("RGB"), (20 + 37 * (frame % 5), 10 + 11 * (frame % 6)))
    return picture
