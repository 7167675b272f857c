"""A picture on paper: nothing is lost without a bleed, nothing is bare with one, and the marks are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from merzmory.errors import ConfigError
from merzmory.prints.page import lay_out, printed
from merzmory.prints.sizes import PAPERS

RED = (200, 30, 40)


def picture(width, height):
    return Image.new("RGB", (width, height), RED)


def test_a_paper_at_its_dpi():
    page = lay_out(1000, 1000, paper="A4", dpi=300)
    assert page.size == page.trim == (2480, 3508)
    assert page.picture == (2480, 2480)
    assert (page.fine, page.grade, page.enlarge) == (121.0, "too small", 2.48)
    made = printed(picture(1000, 1000), page)
    assert made.size == (2480, 3508)
    assert made.info["dpi"] == (300, 300)
    assert made.getpixel((1240, 513)) == (255, 255, 255)
    assert made.getpixel((0, 514)) == made.getpixel((2479, 2993)) == RED
    assert made.getpixel((1240, 2994)) == (255, 255, 255)


def test_without_a_paper_no_pixel_is_changed():
    noise = Image.effect_noise((40, 30), 80).convert("RGB")
    page = lay_out(40, 30, dpi=240)
    made = printed(noise, page)
    assert made.tobytes() == noise.tobytes()
    assert made.info["dpi"] == (240, 240)
    assert page.grade == "sharp"


def test_a_bleed_covers_the_paper_and_beyond():
    page = lay_out(600, 400, paper="A6", dpi=254, bleed=3, marks=False)
    assert page.trim == (1480, 1050)  # turned, ten dots a millimetre
    assert page.size == (1540, 1110)
    made = printed(picture(600, 400), page)
    assert {colour for _, colour in made.getcolors()} == {RED}


def test_what_a_bleed_cuts_off_is_the_same_on_both_sides():
    ramp = np.zeros((100, 300, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, 300)
    page = lay_out(300, 100, paper="20x20", dpi=100, bleed=3)
    row = np.asarray(printed(Image.fromarray(ramp), page))[50, :, 0].astype(int)
    assert row[0] + row[-1] == pytest.approx(255, abs=3)
    assert 80 < row[0] < 90  # a third of the width is left


@pytest.mark.parametrize("bleed", [0.0, 3.0])
def test_crop_marks_stand_at_the_trimmed_edges_and_outside_the_bleed(bleed):
    page = lay_out(500, 500, paper="20x20", dpi=254, bleed=bleed, marks=True)
    made = np.asarray(printed(picture(500, 500), page)).astype(int)
    black = made.sum(-1) == 0
    strip = page.marks
    assert strip == (80 if bleed else 70)
    assert black[:, strip].any() and black[:, strip + 1999].any()
    assert black[strip].any() and black[strip + 1999].any()
    inside = black[strip - page.bleed : strip + 2000 + page.bleed, :]
    assert not inside[:, strip - page.bleed : strip + 2000 + page.bleed].any()
    assert black.sum() == 8 * 50  # eight marks of 5 mm, one dot thick


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(1, 400), height=st.integers(1, 400), paper=st.sampled_from(sorted(PAPERS)),
    bleed=st.sampled_from([0.0, 1.0, 3.0]), marks=st.booleans(),
)  # fmt: skip
def test_every_page_has_its_papers_size(width, height, paper, bleed, marks):
    page = lay_out(width, height, paper=paper, dpi=36, bleed=bleed, marks=marks)
    made = printed(picture(width, height), page)
    assert made.size == page.size
    edge = max(page.bleed, page.marks)
    assert made.width - 2 * edge == page.trim[0] and made.height - 2 * edge == page.trim[1]
    assert page.enlarge <= 1.01 if page.grade == "sharp" else page.enlarge >= 1.01
    assert RED in {colour for _, colour in made.getcolors()}


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"paper": "A33"}, "did you mean A3"),
        ({"bleed": 3.0}, "need a paper"),
        ({"marks": True}, "need a paper"),
        ({"paper": "A4", "bleed": -1.0}, "0 to 25"),
        ({"paper": "A4", "dpi": 3}, "36 to 2400"),
        ({"paper": "A0", "dpi": 2400}, "fewer dpi"),
    ],
)
def test_what_cannot_be_printed_is_said(knobs, said):
    with pytest.raises(ConfigError, match=said):
        lay_out(100, 100, **knobs)
