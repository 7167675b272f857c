"""A picture on its paper: whole with a margin, or to the edge with a bleed and crop marks.

whole     as large as it goes on the paper, none of it cut off
bleed     it covers the paper and `bleed` millimetres beyond every edge, to be trimmed
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

from merzmory.errors import ConfigError
from merzmory.prints.sizes import DPI, Grade, graded, page_pixels, pixels

_MARK = 5.0  # millimetres: how long a crop mark is
_APART = 2.0  # millimetres from the trimmed edge, at least
_THIN = 0.1  # millimetres
_MOST_PIXELS = 400_000_000  # a page in memory: 1.6 GB


@dataclass(frozen=True, slots=True)
class Page:
    """A picture laid out for a paper. Sizes are in pixels at `dpi`."""

    paper: str  # "": the picture's own size
    dpi: int
    trim: tuple[int, int]  # the paper, turned to the picture
    picture: tuple[int, int]  # as it is printed, with its bleed
    bleed: int
    marks: int  # width of the strip around it that holds the crop marks; 0: none
    fine: float  # dots an inch that the picture itself has there
    grade: Grade
    enlarge: float  # how many times larger it would have to be

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the file."""
        edge = 2 * max(self.bleed, self.marks)
        return self.trim[0] + edge, self.trim[1] + edge


def lay_out(
    width: int,
    height: int,
    *,
    paper: str = "",
    dpi: int = DPI,
    bleed: float = 0.0,
    marks: bool = False,
) -> Page:
    """How a picture of `width` x `height` pixels lies on `paper`; "" gives it its own size at `dpi`.

    `bleed` is in millimetres; `marks` asks for crop marks at the paper's corners.

    Raises:
        ConfigError: there is no such paper, a number is out of range, or there is a bleed or a mark
            without a paper.
    """
    if not 36 <= dpi <= 2400:
        raise ConfigError(f"A print of {dpi} dpi is out of range: choose 36 to 2400 with --dpi.")
    if not 0 <= bleed <= 25:
        raise ConfigError(
            f"A bleed of {bleed:g} mm is out of range: choose 0 to 25 with --bleed; 3 is usual."
        )
    if not paper:
        if bleed or marks:
            raise ConfigError("A bleed and crop marks need a paper: add --paper A3.")
        size = (width, height)
        return Page("", dpi, size, size, 0, 0, float(dpi), "sharp", 1.0)
    upright = page_pixels(paper, dpi)
    if upright[0] * upright[1] > _MOST_PIXELS:
        raise ConfigError(
            f"A page of {paper} at {dpi} dpi has {upright[0]} x {upright[1]} pixels: choose fewer dpi "
            "or a smaller paper."
        )
    trim = (upright[1], upright[0]) if width > height else upright
    over = pixels(bleed, dpi)
    if bleed:
        shown = (trim[0] + 2 * over, trim[1] + 2 * over)
        larger = max(shown[0] / width, shown[1] / height)
    else:
        larger = min(trim[0] / width, trim[1] / height)
        shown = (
            min(trim[0], max(1, round(width * larger))),
            min(trim[1], max(1, round(height * larger))),
        )
    strip = max(over, pixels(_APART, dpi)) + pixels(_MARK, dpi) if marks else 0
    return Page(
        paper, dpi, trim, shown, over, strip,
        round(dpi / larger, 1), graded(1 / larger), round(max(1.0, larger), 2),
    )  # fmt: skip


def printed(picture: Image.Image, page: Page) -> Image.Image:
    """RGB `picture` on its page, white where the paper is bare, tagged with the page's dpi."""
    width, height = page.picture
    box = (0.0, 0.0, float(picture.width), float(picture.height))
    if page.bleed:  # what lies outside the paper's shape is cut off, evenly on both sides
        larger = max(width / picture.width, height / picture.height)
        x, y = (picture.width - width / larger) / 2, (picture.height - height / larger) / 2
        box = (max(0.0, x), max(0.0, y), picture.width - x, picture.height - y)
    inner = picture
    if picture.size != page.picture:
        inner = picture.resize((width, height), Image.Resampling.LANCZOS, box=box)
    made = inner
    if page.size != inner.size:
        made = Image.new("RGB", page.size, "white")
        made.paste(inner, ((made.width - width) // 2, (made.height - height) // 2))
    if page.marks:
        _draw_marks(made, page)
    made.info["dpi"] = (page.dpi, page.dpi)
    return made


def _draw_marks(made: Image.Image, page: Page) -> None:
    draw = ImageDraw.Draw(made)
    thin = max(1, pixels(_THIN, page.dpi))
    length = pixels(_MARK, page.dpi)
    left, top = page.marks, page.marks
    right, bottom = left + page.trim[0], top + page.trim[1]
    for x in (left, right - 1):
        for y in (0, made.height - length):
            draw.rectangle((x, y, x + thin - 1, y + length - 1), fill="black")
    for y in (top, bottom - 1):
        for x in (0, made.width - length):
            draw.rectangle((x, y, x + length - 1, y + thin - 1), fill="black")
