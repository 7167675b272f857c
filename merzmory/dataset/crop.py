"""Which square of a photograph is trained on: as large as fits, moved along the longer side.

A face detector is the whole gain over the centre for people; attention serves the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Box = tuple[int, int, int, int]

_LOOK_AT = 64  # pixels of the shorter side at which attention is measured
_PRIOR = 0.25  # how much less a square at the edge is worth than one in the centre
_EDGES = 0.5  # weight of gradient energy beside the spectral residual


def square(
    width: int,
    height: int,
    *,
    method: str,
    image: Image.Image | None = None,
    faces: Sequence[Box] = (),
) -> tuple[Box, str]:
    """The box x0, y0, x1, y1 in pixels of a `width` x `height` photograph, and how it was found.

    The box is the largest square there is. `method` is one of METHODS; "face" falls back on
    "attention" where there are no faces, and that on "centre" where there is no `image` (the
    photograph at any size).
    """
    side = min(width, height)
    room = max(width, height) - side  # pixels along which the square can move
    offset, found = METHODS[method](width, height, room, image, faces)
    offset = min(max(offset, 0), room)
    x, y = (offset, 0) if width >= height else (0, offset)
    return (x, y, x + side, y + side), found


def _centre(
    width: int, height: int, room: int, image: Image.Image | None, faces: Sequence[Box]
) -> tuple[int, str]:
    return room // 2, "centre"


def _attention(
    width: int, height: int, room: int, image: Image.Image | None, faces: Sequence[Box]
) -> tuple[int, str]:
    if image is None or room == 0:
        return room // 2, "centre"
    map_ = attention(image)
    profile = map_.sum(axis=0 if width >= height else 1)  # along the longer side
    window = min(map_.shape)
    sums = np.convolve(profile, np.ones(window), "valid")
    if len(sums) < 2 or float(np.ptp(sums)) < 1e-9 * float(sums.max(initial=1.0)):
        return room // 2, "centre"
    away = np.linspace(-1.0, 1.0, len(sums))
    best = int(np.argmax(sums * (1.0 - _PRIOR * away**2)))
    return round(best * room / (len(sums) - 1)), "attention"


def _face(
    width: int, height: int, room: int, image: Image.Image | None, faces: Sequence[Box]
) -> tuple[int, str]:
    if not faces:
        return _attention(width, height, room, image, faces)
    axis = 0 if width >= height else 1
    side = min(width, height)
    spans = sorted(
        (box[axis], box[axis + 2], (box[2] - box[0]) * (box[3] - box[1])) for box in faces
    )
    tries = [(spans[0][0] + max(span[1] for span in spans) - side) // 2]  # all of them, centred
    tries += [(start + end - side) // 2 for start, end, _ in spans]  # each of them, centred

    def covered(offset: int) -> tuple[int, int]:
        offset = min(max(offset, 0), room)
        whole = sum(area for a, b, area in spans if a >= offset and b <= offset + side)
        part = sum(max(0, min(b, offset + side) - max(a, offset)) for a, b, _ in spans)
        return whole, part

    return max(tries, key=covered), "face"  # of equals the first: all of them before each


_Method = Callable[[int, int, int, Image.Image | None, Sequence[Box]], tuple[int, str]]
METHODS: dict[str, _Method] = {"centre": _centre, "attention": _attention, "face": _face}


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
