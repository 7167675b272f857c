"""Names of rosinality's StyleGAN2 checkpoints (`.pt`) beside the published ones, for both directions.

The weights are the same numbers: a tensor of one layout is a tensor of the other, reshaped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from merzmory.gan.architecture import Hints, State, assemble, describe
from merzmory.gan.networks import Generator

HINTS = Hints(mbstd_group=4, w_avg_beta=0.995)  # its code's constants
W_AVG_SAMPLES = 4096


def generator_names(resolution: int, mapping_layers: int) -> Iterator[tuple[str, str]]:
    """(published name, rosinality's name) of every tensor of a generator but the mean w."""
    for i in range(mapping_layers):
        for kind in ("weight", "bias"):
            yield f"mapping.fc{i}.{kind}", f"style.{i + 1}.{kind}"
    yield "synthesis.b4.const", "input.input"
    yield from _styled("synthesis.b4.conv1", "conv1", 0)
    yield from _to_rgb("synthesis.b4.torgb", "to_rgb1")
    for k in range(int(math.log2(resolution)) - 2):
        block = f"synthesis.b{8 * 2**k}"
        yield from _styled(f"{block}.conv0", f"convs.{2 * k}", 2 * k + 1)
        yield from _styled(f"{block}.conv1", f"convs.{2 * k + 1}", 2 * k + 2)
        yield from _to_rgb(f"{block}.torgb", f"to_rgbs.{k}")


def _modulated(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield f"{ours}.weight", f"{theirs}.conv.weight"  # [O, I, k, k] and [1, O, I, k, k]
    for kind in ("weight", "bias"):
        yield f"{ours}.affine.{kind}", f"{theirs}.conv.modulation.{kind}"


def _styled(ours: str, theirs: str, noise: int) -> Iterator[tuple[str, str]]:
    yield from _modulated(ours, theirs)
    yield f"{ours}.bias", f"{theirs}.activate.bias"
    yield f"{ours}.noise_strength", f"{theirs}.noise.weight"  # [] and [1]
    yield f"{ours}.noise_const", f"noises.noise_{noise}"  # [r, r] and [1, 1, r, r]


def _to_rgb(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield from _modulated(ours, theirs)
    yield f"{ours}.bias", f"{theirs}.bias"  # [3] and [1, 3, 1, 1]


def discriminator_names(resolution: int) -> Iterator[tuple[str, str]]:
    """(published name, rosinality's name) of every tensor of a discriminator."""
    yield f"b{resolution}.fromrgb.weight", "convs.0.0.weight"
    yield f"b{resolution}.fromrgb.bias", "convs.0.1.bias"
    for i in range(1, int(math.log2(resolution)) - 1):
        block, theirs = f"b{resolution // 2 ** (i - 1)}", f"convs.{i}"
        yield f"{block}.conv0.weight", f"{theirs}.conv1.0.weight"
        yield f"{block}.conv0.bias", f"{theirs}.conv1.1.bias"
        yield f"{block}.conv1.weight", f"{theirs}.conv2.1.weight"
        yield f"{block}.conv1.bias", f"{theirs}.conv2.2.bias"
        yield f"{block}.skip.weight", f"{theirs}.skip.1.weight"
    yield "b4.conv.weight", "final_conv.0.weight"
    yield "b4.conv.bias", "final_conv.1.bias"
    for i, ours in enumerate(("b4.fc", "b4.out")):
        for kind in ("weight", "bias"):
            yield f"{ours}.{kind}", f"final_linear.{i}.{kind}"


def generator(theirs: Mapping[str, Tensor], latent_avg: Tensor | None) -> State:
    """Tensors of a generator under the published names; KeyError or ValueError where damaged.

    The mean w is `latent_avg` [w_dim] or, where the checkpoint lacks it, of W_AVG_SAMPLES fixed z.
    """
    blocks = {int(m[1]) for key in theirs if (m := re.match(r"to_rgbs\.(\d{1,2})\.", key))}
    layers = sum(bool(re.fullmatch(r"style\.\d{1,2}\.weight", key)) for key in theirs)
    state = {}
    for ours, name in generator_names(2 ** (len(blocks) + 2), layers):
        value = theirs[name]
        if ours.endswith((".bias", "strength")):
            state[ours] = value.reshape([] if ours.endswith("strength") else [-1])
        elif ours.endswith("noise_const"):
            state[ours] = value[0, 0]
        elif name.endswith(".conv.weight") or name == "input.input":
            state[ours] = value[0]
        else:
            state[ours] = value
    if latent_avg is not None:
        return state | {"mapping.w_avg": latent_avg.reshape(-1)}
    state["mapping.w_avg"] = torch.zeros(state["synthesis.b4.conv1.affine.weight"].shape[1])
    network = assemble(describe(state, None, HINTS), "G_ema", state)
    assert isinstance(network, Generator)
    z = torch.randn(W_AVG_SAMPLES, network.z_dim, generator=torch.Generator().manual_seed(0))
    return state | {"mapping.w_avg": network.mapping(z).mean(dim=0)}


def discriminator(theirs: Mapping[str, Tensor]) -> State:
    """Tensors of a discriminator under the published names; KeyError where damaged."""
    blocks = sum(bool(re.fullmatch(r"convs\.\d{1,2}\.conv1\.0\.weight", key)) for key in theirs)
    return {ours: theirs[name] for ours, name in discriminator_names(2 ** (blocks + 2))}
