"""The certificate of an edition: what the print is, how it was made, and what lies nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from merzmory.prints.sizes import DPI, page_pixels, pixels
from merzmory.sheet import drawable

PAPER = "A4"
_MARGIN, _GAP, _SMALL = 22.0, 5.0, 34.0  # millimetres: margin, gap, side of a nearest photograph
_WIDEST = 166.0  # millimetres of the picture
_HIGHEST = (88.0, 60.0, 40.0, 20.0)  # millimetres: smaller where there is much to say
_FOOT = 24.0  # millimetres above the margin: room for a signature
_LABEL = 30.0  # millimetres of the column of names
_LINE = 1.35  # line height over font size
_INK, _QUIET, _RULE = "#1d1c1a", "#6d6a64", "#b9b5ad"
_NEAREST = "The nearest photographs of the archive"
_CAVEAT = "Nearest is what a measure of likeness says. It does not mean that the picture was made from them."
_MADE = (
    "This picture was made by AI: by a network that learned from photographs. It was never taken."
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is certified of each print of an edition."""

    title: str
    artist: str  # "": a line to sign on, without a name
    rows: tuple[tuple[str, str], ...]  # names and what they are, in order
    sale: str  # one sentence
    edition: int  # how many prints


def page(
    certificate: Certificate,
    number: int,
    picture: Image.Image,
    nearest: Sequence[tuple[Image.Image, str]] = (),
    *,
    dpi: int = DPI,
) -> Image.Image:
    """The page of print `number`: RGB, A4 upright.

    `nearest` are photographs with their captions, at most four are shown.
    """
    for highest in _HIGHEST:
        sheet = _Sheet(dpi)
        sheet.text(f"Certificate · {number} of {certificate.edition}", 9, _QUIET)
        sheet.text(certificate.title, 20, _INK)
        sheet.down(2)
        sheet.picture(picture, highest)
        sheet.down(6)
        edition = f"Print {number} of {certificate.edition}"
        for name, said in (("Edition", edition), *certificate.rows):
            sheet.row(name, said)
        sheet.row("Sale", certificate.sale)
        if nearest:
            sheet.down(4)
            sheet.text(_NEAREST, 9, _INK)
            sheet.down(1)
            sheet.small(nearest[:4])
            sheet.text(_CAVEAT, 7.5, _QUIET)
        if sheet.has_room:
            break
    sheet.foot(certificate.artist)
    return sheet.image


class _Sheet:
    """A page that is filled from the top; lengths are in millimetres, letters in points."""

    def __init__(self, dpi: int) -> None:
        self.dpi = dpi
        self.image = Image.new("RGB", page_pixels(PAPER, dpi), "white")
        self.draw = ImageDraw.Draw(self.image)
        self.left = self.y = self._mm(_MARGIN)
        self.right = self.image.width - self.left

    def _mm(self, length: float) -> int:
        return pixels(length, self.dpi)

    def _font(self, points: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        return _font(round(points / 72 * self.dpi))

    def down(self, length: float) -> None:
        self.y += self._mm(length)

    def text(self, said: str, points: float, colour: str, left: int | None = None) -> None:
        left = self.left if left is None else left
        font = self._font(points)
        for line in _wrapped(drawable(said), font, self.right - left):
            self.draw.text((left, self.y), line, font=font, fill=colour)
            self.y += round(points / 72 * self.dpi * _LINE)

    def row(self, name: str, said: str) -> None:
        top = self.y
        self.text(name, 8.5, _QUIET)
        self.y = top
        self.text(said, 8.5, _INK, self.left + self._mm(_LABEL))
        self.y += self._mm(0.7)

    @property
    def has_room(self) -> bool:
        """Whether there is still room to sign."""
        return self.y <= self.image.height - self._mm(_MARGIN + _FOOT)

    def picture(self, picture: Image.Image, highest: float) -> None:
        fitted = _within(picture, self._mm(_WIDEST), self._mm(highest))
        self.image.paste(fitted, (self.left, self.y))
        self.y += fitted.height

    def small(self, nearest: Sequence[tuple[Image.Image, str]]) -> None:
        side, x, font = self._mm(_SMALL), self.left, self._font(7.5)
        fitted = [_within(photograph, side, side) for photograph, _ in nearest]
        deepest = max(photograph.height for photograph in fitted)
        for photograph, (_, caption) in zip(fitted, nearest, strict=True):
            self.image.paste(photograph, (x, self.y))
            below = (x, self.y + deepest + self._mm(1))
            self.draw.text(below, drawable(caption), font=font, fill=_QUIET)
            x += side + self._mm(_GAP)
        self.y += deepest + self._mm(1) + round(7.5 / 72 * self.dpi * _LINE * 1.4)

    def foot(self, artist: str) -> None:
        """Lines for the date and the signature, and who says that AI made it."""
        bottom = self.image.height - self._mm(_MARGIN)
        line, wide = bottom - self._mm(12), self._mm(76)
        for x, name in ((self.left, "Place and date"), (self.right - wide, artist or "Signature")):
            self.draw.line((x, line, x + wide, line), fill=_RULE, width=max(1, self._mm(0.15)))
            below = (x, line + self._mm(1.2))
            self.draw.text(below, drawable(name), font=self._font(7.5), fill=_QUIET)
        self.y = bottom - self._mm(3)
        self.text(_MADE, 7.5, _QUIET)


def _within(picture: Image.Image, width: int, height: int) -> Image.Image:
    larger = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * larger)), max(1, round(picture.height * larger)))
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _wrapped(
    said: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    """Lines of at most `width` pixels; a longer word has a line of its own."""
    lines = [""]
    for word in said.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
