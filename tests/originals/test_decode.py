"""Photographs come out upright, in sRGB, eight bits, whatever they were stored as."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from merzmory.originals import decode

GRADIENT = Image.fromarray(
    np.stack(np.broadcast_arrays(*np.ogrid[0:192:64j, 0:240:80j], 90.0), -1).astype(np.uint8)
)  # fmt: skip


def _back(picture: Image.Image, form: str, **knobs: object) -> Image.Image:
    data = io.BytesIO()
    picture.save(data, form, **knobs)
    data.seek(0)
    return decode.upright_srgb(data)


def _apart(a: Image.Image, b: Image.Image) -> float:
    assert a.size == b.size and a.mode == b.mode == "RGB"
    return float(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).mean())


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "AVIF", "GIF"])
def test_formats(form: str) -> None:
    if form not in Image.SAVE:
        Image.init()
    knobs = {"quality": 95} if form in {"JPEG", "WEBP", "AVIF"} else {}
    assert _apart(_back(GRADIENT, form, **knobs), GRADIENT) < (8 if form == "GIF" else 3)


@pytest.mark.parametrize("turn", range(10))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_every_orientation_comes_out_upright(turn: int, form: str) -> None:
    backwards = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }.get(turn, [])  # fmt: skip
    stored = GRADIENT
    for move in backwards:
        stored = stored.transpose(move)
    exif = Image.Exif()
    exif[0x0112] = turn
    data = io.BytesIO()
    stored.save(data, form, exif=exif, **({"quality": 95} if form == "JPEG" else {}))
    data.seek(0)
    with decode.opened(data) as opened:
        image, size = decode.developed(opened)
    assert size == GRADIENT.size
    assert _apart(image, GRADIENT) < 3


def test_the_eight_orientations_of_real_files_are_one_picture(shared: Path) -> None:
    folder = shared / "photos" / "exif-orientation"
    for kind in ("Landscape", "Portrait"):
        pictures = [decode.upright_srgb(folder / f"{kind}_{n}.jpg", longest=300) for n in range(9)]
        assert all(_apart(picture, pictures[1]) < 6 for picture in pictures)


def test_16_bit_grey_is_scaled_not_whitened() -> None:
    ramp = np.linspace(0, 65535, 256 * 16).reshape(64, 64).astype(np.uint16)
    for form in ("PNG", "TIFF"):
        image = _back(Image.fromarray(ramp), form)
        wanted = Image.fromarray((ramp >> 8).astype(np.uint8)).convert("RGB")
        assert _apart(image, wanted) < 1


def test_float_and_32_bit_grey() -> None:
    ramp = np.linspace(0, 1, 4096).reshape(64, 64)
    wanted = Image.fromarray((ramp * 255).round().astype(np.uint8)).convert("RGB")
    assert _apart(_back(Image.fromarray(ramp.astype(np.float32)), "TIFF"), wanted) < 1
    assert _apart(_back(Image.fromarray((ramp * 65535).astype(np.int32)), "TIFF"), wanted) < 1


def test_alpha_is_laid_on_white_and_palettes_are_read() -> None:
    see_through = GRADIENT.convert("RGBA")
    see_through.putalpha(0)
    white = Image.new("RGB", GRADIENT.size, "white")
    assert _apart(_back(see_through, "PNG"), white) == 0
    half = Image.new("LA", (8, 8), (0, 128))
    assert np.asarray(_back(half, "PNG")).mean() == pytest.approx(127, abs=1)
    palette = GRADIENT.quantize(200)
    assert _apart(_back(palette, "PNG"), palette.convert("RGB")) == 0
    palette.info["transparency"] = 0
    assert _back(palette, "PNG", transparency=0).mode == "RGB"
    assert _apart(_back(GRADIENT.convert("1"), "PNG"), GRADIENT.convert("1").convert("RGB")) == 0
    assert _apart(_back(GRADIENT.convert("L"), "JPEG"), GRADIENT.convert("L").convert("RGB")) < 3


def test_cmyk_comes_out_in_colour() -> None:
    image = _back(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = np.asarray(image).reshape(-1, 3).mean(0)
    assert red > 200 and green < 60 and blue < 60


def test_lab_comes_out_in_colour() -> None:
    lab = Image.new("LAB", (16, 16), (140, 190, 170))  # a red
    red, green, _ = np.asarray(_back(lab, "TIFF")).reshape(-1, 3).mean(0)
    assert red > green + 60


def test_a_profile_is_converted_to_srgb_and_a_broken_one_is_ignored() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert _apart(_back(GRADIENT, "PNG", icc_profile=srgb), GRADIENT) < 1
    assert _apart(_back(GRADIENT, "PNG", icc_profile=b"no profile"), GRADIENT) == 0
    xyz = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    assert _back(GRADIENT, "PNG", icc_profile=xyz).mode == "RGB"


# D50-adapted primaries (columns red, green, blue) and gamma; ICC.1:2001-04 and Adobe RGB (1998)
_SPACES = {
    "Adobe RGB": ([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]], 2.19921875),
    "Display P3": ([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]], 2.2),
}  # fmt: skip
_SRGB = [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]


def _profile(primaries: list[list[float]], gamma: float) -> bytes:
    """A matrix profile, version 2.1."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    parts = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(79),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249),
    }
    for number, name in enumerate((b"r", b"g", b"b")):
        parts[name + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*(row[number] for row in primaries))
        parts[name + b"TRC"] = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    table, data, start = b"", b"", 128 + 4 + 12 * len(parts)
    for name, part in parts.items():
        table += name + struct.pack(">II", start + len(data), len(part))
        data += part
    body = struct.pack(">I", len(parts)) + table + data
    head = struct.pack(">I", 128 + len(body)) + b"lcms\2\x10\0\0mntrRGB XYZ " + bytes(12) + b"acsp"
    return head.ljust(68, b"\0") + fixed(0.9642, 1.0, 0.8249) + bytes(48) + body


