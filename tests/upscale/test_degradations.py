"""Pictures suffer as the paper says: by their seed, in range, around the same middle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merzmory.upscale.degradations import degraded, gaussian, sinc


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32), scale=st.sampled_from([2, 4]),
    height=st.integers(8, 20), width=st.integers(8, 20),
)  # fmt: skip
def test_equal_seeds_give_equal_small_pictures(seed, scale, height, width):
    sharp = noise(height * scale, width * scale)
    kept = sharp.copy()
    small = degraded(sharp, scale, np.random.default_rng(seed))
    assert (small.dtype, small.shape) == (np.uint8, (height, width, 3))
    np.testing.assert_array_equal(degraded(sharp, scale, np.random.default_rng(seed)), small)
    np.testing.assert_array_equal(sharp, kept)


def test_no_two_pictures_suffer_alike():
    sharp = noise(64, 64)
    rng = np.random.default_rng(1)
    made = {degraded(sharp, 4, rng).tobytes() for _ in range(20)}
    assert len(made) > 15  # those that are only made smaller, by one of three filters, may be equal


def test_light_and_place_are_kept():
    """The mean of many suffered copies is the picture made smaller: nothing is tinted or moved."""
    y, x = np.mgrid[:128, :128]
    sharp = np.stack([x + 60, y + 60, 180 - y // 2], -1).astype(np.uint8)
    sharp[40:72, 56:96] = (200, 40, 90)
    rng = np.random.default_rng(2)
    mean = np.mean([degraded(sharp, 4, rng).astype(float) for _ in range(150)], axis=0)
    small = sharp.reshape(32, 4, 32, 4, 3).mean((1, 3))
    assert np.abs((mean - small).mean((0, 1))).max() < 0.5
    flat = np.ones((32, 32), bool)
    flat[8:20, 12:26] = False  # but for the patch's edges, which are blurred
    assert np.abs(mean - small)[flat].max() < 4
    rows, columns = np.mgrid[6:22, 10:28]
    for grid in (rows, columns):  # the patch's centre of gravity, in pixels
        centres = [
            (grid * np.abs(p[6:22, 10:28, 0] - 130)).sum() / np.abs(p[6:22, 10:28, 0] - 130).sum()
            for p in (mean, small)
        ]
        assert abs(centres[0] - centres[1]) < 0.1


@pytest.mark.parametrize("angle", [0, 0.7])
def test_a_gaussian_has_its_spread_along_its_axes(angle):
    kernel = gaussian(2.0, 0.8, angle)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    y, x = np.mgrid[-6:7, -6:7]
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    assert (kernel * along**2).sum() == pytest.approx(4.0, rel=0.04)  # cut off at three sigma
    assert (kernel * across**2).sum() == pytest.approx(0.64, rel=0.02)


def test_a_sinc_lets_low_frequencies_through_and_high_ones_not():
    kernel = np.zeros((64, 64))
    kernel[:13, :13] = sinc(np.pi / 2)
    passed = np.abs(np.fft.fft2(kernel))[0]  # along one axis: 2 pi k / 64 radians a pixel
    assert passed[0] == pytest.approx(1, abs=1e-6)
    assert (np.abs(passed[:12] - 1) < 0.15).all()  # below 1.2 of 1.57 radians
    assert (passed[22:33] < 0.15).all()  # from 2.2 up
    assert np.isfinite(kernel).all()
