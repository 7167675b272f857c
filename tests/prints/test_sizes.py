"""Millimetres and dpi add up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merzmory.errors import ConfigError
from merzmory.prints.sizes import PAPERS, largest, page_pixels, sizes


def on(paper, width, height, dpi=300):
    return next(size for size in sizes(width, height, dpi) if size.paper == paper)


def test_a_page_of_a4_at_300_dpi():
    assert page_pixels("A4") == (2480, 3508)
    size = on("A4", 2480, 3508)
    assert (size.grade, size.enlarge) == ("sharp", 1.0)
    assert size.dpi == pytest.approx(300, abs=0.1)
    assert largest(3000, 1500) == (254.0, 127.0)


def test_a_square_of_1024():
    size = on("20x20", 1024, 1024)
    assert (size.width_mm, size.height_mm) == (200, 200)
    assert size.dpi == pytest.approx(130, abs=0.1)
    assert size.grade == "too small"
    assert size.enlarge == pytest.approx(2.31)
    assert on("20x20", 1600, 1600).grade == "good"
    assert on("20x20", 1200, 1200).grade == "from a distance"


def test_the_paper_turns_with_the_picture():
    assert on("A4", 300, 200).width_mm == 297
    assert on("A4", 200, 300).height_mm == 297


@pytest.mark.parametrize(
    ("asked", "paper"), [("100x70", "70x100"), ("a4", "A4"), ("letter", "Letter")]
)
def test_a_paper_is_known_turned_and_in_any_case(asked, paper):
    assert page_pixels(asked) == page_pixels(paper)
    with pytest.raises(ConfigError, match="There is no paper 100x71: did you mean"):
        page_pixels("100x71")


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(36, 1200))
def test_the_picture_stays_on_the_paper_and_enlarging_reaches_the_dpi(width, height, dpi):
    found = sizes(width, height, dpi)
    assert [size.paper for size in found] == list(PAPERS)
    for size in found:
        shorter, longer = PAPERS[size.paper]
        assert min(size.width_mm, size.height_mm) <= shorter + 0.05
        assert max(size.width_mm, size.height_mm) <= longer + 0.05
        assert size.enlarge >= 1
        assert size.enlarge <= 1.01 if size.grade == "sharp" else size.enlarge >= 1.01


def test_what_is_none():
    with pytest.raises(ConfigError, match="did you mean A4"):
        page_pixels("a4".upper() + " ")
    with pytest.raises(ConfigError, match="there are 10x15"):
        page_pixels("napkin")
    with pytest.raises(ConfigError, match="above 0"):
        sizes(0, 10)
    with pytest.raises(ConfigError, match="above 0"):
        page_pixels("A4", 0)
