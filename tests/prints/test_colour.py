"""Every print holds a profile; a given one is converted to, and a file that is none is a sentence."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image, ImageCms

from merzmory.errors import ConfigError
from merzmory.prints.colour import profiled, srgb


def picture():
    made = Image.new("RGB", (3, 1))
    made.putdata([(255, 0, 0), (128, 128, 128), (20, 200, 90)])
    return made


def written(path, kind, temperature=None):
    profile = ImageCms.createProfile(kind, temperature or 0)
    path.write_bytes(ImageCms.ImageCmsProfile(profile).tobytes())
    return path


def test_srgb_by_default_and_equal_at_any_time():
    made = profiled(picture())
    assert list(made.getdata()) == list(picture().getdata())
    inside = ImageCms.getOpenProfile(io.BytesIO(made.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(inside)
    assert struct.unpack(">6H", made.info["icc_profile"][24:36]) == (2000, 1, 1, 0, 0, 0)
    srgb.cache_clear()
    assert profiled(picture()).info["icc_profile"] == made.info["icc_profile"]


def test_a_given_profile_is_converted_to_and_embedded(tmp_path):
    """sRGB with red and green exchanged: the same colour has other numbers in it."""
    swapped = bytearray(srgb())
    red, green = swapped.index(b"rXYZ"), swapped.index(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    file = tmp_path / "swapped.icc"
    file.write_bytes(swapped)
    made = profiled(picture(), file)
    assert made.info["icc_profile"] == bytes(swapped)
    for (r, g, b), (r2, g2, b2) in zip(picture().getdata(), made.getdata(), strict=True):
        assert (abs(g - r2) <= 2, abs(r - g2) <= 2, abs(b - b2) <= 2) == (True, True, True)


def test_what_is_no_profile_for_pictures(tmp_path):
    file = tmp_path / "a.icc"
    with pytest.raises(ConfigError, match="cannot be read"):
        profiled(picture(), file)
    for data in (b"", b"text", srgb()[:200]):
        file.write_bytes(data)
        with pytest.raises(ConfigError, match=r"a\.icc"):
            profiled(picture(), file)
    with pytest.raises(ConfigError, match="no ICC profile for RGB"):
        profiled(picture(), written(tmp_path / "lab.icc", "LAB", 5000))
