"""Curves pass their keyframes, loops close, and the clock holds and eases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merzmory.errors import ConfigError
from merzmory.latent import motion
from merzmory.latent.motion import Clock

seeds = st.integers(0, 2**31)


@given(seeds, st.floats(0, 1))
def test_slerp_keeps_between_the_lengths(seed: int, t: float) -> None:
    a, b = np.random.default_rng(seed).standard_normal((2, 64))
    low, high = sorted((np.linalg.norm(a), np.linalg.norm(b)))
    assert low - 1e-9 <= np.linalg.norm(motion.slerp(a, b, t)) <= high + 1e-9


def test_slerp_halves_the_angle() -> None:
    middle = motion.slerp(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.5)
    np.testing.assert_allclose(middle, [np.sqrt(0.5)] * 2)


@pytest.mark.parametrize("factor", [1.0, -2.0, 0.0])
def test_slerp_of_parallel_directions_is_finite(factor: float) -> None:
    a = np.array([1.0, 2.0, 3.0])
    assert np.isfinite(motion.slerp(a, factor * a, 0.3)).all()


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("curve", ["circle", "line", "spline"])
def test_a_curve_passes_its_keyframes(curve: motion.Curve, loop: bool) -> None:
    keys = np.random.default_rng(0).standard_normal((4, 8))
    point = motion.through(keys, curve, loop=loop)
    for number, key in enumerate(keys):
        np.testing.assert_allclose(point(float(number)), key, atol=1e-12)
    if loop:
        np.testing.assert_allclose(point(4.0), keys[0], atol=1e-12)


def test_a_spline_has_no_corners_also_at_the_seam_of_a_loop() -> None:
    keys = np.random.default_rng(1).standard_normal((5, 3, 8))  # W+ has two axes
    smooth, straight = (motion.through(keys, c, loop=True) for c in ("spline", "line"))
    h = 1e-4

    def corner(point: object, at: float) -> float:
        before = (point(at) - point(at - h)) / h  # type: ignore[operator]
        behind = (point((at + h) % 5) - point(at % 5)) / h  # type: ignore[operator]
        return float(np.abs(behind - before).max())

    for at in (1.0, 3.0, 5.0):
        assert corner(smooth, at) < 0.01 < corner(straight, at)


@given(
    st.integers(1, 9), st.integers(40, 400), st.floats(0, 3), st.floats(0, 1), st.booleans()
)  # fmt: skip
def test_a_clock_only_goes_forward_and_reaches_every_keyframe(
    keyframes: int, frames: int, hold: float, ease: float, loop: bool
) -> None:
    clock = Clock(keyframes, frames, hold, ease, loop)
    at = [clock.at(frame) for frame in range(frames)]
    assert at[0] == 0
    assert at == sorted(at)
    assert max(at) <= clock.legs
    if not loop:
        assert at[-1] == pytest.approx(clock.legs)


def test_a_hold_stands_still_at_each_keyframe() -> None:
    clock = Clock(3, 30, hold=4)
    at = [clock.at(frame) for frame in range(30)]
    for number in range(3):
        assert at[10 * number : 10 * number + 5] == [number] * 5
        assert at[10 * number + 5] > number
    still = Clock(3, 31, hold=5, loop=False)
    assert [still.at(frame) for frame in range(26, 31)] == [2.0] * 5


def test_ease_sets_off_softly() -> None:
    soft, even = (Clock(2, 100, ease=ease).at(2) for ease in (1, 0))
    assert soft < even / 5
    assert [Clock(1, 8, ease=0).at(frame) for frame in range(8)] == [n / 8 for n in range(8)]


@pytest.mark.parametrize("loop", [True, False])
def test_a_walk_that_only_stands_still_is_refused(loop: bool) -> None:
    with pytest.raises(ConfigError, match=r"walk\.hold"):
        Clock(4, 40, hold=10.5, loop=loop)


def test_a_ring_is_closed_and_stays_as_far_out_as_any_z() -> None:
    centre, a, b = np.random.default_rng(2).standard_normal((3, 4096))
    for radius in (0.0, 0.4, 1.0):
        point = motion.ring(centre, a, b, radius)
        np.testing.assert_allclose(point(1.0), point(0.0), atol=1e-12)
        lengths = [np.linalg.norm(point(turn)) / 64 for turn in np.linspace(0, 1, 9)]
        assert 0.9 < min(lengths) <= max(lengths) < 1.1
    np.testing.assert_array_equal(motion.ring(centre, a, b, 0.0)(0.3), centre)
