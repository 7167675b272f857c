"""RAW photographs, made by hand: a DNG as Adobe's specification 1.4 describes it."""

from __future__ import annotations

import struct

import numpy as np

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 10: 8}  # TIFF 6.0, section 2: bytes of each type
_Value = tuple[int, bytes]


def dng(
    width: int = 96, height: int = 64, *, preview: bytes = b"", size: tuple[int, int] = (0, 0),
    turn: int = 1,
) -> bytes:  # fmt: skip
    """A DNG of a Bayer pattern RGGB, warm to the right; `preview` is a JPEG of `size`."""
    y, x = np.mgrid[0:height, 0:width]
    red, blue = (y % 2 == 0) & (x % 2 == 0), (y % 2 == 1) & (x % 2 == 1)
    mosaic = np.where(red, 3000 + x * 6000 // width, np.where(blue, 3000, 6000)).astype("<u2")
    mosaic += np.random.default_rng(1).integers(0, 900, mosaic.shape, np.uint16)
    out = bytearray(b"II*\0\0\0\0\0")
    image = {
        254: _long(0), 256: _long(width), 257: _long(height), 258: _short(16), 259: _short(1),
        262: _short(32803), 273: _long(len(out)), 277: _short(1), 278: _long(height),
        279: _long(mosaic.nbytes), 33421: _short(2, 2), 33422: (1, b"\0\1\1\2"),
        50714: _short(0), 50717: _long(16383),
    }  # fmt: skip
    out += mosaic.tobytes()
    camera = {
        271: (2, b"Ricoh\0"), 272: (2, b"GR\0"), 274: _short(turn),
        34665: _long(_folder(out, {36867: (2, b"2019:07:04 10:11:12\0")})),
        50706: (1, b"\1\4\0\0"), 50708: (2, b"Ricoh GR\0"), 50778: _short(21),
        50721: _ratios(10, 0.9, -0.2, -0.1, -0.4, 1.2, 0.2, -0.1, 0.2, 0.6),
        50728: _ratios(5, 0.5, 1.0, 0.6),
    }  # fmt: skip
    if not preview:
        first = _folder(out, {**image, **camera})
    else:
        shown = {
            254: _long(1), 256: _long(size[0]), 257: _long(size[1]), 258: _short(8, 8, 8),
            259: _short(7), 262: _short(6), 273: _long(len(out)), 277: _short(3),
            278: _long(size[1]), 279: _long(len(preview)),
        }  # fmt: skip
        out += preview
        first = _folder(out, {**shown, **camera, 330: _long(_folder(out, image))})
    struct.pack_into("<I", out, 4, first)
    return bytes(out)


def _folder(out: bytearray, tags: dict[int, _Value]) -> int:
    """Append an image file directory; where it begins."""
    lines = b""
    for tag, (kind, data) in sorted(tags.items()):
        place = data.ljust(4, b"\0")
        if len(data) > 4:
            out += bytes(len(out) % 2)
            place = struct.pack("<I", len(out))
            out += data
        lines += struct.pack("<HHI", tag, kind, len(data) // _SIZES[kind]) + place
    out += bytes(len(out) % 2)
    begins = len(out)
    out += struct.pack("<H", len(tags)) + lines + bytes(4)
    return begins


def _short(*values: int) -> _Value:
    return 3, struct.pack(f"<{len(values)}H", *values)


def _long(*values: int) -> _Value:
    return 4, struct.pack(f"<{len(values)}I", *values)


def _ratios(kind: int, *values: float) -> _Value:
    return kind, b"".join(struct.pack("<2i", round(value * 10_000), 10_000) for value in values)
