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
    # after the marker of the end libjpeg makes up blocks of zeros, which are grey
    left = Image.open(io.BytesIO(data + _END), formats=("JPEG",))
    left.draft(None, picture.size)
    left.load()
    lost = _grey_end(left)
    if lost > _NOTHING or left.size != picture.size or left.mode != picture.mode:
        raise OSError("truncated")
    picture.im, picture.tile = left.im, []
    return max(lost, 1 / left.height)  # of one row, a part


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
    return None if data.endswith(_END) else data
