"""Which part of a photograph is trained on: as large as fits, moved along the side with room.

A face detector is the whole gain over the centre for people; attention serves the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from merzmory.dataset.align import Points, Turned, aligned

Box = tuple[int, int, int, int]

_LOOK_AT = 64  # pixels of the shorter side at which attention is measured
_PRIOR = 0.25  # how much less a box at the edge is worth than one in the centre
_EDGES = 0.5  # weight of gradient energy beside the spectral residual
_BEYOND = 0.15  # of its side, how far an aligned square may reach out of the photograph


@dataclass(frozen=True, slots=True)
class Cut:
    """x0, y0, x1, y1 in the photograph's pixels, and how it was found.

    Where `turned` is given, it is what is cut, and `box` is the upright box around it.
    """

    box: Box
    method: str
    turned: Turned | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What the methods know of a photograph."""

    width: int  # pixels
    height: int  # pixels
    image: Image.Image | None = None  # the photograph at any size
    faces: Sequence[Box] = ()
    id: str = ""  # what chance is drawn from


def cut(
    look: Look,
    *,
    method: str,
    ratio: float = 1.0,
    least: int = 0,
    points: Sequence[Points] = (),
    hand: Box | None = None,
) -> Cut:
    """Where to cut a box of `ratio` (width over height) from the photograph.

    `hand` is a box that a person drew: its centre and area are kept, at the ratio, inside the
    photograph. Otherwise `method` is one of METHODS or "aligned", and the box is the largest there
    is. "aligned" turns the square to the largest face that has `points`, as long as it has `least`
    pixels and is not ratio'd; else it falls back on "face", that on "attention" where there are no
    faces, and that on "centre" where there is no image.
    """
    if hand is not None:
        return Cut(_by_hand(look, hand, ratio), "by hand")
    if method == ALIGNED and ratio == 1:
        turned = _aligned(look, points, least)
        if turned is not None:
            low, high = turned.corners.min(0), turned.corners.max(0)
            box = (
                max(0, int(low[0])), max(0, int(low[1])),
                min(look.width, int(np.ceil(high[0]))), min(look.height, int(np.ceil(high[1]))),
            )  # fmt: skip
            return Cut(box, ALIGNED, turned)
    across, down = largest(look.width, look.height, ratio)
    room = look.width - across, look.height - down  # in one direction at most a rounding
    axis = 0 if room[0] >= room[1] else 1
    offset, found = METHODS["face" if method == ALIGNED else method](
        look, axis, (across, down)[axis]
    )
    offset = min(max(offset, 0), room[axis])
    x, y = (offset, 0) if axis == 0 else (0, offset)
    return Cut((x, y, x + across, y + down), found)


def largest(width: int, height: int, ratio: float) -> tuple[int, int]:
    """Width and height of the largest box of `ratio` in a photograph."""
    if width >= height * ratio:
        return max(1, min(width, round(height * ratio))), height
    return width, max(1, min(height, round(width / ratio)))


def _centre(look: Look, axis: int, length: int) -> tuple[int, str]:
    return ((look.width, look.height)[axis] - length) // 2, "centre"


def _random(look: Look, axis: int, length: int) -> tuple[int, str]:
    room = (look.width, look.height)[axis] - length
    drawn = int.from_bytes(hashlib.sha256(f"crop {look.id}".encode()).digest()[:8])
    return drawn % (room + 1), "random"


def _attention(look: Look, axis: int, length: int) -> tuple[int, str]:
    whole = (look.width, look.height)[axis]
    room = whole - length
    if look.image is None or room == 0:
        return room // 2, "centre"
    profile = attention(look.image).sum(axis=axis)  # along the side with room
    window = min(len(profile), max(1, round(len(profile) * length / whole)))
    sums = np.convolve(profile, np.ones(window), "valid")
    if len(sums) < 2 or float(np.ptp(sums)) < 1e-9 * float(sums.max(initial=1.0)):
        return room // 2, "centre"
    away = np.linspace(-1.0, 1.0, len(sums))
    best = int(np.argmax(sums * (1.0 - _PRIOR * away**2)))
    return round(best * room / (len(sums) - 1)), "attention"


def _face(look: Look, axis: int, length: int) -> tuple[int, str]:
    if not look.faces:
        return _attention(look, axis, length)
    room = (look.width, look.height)[axis] - length
    spans = sorted(
        (box[axis], box[axis + 2], (box[2] - box[0]) * (box[3] - box[1])) for box in look.faces
    )
    tries = [(spans[0][0] + max(span[1] for span in spans) - length) // 2]  # all of them, centred
    tries += [(start + end - length) // 2 for start, end, _ in spans]  # each of them, centred

    def covered(offset: int) -> tuple[int, int]:
        offset = min(max(offset, 0), room)
        whole = sum(area for a, b, area in spans if a >= offset and b <= offset + length)
        part = sum(max(0, min(b, offset + length) - max(a, offset)) for a, b, _ in spans)
        return whole, part

    return max(tries, key=covered), "face"  # of equals the first: all of them before each


_Method = Callable[[Look, int, int], tuple[int, str]]
METHODS: dict[str, _Method] = {
    "centre": _centre, "random": _random, "attention": _attention, "face": _face,
}  # fmt: skip
ALIGNED = "aligned"
NAMES = (*METHODS, ALIGNED)


def _aligned(look: Look, points: Sequence[Points], least: int) -> Turned | None:
    found = [square for square in map(aligned, points) if square is not None]
    best = max(found, key=lambda square: square.side, default=None)
    if best is None or best.side < least or best.beyond(look.width, look.height) > _BEYOND:
        return None
    return best


def _by_hand(look: Look, hand: Box, ratio: float) -> Box:
    area = max(1, hand[2] - hand[0]) * max(1, hand[3] - hand[1])
    most = largest(look.width, look.height, ratio)
    across = min(most[0], max(1, round((area * ratio) ** 0.5)))
    down = min(most[1], max(1, round(across / ratio)))
    x = min(max((hand[0] + hand[2] - across) // 2, 0), look.width - across)
    y = min(max((hand[1] + hand[3] - down) // 2, 0), look.height - down)
    return (x, y, x + across, y + down)


def attention(image: Image.Image) -> npt.NDArray[np.float64]:
    """Where the eye goes: [H, W] at 64 pixels of the shorter side, each part normalised to 1.

    Spectral residual (Hou and Zhang, "Saliency Detection: A Spectral Residual Approach", 2007)
    beside gradient energy, which keeps small sharp things.
    """
    scale = _LOOK_AT / min(image.size)
    size = (
        max(_LOOK_AT, round(image.width * scale)), max(_LOOK_AT, round(image.height * scale)),
    )  # fmt: skip
    small = image.convert("L").resize(size, Image.Resampling.BOX)
    grey = np.asarray(small, np.float64) / 255.0
    spectrum = np.fft.fft2(grey)
    amplitude = np.log(np.abs(spectrum) + 1e-9)  # L(f)
    residual = amplitude - cv2.blur(amplitude, (3, 3), borderType=cv2.BORDER_REFLECT)  # R(f)
    salient = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    salient = np.asarray(cv2.GaussianBlur(salient, (0, 0), 2.5), np.float64)
    dy, dx = np.gradient(grey)
    edges = np.asarray(cv2.GaussianBlur(np.hypot(dx, dy), (0, 0), 2.5), np.float64)
    if float(edges.max()) < 1e-6:  # nothing to see
        return np.zeros_like(grey)
    return np.asarray(salient / salient.sum() + _EDGES * edges / edges.sum(), np.float64)
