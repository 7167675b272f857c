"""A tiny network file, as a run's snapshot holds it (G and G_ema differ), and tiny trained runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from merzmory.gan.checkpoint import save_network
from merzmory.gan.config import NetworkConfig, TrainConfig
from merzmory.gan.networks import Generator
from merzmory.gan.run import snapshots
from merzmory.gan.training import train


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = NetworkConfig(
        resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
    )
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    save_network(path, {"G": Generator(config), "G_ema": Generator(config)}, config)
    return path


@dataclass(frozen=True)
class Trained:
    """A tiny run and its dataset."""

    run: Path
    dataset: Path

    @property
    def snapshots(self) -> dict[int, Path]:
        return dict(snapshots(self.run))


def _trained(folder: Path, *, labels: bool) -> Trained:
    """Squares of warm stripes (and of cold ones, the second label), and eight steps on them."""
    dataset = folder / "dataset"
    (dataset / "images").mkdir(parents=True)
    rng = np.random.default_rng(5)
    lines = []
    for number in range(12):
        square = rng.integers(0, 90, (16, 16, 3), np.uint8)
        square[:, :: 2 + number % 3, 0 if number % 2 else 2] = 250
        file = f"images/{number:06d}.png"
        Image.fromarray(square).save(dataset / file)
        line = {"file": file, "photo": f"p{number}", "path": f"/photos/IMG_{number:04d}.jpg"}
        lines.append(line | ({"label": ["cold", "warm"][number % 2]} if labels else {}))
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (dataset / "manifest.jsonl").write_text(text, "utf-8")
    settings = {"format": 1, "kind": "dataset", "settings": {"resolution": 16}}
    (dataset / "settings.json").write_text(json.dumps(settings), "utf-8")
    recipe = TrainConfig(
        base="", steps=8, batch=4, snapshots=(0, 4, 8), ema_half_life_steps=4, learning_rate=0.01,
        ada="off", preview_count=1, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128,
        channel_max=8, device="cpu",
    )  # fmt: skip
    return Trained(train(folder / "run", dataset=dataset, config=recipe, base=None), dataset)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return _trained(tmp_path_factory.mktemp("trained"), labels=False)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return _trained(tmp_path_factory.mktemp("labelled"), labels=True)
