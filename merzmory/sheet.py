"""Contact sheets: pictures in a grid with quiet labels, for film strips, archaeology and prints.

The font is Pillow's bundled one (Aileron, CC0), so a sheet looks the same on every machine; it
draws ASCII and a few signs, and other letters are folded to those.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from merzmory.errors import FormatError

Tile = Path | Image.Image | None

_LINE = 1.35  # line height over font size
_SIGNS = {"ψ": "psi", "×": "x", "–": "-", "—": "-", "→": ">", "ß": "ss", "ø": "o", "ł": "l"}
_DRAWN = set("·…°‘’“”")  # beyond ASCII, what the bundled font draws


@dataclass(frozen=True, slots=True)
class Colours:
    """What a sheet is drawn in: RGB as Pillow names colours."""

    paper: str
    ink: str
    quiet: str  # captions
    hollow: str  # a tile without a picture


LIGHT = Colours(paper="#f7f5f0", ink="#1d1c1a", quiet="#6d6a64", hollow="#ebe8e1")
DARK = Colours(paper="#121212", ink="#eceae5", quiet="#96938c", hollow="#1d1d1d")


@dataclass(frozen=True, slots=True)
class Grid:
    """Where everything lies on a sheet, in pixels."""

    columns: int
    rows: int
    tile: int  # width of a tile
    gap: int
    margin: int
    text: int  # font size
    caption_lines: int = 0  # the most lines under any tile
    row_label_width: int = 0
    head: int = 0  # height of title and column labels
    high: int = 0  # height of a tile; 0: a square

    @property
    def box(self) -> tuple[int, int]:
        """Width and height of a tile."""
        return self.tile, self.high or self.tile

    @property
    def cell_height(self) -> int:
        """A tile with its caption, without the gap below."""
        under = round(self.caption_lines * self.text * _LINE + self.text * 0.9)
        return self.box[1] + (under if self.caption_lines else 0)

    @property
    def left(self) -> int:
        """x of the first tile."""
        return self.margin + self.row_label_width

    @property
    def top(self) -> int:
        """y of the first tile."""
        return self.margin + self.head

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole sheet."""
        across = self.columns * self.tile + max(0, self.columns - 1) * self.gap
        down = self.rows * self.cell_height + max(0, self.rows - 1) * self.gap
        return self.left + across + self.margin, self.top + down + self.margin

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """x, y of a tile's upper left."""
        return (
            self.left + column * (self.tile + self.gap),
            self.top + row * (self.cell_height + self.gap),
        )


