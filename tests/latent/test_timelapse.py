"""The training as a film: at a snapshot its own pictures, in between those of mixed weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from merzmory.gan import checkpoint, generate
from merzmory.latent import timelapse

SIZE = (320, 180)


def film(trained: Any, **changes: Any) -> Callable[[int], Any]:
    knobs: dict[str, Any] = {
        "which": "ema", "seeds": 2, "count": 26, "size": SIZE, "psi": 0.7, "device": "cpu",
    }  # fmt: skip
    return timelapse.frames(snapshots=trained.snapshots, **knobs | changes)


def test_the_ends_show_the_first_and_the_last_snapshot(trained: Any) -> None:
    frame = film(trained)
    for number, step in ((0, 0), (25, 8)):
        generator = checkpoint.load_generator(trained.snapshots[step], "ema")
        wanted = timelapse.drawn(generate.images(generator, range(2), 0.7), f"step {step}", SIZE)
        np.testing.assert_array_equal(frame(number), wanted)


def test_half_way_the_weights_are_mixed(trained: Any) -> None:
    """Of 27 frames the middle one is the second of three snapshots; 1.5 lies behind it."""
    low, high = (checkpoint.load_generator(trained.snapshots[s], "raw") for s in (4, 8))
    states = low.state_dict(), high.state_dict()
    with torch.inference_mode():
        low.load_state_dict({k: (v + states[1][k]) / 2 for k, v in states[0].items()})
    wanted = timelapse.drawn(generate.images(low, range(2), 0.7), "step 6", SIZE)
    frame = film(trained, which="raw", count=101)
    numbers = [n for n in range(101) if timelapse.position(n, 101, 3) == pytest.approx(1.5)]
    assert len(numbers) == 1
    assert np.abs(frame(numbers[0]).astype(int) - wanted).max() <= 1


def test_a_film_moves_and_does_not_jump(trained: Any) -> None:
    frame = film(trained, count=50)
    pictures = np.stack([frame(n) for n in range(50)]).astype(int)[:, :150]
    moved = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    whole = np.abs(pictures[-1] - pictures[0]).mean()
    assert whole > 1
    assert 0 < moved.max() < whole / 4
    assert moved[0] == moved[-1] == 0  # it stands still at its ends


@given(st.integers(2, 500), st.integers(1, 30))
def test_positions_run_from_the_first_to_the_last_snapshot(count: int, snapshots: int) -> None:
    at = [timelapse.position(n, count, snapshots) for n in range(count)]
    assert (at[0], at[-1]) == (0, snapshots - 1)
    assert at == sorted(at)


def runs(lit: Any) -> list[int]:
    """Lengths of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], lit.astype(int), [0]])))
    return [int(n) for n in edges[1::2] - edges[::2]]


@given(st.integers(1, 64), st.sampled_from([(160, 90), (90, 160), (640, 360)]))
def test_every_picture_hangs_whole_on_the_frame(count: int, size: tuple[int, int]) -> None:
    page = timelapse.drawn(np.full((count, 4, 4, 3), 255, np.uint8), "", size)
    assert page.shape == (size[1], size[0], 3)
    lit = (page == 255).all(axis=2)
    across, down = runs(lit.any(axis=0)), runs(lit.any(axis=1))
    assert len(down) == -(-count // len(across))
    assert len({*across, *down}) == 1
    assert lit.sum() == count * across[0] ** 2


def test_labels_are_taken_in_turn(labelled: Any) -> None:
    names = ["cold", "warm"]
    turns = film(labelled, labels=names)(25)
    warm = film(labelled, labels=names, label="warm")(25)
    half = SIZE[0] // 2
    assert (turns[:150, :half] != warm[:150, :half]).any()  # seed 0 is cold in turn
    np.testing.assert_array_equal(turns[:150, half:], warm[:150, half:])
