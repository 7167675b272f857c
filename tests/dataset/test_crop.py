"""A crop is a square of whole pixels inside the photograph, the same every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from merzmory.dataset.align import aligned
from merzmory.dataset.crop import METHODS, NAMES, Box, Look, cut

_FACE = ((40.0, 50.0), (80.0, 50.0), (60.0, 75.0), (45.0, 95.0), (75.0, 95.0))


def square(
    width: int,
    height: int,
    *,
    method: str,
    image: Image.Image | None = None,
    faces: Sequence[Box] = (),
) -> tuple[Box, str]:
    found = cut(Look(width, height, image, faces, "id"), method=method)
    return found.box, found.method


_sides = st.integers(1, 5000)


@st.composite
def _photographs(draw: st.DrawFn) -> tuple[int, int, list[Box], Image.Image | None]:
    width, height = draw(_sides), draw(_sides)
    corner = st.tuples(st.integers(0, width), st.integers(0, height))
    faces = []
    for _ in range(draw(st.integers(0, 3))):
        (a, b), (c, d) = draw(corner), draw(corner)
        faces.append((min(a, c), min(b, d), max(a, c), max(b, d)))
    seed = draw(st.none() | st.integers(0, 99))
    if seed is None:
        return width, height, faces, None
    scale = 120 / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    return width, height, faces, Image.fromarray(pixels)


@given(_photographs(), st.sampled_from(NAMES))
@settings(max_examples=150, deadline=None)
def test_a_box_is_the_largest_square_inside(
    photograph: tuple[int, int, list[Box], Image.Image | None], method: str
) -> None:
    width, height, faces, image = photograph
    box, found = square(width, height, method=method, image=image, faces=faces)
    x0, y0, x1, y1 = box
    assert all(type(side) is int for side in box)
    assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    assert x1 - x0 == y1 - y0 == min(width, height)
    assert found in METHODS
    assert square(width, height, method=method, image=image, faces=faces) == (box, found)


def test_the_centre() -> None:
    assert square(300, 100, method="centre") == ((100, 0, 200, 100), "centre")
    assert square(100, 301, method="centre") == ((0, 100, 100, 200), "centre")


@pytest.mark.parametrize("at", [40, 150, 260])
@pytest.mark.parametrize("tall", [False, True])
def test_attention_goes_where_something_is(at: int, tall: bool) -> None:
    scene = Image.new("RGB", (300, 100), (120, 130, 140))
    pen = ImageDraw.Draw(scene)
    for ring in range(30, 4, -6):
        pen.ellipse(
            (at - ring, 50 - ring, at + ring, 50 + ring), fill=(ring * 8, 255 - ring * 8, 0)
        )
    if tall:
        scene = scene.transpose(Image.Transpose.TRANSPOSE)
    box, found = square(*scene.size, method="attention", image=scene)
    start, end = (box[1], box[3]) if tall else (box[0], box[2])
    assert found == "attention" and start <= at - 25 and at + 25 <= end


def test_attention_at_any_scale_is_the_same_place() -> None:
    scene = Image.new("RGB", (600, 200), "grey")
    ImageDraw.Draw(scene).rectangle((430, 60, 520, 140), fill="red")
    large, _ = square(6000, 2000, method="attention", image=scene)
    small, _ = square(600, 200, method="attention", image=scene)
    assert np.allclose(np.array(large) / 10, small, atol=2)


def test_nothing_to_see_is_the_centre() -> None:
    flat = Image.new("RGB", (300, 100), "white")
    assert square(300, 100, method="attention", image=flat) == ((100, 0, 200, 100), "centre")
    assert square(300, 100, method="face") == ((100, 0, 200, 100), "centre")


def test_faces_are_inside() -> None:
    box, found = square(300, 100, method="face", faces=[(250, 20, 290, 60)])
    assert found == "face" and box == (200, 0, 300, 100)
    box, _ = square(300, 100, method="face", faces=[(120, 20, 150, 60), (170, 20, 200, 60)])
    assert box == (110, 0, 210, 100)
    # too far apart for both: the larger one is whole
    box, _ = square(300, 100, method="face", faces=[(0, 0, 20, 20), (230, 0, 290, 60)])
    assert box[0] <= 230 and box[2] >= 290
    box, _ = square(100, 300, method="face", faces=[(20, 5, 60, 45)])
    assert box == (0, 0, 100, 100)


@given(
    _photographs(), st.sampled_from(NAMES), st.sampled_from([4 / 3, 3 / 2, 16 / 9, 4 / 5, 1 / 2])
)
@settings(max_examples=150, deadline=None)
def test_a_box_has_its_ratio_and_touches_two_edges(
    photograph: tuple[int, int, list[Box], Image.Image | None], method: str, ratio: float
) -> None:
    width, height, faces, image = photograph
    assume(min(width, height) >= 20)
    x0, y0, x1, y1 = cut(Look(width, height, image, faces), method=method, ratio=ratio).box
    assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    assert x1 - x0 == width or y1 - y0 == height
    assert abs((x1 - x0) - (y1 - y0) * ratio) <= max(1, ratio)


def test_chance_is_the_photograph_s_own() -> None:
    found = [cut(Look(300, 100, id=f"{n}"), method="random").box for n in range(400)]
    assert found == [cut(Look(300, 100, id=f"{n}"), method="random").box for n in range(400)]
    starts = np.array([box[0] for box in found])
    assert starts.min() < 5 and starts.max() > 195
    assert abs(starts.mean() - 100) < 10  # uniform over 0..200: its mean strays by 3


def test_a_box_by_hand_keeps_its_middle_and_its_area() -> None:
    hand = (100, 100, 200, 200)
    assert cut(Look(400, 300), method="face", hand=hand).box == hand
    wide = cut(Look(400, 300), method="face", ratio=4.0, hand=hand)
    assert wide.box == (50, 125, 250, 175) and wide.method == "by hand"
    assert cut(Look(400, 300), method="face", hand=(-50, -50, 50, 50)).box == (0, 0, 100, 100)
    assert cut(Look(400, 300), method="face", hand=(0, 0, 4000, 4000)).box == (100, 0, 400, 300)


def test_a_face_is_aligned() -> None:
    """By hand from the paper: eyes 40 apart, the mouth 45 below: 3.6 * 45 = 162 pixels."""
    level = aligned(_FACE)
    assert level is not None
    assert level.centre == pytest.approx((60, 54.5)) and level.side == pytest.approx(162)
    assert level.axis == pytest.approx((1, 0))
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    turned = aligned([tuple(turn @ point * 2 + (300, 100)) for point in np.array(_FACE)])
    assert turned is not None and turned.side == pytest.approx(324)
    assert turned.axis == pytest.approx((np.cos(0.4), np.sin(0.4)))
    assert turned.centre == pytest.approx(turn @ (60, 54.5) * 2 + (300, 100))
    assert turned.corners == pytest.approx(level.corners @ turn.T * 2 + (300, 100))


@pytest.mark.parametrize("points", [(), _FACE[:3], [(5.0, 5.0)] * 5, [(float("nan"), 1.0)] * 5])
def test_points_that_make_no_face(points: Sequence[tuple[float, float]]) -> None:
    assert aligned(points) is None


def test_aligned_falls_back_on_the_face_box() -> None:
    look = Look(400, 300, faces=[(330, 20, 390, 80)])
    far = [(x + 150, y + 60) for x, y in _FACE]
    near = [(x, y + 5) for x, y in _FACE]
    found = cut(look, method="aligned", points=[far], least=64)
    assert found.method == "aligned" and found.turned is not None
    assert found.box == (129, 33, 291, 196)
    assert cut(look, method="aligned").method == "face"  # no points
    assert cut(look, method="aligned", points=[far], least=200).method == "face"  # too small
    assert cut(look, method="aligned", points=[near], least=64).method == "aligned"  # 0.13 outside
    off = [(x - 5, y + 5) for x, y in _FACE]
    assert cut(look, method="aligned", points=[off], least=64).method == "face"  # too far outside
    assert cut(look, method="aligned", points=[far], ratio=1.5, least=64).method == "face"
    assert cut(Look(400, 300), method="aligned").method == "centre"
