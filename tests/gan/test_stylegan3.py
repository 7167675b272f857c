"""StyleGAN3 reproduces the reference vectors, its filters are what the paper says, and pictures move."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from merzmory.gan import generate
from merzmory.gan.config import EngineError
from merzmory.gan.stylegan3 import StyleGAN3Generator, placement
from merzmory.gan.stylegan3_config import StyleGAN3Config
from merzmory.gan.stylegan3_layers import lowpass

NAMES = ("sg3t-tiny-32", "sg3r-tiny-32")
TABLES = [f"sg3-{k}-{size}" for k in "tr" for size in ("256-cbase16384", "512", "1024")]


def config_of(kwargs: dict[str, Any]) -> StyleGAN3Config:
    """Architecture from the published networks' keyword arguments."""
    return StyleGAN3Config(
        resolution=kwargs["img_resolution"],
        z_dim=kwargs["z_dim"],
        w_dim=kwargs["w_dim"],
        mapping_layers=kwargs["mapping_kwargs"]["num_layers"],
        channel_base=kwargs["channel_base"],
        channel_max=kwargs["channel_max"],
        conv_kernel=kwargs.get("conv_kernel", 3),
        radial=kwargs.get("use_radial_filters", False),
    )


def tiny(radial: bool, resolution: int = 32) -> StyleGAN3Generator:
    torch.manual_seed(1)
    many = 2 if radial else 1
    config = StyleGAN3Config(
        resolution, z_dim=8, w_dim=8, channel_base=8 * resolution * many, channel_max=12 * many,
        conv_kernel=3 - 2 * radial, radial=radial,
    )  # fmt: skip
    return StyleGAN3Generator(config).eval().requires_grad_(False)


def error(a: Tensor, b: np.ndarray) -> float:
    return float((a - torch.from_numpy(b)).abs().max())


# Reference vectors


@pytest.mark.parametrize("name", NAMES)
def test_reference(shared: Path, name: str) -> None:
    folder = shared / "refvec"
    entry = json.loads((folder / "networks.json").read_text("utf-8"))[name]
    G = StyleGAN3Generator(config_of(entry["G_init_kwargs"])).eval().requires_grad_(False)
    assert {k: list(v.shape) for k, v in G.state_dict().items()} == entry["G_tensors"]
    assert [k for k, _ in G.named_parameters()] == entry["G_param_names"]
    assert [k for k, _ in G.named_buffers()] == entry["G_buffer_names"]
    state = load_file(folder / f"{name}.G_ema.safetensors")
    designed = {k: v for k, v in G.state_dict().items() if k.endswith("_filter")}
    assert all(float((v - state[k]).abs().max()) <= 1e-7 for k, v in designed.items())
    G.load_state_dict(state)
    with np.load(folder / f"{name}.io.npz") as io:
        z, transform = torch.from_numpy(io["z"]), torch.from_numpy(io["transform"])
        assert error(G.ws(z), io["w"]) <= 1e-6
        assert error(G.ws(z, None, 0.7), io["w_psi07"]) <= 1e-6
        assert error(G.ws(z, None, 0.5, 4), io["w_psi05_cut4"]) <= 1e-6
        assert error(G(z, noise="const"), io["img_const"]) <= 2e-5
        assert error(G(z, psi=0.7), io["img_const_psi07"]) <= 2e-5
        assert error(G.synthesis(torch.from_numpy(io["wplus"])), io["img_wplus"]) <= 2e-5
        assert error(G.synthesis(G.ws(z), transform=transform), io["img_transform"]) <= 2e-5


@pytest.mark.parametrize("name", TABLES)
def test_published_shapes(shared: Path, name: str) -> None:
    entry = json.loads((shared / "refvec" / "arch" / f"{name}.json").read_text("utf-8"))
    with torch.device("meta"):
        G = StyleGAN3Generator(config_of(entry["G_kwargs"]))
    assert {k: list(v.shape) for k, v in G.state_dict().items()} == entry["G"]
    assert [k for k, _ in G.named_buffers()] == entry["G_buffers"]
    assert sum(p.numel() for p in G.parameters()) == entry["G_params"]
    assert G.num_ws == entry["num_ws"]


# Filters


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    taps=st.integers(2, 48),
    cutoff=st.floats(0.5, 12),
    half_width=st.floats(0.1, 12),
    radial=st.booleans(),
)
def test_filters_are_symmetric_and_keep_brightness(
    taps: int, cutoff: float, half_width: float, radial: bool
) -> None:
    f = lowpass(taps, cutoff, half_width, rate=32, radial=radial)
    assert f.shape == ((taps, taps) if radial else (taps,))
    assert float(f.double().sum()) == pytest.approx(1, abs=1e-5)
    scale = float(f.abs().max())
    assert torch.allclose(f, f.flip(0), atol=1e-5 * scale)
    if radial:
        assert torch.allclose(f, f.t(), atol=1e-5 * scale)


