"""The architecture that tensors with the published names have, and networks made of them.

Everything is read off the shapes, so a file cannot be opened as something that it is not, and no
memory is taken before every shape is the one that the architecture needs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from merzmory.gan import ops
from merzmory.gan.config import EngineError, NetworkConfig, abilities
from merzmory.gan.layers import FIR
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.stylegan3 import StyleGAN3Generator
from merzmory.gan.stylegan3_config import StyleGAN3Config

State = dict[str, Tensor]
Architecture = NetworkConfig | StyleGAN3Config

# StyleGAN3's training needs more than its generator: filters fading in, and a running mean of magnitudes.
UNTRAINED = "StyleGAN3 makes pictures and walks here and is not trained further"
MAX_LOG2 = 12  # 4096 px
MAX_WIDTH = 8192  # of z, w and labels
MAX_LAYERS = 64  # of a mapping network


@dataclass(frozen=True, slots=True)
class Hints:
    """What shapes do not show; the defaults are those of networks that do not say."""

    conv_clamp: float | None = None
    d_conv_clamp: float | None = None
    num_fp16_res: int = 0
    w_avg_beta: float = 0.995
    mbstd_group: int | None = None
    channels: tuple[int, int] | None = None  # (channel_base, channel_max) of G, where known
    d_channels: tuple[int, int] | None = None  # of D


def describe(
    generator: Mapping[str, Tensor] | None, discriminator: Mapping[str, Tensor] | None, hints: Hints
) -> NetworkConfig:
    """The architecture of the two states, either of which may be absent.

    Raises:
        EngineError: no StyleGAN2 network has these tensors.
    """
    try:
        values = _generator(generator, hints) if generator else {}
        if discriminator:
            values |= _discriminator(discriminator, hints, values)
        config = NetworkConfig(**values)  # type: ignore[arg-type]
        widths = (config.z_dim, config.w_dim, config.c_dim + 1, config.mbstd_group or 1)
        if any(type(n) is not int or not 1 <= n <= MAX_WIDTH for n in widths):
            raise ValueError("widths")
        return config
    except (KeyError, ValueError, IndexError) as error:
        raise EngineError("its tensors are not those of a StyleGAN2 network") from error


def blank(config: Architecture, name: str) -> nn.Module:
    """The network "G", "G_ema" or "D" without weights, on the device meta: it takes no memory.

    Raises:
        EngineError: there is no such network.
    """
    try:
        with torch.device("meta"):
            return _network(config, name)
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
        raise EngineError("its architecture is one that cannot be") from error


def _network(config: Architecture, name: str) -> nn.Module:
    if isinstance(config, StyleGAN3Config):
        if name != "D":
            return StyleGAN3Generator(config)
        if config.discriminator is None:
            raise EngineError("its discriminator is not described")
        config = config.discriminator
    if max(config.mapping_layers, config.d_mapping_layers) > MAX_LAYERS:
        raise EngineError(f"its mapping has more than {MAX_LAYERS} layers")
    return Discriminator(config) if name == "D" else Generator(config)


def about(config: Architecture, networks: Collection[str]) -> dict[str, Any]:
    """What an architecture is, and what can be done with these networks of it, for JSON."""
    can, why = abilities(networks), {}
    if isinstance(config, StyleGAN3Config) and networks:
        can, why = [c for c in can if c != "train"], {"why": UNTRAINED}
    kind = config.kind if isinstance(config, StyleGAN3Config) else "stylegan2"
    sizes = {
        "resolution": config.resolution,
        "channels": config.img_channels,
        "labels": config.c_dim,
        "z_dim": config.z_dim,
        "w_dim": config.w_dim,
        "num_ws": config.num_ws,
        "mapping_layers": config.mapping_layers,
        "channel_base": config.channel_base,
        "channel_max": config.channel_max,
    }
    return {"kind": kind, "networks": list(networks), **sizes, "can": can, "notes": why}


def assemble(config: Architecture, name: str, state: Mapping[str, Tensor]) -> nn.Module:
    """The network "G", "G_ema" or "D" with these weights (float32, CPU), which it keeps.

    Raises:
        EngineError: a tensor is missing, too many, or of another shape.
    """
    network = blank(config, name)
    wanted = network.state_dict()
    given = {key: value.float() for key, value in state.items()}
    for key, value in wanted.items():
        if key not in given and key.endswith("resample_filter"):
            given[key] = ops.setup_filter(FIR)
        if key not in given:
            raise EngineError(f"its {name} lacks the tensor {key}")
        if given[key].shape != value.shape:
            shapes = f"{list(given[key].shape)} where {list(value.shape)} is needed"
            raise EngineError(f"its {name} holds {key} of shape {shapes}")
    extra = sorted(set(given) - set(wanted))
    if extra:
        raise EngineError(f"its {name} holds {extra[0][:80]!r}, which is not of its architecture")
    network.load_state_dict(given, assign=True)
    return network.eval().requires_grad_(False)


def _resolution(state: Mapping[str, Tensor], prefix: str) -> int:
    """px: the highest block, all lower ones being there."""
    found = {
        int(m[1]) for key in state if (m := re.match(rf"{re.escape(prefix)}b(\d{{1,5}})\.", key))
    }
    resolution = max(found)
    if found != {2**k for k in range(2, MAX_LOG2 + 1)} & set(range(4, resolution + 1)):
        raise ValueError("blocks")
    return resolution


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many of prefix0.weight, prefix1.weight ... there are."""
    count = 0
    while f"{prefix}{count}.weight" in state:
        count += 1
    return count


