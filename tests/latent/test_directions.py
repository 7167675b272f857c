"""Directions: what SeFa and PCA find where the answer is known, and sliders along them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from merzmory.errors import ConfigError, FormatError
from merzmory.gan.config import NetworkConfig
from merzmory.gan.networks import Generator, StyleGenerator
from merzmory.gan.stylegan3 import StyleGAN3Generator
from merzmory.gan.stylegan3_config import StyleGAN3Config
from merzmory.latent import directions, sliders
from merzmory.latent.explore import Explorer
from merzmory.manifest import do, read_manifest


def network(labels: int = 0) -> Generator:
    torch.manual_seed(0)
    config = NetworkConfig(
        16, c_dim=labels, z_dim=6, w_dim=6, mapping_layers=1, channel_base=128, channel_max=8
    )
    generator = Generator(config).eval().requires_grad_(False)
    generator.mapping.w_avg.normal_()
    return generator


def alias_free() -> StyleGAN3Generator:
    torch.manual_seed(0)
    config = StyleGAN3Config(16, z_dim=6, w_dim=6, channel_base=128, channel_max=8)
    return StyleGAN3Generator(config).eval().requires_grad_(False)


@pytest.mark.parametrize("generator", [network(), alias_free()], ids=["stylegan2", "stylegan3"])
def test_sefa_on_affine_maps_made_by_hand(generator: StyleGenerator) -> None:
    """Layer k reads one coordinate of w alone, more strongly the later it comes."""
    known = directions.affines(generator)
    assert [layer for layer, _ in known] == list(range(generator.num_ws))
    for layer, affine in known:
        affine.weight.zero_()
        affine.weight[0, layer % 6] = -(1.0 + layer) / affine.weight_gain
    last = generator.num_ws - 1
    for first in range(generator.num_ws - 2):
        [found] = directions.find(generator, "sefa", (first, first + 2), 1, seeds=64)
        expected = np.zeros(6, np.float32)
        expected[(first + 1) % 6] = 1  # the sign: positive, though the weight is negative
        assert np.abs(found.vector - expected).max() < 1e-6
        strengths = (first + 1) ** 2, (first + 2) ** 2
        assert abs(found.share - strengths[1] / sum(strengths)) < 1e-6
    assert directions.find(generator, "sefa", (last, last + 1), 9, seeds=64)[0].share > 0.999


def test_pca_of_known_data() -> None:
    rng = np.random.default_rng(1)
    turned, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    spread = np.array([9.0, 4.0, 1.0, 0.25, 0.01])
    rows = rng.normal(size=(40_000, 5)) * np.sqrt(spread) @ turned + 3.0
    values, found = directions.principal(directions.covariance(rows))
    assert np.abs(values / spread - 1).max() < 0.05
    for row, wanted in zip(found, turned, strict=True):
        assert abs(abs(row @ wanted) - 1) < 1e-3 and row[np.abs(row).argmax()] > 0


@pytest.mark.parametrize("labels", [0, 2])
def test_ganspace_is_the_pca_of_w(labels: int) -> None:
    generator, label = network(labels), labels - 1 if labels else None
    found = directions.find(generator, "ganspace", (0, 6), 6, label=label, seeds=600)
    w = directions.sampled(generator, 600, label)
    away = w - w.mean(axis=0)
    for number, one in enumerate(found):
        assert abs((away @ one.vector).std(ddof=1) / one.deviation - 1) < 1e-4
        for other in found[:number]:
            assert abs(one.vector @ other.vector) < 1e-5 and one.deviation <= other.deviation
    again = directions.find(generator, "ganspace", (0, 6), 6, label=label, seeds=600)
    assert all(np.array_equal(a.vector, b.vector) for a, b in zip(found, again, strict=True))
    with pytest.raises(ConfigError, match="sefa or ganspace"):
        directions.find(generator, "magic", (0, 6), 1)


def test_sliders_move_their_layers_alone(tmp_path: Path) -> None:
    explorer = Explorer(network())
    light, age = directions.renamed(
        directions.find(explorer.generator, "sefa", (2, 4), 2, seeds=256), ["light", "age"]
    )
    start = explorer.seed(3)
    moved = directions.slid(explorer, start, [(light, 2.0), (age, -1.0)])
    w = explorer.in_w(start).values
    step = 2 * light.deviation * light.vector - age.deviation * age.vector
    assert np.array_equal(moved.values[[0, 1, 4, 5]], np.stack([w] * 4))
    assert np.abs(moved.values[2:4] - (w + step)).max() < 1e-5
    assert moved.about["sliders"] == {"light": 2.0, "age": -1.0} and moved.about["seed"] == 3
    back = directions.slid(explorer, moved, [(light, -2.0), (age, 1.0)])
    assert np.abs(back.values - w).max() < 1e-5
    path = tmp_path / "sliders.json"
    directions.save(path, [light, age])
    for one, other in zip(directions.load(path), [light, age], strict=True):
        assert np.array_equal(one.vector, other.vector)
        assert (one.name, one.layers, one.deviation) == (other.name, other.layers, other.deviation)
    with pytest.raises(ConfigError, match="there are light, age"):
        directions.chosen([light, age], {"colour": 1.0})
    with pytest.raises(ConfigError, match="each once"):
        directions.renamed([light, age], ["a", "a"])
    whole = json.loads(path.read_text("utf-8"))
    for changes in ({"layers": [0, 99]}, {"vector": [1.0, 2.0]}):
        whole["directions"][0] |= changes
        path.write_text(json.dumps(whole), "utf-8")
        with pytest.raises(FormatError, match="of another network"):
            directions.slid(explorer, start, [(directions.load(path)[0], 1.0)])
    for changes in ({"deviation": float("nan")}, {"vector": [[1.0]]}, {"name": ""}, {"layers": 3}):
        whole["directions"][0] |= changes
        path.write_text(json.dumps(whole), "utf-8")
        with pytest.raises(FormatError, match=r"sliders\.json"):
            directions.load(path)


def test_a_sheet_a_direction(tmp_path: Path) -> None:
    folder = do(
        sliders.plan(
            explorer=Explorer(network()), method="sefa", layers=(0, 6), count=2, names=["light"],
            seeds=2, first_seed=0, reach=2.0, columns=3, psi=0.8, label="", tile=24,
            folder=tmp_path / "out", settings={"run": "run-1"}, title="step 8",
        )
    )  # fmt: skip
    assert [line["name"] for line in read_manifest(folder)] == ["light", "sefa 2"]
    assert [one.name for one in directions.load(folder / "directions.json")] == ["light", "sefa 2"]
    assert all((folder / line["file"]).is_file() for line in read_manifest(folder))
