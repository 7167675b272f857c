"""Seeds, pixels and truncation follow the field's conventions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from merzmory.gan import generate, score
from merzmory.gan.config import EngineError, NetworkConfig
from merzmory.gan.data import PictureSet
from merzmory.gan.networks import Discriminator, Generator

CONFIG = NetworkConfig(16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64, channel_max=8)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    G = Generator(CONFIG).eval()
    for name, p in G.named_parameters():
        if name.endswith("noise_strength"):
            p.data.fill_(0.3)
    return G


def test_conventions_equal_the_reference(shared: Path) -> None:
    with np.load(shared / "refvec" / "conventions.npz") as numbers:
        for seed in (0, 1, 85, 4294967295):
            z = generate.latents([seed], 512)
            np.testing.assert_array_equal(z[:, :16].numpy(), numbers[f"seed{seed}.z512"])
        pixels = generate.to_uint8(torch.from_numpy(numbers["to_uint8.in"]))
        np.testing.assert_array_equal(pixels[..., 0], numbers["to_uint8.out"][:, 0])


def test_pixels_are_truncated() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 0.999, 1.0, 2.0]).reshape(1, 1, 1, 6)
    assert generate.to_uint8(x).flatten().tolist() == [0, 0, 128, 255, 255, 255]


def test_a_picture_does_not_depend_on_its_batch(generator: Generator) -> None:
    together = generate.images(generator, range(5), 0.7, batch=5)
    assert together.shape == (5, 16, 16, 3)
    for batch in (1, 2):
        apart = generate.images(generator, range(5), 0.7, batch=batch)
        assert np.abs(together.astype(int) - apart).max() <= 1
    z = generate.latents([3], 8)
    assert np.array_equal(generate.images(generator, z, 0.7), generate.images(generator, [3], 0.7))


def test_psi_zero_is_the_mean_picture(generator: Generator) -> None:
    a, b = generate.images(generator, [0, 1], 0.0)
    assert np.array_equal(a, b)
    ws = generate.mapping(generator, generate.latents([0], 8), 0.5, cutoff=2)
    full = generate.mapping(generator, generate.latents([0], 8))
    assert torch.equal(ws[:, 2:], full[:, 2:])
    torch.testing.assert_close(ws[:, 0], full[:, 0] * 0.5)  # w_avg is 0 here


def test_noise(generator: Generator) -> None:
    const, again = (generate.images(generator, [0]) for _ in range(2))
    assert np.array_equal(const, again)
    none = generate.images(generator, [0], noise="none")
    random, same = (generate.images(generator, [0], noise="random") for _ in range(2))
    assert np.array_equal(random, same)
    assert not np.array_equal(const, none)
    assert not np.array_equal(const, random)


def test_labels_are_asked_for() -> None:
    G = Generator(NetworkConfig(8, c_dim=3, z_dim=8, w_dim=8, channel_base=32, channel_max=4))
    assert generate.images(G, [0], label=2).shape == (1, 8, 8, 3)
    for label in (None, 3, -1):
        with pytest.raises(EngineError, match="from 0 to 2"):
            generate.images(G, [0], label=label)
    with pytest.raises(EngineError, match="seed"):
        generate.latents([2**32], 8)


def test_sheet() -> None:
    pictures = np.arange(3, dtype=np.uint8)[:, None, None, None] + np.zeros((3, 2, 4, 3), np.uint8)
    grid = generate.sheet(pictures, 2)
    assert grid.shape == (4, 8, 3)
    assert grid[::2, ::4, 0].tolist() == [[0, 1], [2, 0]]


def test_scores(tmp_path: Path, dataset: object) -> None:
    """Repeatable, in the order of the pictures; a batch of one is D itself."""
    pictures = PictureSet(dataset(tmp_path / "d", count=11, size=16))  # type: ignore[operator]
    torch.manual_seed(0)
    D = Discriminator(CONFIG).eval()
    values = score.scores(D, pictures, batch=4)
    assert values.shape == (11,)
    np.testing.assert_array_equal(values, score.scores(D, pictures, batch=4))
    low, high = score.deciles(values)
    assert low == [int(values.argmin())]
    assert high == [int(values.argmax())]
    alone = score.scores(D, pictures, batch=1, shuffles=1)
    x = torch.from_numpy(pictures.pixels(np.array([4]))).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert alone[4] == pytest.approx(float(D(x).detach()), abs=1e-5)
    with pytest.raises(EngineError, match="16 px"):
        score.scores(D, PictureSet(dataset(tmp_path / "e")))  # type: ignore[operator]
