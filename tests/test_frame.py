"""What was squeezed or laid between bars comes back in its own shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from merzmory.errors import ConfigError
from merzmory.frame import Frame

_ASPECTS = ["1:1", "4:5", "2:3", "9:16", "5:4", "4:3", "3:2", "16:9", "4:1"]


def _circle(width: int, height: int) -> Image.Image:
    """A white disc on grey, drawn fine and reduced."""
    picture = Image.new("RGB", (4 * width, 4 * height), (90, 90, 90))
    radius = 4 * min(width, height) * 0.4
    x, y = 2 * width, 2 * height
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill="white")
    return picture.resize((width, height), Image.Resampling.BOX)


def _axes(picture: Image.Image) -> tuple[float, float]:
    """Diameters of the disc across and down, from the second moments of what is bright."""
    weight = np.clip((np.asarray(picture.convert("L"), np.float64) - 90) / 165, 0, 1)
    y, x = np.mgrid[: picture.height, : picture.width]
    mean_x, mean_y = (np.average(v, weights=weight) for v in (x, y))
    spread = (np.average((v - m) ** 2, weights=weight) for v, m in ((x, mean_x), (y, mean_y)))
    across, down = (4 * float(np.sqrt(s)) for s in spread)
    return across, down


@pytest.mark.parametrize("aspect", _ASPECTS)
@pytest.mark.parametrize("letterbox", [False, True])
@pytest.mark.parametrize("bars", ["black", "mirror"])
def test_a_circle_is_a_circle_again(aspect: str, letterbox: bool, bars: str) -> None:
    frame = Frame.letterboxed(aspect, 256) if letterbox else Frame(aspect)
    width, height = Frame(aspect).within(600, 2**14)
    square = frame.square(_circle(width, height), 256, bars=bars)
    assert square.size == (256, 256)
    shown = frame.shown(square)
    assert shown.width / shown.height == pytest.approx(frame.ratio, rel=0.01)
    across, down = _axes(shown)
    assert across / down == pytest.approx(1, abs=0.02)
    assert across / min(shown.size) == pytest.approx(0.8, abs=0.02)
    if not letterbox and aspect not in ("1:1", "4:5", "5:4"):
        across, down = _axes(square)
        assert abs(across / down - 1) > 0.2  # it was squeezed in between


def test_no_pixel_is_thrown_away() -> None:
    assert Frame("3:2").size(64) == (96, 64) and Frame("2:3").size(64) == (64, 96)
    assert Frame().size(64) == (64, 64)
    assert Frame.letterboxed("3:2", 64).size(64) == (64, 43)


def test_a_square_that_is_plain_is_not_touched() -> None:
    picture = _circle(64, 64)
    assert Frame().is_plain and Frame().shown(picture) is picture
    assert not Frame("3:2").is_plain and not Frame("1:1", (0.0, 0.0, 1.0, 0.5)).is_plain


def test_a_net_of_512_by_384_shows_its_rows() -> None:
    """Rows 64 to 448 of 512, as the published network of cars lays them."""
    frame = Frame("4:3", (0, 64 / 512, 1, 448 / 512))
    assert frame == Frame.letterboxed("4:3", 512)
    assert frame.pixels(512) == (0, 64, 512, 448) and frame.size(512) == (512, 384)
    dice = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    assert np.array_equal(np.asarray(frame.shown(Image.fromarray(dice))), dice[64:448])
    large = Image.fromarray(dice).resize((1024, 1024), Image.Resampling.NEAREST)
    assert frame.shown(large).size == (1024, 768)


def test_bars_have_their_colour() -> None:
    frame = Frame.letterboxed("2:1", 64)
    white = Image.new("RGB", (200, 100), "white")
    pixels = np.asarray(frame.square(white, 64, bars="#102030"))
    assert (pixels[:16] == (16, 32, 48)).all() and (pixels[48:] == (16, 32, 48)).all()
    assert (pixels[16:48] == 255).all()
    assert (np.asarray(frame.square(white, 64, bars="mirror")) == 255).all()


def test_a_part_of_a_picture_is_laid_in() -> None:
    half = Image.new("RGB", (200, 100), "blue")
    half.paste("red", (100, 0, 200, 100))
    assert Frame().square(half, 32, box=(120, 10, 200, 90)).getcolors() == [(1024, (255, 0, 0))]


def test_bars_do_not_bleed_into_the_picture() -> None:
    frame = Frame("2:1", (0.25, 0.25, 0.75, 0.75))  # squeezed and between bars
    square = frame.square(Image.new("RGB", (80, 40), "white"), 64)
    assert frame.shown(square).size == (64, 32)
    assert frame.shown(square).getcolors() == [(2048, (255, 255, 255))]


@given(st.sampled_from(_ASPECTS), st.integers(3, 10), st.booleans())
def test_what_is_written_is_read(aspect: str, power: int, letterbox: bool) -> None:
    frame = Frame.letterboxed(aspect, 2**power) if letterbox else Frame(aspect)
    assert Frame.read(frame.settings()) == frame
    width, height = frame.within(720, 2**power)
    shown = frame.size(2**power)
    assert max(width, height) == 720
    assert width / height == pytest.approx(shown[0] / shown[1], rel=0.01)


@pytest.mark.parametrize("aspect", ["", "3", "3x2", "3:0", "0:3", "5:1", "1:5", "-3:2", "1.5:1"])
def test_what_is_no_shape_is_named(aspect: str) -> None:
    with pytest.raises(ConfigError, match="not a picture's shape"):
        Frame(aspect)


def test_a_window_outside_and_a_colour_that_is_none() -> None:
    with pytest.raises(ConfigError, match="not inside its square"):
        Frame("4:3", (0, 0.5, 1, 0.4))
    with pytest.raises(ConfigError, match="no colour 'blak'"):
        Frame.letterboxed("3:2", 64).square(_circle(30, 20), 64, bars="blak")
