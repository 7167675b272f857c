"""Colour for paper: an ICC profile inside every print.

What the project makes is sRGB. `profiled` says so, or converts to the profile of a printer and
paper: relative colorimetric with black point compensation, so that what the paper cannot show is
clipped and the rest keeps its colour.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from PIL import Image, ImageCms

from merzmory.errors import ConfigError

_MODES = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}  # ICC colour space: Pillow's mode


@cache
def srgb() -> bytes:
    """An sRGB profile; equal at any time and on every machine (ICC.1:2022, 7.2.8: its date)."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made[24:36] = bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # 2000-01-01, big-endian 16 bit
    return bytes(made)


def profiled(picture: Image.Image, profile: Path | None = None) -> Image.Image:
    """RGB `picture` with its profile in `info`, converted where one is given.

    Raises:
        ConfigError: `profile` is no ICC profile for pictures.
    """
    made = picture
    inside = srgb()
    if profile is not None:
        inside, mode = _read(profile)
        try:
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(srgb())),
                ImageCms.ImageCmsProfile(io.BytesIO(inside)),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode=mode,
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except ImageCms.PyCMSError as error:
            raise ConfigError(
                f"{profile} cannot be converted to ({error}): choose the profile that the lab or the "
                "printer gives for its paper."
            ) from error
        assert converted is not None
        made = converted
    made.info["icc_profile"] = inside
    return made


def _read(profile: Path) -> tuple[bytes, str]:
    """The profile's bytes, and the mode of a picture in it."""
    try:
        inside = profile.read_bytes()
        found = ImageCms.getOpenProfile(io.BytesIO(inside)).profile
        return inside, _MODES[found.xcolor_space.strip()]
    except OSError as error:
        if isinstance(error, ImageCms.PyCMSError) or error.strerror is None:
            raise _unfit(profile) from error
        raise ConfigError(
            f"The profile {profile} cannot be read ({error.strerror}): check the path."
        ) from error
    except (ImageCms.PyCMSError, KeyError) as error:
        raise _unfit(profile) from error


def _unfit(profile: Path) -> ConfigError:
    return ConfigError(
        f"{profile} is no ICC profile for RGB, CMYK or grey pictures: choose the one that the lab or "
        "the printer gives for its paper."
    )
