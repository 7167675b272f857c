"""A caption: one quiet line at the lower left of a frame, drawn once and laid over many frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from merzmory.sheet import drawable

_INK = np.array([240, 238, 233], np.float32)
_LONGEST = 90  # letters


class Caption:
    """`text` for frames of `size` (W, H); `write` lays it over one."""

    def __init__(self, text: str, size: tuple[int, int]) -> None:
        self._corner = (0, 0)
        self._alpha: NDArray[np.float32] | None = None
        self._shade: NDArray[np.float32] | None = None
        if text.strip() and min(size) >= 64:
            self._draw(text, size)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Lay the caption over `frame` [H, W, 3], in place: a soft shade, and the letters in it."""
        if self._alpha is None or self._shade is None:
            return
        x, y = self._corner
        height, width = self._alpha.shape[:2]
        under = frame[y : y + height, x : x + width]
        dark = under * (1 - self._shade)
        under[:] = np.round(dark * (1 - self._alpha) + _INK * self._alpha)

    def _draw(self, text: str, size: tuple[int, int]) -> None:
        letters = max(12, round(min(size) / 30))  # pixels
        margin = round(letters * 1.4)
        font = ImageFont.load_default(letters)
        line = drawable(" ".join(text.split()))[:_LONGEST]
        while len(line) > 1 and font.getlength(line) > size[0] - 2 * margin:
            line = line[:-2].rstrip(" …") + "…"
        pad = letters  # the shade fades out inside it
        width = min(round(font.getlength(line)) + 2 * pad, size[0] - margin + pad)
        mask = Image.new("L", (width, 3 * letters), 0)
        ImageDraw.Draw(mask).text(
            (pad, round(1.5 * letters)), line, font=font, fill=255, anchor="lm"
        )
        soft = mask.filter(ImageFilter.GaussianBlur(letters / 3))
        self._alpha = _share(mask)
        self._shade = np.minimum(np.float32(0.7), np.float32(1.6) * _share(soft))
        # the first letter stands at the margin, the pad left of it may reach over the edge
        x, y = max(0, margin - pad), size[1] - margin - 2 * letters
        self._corner = (x, max(0, min(y, size[1] - 3 * letters)))
        room = size[0] - self._corner[0]
        self._alpha, self._shade = self._alpha[:, :room], self._shade[:, :room]


def place_words(album: str, place: tuple[float, float] | None) -> str:
    """Where a photograph was taken: its album's name, or its place to a tenth of a degree (11 km).

    No name is looked up anywhere; "" where neither is known.
    """
    if album or place is None:
        return album
    north, east = place
    return f"{abs(north):.1f}° {'N' if north >= 0 else 'S'} {abs(east):.1f}° {'E' if east >= 0 else 'W'}"


def _share(mask: Image.Image) -> NDArray[np.float32]:
    return np.asarray(mask, np.float32)[..., None] / np.float32(255)
