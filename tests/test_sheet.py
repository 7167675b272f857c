"""A sheet shows every picture whole, in its place, with its labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from merzmory.errors import FormatError
from merzmory.sheet import DARK, LIGHT, Grid, _fitted, _font, drawable, sheet


def plain(colour, size=(8, 8)):
    return Image.new("RGB", size, colour)


def test_every_picture_lies_in_its_place():
    colours = [["#ff0000", "#00ff00"], ["#0000ff", None]]
    rows = [[plain(c) if c else None for c in row] for row in colours]
    drawn = sheet(rows, tile=40, gap=4, margin=10)
    assert drawn.mode == "RGB"
    assert drawn.size == (2 * 40 + 4 + 20, 2 * 40 + 4 + 20)
    for r, row in enumerate(colours):
        for c, colour in enumerate(row):
            x, y = 10 + 44 * c, 10 + 44 * r
            expected = plain(colour or LIGHT.paper, (1, 1)).getpixel((0, 0))
            assert drawn.getpixel((x, y)) == expected
            assert drawn.getpixel((x + 39, y + 39)) == expected
    assert drawn.getpixel((0, 0)) == plain(LIGHT.paper, (1, 1)).getpixel((0, 0))


def test_labels_and_captions_take_room_and_leave_ink():
    bare = sheet([[plain("red")]], tile=64)
    full = sheet(
        [[plain("red")]], tile=64, title="Strip", note="all of it", column_labels=["step 10"],
        row_labels=["seed 3"], captions=[["seed 3 · psi 0.7\nsecond line"]],
    )  # fmt: skip
    assert full.width > bare.width
    assert full.height > bare.height + 3 * 11
    assert len(full.getcolors(10**6)) > len(bare.getcolors(10**6)) + 20


def test_pictures_are_fitted_whole_and_a_path_is_read(tmp_path):
    wide = Image.new("RGB", (80, 20), "#00ff00")
    wide.save(tmp_path / "wide.png")
    drawn = sheet([[tmp_path / "wide.png"]], tile=40, margin=0, colours=DARK)
    hollow = plain(DARK.hollow, (1, 1)).getpixel((0, 0))
    assert drawn.size == (40, 40)
    assert [drawn.getpixel((20, y)) for y in (0, 14, 15, 24, 25, 39)] == [
        hollow, hollow, (0, 255, 0), (0, 255, 0), hollow, hollow,
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["RGBA", "L", "LA", "P", "CMYK", "1"])
def test_any_mode(mode):
    drawn = sheet([[plain("white").convert(mode)]], tile=20, margin=0)
    assert drawn.getpixel((10, 10)) == (255, 255, 255)


def test_a_picture_that_is_transparent_shows_the_sheet():
    drawn = sheet([[Image.new("RGBA", (8, 8), (255, 0, 0, 0))]], tile=20, margin=0)
    assert drawn.getpixel((10, 10)) == plain(LIGHT.hollow, (1, 1)).getpixel((0, 0))


def test_an_empty_sheet_is_only_paper():
    assert len(sheet([], tile=64).getcolors()) == 1
    assert sheet([[None], [None, None]], tile=64, margin=0, gap=4).size == (132, 132)


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no")
    with pytest.raises(FormatError, match=r"bad\.png"):
        sheet([[tmp_path / "bad.png"]], tile=64)


def test_letters_that_the_font_lacks_are_folded():
    assert drawable("ψ 0.7 · Zürich – 4×4") == "psi 0.7 · Zurich - 4x4"
    assert drawable("Ålesund, 日") == "Alesund, ?"


@given(st.text(max_size=60), st.integers(20, 300))
def test_a_caption_never_leaves_its_tile(text, width):
    line = _fitted(text.replace("\n", " "), 14, width)
    assert _font(14).getlength(line) <= max(width, _font(14).getlength("…"))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(8, 200), st.integers(0, 20))
def test_the_last_tile_ends_where_the_margin_begins(columns, rows, tile, gap):
    grid = Grid(columns, rows, tile, gap, margin=7, text=12, caption_lines=2)
    x, y = grid.corner(rows - 1, columns - 1)
    assert (x + tile + 7, y + grid.cell_height + 7) == grid.size
