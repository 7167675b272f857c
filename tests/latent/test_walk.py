"""Walks: great circles, loops, and frames that do not depend on how they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merzmory.latent import walk

seeds = st.integers(0, 2**31)


@given(seeds, st.floats(0, 1))
def test_slerp_keeps_between_the_lengths(seed: int, t: float) -> None:
    a, b = np.random.default_rng(seed).standard_normal((2, 64))
    low, high = sorted((np.linalg.norm(a), np.linalg.norm(b)))
    assert low - 1e-9 <= np.linalg.norm(walk.slerp(a, b, t)) <= high + 1e-9


@given(seeds)
def test_slerp_ends_at_its_ends(seed: int) -> None:
    a, b = np.random.default_rng(seed).standard_normal((2, 16))
    np.testing.assert_allclose(walk.slerp(a, b, 0.0), a, atol=1e-12)
    np.testing.assert_allclose(walk.slerp(a, b, 1.0), b, atol=1e-12)


def test_slerp_halves_the_angle() -> None:
    middle = walk.slerp(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.5)
    np.testing.assert_allclose(middle, [np.sqrt(0.5)] * 2)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_slerp_of_parallel_directions_is_finite(sign: float) -> None:
    a = np.array([1.0, 2.0, 3.0])
    assert np.isfinite(walk.slerp(a, sign * 2 * a, 0.3)).all()


def test_a_loop_closes_and_passes_its_keyframes() -> None:
    keys = np.random.default_rng(0).standard_normal((4, 8))
    points = walk.path(keys, 40)
    for number, key in enumerate(keys):
        np.testing.assert_allclose(points[number * 10], key, atol=1e-12)
    steps = np.linalg.norm(np.diff(points, axis=0, append=points[:1]), axis=1)
    assert steps[-1] <= steps.max()  # the seam is no jump


def test_an_open_walk_ends_at_its_last_keyframe() -> None:
    keys = np.random.default_rng(1).standard_normal((3, 8))
    points = walk.path(keys, 21, loop=False)
    np.testing.assert_allclose(points[0], keys[0])
    np.testing.assert_allclose(points[-1], keys[-1], atol=1e-12)