@pytest.mark.parametrize("radial", [False, True])
def test_filters_pass_and_stop(radial: bool) -> None:
    """Kaiser's design: ripples of -60 dB here outside of the transition band 4 .. 12 of 64."""
    taps, cutoff, half_width, rate = 64, 8.0, 4.0, 64.0
    f = lowpass(taps, cutoff, half_width, rate, radial=radial).double().numpy()
    line = f.sum(axis=0) if radial else f  # the response along an axis
    x = (np.arange(taps) - (taps - 1) / 2) / rate

    def response(frequency: float) -> float:
        return float((line * np.cos(math.tau * frequency * x)).sum())

    assert all(abs(response(v) - 1) < 1e-3 for v in np.linspace(0, 4, 9))
    assert all(abs(response(v)) < 1e-3 for v in np.linspace(12, 31, 20))
    assert 0.4 < response(cutoff) < 0.6


# Pictures


def moved(picture: Tensor, columns: int) -> tuple[Tensor, Tensor]:
    """The middle of a picture, and what lies `columns` further left."""
    middle = slice(8, -8)
    return picture[..., middle, middle], picture[..., middle, 8 - columns : -8 - columns]


@pytest.mark.parametrize("radial", [False, True])
def test_pictures_move_with_their_content(radial: bool) -> None:
    """A pixel of the picture is a fraction of a sample of its first layers."""
    G = tiny(radial)
    ws = G.ws(torch.randn(2, 8))
    still, there = G.synthesis(ws), G.synthesis(ws, transform=placement(x=1 / 32))
    here, left = moved(still, 1)
    change = float((here - left).norm())
    assert float((moved(there, 0)[0] - left).norm()) < 0.05 * change
    down = G.synthesis(ws, transform=placement(y=1 / 32))
    above, _ = moved(still.roll(1, dims=2), 0)
    assert float((moved(down, 0)[0] - above).norm()) < 0.05 * change


def test_pictures_of_r_turn() -> None:
    ws = torch.randn(2, 16, 8)
    for radial in (True, False):
        G = tiny(radial)
        turned = G.synthesis(ws, transform=placement(degrees=90))
        same = torch.allclose(turned, torch.rot90(G.synthesis(ws), -1, (2, 3)), atol=1e-5)
        assert same == radial  # clockwise; T's convolutions have an up and a down


def test_a_transform_for_each_picture_and_out_of_band() -> None:
    G = tiny(False)
    ws = torch.randn(2, 16, 8)
    both = torch.stack([placement(), placement(x=0.25, degrees=30)])
    together = G.synthesis(ws, transform=both)
    assert torch.allclose(together[:1], G.synthesis(ws[:1]), atol=1e-5)
    assert torch.allclose(together[1:], G.synthesis(ws[1:], transform=both[1]), atol=1e-5)
    tiny_world = torch.diag(torch.tensor([100.0, 100.0, 1.0]))  # all beyond the Nyquist limit
    assert float(G.synthesis.input(ws[:, 0], tiny_world).abs().max()) == 0


def test_the_outside_is_that_of_stylegan2() -> None:
    G = tiny(False)
    const, none, random = (
        generate.images(G, [0, 1, 2], 0.7, n) for n in ("const", "none", "random")
    )  # type: ignore[arg-type]
    assert const.shape == (3, 32, 32, 3)
    assert np.array_equal(const, none)  # there is no noise
    assert np.array_equal(const, random)
    apart = generate.images(G, [2], 0.7)
    assert np.abs(apart.astype(int) - const[2:]).max() <= 1
    ws = generate.mapping(G, generate.latents([0], 8), 0.5, cutoff=2)
    assert ws.shape == (1, 16, 8)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(half: torch.dtype) -> None:
    G = tiny(False)
    ws = G.ws(torch.randn(1, 8))
    full, rough = G.synthesis(ws), G.synthesis(ws, half=half)
    assert rough.dtype == torch.float32
    assert 0 < float((full - rough).norm()) < 0.1 * float(full.norm())


def test_gradients_reach_the_styles() -> None:
    """In-place steps of the layers do not disturb differentiation, with activations at their clamp."""
    G = tiny(True)
    for module in G.modules():
        if hasattr(module, "clamp"):
            module.clamp = 0.5
    ws, toward = torch.randn(1, 16, 8), torch.randn(1, 16, 8)
    weights = torch.randn(1, 3, 32, 32)
    given = ws.clone().requires_grad_(True)
    (G.synthesis(given) * weights).sum().backward()
    ends = [(G.synthesis(ws + s * 1e-3 * toward) * weights).double().sum() for s in (1, -1)]
    assert float((given.grad * toward).sum()) == pytest.approx(  # type: ignore[operator]
        float(ends[0] - ends[1]) / 2e-3, rel=0.1, abs=0.05
    )


# What is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resolution": 48}, "not a power of two"),
        ({"resolution": 1 << 40}, "resolution"),
        ({"resolution": 32.0}, "resolution"),
        ({"w_dim": 10**9}, "w_dim"),
        ({"filter_size": 10**6}, "filter_size"),
        ({"num_critical": 14}, "critically"),
        ({"first_cutoff": float("nan")}, "first_cutoff"),
        ({"first_cutoff": 16.5}, "frequencies"),
        ({"conv_clamp": "much"}, "conv_clamp"),
        ({"radial": 1}, "radial"),
        ({"channel_max": True}, "channel_max"),
    ],
)
def test_impossible_architectures_are_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        StyleGAN3Config(**({"resolution": 32} | changes))
