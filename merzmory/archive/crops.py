"""Hashes of a photograph's centre crops and of what lies inside its border.

Instagram cuts what is too wide or too tall out of the middle, and many programs add a border: the
whole frame's hash finds neither again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from merzmory.archive import hashes

ASPECTS = {"1:1": 1.0, "4:5": 0.8, "1.91:1": 1080 / 566}  # width over height, as Instagram cuts
_FLAT = 6  # grey levels: a border differs by less, JPEG's ringing beside it included
_DARK, _LIGHT = 16, 239  # grey levels: a border is black or white, a wall or a sky is neither
_LEAST = 0.3  # share of a side that must be left inside a border
_PER_MILLE = 1000
_DIGITS = 4 + (1 + len(ASPECTS)) * (64 + 256) // 4


@dataclass(frozen=True, slots=True)
class Prints:
    """The hashes of N photographs: of each inside its border (column 0), then of its crops."""

    aspect: npt.NDArray[np.float64]  # [N], width over height inside the border; 0 without one
    near: npt.NDArray[np.uint64]  # [N, 4]
    fine: npt.NDArray[np.uint64]  # [N, 4, 4]


def crops(grey: Image.Image) -> str:
    """The hashes of a grey picture inside its flat border, and of its centre crops, in hex.

    Four digits of the aspect in thousandths (0: there is no border), then 16 + 64 digits for the
    whole and for each of `ASPECTS`. `grey` is what `hashes.reduced` gives.
    """
    box = _inside(np.asarray(grey))
    inside = grey.crop(box) if box else grey
    aspect = inside.width / inside.height if box else 0.0
    views = [inside, *(_centre(inside, wanted) for wanted in ASPECTS.values())]
    digits = "".join(hashes.perceptual(view, side) for view in views for side in (8, 16))
    return f"{min(round(aspect * _PER_MILLE), 0xFFFF):04x}{digits}"


def prints(texts: Sequence[str]) -> Prints:
    """What `crops` wrote of N photographs."""
    rows = b"".join(bytes.fromhex(text) for text in texts)
    raw = np.frombuffer(rows, np.uint8).reshape(len(texts), _DIGITS // 2)
    aspect = raw[:, :2].copy().view(">u2").reshape(len(texts)) / _PER_MILLE
    words = raw[:, 2:].copy().view(">u8").astype(np.uint64).reshape(len(texts), -1, 5)
    return Prints(aspect, np.ascontiguousarray(words[:, :, 0]), words[:, :, 1:])


def _centre(grey: Image.Image, aspect: float) -> Image.Image:
    width, height = grey.size
    across = min(width, max(1, round(height * aspect)))
    down = min(height, max(1, round(width / aspect)))
    x, y = (width - across) // 2, (height - down) // 2
    return grey.crop((x, y, x + across, y + down))


def _inside(grey: npt.NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """The box x0, y0, x1, y1 inside a flat border; None without one, or with little else."""
    height, width = grey.shape
    top, bottom = _border(grey), _border(grey[::-1])
    left, right = _border(grey.T), _border(grey.T[::-1])
    if top + bottom > (1 - _LEAST) * height or left + right > (1 - _LEAST) * width:
        return None
    if not (top or bottom or left or right):
        return None
    return left, top, width - right, height - bottom


def _border(lines: npt.NDArray[np.uint8]) -> int:
    """How many of the lines, from the first one on, are one flat tone."""
    tone = None
    for number, line in enumerate(lines):
        low, middle, high = _at(line)
        tone = middle if tone is None else tone
        if high - low >= _FLAT or abs(middle - tone) >= _FLAT or _DARK < tone < _LIGHT:
            return number
    return len(lines)


def _at(line: npt.NDArray[np.uint8]) -> list[int]:
    """The 5th, 50th and 95th percentiles: the ringing where the border ends is no part of it."""
    return [
        int(value)
        for value in np.sort(line)[[len(line) // 20, len(line) // 2, -1 - len(line) // 20]]
    ]
