"""A caption: one quiet line at the lower left of a frame, drawn once and laid over many frames."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from merzmory.film import pixels
from merzmory.sheet import drawable

_INK, _SHADE = (240, 238, 233), (0, 0, 0)
_LONGEST = 90  # letters


class Caption:
    """`text` for frames of `size` (W, H) and `kind` (`pixels`); `write` lays it over one."""

    def __init__(self, text: str, size: tuple[int, int], kind: str = pixels.RGB) -> None:
        self._kind = kind
        self._corner = (0, 0)
        # of each plane: the share of the frame that stays, and what is laid over it
        self._layers: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        if text.strip() and min(size) >= 64:
            self._draw(text, size)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Lay the caption over `frame`, in place: a soft shade, and the letters in it."""
        if not self._layers:
            return
        for plane, (stays, over) in zip(pixels.planes(frame), self._layers, strict=True):
            n = pixels.size_of(frame)[0] // plane.shape[1]  # 2 in a halved plane
            x, y = self._corner[0] // n, self._corner[1] // n
            under = plane[y : y + stays.shape[0], x : x + stays.shape[1]]
            under[:] = np.round(under * stays + over)

    def _draw(self, text: str, size: tuple[int, int]) -> None:
        letters = max(12, round(min(size) / 30))  # pixels
        margin = round(letters * 1.4)
        font = ImageFont.load_default(letters)
        line = drawable(" ".join(text.split()))[:_LONGEST]
        while len(line) > 1 and font.getlength(line) > size[0] - 2 * margin:
            line = line[:-2].rstrip(" …") + "…"
        pad = letters  # the shade fades out inside it
        width = min(round(font.getlength(line)) + 2 * pad, size[0] - margin + pad)
        height = 3 * letters + letters % 2  # with `width`, even: chromas are halved
        mask = Image.new("L", (width + width % 2, height), 0)
        ImageDraw.Draw(mask).text(
            (pad, round(1.5 * letters)), line, font=font, fill=255, anchor="lm"
        )
        soft = mask.filter(ImageFilter.GaussianBlur(letters / 3))
        # the first letter stands at the margin, the pad left of it may reach over the edge
        x, y = max(0, margin - pad), size[1] - margin - 2 * letters
        self._corner = (x - x % 2, max(0, min(y - y % 2, size[1] - height)))
        room = size[0] - self._corner[0]
        alpha = _share(mask)[:, :room]
        shade = np.minimum(np.float32(0.7), np.float32(1.6) * _share(soft))[:, :room]
        inks, shades = (pixels.values(colour, self._kind) for colour in (_INK, _SHADE))
        for number, (ink, dark) in enumerate(zip(inks, shades, strict=True)):
            here = [_halved(share) if number else share for share in (alpha, shade)]
            if self._kind == pixels.RGB:
                here = [share[..., None] for share in here]
            letter, shadow = here
            over = dark * shadow * (1 - letter) + ink * letter
            stays = (1 - shadow) * (1 - letter)
            self._layers.append((stays, np.asarray(over, np.float32)))


def place_words(album: str, place: tuple[float, float] | None) -> str:
    """Where a photograph was taken: its album's name, or its place to a tenth of a degree (11 km).

    No name is looked up anywhere; "" where neither is known.
    """
    if album or place is None:
        return album
    north, east = place
    return f"{abs(north):.1f}° {'N' if north >= 0 else 'S'} {abs(east):.1f}° {'E' if east >= 0 else 'W'}"


def _share(mask: Image.Image) -> NDArray[np.float32]:
    return np.asarray(mask, np.float32) / np.float32(255)


def _halved(share: NDArray[np.float32]) -> NDArray[np.float32]:
    size = share.shape[1] // 2, share.shape[0] // 2
    return np.asarray(cv2.resize(share, size, interpolation=cv2.INTER_AREA), np.float32)
