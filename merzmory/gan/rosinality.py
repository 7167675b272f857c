"""Names of rosinality's StyleGAN2 checkpoints (`.pt`) beside the published ones, for both directions.

The weights are the same numbers: a tensor of one layout is a tensor of the other, reshaped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from merzmory.gan.architecture import Hints, State, assemble, describe
from merzmory.gan.config import EngineError
from merzmory.gan.networks import Discriminator, Generator

HINTS = Hints(mbstd_group=4, w_avg_beta=0.995)  # its code's constants
W_AVG_SAMPLES = 4096
STATES = {"G": "g", "G_ema": "g_ema", "D": "d"}


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
        return state | {"mapping.w_avg": latent_avg.reshape(-1).clone()}  # each network its own
    state["mapping.w_avg"] = torch.zeros(state["synthesis.b4.conv1.affine.weight"].shape[1])
    network = assemble(describe(state, None, HINTS), "G_ema", state)
    assert isinstance(network, Generator)
    z = torch.randn(W_AVG_SAMPLES, network.z_dim, generator=torch.Generator().manual_seed(0))
    return state | {"mapping.w_avg": network.mapping(z).mean(dim=0)}


def discriminator(theirs: Mapping[str, Tensor]) -> State:
    """Tensors of a discriminator under the published names; KeyError where damaged."""
    blocks = sum(bool(re.fullmatch(r"convs\.\d{1,2}\.conv1\.0\.weight", key)) for key in theirs)
    return {ours: theirs[name] for ours, name in discriminator_names(2 ** (blocks + 2))}


def as_checkpoint(networks: Mapping[str, nn.Module]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A checkpoint {g, g_ema, d: state, latent_avg [w_dim]} of "G", "G_ema", "D" (those that are there), float32, CPU;
    and a sentence for each thing that it leaves to the one who opens it.

    Raises:
        EngineError: its code has no such network.
    """
    value: dict[str, Any] = {}
    remarks: dict[str, None] = {}
    for ours, network in networks.items():
        if isinstance(network, Generator):
            value[STATES[ours]] = _generator_state(network)
            if ours == "G_ema" or "latent_avg" not in value:
                value["latent_avg"] = network.mapping.w_avg.detach().cpu().clone()
        elif isinstance(network, Discriminator):
            value[STATES[ours]] = _discriminator_state(network)
        else:
            raise EngineError("it knows StyleGAN2 only, export to safetensors")
        remarks |= dict.fromkeys(_remarks(network))
    return value, tuple(remarks)


def _generator_state(network: Generator) -> State:
    config = network.config
    if config.c_dim:
        raise EngineError(f"it has no labels and this network has {config.c_dim}")
    if config.img_channels != 3:
        raise EngineError(f"it makes 3 colours and this network {config.img_channels}")
    if config.z_dim != config.w_dim:
        raise EngineError(
            f"its z is as wide as w, and here they are {config.z_dim}, {config.w_dim}"
        )
    ours = _plain(network)
    state = {}
    for name, theirs in generator_names(config.resolution, config.mapping_layers):
        value = ours[name]
        if name.endswith("noise_const"):
            value = value[None, None]
        elif theirs.endswith(".conv.weight") or theirs == "input.input":
            value = value[None]
        elif name.endswith("noise_strength"):
            value = value.reshape(1)
        elif name.endswith("torgb.bias"):
            value = value[None, :, None, None]
        state[theirs] = value
    for k in range(int(math.log2(config.resolution)) - 2):
        # filters with the gain of upsampling by 2, which is 4
        block = f"synthesis.b{8 * 2**k}"
        state[f"convs.{2 * k}.conv.blur.kernel"] = ours[f"{block}.conv0.resample_filter"] * 4
        state[f"to_rgbs.{k}.upsample.kernel"] = ours[f"{block}.resample_filter"] * 4
    return state


def _discriminator_state(network: Discriminator) -> State:
    config = network.config
    if config.d_architecture != "resnet" or config.mbstd_channels != 1 or config.c_dim:
        raise EngineError(
            "its discriminator is residual, without labels, with one channel of minibatch standard "
            "deviation, and this one is not: leave D out"
        )
    ours = _plain(network)
    state = {theirs: ours[name] for name, theirs in discriminator_names(config.resolution)}
    for i in range(1, int(math.log2(config.resolution)) - 1):
        block = f"b{config.resolution // 2 ** (i - 1)}"
        state[f"convs.{i}.conv2.0.kernel"] = ours[f"{block}.conv1.resample_filter"]
        state[f"convs.{i}.skip.0.kernel"] = ours[f"{block}.skip.resample_filter"]
    return state


def _remarks(network: Generator | Discriminator) -> Iterator[str]:
    """What its code does not read from a file, where this network has it otherwise."""
    config = network.config
    generates = isinstance(network, Generator)
    channels = config.channels if generates else config.d_channels
    clamp = config.conv_clamp if generates or config.d_conv_clamp is None else config.d_conv_clamp
    if generates and (config.w_dim, config.mapping_layers) != (512, 8):
        yield (
            "its scripts build a z of 512 and 8 mapping layers, so build "
            f"Generator({config.resolution}, {config.w_dim}, {config.mapping_layers}) yourself"
        )
    sizes = [2**k for k in range(2, int(math.log2(config.resolution)) + 1)]
    table = {r: channels(r) for r in sizes}
    known = {m: {r: min(16384 * m // r, 512) for r in sizes} for m in (2, 1)}  # by multiplier
    if table not in known.values():
        yield f"its table of channels must be {table}"
    elif table != known[2]:
        yield "give its scripts --channel_multiplier 1"
    if not generates and config.mbstd_group != HINTS.mbstd_group:
        yield (
            f"its D compares {HINTS.mbstd_group} pictures and this one was trained with "
            f"{config.mbstd_group or 'the whole batch'}"
        )
    if clamp is not None and clamp < 1e9:
        yield f"it does not clamp activations at {clamp:g}, which shows only beyond that"


def _plain(network: nn.Module) -> State:
    return {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