def _rule(by_resolution: dict[int, int], known: tuple[int, int] | None) -> tuple[int, int]:
    """(base, max) with channels(r) = min(base // r, max); `known` where it fits."""

    def fits(base: int, most: int) -> bool:
        return all(min(base // r, most) == c for r, c in by_resolution.items())

    if known is not None and fits(*known):
        return known
    most = max(by_resolution.values())
    base = min(c * r for r, c in by_resolution.items() if c < most or r == max(by_resolution))
    if not fits(base, most):
        raise ValueError("channels")
    return base, most


def _generator(state: Mapping[str, Tensor], hints: Hints) -> dict[str, object]:
    resolution = _resolution(state, "synthesis.")
    channels = {4: state["synthesis.b4.const"].shape[0]}
    r = 8
    while r <= resolution:
        channels[r] = state[f"synthesis.b{r}.conv1.weight"].shape[0]
        r *= 2
    base, most = _rule(channels, hints.channels)
    w_dim = state["synthesis.b4.conv1.affine.weight"].shape[1]
    embed = state.get("mapping.embed.weight")
    c_dim = 0 if embed is None else embed.shape[1]
    layers = _count(state, "mapping.fc")
    inputs = state["mapping.fc0.weight"].shape[1]
    return {
        "resolution": resolution,
        "img_channels": state["synthesis.b4.torgb.weight"].shape[0],
        "c_dim": c_dim,
        "z_dim": inputs - (w_dim if c_dim else 0),
        "w_dim": w_dim,
        "mapping_layers": layers,
        "channel_base": base,
        "channel_max": most,
        "conv_clamp": hints.conv_clamp,
        "num_fp16_res": hints.num_fp16_res,
        "w_avg_beta": hints.w_avg_beta,
    }


def _discriminator(
    state: Mapping[str, Tensor], hints: Hints, generator: Mapping[str, object]
) -> dict[str, object]:
    resolution = _resolution(state, "")
    channels = {4: state["b4.conv.weight"].shape[0]}
    r = 8
    while r <= resolution:
        channels[r] = state[f"b{r}.conv0.weight"].shape[0]
        r *= 2
    base, most = _rule(channels, hints.d_channels)
    values: dict[str, object] = {
        "d_architecture": "resnet" if f"b{resolution}.skip.weight" in state else "orig",
        "mbstd_group": hints.mbstd_group,
        "mbstd_channels": state["b4.conv.weight"].shape[1] - channels[4],
    }
    if "mapping.embed.weight" in state:
        values["d_mapping_layers"] = _count(state, "mapping.fc")
    if not generator:
        values |= {"resolution": resolution, "channel_base": base, "channel_max": most}
        values |= {"img_channels": state[f"b{resolution}.fromrgb.weight"].shape[1]}
        if "mapping.embed.weight" in state:
            values["c_dim"] = state["mapping.embed.weight"].shape[1]
        values["conv_clamp"] = hints.d_conv_clamp
        return values
    if (base, most) != (generator["channel_base"], generator["channel_max"]):
        values |= {"d_channel_base": base, "d_channel_max": most}
    if hints.d_conv_clamp != hints.conv_clamp:  # a bound that is never met stands for none
        values["d_conv_clamp"] = hints.d_conv_clamp or 1e9
    return values
