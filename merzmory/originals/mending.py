"""A JPEG that ends too soon, as torn downloads and failing cards leave it: what is left of it."""

from __future__ import annotations

import io
from typing import IO

import numpy as np
from PIL import Image, ImageFile

_END = b"\xff\xd9"
_NOTHING = 0.95  # share of the rows lost from which there is nothing to see
_FILL = 64  # equal bytes at a file's end that are no picture's


def load(picture: Image.Image) -> float:
    """Decode an opened JPEG (`draft` is kept) and give the share of its rows that are lost.

    They are grey, and the last ones as they are stored. A file that is cut off lacks them, and so
    does one whose end was overwritten by one repeated byte.

    Raises:
        OSError: it is damaged otherwise, or nothing is left.
    """
    if not isinstance(picture, ImageFile.ImageFile) or picture.fp is None:
        picture.load()  # its pixels are there
        return 0.0
    stream = picture.fp
    data = _without_fill(stream)
    if data is None:
        try:
            picture.load()
        except OSError as error:
            if "truncated" not in str(error):
                raise
        else:
            return 0.0
        stream.seek(0)
        data = stream.read()
    left = _left(data, picture.decoderconfig)
    lost = _grey_end(left)
    if lost > _NOTHING or left.size != picture.size or left.mode != picture.mode:
        raise OSError("truncated")
    picture.im, picture.tile = left.im, []
    return max(lost, 1 / left.height)  # of one row, a part


def _left(data: bytes, config: tuple[int, ...]) -> Image.Image:
    """What a JPEG without its end shows; at most its last table or scan is given up for that.

    `config` is what `draft` left: the scale first, 1, 2, 4 or 8.
    """
    scale = config[0] if config else 1
    ends = (len(data), data.rfind(b"\xff\xc4"), data.rfind(b"\xff\xda"))
    for end in ends:
        # after the marker of the end libjpeg makes up blocks of zeros, which are grey
        left = Image.open(io.BytesIO(data[:end] + _END), formats=("JPEG",))
        left.draft(None, (max(1, left.width // scale), max(1, left.height // scale)))
        try:
            left.load()
        except OSError:
            if end == ends[-1]:
                raise
        else:
            break
    return left


def _grey_end(picture: Image.Image) -> float:
    """The share of the last rows that show one colour, the last pixel's."""
    rows = np.asarray(picture).reshape(picture.height, -1)
    equal = (rows == np.tile(rows[-1, -len(picture.getbands()) :], picture.width)).all(1)
    return 1.0 if equal.all() else float(np.argmin(equal[::-1])) / picture.height


def _without_fill(stream: IO[bytes]) -> bytes | None:
    """A JPEG's bytes without the equal ones behind it, where these stand in the picture's place."""
    length = stream.seek(0, io.SEEK_END)
    stream.seek(-min(_FILL, length), io.SEEK_END)
    tail = stream.read()
    if tail.strip(tail[-1:]):
        return None
    stream.seek(0)
    data = stream.read().rstrip(tail[-1:])
    return None if _END in data[_scan(data) :] else data


def _scan(data: bytes) -> int:
    """Where the first scan begins: before it, a thumbnail may have an end of its own."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at
