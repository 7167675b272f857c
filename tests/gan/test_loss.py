"""Losses, regularisations, gradients and a trajectory of five steps equal the reference vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from merzmory.gan import loss
from merzmory.gan.config import NetworkConfig, TrainConfig
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.step import TrainingState, lazy_adam, step_seed

TINY = NetworkConfig(8, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64, channel_max=8)
NAME = "sg2-tiny-32-uncond"


def reference_state(folder: Path, r1_interval: int) -> TrainingState:
    config = NetworkConfig(
        32, z_dim=64, w_dim=64, mapping_layers=2, channel_base=512, channel_max=32
    )
    G, D = Generator(config), Discriminator(config)
    G.load_state_dict(load_file(folder / f"{NAME}.G_ema.safetensors"))
    D.load_state_dict(load_file(folder / f"{NAME}.D.safetensors"))
    recipe = TrainConfig(
        batch=8, gamma=0.5, style_mixing=0.0, pl_interval=4, r1_interval=r1_interval,
        learning_rate=2e-3, ada="off",
    )  # fmt: skip
    state = TrainingState(recipe, G, D)
    state.noise = "const"
    return state


def check_gradients(
    network: nn.Module, phase: str, names: list[str], numbers: dict[str, np.ndarray]
) -> None:
    found = dict(network.named_parameters())
    norms = numbers[f"{phase}.gradnorms"]
    for name, norm in zip(names, norms, strict=True):
        grad = found[name].grad
        grad = torch.zeros_like(found[name]) if grad is None else grad
        assert abs(float(grad.norm()) - norm) <= 1e-3 * norm + 1e-9, (phase, name)
        if f"{phase}.grad.{name}" in numbers:
            wanted = torch.from_numpy(numbers[f"{phase}.grad.{name}"])
            assert float((grad - wanted).norm()) <= 1e-3 * norm + 1e-9, (phase, name)
    network.zero_grad()


def test_phases_equal_the_reference(shared: Path) -> None:
    folder = shared / "refvec"
    names = json.loads((folder / "loss.json").read_text(encoding="utf-8"))
    with np.load(folder / "loss.npz") as archive:
        numbers = {k: archive[k] for k in archive.files}
    z, real, raw = (torch.from_numpy(numbers[k]) for k in ("z", "real", "pl_noise_raw"))
    state = reference_state(folder, r1_interval=16)

    assert float(state.g_main(z, None)) == pytest.approx(float(numbers["loss_Gmain"]), rel=1e-5)
    check_gradients(state.G, "Gmain", names["G_param_order"], numbers)
    state.D.zero_grad()

    state.pl_mean = torch.tensor(float(numbers["pl_mean_before"]))
    lengths = state.g_path_length(z[:4], None, raw)
    np.testing.assert_allclose(lengths.numpy(), numbers["pl_lengths"], rtol=1e-4)
    assert float(state.pl_mean) == pytest.approx(float(numbers["pl_mean_after"]), rel=1e-5)
    check_gradients(state.G, "Greg", names["G_param_order"], numbers)

    total = float(state.d_main(z, real, None, None))
    assert total == pytest.approx(float(numbers["loss_Dgen"] + numbers["loss_Dreal"]), rel=1e-5)
    check_gradients(state.D, "Dmain", names["D_param_order"], numbers)
    w_avg = state.G.mapping.w_avg.numpy()
    np.testing.assert_allclose(w_avg, numbers["w_avg_after_Dmain"], atol=1e-6)

    penalty = state.d_r1(real, None)
    np.testing.assert_allclose(penalty.numpy(), numbers["r1_penalty"], rtol=1e-4)
    check_gradients(state.D, "Dreg", names["D_param_order"], numbers)


def test_trajectory_of_five_steps(shared: Path) -> None:
    folder = shared / "refvec"
    tensors = json.loads((folder / "networks.json").read_text(encoding="utf-8"))[NAME]
    with np.load(folder / "trajectory.npz") as archive:
        numbers = {k: torch.from_numpy(archive[k]).float() for k in archive.files}
    state = reference_state(folder, r1_interval=2)
    for i in range(5):
        it = f"it{i}."
        state.D.requires_grad_(False)
        state.g_main(numbers[it + "Gmain.z"], None)
        state.update(state.g_opt, state.g_params)
        if it + "pl_noise" in numbers:
            state.g_path_length(numbers[it + "Greg.z"][:4], None, numbers[it + "pl_noise"])
            state.update(state.g_opt, state.g_params)
        state.D.requires_grad_(True)
        state.d_main(numbers[it + "Dmain.z"], numbers[it + "real"], None, None)
        state.update(state.d_opt, state.d_params)
        if it + "Dreg.z" in numbers:
            state.d_r1(numbers[it + "real"], None)
            state.update(state.d_opt, state.d_params)
        state.update_ema(0.5 ** (8 / 20))  # ema_kimg 0.02, batch 8
        assert float(state.pl_mean) == pytest.approx(float(numbers[it + "pl_mean"]), rel=1e-4)
        for name, network in (("G", state.G), ("D", state.D), ("G_ema", state.G_ema)):
            held = network.state_dict()
            norms = [float(held[k].norm()) for k in tensors[f"{name[0]}_tensors"]]
            np.testing.assert_allclose(norms, numbers[f"{it}{name}.norms"], rtol=1e-3, atol=1e-6)


def test_r1_is_the_squared_gradient_of_each_picture() -> None:
    """Against a central difference along the gradient."""
    torch.manual_seed(0)
    D = Discriminator(TINY)
    x = torch.randn(4, 3, 8, 8)
    penalty, logits = loss.r1_penalty(D, x, None, None)
    assert logits.shape == (4, 1)
    (gradient,) = torch.autograd.grad(D(x.requires_grad_()).sum(), x)
    size = float(gradient.square().sum().sqrt())
    h, along = 1e-2, gradient / size
    with torch.no_grad():
        slope = float((D(x + h * along).sum() - D(x - h * along).sum()) / (2 * h))
    assert slope == pytest.approx(size, rel=1e-2)
    assert float(penalty.detach().sum()) == pytest.approx(size**2, rel=1e-5)


def test_style_mixing_swaps_a_tail_of_layers() -> None:
    torch.manual_seed(0)
    G = Generator(TINY)
    z = torch.randn(2, 8)
    plain = G.ws(z)
    rng = torch.Generator().manual_seed(1)
    seen = set()
    for _ in range(20):
        mixed = loss.mixed_styles(G, z, None, 1.0, rng)
        same = [bool(torch.equal(mixed[:, i], plain[:, i])) for i in range(G.num_ws)]
        assert same[0]
        assert not same[-1]
        assert same == sorted(same, reverse=True)
        seen.add(sum(same))
    assert len(seen) > 1
    assert torch.equal(loss.mixed_styles(G, z, None, 0.0, rng), plain)


def test_ema_half_life_is_in_steps() -> None:
    G, D = Generator(TINY), Discriminator(TINY)
    state = TrainingState(TrainConfig(ema_half_life_steps=10, ada="off"), G, D)
    with torch.no_grad():
        for p in state.G.parameters():
            p.fill_(1.0)
        for p in state.G_ema.parameters():
            p.fill_(0.0)
    for _ in range(10):
        state.update_ema(state.ema_beta())
    for p in state.G_ema.parameters():
        torch.testing.assert_close(p, torch.full_like(p, 0.5))


def test_lazy_adam_rescales_rate_and_memory() -> None:
    optimiser = lazy_adam([nn.Parameter(torch.zeros(1))], 0.002, 16)
    group = optimiser.param_groups[0]
    assert group["lr"] == pytest.approx(0.002 * 16 / 17)
    assert group["betas"] == pytest.approx((0.0, 0.99 ** (16 / 17)))


def test_seeds_of_steps_differ() -> None:
    seeds = {step_seed(s, k) for s in range(5) for k in range(200)}
    assert len(seeds) == 1000
