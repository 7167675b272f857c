"""The networks reproduce the reference vectors; names and shapes are those of published networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from merzmory.gan.config import EngineError, NetworkConfig
from merzmory.gan.networks import Discriminator, Generator

DATA = Path(__file__).resolve().parents[1] / "data" / "refvec"


def config_of(entry: dict[str, Any]) -> NetworkConfig:
    """Architecture from the published networks' keyword arguments."""
    kwargs = entry.get("G_init_kwargs") or entry["G_kwargs"]
    d = entry.get("D_init_kwargs") or entry["D_kwargs"]
    epilogue = d.get("epilogue_kwargs", {})
    return NetworkConfig(
        resolution=kwargs["img_resolution"],
        img_channels=kwargs["img_channels"],
        c_dim=kwargs["c_dim"],
        z_dim=kwargs["z_dim"],
        w_dim=kwargs["w_dim"],
        mapping_layers=kwargs["mapping_kwargs"]["num_layers"],
        channel_base=kwargs["channel_base"],
        channel_max=kwargs["channel_max"],
        d_architecture=d.get("architecture", "resnet"),
        mbstd_group=epilogue.get("mbstd_group_size", 4),
    )


def load(folder: Path, name: str, entry: dict[str, Any]) -> tuple[Generator, Discriminator]:
    G, D = Generator(config_of(entry)), Discriminator(config_of(entry))
    G.load_state_dict(load_file(folder / f"{name}.G_ema.safetensors"))
    D.load_state_dict(load_file(folder / f"{name}.D.safetensors"))
    return G.eval(), D.eval()


def error(a: torch.Tensor, b: np.ndarray) -> float:
    return float((a.detach() - torch.from_numpy(b)).abs().max())


def check(folder: Path, name: str, entry: dict[str, Any], io: dict[str, np.ndarray]) -> None:
    G, D = load(folder, name, entry)
    assert {k: list(v.shape) for k, v in G.state_dict().items()} == entry["G_tensors"]
    assert {k: list(v.shape) for k, v in D.state_dict().items()} == entry["D_tensors"]
    assert [k for k, _ in G.named_parameters()] == entry["G_param_names"]
    assert [k for k, _ in D.named_parameters()] == entry["D_param_names"]
    z, c = torch.from_numpy(io["z"]), torch.from_numpy(io["c"])
    with torch.no_grad():
        assert error(G.ws(z, c), io["w"]) < 1e-6
        assert error(G.ws(z, c, 0.7), io["w_psi07"]) < 1e-6
        assert error(G.ws(z, c, 0.5, 4), io["w_psi05_cut4"]) < 1e-6
        img = G(z, c, noise="const")
        assert error(img[: len(io["img_const"])], io["img_const"]) < 2e-5
        assert error(D(img, c), io["D_logits_first"]) < 5e-6
        if "img_none" in io:
            assert error(G(z, c, noise="none"), io["img_none"]) < 2e-5
        if "img_wplus" in io:
            assert (
                error(G.synthesis(torch.from_numpy(io["wplus"]), "const"), io["img_wplus"]) < 2e-5
            )
        if "img_const_psi07" in io:
            both = torch.cat([img, G(z, c, 0.7, noise="const").flip([3])])
            assert error(D(both, torch.from_numpy(io["D_c"])), io["D_logits"]) < 5e-6


def test_conditional_network_of_64_px() -> None:
    name = "sg2-tiny-64-cond3"
    entry = json.loads((DATA / "networks-some.json").read_text(encoding="utf-8"))[name]
    with np.load(DATA / f"{name}.io-some.npz") as io:
        check(DATA, name, entry, dict(io))


@pytest.mark.parametrize("name", ["sg2-tiny-32-uncond", "sg2-tiny-64-cond3"])
def test_shared_networks(shared: Path, name: str) -> None:
    folder = shared / "refvec"
    entry = json.loads((folder / "networks.json").read_text(encoding="utf-8"))[name]
    with np.load(folder / f"{name}.io.npz") as io:
        check(folder, name, entry, dict(io))


def test_published_architectures(shared: Path) -> None:
    """Names, shapes and FreezeD order of the official configurations, built without memory."""
    tables = sorted((shared / "refvec" / "arch").glob("sg2-*.json"))
    assert tables
    for path in tables:
        entry = json.loads(path.read_text(encoding="utf-8"))
        with torch.device("meta"):
            G, D = Generator(config_of(entry)), Discriminator(config_of(entry))
        assert {k: list(v.shape) for k, v in G.state_dict().items()} == entry["G"], path.name
        assert {k: list(v.shape) for k, v in D.state_dict().items()} == entry["D"], path.name
        assert sum(p.numel() for p in G.parameters()) == entry["G_params"]
        assert sum(p.numel() for p in D.parameters()) == entry["D_params"]
        assert G.num_ws == entry["num_ws"]


def test_half_precision_stays_near() -> None:
    name = "sg2-tiny-64-cond3"
    entry = json.loads((DATA / "networks-some.json").read_text(encoding="utf-8"))[name]
    G, D = load(DATA, name, entry)
    z, c = torch.randn(2, 32), torch.eye(3)[:2]
    with torch.no_grad():
        ws = G.ws(z, c)
        exact = G.synthesis(ws, "const")
        for dtype in (torch.bfloat16, torch.float16):
            near = G.synthesis(ws, "const", half=dtype)
            assert near.dtype == torch.float32
            assert float((near - exact).abs().mean()) < 0.05 * float(exact.std())
            assert float((D(exact, c, half=dtype) - D(exact, c)).abs().max()) < 0.1


def test_freeze_counts_layers_from_the_picture() -> None:
    D = Discriminator(NetworkConfig(32, channel_base=128, channel_max=16, z_dim=8, w_dim=8))
    D.freeze(5)  # b32: fromrgb, conv0, conv1, skip; b16: conv0
    frozen = {k.rsplit(".", 1)[0] for k, p in D.named_parameters() if not p.requires_grad}
    assert frozen == {"b32.fromrgb", "b32.conv0", "b32.conv1", "b32.skip", "b16.conv0"}


def test_odd_batches_have_a_group() -> None:
    D = Discriminator(NetworkConfig(8, channel_base=64, channel_max=8, z_dim=8, w_dim=8))
    assert D(torch.randn(6, 3, 8, 8)).shape == (6, 1)


@pytest.mark.parametrize("resolution", [0, 4, 48, 100])
def test_impossible_resolutions_are_refused(resolution: int) -> None:
    with pytest.raises(EngineError, match="power of two"):
        NetworkConfig(resolution)
