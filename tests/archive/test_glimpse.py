"""Measuring on grey that was reduced alone says what measuring on reduced colours says."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from merzmory.archive import quality
from merzmory.originals import decode


def _both(data: bytes) -> tuple[Image.Image, Image.Image]:
    with decode.opened(io.BytesIO(data)) as picture:
        wanted, size = decode.developed(picture, longest=1000)
    with decode.opened(io.BytesIO(data)) as picture:
        grey, colour, upright = decode.glimpsed(picture, longest=1000)
    assert upright == size and grey.size == wanted.size
    assert colour.mode == "RGB" and max(colour.size) <= 500
    assert (colour.width > colour.height) == (grey.width > grey.height)
    return wanted.convert("L"), grey


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("kind", ["plain", "alpha", "profile", "grey"])
def test_any_kind(kind: str, orientation: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    picture = Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC)
    exif = picture.getexif()
    exif[0x0112] = orientation
    knobs: dict[str, object] = {"exif": exif}
    if kind == "alpha":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    elif kind == "grey":
        picture = picture.convert("L")
    elif kind == "profile":
        xyz = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
        knobs["icc_profile"] = xyz.tobytes()
    out = io.BytesIO()
    picture.save(out, "PNG" if kind == "alpha" else "JPEG", **knobs)
    wanted, grey = _both(out.getvalue())
    assert np.abs(np.asarray(wanted, np.int16) - np.asarray(grey)).max() <= 2


def test_real_photographs_keep_their_measures(shared: Path) -> None:
    folders = ("aerial", "conch", "produce-camera")
    paths = [p for f in folders for p in sorted((shared / "photos" / f).iterdir())[::4]]
    for path in [*paths, shared / "photos" / "exif-samples" / "heic" / "IMG_5195.HEIC"]:
        if path.suffix == ".HEIC" and not decode.reads_heic():
            continue
        wanted, grey = map(np.asarray, _both(path.read_bytes()))
        before, now = quality.measure(wanted), quality.measure(grey)
        assert now.blur == pytest.approx(before.blur, abs=0.002)
        assert now.detail == pytest.approx(before.detail, rel=0.01)
        assert (now.dark, now.light) == pytest.approx((before.dark, before.light), abs=2e-4)
