"""A slideshow's frames: a compositor of our own, each frame from its index alone.

    picture i     |---- shot i ----|
    picture i+1             |---- shot i+1 ----|
                            <-fade->  centred on the cut

A picture grows by a few hundredths while it is shown, inside a frame that stays still. One of
another shape than the film hangs on near-black, as on a wall.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from merzmory.errors import ArchiveError
from merzmory.film.encode import even

Picture = NDArray[np.uint8]  # [H, W, 3]
Size = int | tuple[int, int]  # pixels: the side of a square, or (width, height)

GROWTH = 0.06  # a picture is larger by this share at one end of its shot
WALL = (13, 13, 14)  # near-black behind the pictures
_TURN = 2.4  # radians, the golden angle: neighbours grow towards different sides


class Slides:
    """Frame i of a slideshow: `Slides(...)(i)` is uint8 [H, W, 3], from i alone.

    Raises:
        ArchiveError: a picture cannot be read (when it is shown).
    """

    def __init__(
        self, pictures: Sequence[Path], cuts: Sequence[int], fade: int, size: tuple[int, int]
    ) -> None:
        """Shot i shows `pictures[i]` from frame `cuts[i]` to `cuts[i + 1]`; `fade` in frames.

        `fade` is at most the shortest shot, so that two pictures at most are seen at once.
        """
        self.pictures = pictures
        self.cuts = list(cuts)
        self.size = size
        self.fade = min(fade, *np.diff(self.cuts).tolist())
        self._loaded = lru_cache(maxsize=3)(self._load)

    def __call__(self, index: int) -> Picture:
        """Frame `index`: a picture, or two in a cross-fade; the film's ends are near-black."""
        shot = int(np.searchsorted(self.cuts, index, side="right")) - 1
        half = self.fade / 2
        before = index - self.cuts[shot]
        behind = self.cuts[shot + 1] - index
        if before < half:
            neighbour, share = shot - 1, before
        elif behind < half:
            neighbour, share = shot + 1, behind
        else:
            return self._shown(shot, index)
        if 0 <= neighbour < len(self.pictures):
            other = self._shown(neighbour, index)
            weight = eased(0.5 + share / self.fade)
        else:
            other = _wall(self.size)
            weight = eased(share / half)
        here = self._shown(shot, index)
        return np.asarray(cv2.addWeighted(here, weight, other, 1 - weight, 0), dtype=np.uint8)

    def _shown(self, shot: int, index: int) -> Picture:
        """Picture `shot` on the wall at film frame `index`, grown as far as it is by then."""
        picture, (x, y, width, height) = self._loaded(shot)
        start = self.cuts[shot] - self.fade / 2
        done = (index - start) / (self.cuts[shot + 1] + self.fade / 2 - start)
        scale = 1 + GROWTH * (done if shot % 2 == 0 else 1 - done)
        # the picture is (1 + GROWTH) times its frame: scale 1 shows all of it
        view_w, view_h = picture.shape[1] / scale, picture.shape[0] / scale
        left = (picture.shape[1] - view_w) / 2 * (1 + 0.8 * math.cos(_TURN * shot))
        top = (picture.shape[0] - view_h) / 2 * (1 + 0.8 * math.sin(_TURN * shot))
        # between centres of pixels: x_picture = zoom * (x + 1/2) - 1/2 + left
        zoom_x, zoom_y = view_w / width, view_h / height
        matrix = np.array(
            [[zoom_x, 0, left + (zoom_x - 1) / 2], [0, zoom_y, top + (zoom_y - 1) / 2]]
        )
        wall = _wall(self.size)
        wall[y : y + height, x : x + width] = cv2.warpAffine(
            picture,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return wall

    def _load(self, shot: int) -> tuple[Picture, tuple[int, int, int, int]]:
        path = self.pictures[shot]
        try:
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
        except OSError as error:
            raise ArchiveError(
                f"{path} cannot be read: move its folder away and make the pictures again."
            ) from error
        place = fit(upright.width, upright.height, self.size)
        width, height = (round(side * (1 + GROWTH)) for side in place[2:])
        return scaled(np.asarray(upright), width, height), place


def eased(share: float) -> float:
    """Smoothstep 3x^2 - 2x^3: 0 at 0, 1/2 at 1/2, 1 at 1, level at both ends."""
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def frame_size(size: Size) -> tuple[int, int]:
    """`size` as even (width, height) in pixels."""
    width, height = (size, size) if isinstance(size, int) else size
    return even(width), even(height)


def fit(width: int, height: int, box: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest rectangle of that shape in the middle of `box`: x, y, width, height."""
    scale = min(box[0] / width, box[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    return (box[0] - inner[0]) // 2, (box[1] - inner[1]) // 2, *inner


def hung(picture: Picture, box: tuple[int, int]) -> Picture:
    """`picture` as large as `box` (width, height) holds it, on the near-black wall."""
    x, y, width, height = fit(picture.shape[1], picture.shape[0], box)
    wall = _wall(box)
    wall[y : y + height, x : x + width] = scaled(picture, width, height)
    return wall


def scaled(picture: Picture, width: int, height: int) -> Picture:
    """`picture` at another size: Lanczos (8 x 8 taps) to enlarge, area means to reduce."""
    smaller = width * height < picture.shape[0] * picture.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.uint8)


def _wall(size: tuple[int, int]) -> Picture:
    wall = np.empty((size[1], size[0], 3), np.uint8)
    wall[:] = WALL
    return wall
