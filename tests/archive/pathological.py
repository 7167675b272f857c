"""Files that are built to hurt whoever decodes them, a few hundred kilobytes each."""

from __future__ import annotations

import io
import struct

from PIL import Image


def endless_jpeg(side: int = 8000, scans: int = 4000) -> bytes:
    """A sound progressive JPEG of flat grey, refined `scans` times by nothing.

    Each scan is a few hundred bytes (runs of 32767 empty blocks) and a walk over all blocks: at
    8000 pixels, 3 to 4 milliseconds of work.
    """
    blocks = (side // 8) ** 2
    first = _segment(0xDA, b"\1\1\0\0\0\0") + bytes(blocks // 8 + 1)  # DC: a zero bit a block
    bits = ("0" + "1" * 14) * -(-blocks // 32767)  # EOB14 and its 14 bits of length
    bits += "1" * (-len(bits) % 8)
    empty = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    again = _segment(0xDA, b"\1\1\0\1\x3f\0") + empty  # AC, coefficients 1 to 63
    return b"".join((
        b"\xff\xd8", _segment(0xDB, b"\0" + b"\x10" * 64),
        _segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"),
        _code(0x00, 0), _code(0x10, 0xE0), first, again * scans, b"\xff\xd9",
    ))  # fmt: skip


def vast_png(side: int = 13_000) -> bytes:
    """A bilevel PNG of just under 178 megapixels, which is eight times that in colour."""
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG")
    return out.getvalue()


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def _code(table: int, symbol: int) -> bytes:
    """A Huffman table whose one code, a zero bit, is `symbol`."""
    return _segment(0xC4, bytes((table, 1)) + bytes(15) + bytes((symbol,)))
