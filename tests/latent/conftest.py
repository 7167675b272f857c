"""A tiny network file, as a run's snapshot holds it: G and G_ema differ."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from merzmory.gan.checkpoint import save_network
from merzmory.gan.config import NetworkConfig
from merzmory.gan.networks import Generator


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = NetworkConfig(
        resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
    )
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    save_network(path, {"G": Generator(config), "G_ema": Generator(config)}, config)
    return path
