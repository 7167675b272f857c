"""A crop is a square of whole pixels inside the photograph, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from merzmory.dataset.crop import METHODS, Box, square

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


@given(_photographs(), st.sampled_from(sorted(METHODS)))
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
