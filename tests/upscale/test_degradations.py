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
    """The mean of many suffered copies: nothing is tinted or moved."""
    sharp = np.full((128, 128, 3), (90, 140, 40), np.uint8)
    sharp[40:72, 56:96] = (200, 30, 90)
    rng = np.random.default_rng(2)
    mean = np.mean([degraded(sharp, 4, rng).astype(float) for _ in range(150)], axis=0)
    assert np.abs(mean.mean((0, 1)) - sharp.mean((0, 1))).max() < 0.5
    patch = (mean[..., 0] - 92).clip(0)  # two above what surrounds it, because of the noise
    y, x = np.mgrid[:32, :32]
    centre = (y * patch).sum() / patch.sum(), (x * patch).sum() / patch.sum()
    assert centre == pytest.approx((13.5, 18.5), abs=0.05)  # pixels


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
