"""Pictures as a site shows them: several widths, no metadata but our own, a sentence for ears."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, ImageStat

from merzmory.errors import ArchiveError
from merzmory.frame import SQUARE, Frame
from merzmory.provenance import xmp

WIDTHS = (480, 960, 1600)  # pixels, and the picture's own width up to LARGEST
LARGEST = 2560  # pixels of the longer side
NEAREST = 512  # pixels of the longer side of a photograph
_QUALITY = 88  # of WebP

# hue in degrees up to which a colour bears the name
_HUES = ((15, "red"), (42, "orange"), (68, "yellow"), (165, "green"), (200, "turquoise"),
         (255, "blue"), (290, "violet"), (335, "pink"), (361, "red"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hung:
    """A picture on the site. Files are relative to the site's folder."""

    file: str  # the largest
    width: int
    height: int
    colour: str  # its mean as #rrggbb, shown until it is there
    colours: str  # its main colours in words
    contrast: float  # standard deviation of its values, 0 .. 128
    sizes: tuple[tuple[int, str], ...]  # (width in pixels, file), ascending


def hang(source: Path, site: Path, stem: str, record: Mapping[str, Any]) -> Hung:
    """Write `source` at several widths as site/pictures/STEM-WIDTH.webp, each with `record`.

    Raises:
        ArchiveError: `source` cannot be read.
    """
    image = _read(source)
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    folder = site / "pictures"
    folder.mkdir(exist_ok=True)
    sizes = []
    for width in (*(w for w in WIDTHS if w < image.width), image.width):
        height = round(image.height * width / image.width)
        file = f"pictures/{stem}-{width}.webp"
        smaller = image.resize((width, height), Image.Resampling.LANCZOS)
        smaller.save(site / file, quality=_QUALITY, method=4, xmp=xmp(record))
        sizes.append((width, file))
    mean = image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(mean, tuple)
    return Hung(
        file=sizes[-1][1],
        width=image.width,
        height=image.height,
        colour="#{:02x}{:02x}{:02x}".format(*mean),
        colours=main_colours(image),
        contrast=round(sum(ImageStat.Stat(image).stddev) / 3, 2),
        sizes=tuple(sizes),
    )


def photograph(source: Path, target: Path, shape: Frame = SQUARE) -> None:
    """Write what a square shows in `shape` as WebP without EXIF, place, XMP or other metadata.

    Raises:
        ArchiveError: `source` cannot be read.
    """
    image = shape.shown(_read(source))
    image.thumbnail((NEAREST, NEAREST), Image.Resampling.LANCZOS)
    target.parent.mkdir(exist_ok=True)
    image.save(target, quality=_QUALITY, method=4)


def shown_size(source: Path, shape: Frame = SQUARE) -> tuple[int, int]:
    """The width and height in pixels that `photograph` gives a square of the dataset.

    Raises:
        ArchiveError: `source` cannot be read.
    """
    try:
        with Image.open(source) as image:  # the header alone
            width, height = image.size if shape.is_plain else shape.size(image.width)
    except OSError as error:
        raise _unreadable(source) from error
    scale = min(1.0, NEAREST / max(width, height))
    return round(width * scale), round(height * scale)


def main_colours(image: Image.Image) -> str:
    """The two colours that cover most of `image`, such as "dark blue and grey"."""
    small = image.resize((24, 24), Image.Resampling.BOX)
    covered: dict[str, int] = {}
    for count, pixel in small.getcolors(24 * 24) or []:
        assert isinstance(pixel, tuple)
        name = colour_name(pixel[0], pixel[1], pixel[2])
        covered[name] = covered.get(name, 0) + count
    ranked = sorted(covered, key=lambda name: (-covered[name], name))
    enough = [name for name in ranked[:2] if covered[name] >= 24 * 24 // 8]
    return " and ".join(enough or ranked[:1])


def colour_name(red: int, green: int, blue: int) -> str:
    """A common name of an sRGB colour (0 .. 255 each)."""
    hue, light, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    if light < 0.1:
        return "black"
    if light > 0.93:
        return "white"
    chroma = saturation * (1 - abs(2 * light - 1))
    shade = "dark " if light < 0.3 else "light " if light > 0.7 else ""
    if chroma < 0.1:
        return f"{shade}grey"
    name = next(name for limit, name in _HUES if hue * 360 < limit)
    if name in {"red", "orange", "yellow"} and light < 0.45 and chroma < 0.55:
        return f"{shade}brown"
    return f"{shade}{name}"


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except OSError as error:
        raise _unreadable(path) from error
    upright.info.clear()  # or Pillow writes the EXIF and the ICC profile along
    return upright


def _unreadable(path: Path) -> ArchiveError:
    return ArchiveError(f"{path} cannot be read: move its folder away and make it again.")