@pytest.mark.parametrize("space", _SPACES)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_wide_colours_come_out_as_srgb(space: str, form: str) -> None:
    primaries, gamma = _SPACES[space]
    stored = np.array([150, 140, 90])
    linear = np.linalg.inv(_SRGB) @ np.array(primaries) @ (stored / 255) ** gamma
    wanted = 255 * np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(wanted - stored).max() > 4  # ignoring the profile would show
    flat = Image.new("RGB", (32, 32), tuple(stored.tolist()))
    knobs = {"quality": 100} if form in {"JPEG", "WEBP"} else {}
    image = _back(flat, form, icc_profile=_profile(primaries, gamma), **knobs)
    assert np.abs(np.asarray(image).reshape(-1, 3).mean(0) - wanted).max() < 3


def test_display_p3_of_a_real_phone_is_converted(shared: Path) -> None:
    found = sorted((shared / "photos" / "exif-samples" / "heic").rglob("*13_pro*.HEIC"))
    if not decode.reads_heic() or not found:
        pytest.skip("needs pillow-heif and the iPhone sample")
    with decode.opened(found[0]) as opened:
        opened.load()
        raw, profile = opened.convert("RGB"), opened.info.get("icc_profile")
    assert profile and b"P3" in profile.replace(b"\0", b"")
    image = decode.srgb(raw, profile)
    assert _apart(image, raw) > 0.5


def test_a_jpeg_is_decoded_small_and_nothing_is_enlarged() -> None:
    big = GRADIENT.resize((1600, 1280))
    data = io.BytesIO()
    big.save(data, "JPEG", quality=95)
    with decode.opened(io.BytesIO(data.getvalue())) as opened:
        image, size = decode.developed(opened, longest=400)
        assert opened.size == (400, 320)  # the decoder gave no more
    assert size == (1600, 1280) and image.size == (400, 320)
    assert decode.upright_srgb(io.BytesIO(data.getvalue()), longest=300).size == (300, 240)
    assert decode.upright_srgb(io.BytesIO(data.getvalue()), shortest=300).size == (400, 320)
    assert decode.upright_srgb(io.BytesIO(data.getvalue()), longest=4000).size == (1600, 1280)
    assert _apart(image, GRADIENT.resize((400, 320))) < 3


def _png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def _jpeg() -> bytes:
    data = io.BytesIO()
    GRADIENT.save(data, "JPEG", quality=90)
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"hello, this is text and no picture at all", "holds none"),
        (b"<html><body>429 Too Many Requests</body></html>", "web page: its download failed"),
        (b'{"message": "Please wait a few minutes"}', "service's answer"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"%PDF-1.7 and more", "PDF"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", "drawing"),
        (b"PK\3\4" + b"\0" * 40, "ZIP"),
        (b"8BPS\0\1" + b"\0" * 40, "Photoshop"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 40, "film"),
        (b"\0" * 400, "one repeated byte"),
        (_jpeg()[:300], "damaged|cut off|holds none"),
        (_jpeg()[: len(_jpeg()) // 2], "cut off"),
        (_jpeg()[:-2], "cut off"),
        (_png(50_000, 50_000), "megapixels|pixels"),
        (_png(70_000, 10), "more than 65535"),
        (_png(64, 64), "cut off|damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "drawing"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "holds none|damaged|HEIC"),
    ],
)
def test_bad_files_become_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(decode.PictureError, match=sentence) as caught:
        decode.upright_srgb(io.BytesIO(data))
    said = str(caught.value)
    assert said.endswith(".") and "\n" not in said and "Error" not in said


def test_heic_without_the_extra_is_skipped_and_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "reads_heic", lambda: False)
    with pytest.raises(decode.PictureError, match=r"merzmory\[heic\]") as caught:
        decode.upright_srgb(io.BytesIO(b"\0\0\0\x18ftypheic" + b"\0" * 40))
    assert caught.value.verdict == "skipped"


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_bytes_give_a_picture_or_a_sentence(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "GIF"]))
    out = io.BytesIO()
    GRADIENT.save(out, form)
    raw = bytearray(out.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    try:
        image = decode.upright_srgb(io.BytesIO(bytes(raw)), longest=64)
    except decode.PictureError as error:
        assert str(error).endswith(".")
    else:
        assert image.mode == "RGB" and max(image.size) <= 64
