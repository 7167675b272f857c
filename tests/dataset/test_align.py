"""A turned face comes out upright, at the same place in every square."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from merzmory.dataset.align import Point, aligned, warped

_FACE = np.array([(-40.0, -30.0), (40.0, -30.0), (0.0, 10.0), (-30.0, 50.0), (30.0, 50.0)])


def _scene(angle: float, size: float, middle: Point) -> tuple[Image.Image, list[Point]]:
    """A photograph of a face: red eyes, blue corners of the mouth."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = [(float(x), float(y)) for x, y in _FACE @ turn.T * size + middle]
    scene = Image.new("RGB", (900, 800), (200, 190, 180))
    pen = ImageDraw.Draw(scene)
    for (x, y), colour in zip(points, ("red", "red", "green", "blue", "blue"), strict=True):
        pen.ellipse((x - 9 * size, y - 9 * size, x + 9 * size, y + 9 * size), fill=colour)
    return scene, points


def _middle(picture: Image.Image, channel: int) -> tuple[float, float]:
    pixels = np.asarray(picture, np.float64)
    others = [c for c in range(3) if c != channel]
    y, x = np.nonzero((pixels[:, :, channel] > 150) & (pixels[:, :, others].max(2) < 100))
    return float(x.mean()) + 0.5, float(y.mean()) + 0.5


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2, np.pi])
@pytest.mark.parametrize("size", [0.7, 1.5])
def test_a_face_comes_out_upright(angle: float, size: float) -> None:
    scene, points = _scene(angle, size, (450.0, 400.0))
    square = aligned(points)
    assert square is not None
    picture = warped(scene, square, 128)
    # the side is 4 * 80 = 320, and the centre lies 8 below the eyes, of which 1 / 320 is 0.4 px
    assert _middle(picture, 0) == pytest.approx((64, 64 - 8 * 0.4), abs=0.7)
    assert _middle(picture, 2) == pytest.approx((64, 64 + 72 * 0.4), abs=0.7)


def test_a_reduced_photograph_gives_the_same() -> None:
    scene, points = _scene(0.3, 1.5, (450.0, 400.0))
    square = aligned(points)
    assert square is not None
    half = scene.resize((450, 400), Image.Resampling.BOX)
    one, two = (np.asarray(warped(s, square, 64, k), int) for s, k in ((scene, 1.0), (half, 0.5)))
    assert np.abs(one - two).mean() < 2


def test_beyond_the_edge_lies_the_mirrored_photograph() -> None:
    scene, points = _scene(0.0, 1.0, (450.0, 130.0))
    square = aligned(points)
    assert square is not None
    assert square.beyond(*scene.size) == pytest.approx((160 - 108) / 320)
    pixels = np.asarray(warped(scene, square, 64), int)
    assert np.abs(pixels[:8] - (200, 190, 180)).max() < 6  # paper, not black
