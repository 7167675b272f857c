"""Blur, exposure and faces are measured as people see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from merzmory.archive import faces, quality
from merzmory.archive.sources.sample import SampleSource
from merzmory.originals import decode


def _grey(picture: Image.Image) -> quality.Grey:
    return np.asarray(picture.convert("L"))


def test_blur_of_both_kinds_is_seen(sample: SampleSource) -> None:
    moved = np.zeros((15, 15), np.float32)
    moved[7] = 1 / 15
    for file in list(sample.files())[:60:6]:
        if "shaken" in file.path:
            continue
        picture = decode.upright_srgb(Path(file.path))
        sharp = quality.measure(_grey(picture))
        soft = quality.measure(_grey(picture.filter(ImageFilter.GaussianBlur(4))))
        motion = quality.measure(np.asarray(cv2.filter2D(_grey(picture), -1, moved), np.uint8))
        assert soft.blur > sharp.blur + 0.15 and motion.blur > sharp.blur + 0.1
        assert soft.detail < sharp.detail / 5
        assert soft.blur > 0.62 and soft.detail < 60  # as the defaults call blurred
        assert sharp.blur < 0.62 or sharp.detail > 60


def _blur_in_words(grey: quality.Grey) -> float:
    """Crete 2007, step by step in floating point."""
    picture, scores = grey.astype(np.float64), []
    for axis, kernel in ((0, (1, 9)), (1, (9, 1))):
        steps = np.abs(np.diff(picture, axis=axis))
        softer = np.abs(np.diff(np.asarray(cv2.blur(picture, kernel)), axis=axis))
        total = float(steps.sum())
        lost = float(np.maximum(steps - softer, 0).sum())
        scores.append(1.0 if total == 0 else (total - lost) / total)
    return max(scores)


def test_whole_numbers_measure_what_the_paper_says(sample: SampleSource) -> None:
    greys = [_grey(decode.upright_srgb(Path(file.path))) for file in list(sample.files())[::20]]
    dice = np.random.default_rng(3)
    greys += [dice.integers(0, 256, shape).astype(np.uint8) for shape in ((2, 2), (3, 5), (7, 90))]
    for grey in greys:
        assert quality.reblur(grey) == pytest.approx(_blur_in_words(grey), abs=1e-9)
        edges = np.asarray(cv2.Laplacian(grey, cv2.CV_64F))
        rows = np.array_split(edges, min(4, grey.shape[0]), axis=0)
        tiles = [t for row in rows for t in np.array_split(row, min(4, grey.shape[1]), axis=1)]
        wanted = max(float(tile.var()) for tile in tiles)
        assert quality.sharpest_tile(grey) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_bokeh_is_not_blurred(pictures: Callable[[int], Image.Image]) -> None:
    subject = pictures(1).resize((100, 100))
    scene = pictures(2).resize((400, 400)).filter(ImageFilter.GaussianBlur(8))
    scene.paste(subject, (150, 150))
    assert quality.measure(_grey(scene)).detail > 60


def test_exposure_counts_clipped_pixels() -> None:
    half = np.full((100, 100), 128, np.uint8)
    half[:50] = 0
    found = quality.measure(half)
    assert (found.dark, found.light) == (0.5, 0.0)
    assert quality.measure(np.full((9, 9), 255, np.uint8)).light == 1.0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2), (3, 700)])
def test_any_size_can_be_measured(shape: tuple[int, int]) -> None:
    found = quality.measure(np.arange(np.prod(shape)).reshape(shape).astype(np.uint8))
    assert 0 <= found.blur <= 1 and found.detail >= 0
    assert faces.faces(np.zeros(shape, np.uint8)) == []


def test_a_flat_picture_is_blurred() -> None:
    found = quality.measure(np.full((64, 64), 90, np.uint8))
    assert (found.blur, found.detail) == (1.0, 0.0)


def test_a_face_is_found_where_it_is() -> None:
    import skimage

    if not faces.can_find_faces():
        pytest.skip("this OpenCV has no cascades")
    path = Path(skimage.__file__).parent / "data" / "astronaut.png"
    grey = _grey(Image.open(path))
    ((x0, y0, x1, y1),) = faces.faces(grey)
    assert x0 < 225 < x1 and y0 < 115 < y1 and x1 - x0 < 200
    assert faces.faces(grey) == faces.faces(grey)
    large = np.asarray(cv2.resize(grey, None, fx=3, fy=3), np.uint8)
    ((a0, b0, a1, b1),) = faces.faces(large)  # found at its own size
    assert np.allclose((a0 / 3, b0 / 3, a1 / 3, b1 / 3), (x0, y0, x1, y1), atol=12)


def test_without_a_cascade_there_are_no_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier")
    monkeypatch.setattr(faces, "_own", type(faces._own)())
    assert not faces.can_find_faces()
    assert faces.faces(np.zeros((100, 100), np.uint8)) == []
