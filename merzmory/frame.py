"""How a picture becomes a square, and a square the picture that it stands for.

A network makes squares, a camera does not. A `Frame` says which window of the square is the
picture, and which shape it has:

    squeezed       the whole square is the window; a picture of 3:2 is narrowed to it
    letterboxed    the window is as wide or as high as the square; the rest are bars

`square` goes in, `shown` comes back: what a person sees passes through it, what a network sees
or makes stays square.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from merzmory.errors import ConfigError, FormatError

Box = tuple[float, float, float, float]

WHOLE = (0.0, 0.0, 1.0, 1.0)
MIRROR = "mirror"  # bars that go on with the picture, mirrored at its edge
_STEEPEST = 4.0  # longer over shorter side


@dataclass(frozen=True, slots=True)
class Frame:
    """A shape, and a window x0, y0, x1, y1 in shares of the square's side.

    Raises:
        ConfigError: the aspect is not width:height, or the window is not inside the square.
    """

    aspect: str = "1:1"
    window: Box = WHOLE

    def __post_init__(self) -> None:
        ratio_of(self.aspect)
        x0, y0, x1, y1 = self.window
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise ConfigError(
                f"The window {self.window} is not inside its square: give x0, y0, x1, y1 between "
                "0 and 1."
            )

    @classmethod
    def letterboxed(cls, aspect: str, side: int) -> Frame:
        """The largest window of `aspect` in the middle of a square of `side` pixels.

        Its edges lie on whole pixels.
        """
        ratio = ratio_of(aspect)
        width, height = round(side * min(1.0, ratio)), round(side * min(1.0, 1 / ratio))
        x, y = (side - width) // 2, (side - height) // 2
        return cls(aspect, (x / side, y / side, (x + width) / side, (y + height) / side))

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Frame:
        """The frame that `settings()` wrote; the plain one where nothing is said."""
        if not settings:
            return cls()
        x0, y0, x1, y1 = settings["window"]
        return cls(settings["aspect"], (x0, y0, x1, y1))

    def settings(self) -> dict[str, Any]:
        """What a finished folder says of its frame: {"aspect", "window"}."""
        return {"aspect": self.aspect, "window": list(self.window)}

    @property
    def ratio(self) -> float:
        """Width over height of the picture."""
        return ratio_of(self.aspect)

    @property
    def is_plain(self) -> bool:
        """Whether a square stands for itself."""
        return self.ratio == 1 and self.window == WHOLE

    def pixels(self, side: int) -> tuple[int, int, int, int]:
        """The window in whole pixels of a square of `side` pixels."""
        x0, y0, x1, y1 = (round(share * side) for share in self.window)
        return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)

    def size(self, side: int) -> tuple[int, int]:
        """Width and height of what is shown of a square of `side` pixels.

        One direction keeps the window's pixels and the other is enlarged: none is thrown away. A
        window that has the shape already, to the pixel, is left as it is.
        """
        x0, y0, x1, y1 = self.pixels(side)
        width, height = x1 - x0, y1 - y0
        if abs(width - height * self.ratio) < max(1.0, self.ratio):
            return width, height
        if width < height * self.ratio:
            return round(height * self.ratio), height
        return width, round(width / self.ratio)

    def within(self, longest: int, side: int) -> tuple[int, int]:
        """What is shown of a square of `side` pixels, with `longest` pixels on its longer side."""
        width, height = self.size(side)
        ratio = width / height
        across, down = longest * min(1.0, ratio), longest * min(1.0, 1 / ratio)
        return max(1, round(across)), max(1, round(down))

    def shown(self, square: Image.Image) -> Image.Image:
        """The picture that `square` stands for, at `size(side)`."""
        if self.is_plain:
            return square
        picture = square.crop(self.pixels(square.width))  # first, or the bars bleed into its edge
        size = self.size(square.width)
        return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)

    def read_square(self, file: Path) -> Image.Image:
        """The picture that the square in a picture file stands for.

        Raises:
            FormatError: the file cannot be read.
        """
        try:
            with Image.open(file) as square:
                return self.shown(square.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise FormatError(
                f"{file} cannot be read as a picture: move its folder away and run the command "
                "again."
            ) from error

    def square(
        self, picture: Image.Image, side: int, *, box: Box | None = None, bars: str = "black"
    ) -> Image.Image:
        """`picture`, or a `box` of its pixels, in the window of an RGB square of `side` pixels.

        `bars` is a colour, or "mirror".

        Raises:
            ConfigError: `bars` is no colour.
        """
        x0, y0, x1, y1 = self.pixels(side)
        inner = picture.convert("RGB").resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS, box=box)
        if inner.size == (side, side):
            return inner
        if bars == MIRROR:
            around = ((y0, side - y1), (x0, side - x1), (0, 0))
            return Image.fromarray(np.pad(np.asarray(inner), around, mode="symmetric"))
        full = Image.new("RGB", (side, side), colour_of(bars))
        full.paste(inner, (x0, y0))
        return full


def ratio_of(aspect: str) -> float:
    """Width over height of an aspect such as "3:2".

    Raises:
        ConfigError: it is not two whole numbers with a colon, or steeper than 4:1.
    """
    found = re.fullmatch(r"([1-9]\d{0,4}):([1-9]\d{0,4})", aspect)
    ratio = int(found[1]) / int(found[2]) if found else 0.0
    if not 1 / _STEEPEST <= ratio <= _STEEPEST:
        raise ConfigError(
            f"The aspect {aspect!r} is not a picture's shape: write width:height between 1:4 and "
            "4:1, such as 3:2."
        )
    return ratio


def colour_of(name: str) -> tuple[int, int, int]:
    """RGB of a colour's name or #rrggbb.

    Raises:
        ConfigError: there is no such colour.
    """
    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise ConfigError(
            f"There is no colour {name!r} for the bars: write a name such as black, #rrggbb, or "
            "mirror."
        ) from error
    return red, green, blue


SQUARE = Frame()  # a square that stands for itself
