"""One shape for all squares: asked for, the base's, or that of most photographs."""

from __future__ import annotations

import pytest

from merzmory.dataset.fit import frame, majority
from merzmory.errors import ConfigError
from merzmory.frame import Frame

_CARS = Frame("4:3", (0, 0.125, 1, 0.875))
_SIZES = [(6000, 4000)] * 3 + [(4000, 6000)] * 2 + [(4032, 3024)] * 2


def test_most_photographs_say_the_shape() -> None:
    assert majority(_SIZES) == "3:2"
    assert majority([(3024, 4032), (3024, 4032), (6000, 4000)]) == "3:4"
    assert majority([(1080, 1350)] * 2 + [(1080, 1080)]) == "4:5"
    assert majority([(5472, 3648), (1000, 1000)]) == "1:1"  # of equals the squarer
    assert majority([]) == "1:1"


def test_how_squares_are_made() -> None:
    assert frame("", "", sizes=_SIZES, resolution=64) == Frame()
    assert frame("square", "", sizes=_SIZES, resolution=64, base=_CARS) == Frame()
    assert frame("squeeze", "", sizes=_SIZES, resolution=64) == Frame("3:2")
    assert frame("squeeze", "16:9", sizes=_SIZES, resolution=64) == Frame("16:9")
    assert frame("letterbox", "", sizes=_SIZES, resolution=64) == Frame.letterboxed("3:2", 64)


def test_a_base_with_bars_gives_its_own() -> None:
    assert frame("", "", sizes=_SIZES, resolution=512, base=_CARS) is _CARS
    assert frame("letterbox", "", sizes=_SIZES, resolution=512, base=_CARS) is _CARS
    assert frame("", "3:2", sizes=[], resolution=512, base=_CARS) == Frame.letterboxed("3:2", 512)
    assert frame("squeeze", "", sizes=_SIZES, resolution=512, base=_CARS) == Frame("4:3")


def test_what_does_not_go_together() -> None:
    with pytest.raises(ConfigError, match="squeeze or letterbox"):
        frame("", "3:2", sizes=_SIZES, resolution=64)
    with pytest.raises(ConfigError, match="square, squeeze, letterbox"):
        frame("stretch", "", sizes=_SIZES, resolution=64)
    assert frame("square", "1:1", sizes=_SIZES, resolution=64) == Frame()
