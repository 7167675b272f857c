"""Metrics reproduce published values and behave as distances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from merzmory.gan import metrics
from merzmory.gan.config import EngineError

DATA = Path(__file__).resolve().parents[1] / "data" / "refvec" / "metrics_misc.npz"


@pytest.fixture(scope="module")
def numbers() -> dict[str, np.ndarray]:
    with np.load(DATA) as archive:
        return {name: archive[name] for name in archive.files}


def test_fid(numbers: dict[str, np.ndarray]) -> None:
    found = metrics.fid(numbers["real"], numbers["gen"])
    assert found == pytest.approx(float(numbers["fid"]), rel=1e-9)
    assert metrics.fid(numbers["real"], numbers["real"]) == pytest.approx(0, abs=1e-9)


def test_fid_of_known_gaussians() -> None:
    """Two points at +-s a axis have variance s^2: (m1 - m2)^2 + (s1 - s2)^2, one axis of three."""
    a = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    b = np.array([[3.0 + 2, 0, 0], [3.0 - 2, 0, 0]])
    assert metrics.fid(a, b) == pytest.approx(9 + 1)
    assert metrics.fid(a[:, :1], b[:, :1]) == pytest.approx(9 + 1)


def test_fid_with_fewer_pictures_than_features() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 64)), rng.normal(size=(7, 64)) + 1
    assert metrics.fid(a, b) == pytest.approx(metrics.fid(b, a))
    assert metrics.fid(a, b) > 64 * 0.1


def test_kid(numbers: dict[str, np.ndarray]) -> None:
    found = metrics.kid(numbers["real"], numbers["gen"], subsets=10, subset_size=60, seed=3)
    assert found == pytest.approx(float(numbers["kid_subsets10_max60_seed3"]), rel=1e-9)
    halves = metrics.kid(numbers["real"][::2], numbers["real"][1::2], subsets=10)
    assert abs(halves) < 0.3 * found


def test_precision_and_recall(
    numbers: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = metrics.precision_recall(numbers["real"], numbers["gen"], neighbours=3)
    expected = (float(numbers["precision_k3"]), float(numbers["recall_k3"]))
    assert found == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr(metrics, "_ROWS", 37)  # in parts
    assert metrics.precision_recall(numbers["real"], numbers["gen"]) == found
    far = numbers["gen"] + 1000
    assert metrics.precision_recall(numbers["real"], far) == (0.0, 0.0)


def test_features_that_cannot_be_compared() -> None:
    a = np.zeros((10, 4))
    with pytest.raises(EngineError, match="cannot be compared"):
        metrics.fid(a, np.zeros((10, 5)))
    with pytest.raises(EngineError, match="at least 2"):
        metrics.kid(a, a[:1])
    with pytest.raises(EngineError, match="at least 4"):
        metrics.precision_recall(a, a[:3])


def pictures(count: int, seed: int, side: int = 64, coarse: int = 8) -> NDArray[np.uint8]:
    """Coloured squares of `coarse` px and some noise."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(40, 216, (count, side // coarse, side // coarse, 3))
    squares = squares.repeat(coarse, axis=1).repeat(coarse, axis=2)
    return (squares + rng.integers(-30, 31, squares.shape)).astype(np.uint8)


def test_sliced_wasserstein_is_repeatable_and_zero_for_equal_sets() -> None:
    a, b = pictures(40, 0), pictures(30, 1)
    found = metrics.sliced_wasserstein(a, b, seed=3)
    assert list(found) == ["64", "32", "16", "mean"]
    assert found == metrics.sliced_wasserstein(a, b, seed=3)
    assert found != metrics.sliced_wasserstein(a, b, seed=4)
    assert found["mean"] == pytest.approx(sum(found[k] for k in ("64", "32", "16")) / 3)
    assert set(metrics.sliced_wasserstein(a, a).values()) == {0.0}


def test_sliced_wasserstein_sees_other_texture_and_other_composition() -> None:
    a, like = pictures(40, 0), pictures(40, 1)
    floor = metrics.sliced_wasserstein(a, like)
    blocks = like.reshape(40, 16, 4, 16, 4, 3).mean(axis=(2, 4)).astype(np.uint8)
    smooth = blocks.repeat(4, axis=1).repeat(4, axis=2)
    texture = metrics.sliced_wasserstein(a, smooth)
    composition = metrics.sliced_wasserstein(a, pictures(40, 1, coarse=32))
    assert texture["64"] > 1.2 * floor["64"]
    assert composition["16"] > 2 * floor["16"]


def test_the_pyramid_adds_up() -> None:
    """A constant picture has empty bands and its own value at the end."""
    import torch

    levels = list(metrics._laplacian_pyramid(torch.full((1, 1, 64, 64), 7.0)))
    assert [level.shape[2] for level in levels] == [64, 32, 16]
    assert torch.allclose(levels[2], torch.full((1, 1, 16, 16), 7.0))
    assert float(levels[0][:, :, 4:-4, 4:-4].abs().max()) < 1e-5


def test_pictures_that_cannot_be_compared() -> None:
    a = pictures(4, 0)
    with pytest.raises(EngineError, match="same side"):
        metrics.sliced_wasserstein(a, pictures(4, 0, side=32))
    with pytest.raises(EngineError, match="same side"):
        metrics.sliced_wasserstein(a[:, :8, :8], a[:, :8, :8])
    with pytest.raises(EngineError, match="uint8"):
        metrics.sliced_wasserstein(a.astype(np.float32), a)
