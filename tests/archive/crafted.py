"""Bytes of pictures, made from numbers: sound ones, odd ones, and ones that no program should write."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFilter


def photo(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A picture unlike the others: smooth shapes under fine noise."""
    dice = np.random.default_rng(seed)
    coarse = Image.fromarray(dice.integers(0, 256, (6, 8, 3), np.uint8))
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.int16)
    fine = dice.integers(-20, 21, smooth.shape)
    return Image.fromarray(np.clip(smooth + fine, 0, 255).astype(np.uint8))


def saved(picture: Image.Image, form: str = "JPEG", **knobs: Any) -> bytes:
    """The picture's file."""
    out = io.BytesIO()
    picture.save(out, form, **knobs)
    return out.getvalue()


def jpeg(seed: int, **knobs: Any) -> bytes:
    """A JPEG of 384 x 256 pixels."""
    return saved(photo(seed, (384, 256)), quality=90, **knobs)


def cut(data: bytes, share: float) -> bytes:
    """The first `share` of the bytes."""
    return data[: int(len(data) * share)]


def rotten(data: bytes, seed: int, count: int = 30) -> bytes:
    """The bytes with `count` bits turned over, behind the first quarter."""
    dice, spoilt = np.random.default_rng(seed), bytearray(data)
    for place in dice.integers(len(data) // 4, len(data), count):
        spoilt[place] ^= 1 << int(dice.integers(8))
    return bytes(spoilt)


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG that says it is of that size, whatever is in it."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"".join(chunks) or chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def huge_jpeg() -> bytes:
    """A JPEG that says it has 65500 x 65500 pixels."""
    data = jpeg(1)
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 65_500, 65_500) + data[at + 4 :]


def text_bomb(seed: int) -> bytes:
    """A sound PNG with 60 MB of nothing in a compressed comment."""
    whole = saved(photo(seed), "PNG")
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(60_000_000)))
    return whole[:33] + bomb + whole[33:]


def tagged_by(tags: dict[int, Any]) -> bytes:
    """EXIF with these tags."""
    exif = Image.Exif()
    exif.update(tags)
    return exif.tobytes()


def looping_exif() -> bytes:
    """An IFD whose next IFD, and whose EXIF, is itself."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8)


def tiff_header(width: int, height: int) -> bytes:
    """A TIFF of that size without pixels."""
    tags = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1),
            (278, height), (279, width))  # fmt: skip
    lines = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + lines + bytes(4)


def grey16(seed: int, form: str, order: str = "<") -> bytes:
    """16-bit greyscale."""
    grey = np.asarray(photo(seed).convert("L")).astype(f"{order}u2") * 257
    return saved(
        Image.frombytes("I;16" if order == "<" else "I;16B", (96, 64), grey.tobytes()), form
    )


def rgb16(seed: int) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write."""
    wide = np.asarray(photo(seed)).astype(">u2") * 257
    lines = b"".join(b"\0" + row.tobytes() for row in wide)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 96, 64, 16, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b"")


def turned(seed: int, turn: int) -> bytes:
    """A JPEG with an EXIF orientation."""
    return jpeg(seed, exif=tagged_by({0x0112: turn, 0x010F: "Camera"}))


def frames(form: str, seed: int, **knobs: Any) -> bytes:
    """Three pictures in one file."""
    rest = [photo(seed + 1), photo(seed + 2)]
    return saved(photo(seed), form, save_all=True, append_images=rest, **knobs)


def profiled(seed: int, profile: bytes) -> bytes:
    """A JPEG with a colour profile."""
    return jpeg(seed, icc_profile=profile)


def lab_profile() -> bytes:
    """A profile that is not for RGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def floating(seed: int, *, nan: bool = False) -> bytes:
    """A greyscale TIFF from 0 to 1."""
    grey = np.asarray(photo(seed).convert("L"), np.float32) / 255
    if nan:
        grey = grey.copy()
        grey[:4] = np.nan
    return saved(Image.fromarray(grey), "TIFF")


def seeing_through(seed: int, alpha: int) -> bytes:
    """A PNG of one opacity."""
    picture = photo(seed).convert("RGBA")
    picture.putalpha(alpha)
    return saved(picture, "PNG")


def flat(level: int) -> bytes:
    """A PNG of one grey."""
    return saved(Image.new("RGB", (96, 64), (level,) * 3), "PNG")


def blurred(seed: int) -> bytes:
    """A JPEG out of focus."""
    return saved(photo(seed, (384, 256)).filter(ImageFilter.GaussianBlur(12)), quality=95)


def flat_of(width: int, height: int) -> bytes:
    """A PNG of one colour, of any size."""
    return saved(Image.new("RGB", (width, height), "teal"), "PNG")


def lab(seed: int) -> Image.Image:
    """A picture in CIE Lab."""
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    found = ImageCms.applyTransform(photo(seed), to_lab)
    assert found is not None
    return found


def srgb() -> bytes:
    """The sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
