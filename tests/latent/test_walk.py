"""Walks: every kind's frames, however they are asked for, and what cannot be walked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merzmory.config import Walk
from merzmory.errors import ConfigError, FormatError
from merzmory.frame import Frame
from merzmory.gan import checkpoint, generate
from merzmory.latent import vectors, walk
from merzmory.latent.explore import Explorer
from merzmory.latent.vectors import Vector

SIZE = (96, 64)


def manner(**changes: Any) -> walk.Manner:
    knobs = {"keyframes": 3, "seconds": 2.0, "fps": 12, "psi": 0.7}
    said = Walk(**knobs | changes).model_dump(exclude={"size", "aspect", "preview_size"})
    return walk.Manner(**said)


def film(network: Path, **changes: Any) -> tuple[int, Callable[[int], Any]]:
    more = {k: changes.pop(k) for k in ("vectors", "labels", "shape", "size") if k in changes}
    made = manner(**changes)
    kind: dict[str, Any] = {"network": network, "which": "ema", "size": SIZE, "device": "cpu"}
    return made.frames, walk.frames(manner=made, **kind | more)


def test_a_walk_passes_the_pictures_of_its_seeds(network: Path) -> None:
    count, frame = film(network)
    assert count == 24
    wanted = generate.images(checkpoint.load_generator(network, "ema"), range(3), 0.7)
    for number in range(3):
        assert np.abs(frame(8 * number).astype(int) - wanted[number]).max() <= 1  # last bits
        assert not np.array_equal(frame(8 * number + 4), frame(8 * number))


@pytest.mark.parametrize("changes", [{}, {"through": "noise"}, {"through": "psi", "space": "w"}])
def test_a_loop_moves_and_has_no_seam(network: Path, changes: dict[str, Any]) -> None:
    count, frame = film(network, seconds=4, **changes)
    pictures = np.stack([frame(n) for n in range(count)]).astype(int)
    moved = np.abs(np.diff(pictures, axis=0, append=pictures[:1])).mean(axis=(1, 2, 3))
    assert moved.max() > 0
    assert moved[-1] <= moved.max()
    assert np.abs(pictures[0] - pictures[count // 2]).mean() > moved.max()


@pytest.mark.parametrize("changes", [{}, {"hold": 0.5}, {"pictures": 3}, {"space": "w"}])
def test_a_frame_does_not_depend_on_how_it_is_asked_for(
    network: Path, changes: dict[str, Any]
) -> None:
    """Another order, another stretch, another process: the same bits."""
    count, frame = film(network, seconds=3, **changes)
    in_order = [frame(n).copy() for n in range(count)]
    _, again = film(network, seconds=3, **changes)
    for n in [count - 1, 3, 20, 4, 0, 19]:
        np.testing.assert_array_equal(again(n), in_order[n])


def test_a_batch_shows_what_pictures_one_by_one_show(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, frame = film(network, space="w", curve="spline", ease=0)
    together = np.stack([frame(n) for n in range(count)]).astype(int)
    monkeypatch.setattr(walk, "_MOST", 1)
    _, alone = film(network, space="w", curve="spline", ease=0)
    assert max(np.abs(alone(n) - together[n]).max() for n in range(count)) <= 1  # last bits


def test_a_walk_through_psi_breathes_out_of_the_average_picture(network: Path) -> None:
    count, frame = film(network, through="psi", keyframes=2, seconds=2)
    generator = checkpoint.load_generator(network, "ema")
    average, full = (generate.images(generator, [1], psi)[0].astype(int) for psi in (0.0, 1.0))
    assert np.abs(frame(0) - average).max() <= 1
    assert np.abs(frame(count // 2) - average).max() <= 1
    assert np.abs(frame(3 * count // 4) - full).max() <= 1
    assert np.abs(full - average).max() > 1


def test_a_walk_through_labels_shows_one_z_in_each(labelled: Any) -> None:
    names = ["cold", "warm"]
    network = labelled.snapshots[8]
    count, frame = film(network, through="labels", labels=names, psi=1)
    generator = checkpoint.load_generator(network, "ema")
    for number in range(2):
        wanted = generate.images(generator, [0], 1.0, label=number)[0]
        assert np.abs(frame(number * count // 2).astype(int) - wanted).max() <= 1
    _, inside = film(network, labels=names, label="warm", psi=1)
    wanted = generate.images(generator, [0], 1.0, label=1)[0]
    assert np.abs(inside(0).astype(int) - wanted).max() <= 1


def test_vectors_are_walked_through_in_their_order_under_their_own_psi(
    network: Path, tmp_path: Path
) -> None:
    """A seed at psi 0.5, a W+, a w: through a file, in w."""
    explorer = Explorer.open(network, "ema", "cpu")
    rng = np.random.default_rng(0)
    plus = rng.standard_normal((explorer.generator.num_ws, 8)).astype(np.float32)
    found = [
        explorer.seed(5, psi=0.5),
        Vector("w", plus, "layers"),
        Vector("w", rng.standard_normal(8).astype(np.float32), "plain"),
    ]
    vectors.save(tmp_path / "way.npz", found)
    given = vectors.load(tmp_path / "way.npz")
    count, frame = film(network, through="way.npz", vectors=given)
    for number, vector in enumerate(found):
        wanted = explorer.picture(vector, vector.psi).astype(int)
        assert np.abs(frame(number * count // 3) - wanted).max() <= 1
    _, backwards = film(network, through="way.npz", vectors=given[::-1])
    assert not np.array_equal(backwards(0), frame(0))


def test_an_open_walk_ends_at_its_last_keyframe(network: Path) -> None:
    count, frame = film(network, loop=False)
    wanted = generate.images(checkpoint.load_generator(network, "ema"), [2], 0.7)[0]
    assert np.abs(frame(count - 1).astype(int) - wanted).max() <= 1


def test_several_pictures_fill_a_page_and_begin_later_each(network: Path) -> None:
    _, frame = film(network, pictures=2, size=(192, 96))
    assert frame(0).shape == (96, 192, 3)
    left, right = frame(0)[:, :96], frame(0)[:, 96:]
    assert not np.array_equal(left, right)


def test_dates_stand_below_the_pictures_of_projected_photographs(network: Path) -> None:
    dated = [
        Vector("w", np.full(8, n, np.float32), f"v{n}", about={"taken": taken})
        for n, taken in enumerate(["2009-05-14T12:00:00", "2010"])
    ]
    _, said = film(network, through="time", vectors=dated, size=(160, 160))
    _, silent = film(network, through="time", vectors=dated, size=(160, 160), captions=False)
    assert said(0).shape == (160, 160, 3)
    assert silent(0).shape == (16, 16, 3)
    blank = [replace(vector, about={"taken": "2009-05-15"}) for vector in dated]
    _, other = film(network, through="time", vectors=blank, size=(160, 160))
    assert not np.array_equal(other(0), said(0))


@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ("2019-05-14T10:00:00+02:00", "14 May 2019"), ("1962-07", "July 1962"), ("1962", "1962"),
        ("", ""), ("2019-13-40", ""), ("soon", ""),
    ],
)  # fmt: skip
def test_days_are_said_as_far_as_they_are_known(taken: str, wanted: str) -> None:
    assert walk.day(taken) == wanted


def test_a_square_is_shown_in_the_shape_it_stands_for(network: Path) -> None:
    _, frame = film(network, shape=Frame("2:1"))
    assert frame(0).shape == (16, 32, 3)


def test_a_preview_has_fewer_frames() -> None:
    preview = manner(seconds=10, preview=True)
    assert (preview.frames, preview.rate) == (60, 6)
    assert (manner(seconds=10).frames, manner().rate) == (120, 12)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"through": "labels"}, "labels"),
        ({"space": "w", "curve": "circle"}, "great circles"),
        ({"through": "favourites"}, "two pictures"),
        ({"keyframes": 1}, "two keyframes"),
        ({"label": "2019"}, "label"),
        ({"hold": 1.0}, "walk.hold"),
    ],
)
def test_what_cannot_be_walked_is_said(network: Path, changes: Any, word: str) -> None:
    with pytest.raises(ConfigError, match=f"(?i){word}"):
        film(network, **changes)


def test_a_w_has_no_z_and_a_stranger_is_refused(network: Path) -> None:
    plain = [Vector("w", np.full(8, n, np.float32), "w") for n in range(2)]
    with pytest.raises(ConfigError, match=r"walk\.space"):
        film(network, through="x.npz", vectors=plain, space="z")
    with pytest.raises(FormatError, match="takes"):
        strange = [Vector("w", np.full(9, n, np.float32), "w") for n in range(2)]
        film(network, through="x.npz", vectors=strange)