def sheet(
    rows: Sequence[Sequence[Tile]],
    *,
    tile: int,
    ratio: float = 1.0,
    gap: int | None = None,
    margin: int | None = None,
    text: int | None = None,
    title: str = "",
    note: str = "",
    column_labels: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    captions: Sequence[Sequence[str]] | None = None,
    colours: Colours = LIGHT,
) -> Image.Image:
    """A contact sheet: RGB, `rows` of pictures, each fitted whole into a tile.

    A tile is `tile` pixels long, and has `ratio` (width over height; 1 is a square).
    A `None` is left out; a picture that is smaller than its tile is enlarged, none is cropped.
    Rows may differ in length. A caption may have several lines, and ends in … where it is wider
    than its tile; `note` stands small under the title. `gap`, `margin` and `text` (font size),
    in pixels, follow `tile` where they are not given.

    Raises:
        FormatError: a picture file cannot be read.
    """
    text = text if text is not None else max(11, min(28, tile // 13))
    gap = gap if gap is not None else max(2, tile // 16)
    margin = margin if margin is not None else max(16, tile // 6)
    grid = Grid(
        columns=max((len(row) for row in rows), default=0),
        rows=len(rows),
        tile=round(tile * min(1.0, ratio)),
        high=round(tile * min(1.0, 1 / ratio)),
        gap=gap,
        margin=margin,
        text=text,
        caption_lines=max(
            (line.count("\n") + 1 for row in captions or () for line in row if line), default=0
        ),
        row_label_width=_label_width(row_labels, text),
        head=head_height(text, title=bool(title), note=bool(note), columns=bool(column_labels)),
    )
    across, down = grid.box
    page = Image.new("RGB", grid.size, colours.paper)
    draw = ImageDraw.Draw(page)
    room = page.width - 2 * margin
    if title:
        size = _title_size(text)
        draw.text((margin, margin), _fitted(title, size, room), font=_font(size), fill=colours.ink)
    if note:
        y = margin + head_height(text, title=bool(title)) - round(text * 0.5) * bool(title)
        draw.text((margin, y), _fitted(note, text, room), font=_font(text), fill=colours.quiet)
    for column, label in enumerate(column_labels[: grid.columns]):
        x, y = grid.corner(0, column)
        draw.text(
            (x, y - round(text * 0.6)),
            _fitted(label, text, across + gap),
            font=_font(text),
            fill=colours.quiet,
            anchor="ls",
        )
    for index, label in enumerate(row_labels[: grid.rows]):
        _, y = grid.corner(index, 0)
        where = (grid.left - round(text * 0.9), y + down // 2)
        draw.text(where, drawable(label), font=_font(text), fill=colours.quiet, anchor="rm")
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            x, y = grid.corner(r, c)
            if picture is None:
                continue
            fitted = _fit(picture, grid.box, colours)
            if fitted.size != grid.box:
                draw.rectangle((x, y, x + across - 1, y + down - 1), fill=colours.hollow)
            page.paste(fitted, (x + (across - fitted.width) // 2, y + (down - fitted.height) // 2))
            caption = (
                captions[r][c] if captions and r < len(captions) and c < len(captions[r]) else ""
            )
            for n, line in enumerate(caption.split("\n")):
                draw.text(
                    (x, y + down + round(text * (0.45 + n * _LINE))),
                    _fitted(line, text, across),
                    font=_font(text),
                    fill=colours.ink if n == 0 else colours.quiet,
                )
    return page


def about(line: Mapping[str, Any]) -> str:
    """The caption of a generated picture, from its manifest line: seed and psi; step and label."""
    if "seed" not in line:
        return str(line["file"])
    first = f"seed {line['seed']}"
    if line.get("psi") is not None:
        first += f" · psi {line['psi']:g}"
    second = [f"step {line['step']}"] if line.get("step") is not None else []
    second += [str(line["label"])] if line.get("label") is not None else []
    return "\n".join([first, " · ".join(second)]).rstrip()


def head_height(
    text: int, *, title: bool = False, note: bool = False, columns: bool = False
) -> int:
    """Pixels above the first row for a title, a note and column labels, set in `text` pixels."""
    return round(_title_size(text) * 1.9) * title + round(text * 1.9) * (note + columns)


def drawable(text: str) -> str:
    """`text` in letters that the bundled font has; what it has not becomes its plain letter or ?"""
    if text.isascii():
        return text
    out = ""
    for letter in text:
        if letter.isascii() or letter in _DRAWN:
            out += letter
        elif letter in _SIGNS:
            out += _SIGNS[letter]
        else:
            plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
            out += plain or "?"
    return out


def _title_size(text: int) -> int:
    return round(text * 1.4)


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _label_width(labels: Sequence[str], text: int) -> int:
    if not any(labels):
        return 0
    widest = max(_font(text).getlength(drawable(label)) for label in labels)
    return round(widest + text * 0.9)


def _fitted(label: str, text: int, width: int) -> str:
    """`label`, ended by … where it is wider than `width` pixels."""
    label, font = drawable(label), _font(text)
    if font.getlength(label) <= width:
        return label
    while label and font.getlength(label + "…") > width:
        label = label[:-1]
    return label.rstrip() + "…"


def _fit(picture: Path | Image.Image, box: tuple[int, int], colours: Colours) -> Image.Image:
    """`picture` as RGB, as large as the box of width and height in pixels holds it."""
    image = _read(picture, max(box)) if isinstance(picture, Path) else picture
    if image.has_transparency_data:
        over = Image.new("RGBA", image.size, colours.hollow)
        image = Image.alpha_composite(over, image.convert("RGBA"))
    scale = min(box[0] / image.width, box[1] / image.height)
    size = (
        min(box[0], max(1, round(image.width * scale))),
        min(box[1], max(1, round(image.height * scale))),
    )
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _read(path: Path, tile: int) -> Image.Image:
    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (tile, tile))  # JPEG only: decode no more than is shown
            whole: Image.Image = opened.copy()
            return whole
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise FormatError(
            f"{path} cannot be read as a picture: move its folder away and run the command again."
        ) from error
