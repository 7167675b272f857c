"""What a frame is made of: RGB, or luma and two halved chromas, as most codecs keep pictures.

    RGB   uint8 [H, W, 3]
    YUV   uint8 [3H/2, W]: Y [H, W], then U and V [H/2, W/2], ffmpeg's yuv420p

YUV is BT.709 in its narrow range (Y 16 .. 235, U and V 16 .. 240), each chroma in the middle of its
four pixels. A film that is drawn in it costs half as much to draw and to hand over as one in RGB.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

RGB, YUV = "rgb24", "yuv420p"  # ffmpeg's names

_RED, _BLUE = 0.2126, 0.0722  # ITU-R BT.709-6, 3.2
_LUMA = np.array([_RED, 1 - _RED - _BLUE, _BLUE])
_TO_YUV = np.stack(
    [
        219 / 255 * _LUMA,
        224 / 255 * (np.array([0, 0, 1]) - _LUMA) / (2 - 2 * _BLUE),
        224 / 255 * (np.array([1, 0, 0]) - _LUMA) / (2 - 2 * _RED),
    ]
)
_ZERO = np.array([16.0, 128.0, 128.0])


def planes(frame: Pixels) -> list[Pixels]:
    """Views of what lies in a frame: RGB [H, W, 3]; or Y, U and V."""
    if frame.ndim == 3:
        return [frame]
    height, width = size_of(frame)[::-1]
    luma = height * width
    flat = frame.reshape(-1)  # a view: frames are contiguous
    chromas = flat[luma:].reshape(2, height // 2, width // 2)
    return [frame[:height], chromas[0], chromas[1]]


def size_of(frame: Pixels) -> tuple[int, int]:
    """Width and height of a frame in pixels."""
    height, width = frame.shape[:2]
    return width, height if frame.ndim == 3 else height * 2 // 3


def plain(colour: tuple[int, int, int], size: tuple[int, int], pixels: str) -> Pixels:
    """A frame of one colour; `size` is (W, H), even for YUV."""
    width, height = size
    frame = np.empty((height, width, 3) if pixels == RGB else (height * 3 // 2, width), np.uint8)
    for plane, value in zip(planes(frame), values(colour, pixels), strict=True):
        plane[:] = np.round(value)
    return frame


def values(colour: tuple[float, float, float], pixels: str) -> list[NDArray[np.float64]]:
    """A colour as it is written into each of a frame's planes, not rounded."""
    rgb = np.array(colour, np.float64)
    return [rgb] if pixels == RGB else list(_TO_YUV @ rgb + _ZERO)


def drawn(picture: Pixels, width: int, height: int, pixels: str) -> list[Pixels]:
    """`picture` [H, W, 3] at another size, as planes; `width` and `height` are even for YUV."""
    if pixels == RGB:
        return [scaled(picture, width, height)]
    luma, *chromas = cv2.split(_yuv(picture))
    halved = (scaled(cast(Pixels, chroma), width // 2, height // 2) for chroma in chromas)
    return [scaled(cast(Pixels, luma), width, height), *halved]


def yuv(frame: Pixels) -> Pixels:
    """A frame of either kind, H and W even, as YUV."""
    if frame.ndim == 2:
        return frame
    width, height = size_of(frame)
    found = np.empty((height * 3 // 2, width), np.uint8)
    for plane, part in zip(planes(found), drawn(frame, width, height, YUV), strict=True):
        plane[:] = part
    return found


def rgb(frame: Pixels) -> Pixels:
    """A frame of either kind as RGB."""
    if frame.ndim == 3:
        return frame
    luma, *halved = planes(frame)
    chromas = [cv2.resize(half, size_of(frame), interpolation=cv2.INTER_LINEAR) for half in halved]
    back = np.linalg.inv(_TO_YUV)
    whole = cv2.merge([luma, *chromas]).astype(np.float32)
    found = cv2.transform(whole, np.column_stack([back, -back @ _ZERO]))
    return np.clip(np.round(found), 0, 255).astype(np.uint8)


def scaled(picture: Pixels, width: int, height: int) -> Pixels:
    """`picture` at another size: Lanczos (8 x 8 taps) to enlarge, area means to reduce."""
    smaller = width * height < picture.shape[0] * picture.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.uint8)


def _yuv(picture: Pixels) -> Pixels:
    """`picture` [H, W, 3] in RGB as Y, U and V, none halved."""
    return np.asarray(cv2.transform(picture, np.column_stack([_TO_YUV, _ZERO])), np.uint8)
