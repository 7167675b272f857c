"""Contact sheets to print: all pictures of a folder, small, on pages of paper, with captions.

The pages are pictures, and together `contact.pdf`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from merzmory import provenance
from merzmory.errors import ConfigError
from merzmory.manifest import Work, lay_out, read_manifest
from merzmory.prints.pdf import write_pdf
from merzmory.prints.sizes import DPI, page_pixels
from merzmory.records import Announce, Progress
from merzmory.sheet import LIGHT, Grid, about, head_height, sheet

PDF = "contact.pdf"
_MARGIN = 12 / 25.4  # inches
_GAP = 3 / 25.4  # inches
_TEXT = 8 / 72  # inches: 8 point
_CAPTION_LINES = 3
_COLOURS = replace(LIGHT, paper="#ffffff")  # the paper's own white costs no ink
_MOST_PIXELS = 120_000_000  # a page in memory: 360 MB


def plan(
    *,
    pictures: Path,
    folder: Path,
    paper: str = "A4",
    dpi: int = DPI,
    columns: int = 5,
    title: str = "",
    notes: Mapping[str, str] | None = None,
    lines: Sequence[dict[str, Any]] | None = None,
    settings: Mapping[str, Any],
) -> Work:
    """Pages `page-00.png` on of the finished folder `pictures`, upright, tagged with `dpi`.

    `lines` are those of its pictures that are shown; all of them, where none are given. `notes`
    gives a picture (by its "source_file") a last line of its caption. A line is {"file", "page",
    "pages", "pictures", "width", "height", "paper", "dpi"}.

    Raises:
        ConfigError: there is no such paper, or the page has no room for the columns.
    """
    width, height = page_pixels(paper, dpi)
    if width * height > _MOST_PIXELS:
        raise ConfigError(
            f"A page of {paper} at {dpi} dpi has {width} x {height} pixels: choose a smaller paper "
            "or fewer dpi."
        )
    grid = _grid(width, height, dpi, columns)
    lines = read_manifest(pictures) if lines is None else lines
    on_page = grid.columns * grid.rows
    pages = [lines[i : i + on_page] for i in range(0, len(lines), on_page)]

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        shown = pages[index]
        rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
        drawn = sheet(
            [[pictures / line["file"] for line in row] for row in rows],
            tile=grid.tile,
            gap=grid.gap,
            margin=grid.margin,
            text=grid.text,
            title=title or "Contact sheet",
            note=f"page {index + 1} of {len(pages)}",
            captions=[[_caption(line, notes or {}) for line in row] for row in rows],
            colours=_COLOURS,
        )
        page = Image.new("RGB", (width, height), _COLOURS.paper)
        page.paste(drawn, (0, 0))
        page.info["dpi"] = (dpi, dpi)
        files = [line["file"] for line in shown]
        line: dict[str, Any] = {
            "file": f"page-{index:02d}.png", "page": index + 1, "pages": len(pages),
            "pictures": files, "width": width, "height": height, "paper": paper, "dpi": dpi,
        }  # fmt: skip
        provenance.save_png(page, part / line["file"], line)
        announce(Progress("contact", index + 1, len(pages), "pages"))
        return [line]

    def join(part: Path, lines: list[dict[str, Any]]) -> None:
        named = title or "Contact sheet"
        write_pdf(_pages(part, lines), part / PDF, dpi=dpi, title=named)

    made_from = {**settings, "paper": paper, "dpi": dpi, "columns": columns, "title": title}
    return lay_out("contact", folder, made_from, len(pages), make, join=join)


def _caption(line: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    note = notes.get(line.get("source_file", line["file"]), "")
    return f"{about(line)}\n{note}".rstrip()


def _pages(part: Path, lines: Iterable[Mapping[str, Any]]) -> Iterator[Image.Image]:
    for line in lines:
        with Image.open(part / line["file"]) as page:
            yield page.convert("RGB")


def _grid(width: int, height: int, dpi: int, columns: int) -> Grid:
    """As many rows of `columns` as the page holds."""
    margin, gap, text = round(_MARGIN * dpi), round(_GAP * dpi), max(8, round(_TEXT * dpi))
    tile = (width - 2 * margin - (columns - 1) * gap) // columns if columns > 0 else 0
    head = head_height(text, title=True, note=True)
    one = Grid(columns, 1, tile, gap, margin, text, _CAPTION_LINES, head=head)
    rows = (height - one.size[1]) // (one.cell_height + gap) + 1
    if tile < 3 * text or rows < 1:
        raise ConfigError(
            f"{columns} columns do not fit on this paper: choose between 1 and "
            f"{max(1, (width - 2 * margin + gap) // (3 * text + gap))}, or a larger paper."
        )
    return Grid(columns, rows, tile, gap, margin, text, _CAPTION_LINES, head=head)
