"""StyleGAN2 networks of the TensorFlow era (config-e/f and ADA) under the published PyTorch names.

Layouts: TensorFlow keeps convolutions as [kh, kw, in, out] and matrices as [in, out]; its up-sampling
convolution is stored unflipped, and the bias of a modulation is counted from 1.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from merzmory.gan.architecture import Hints, State
from merzmory.gan.torch_files import Budget, build
from merzmory.gan.unbuilt import Array, Thing

CLASS = "dnnlib.tflib.network.Network"
OLDEST = 4  # version of the pickled class: 4 StyleGAN2, 5 StyleGAN2-ADA


def version(network: Thing) -> int:
    """Version of the pickled class, 0 where it does not say."""
    found = network.state.get("version", 0)
    return found if isinstance(found, int) else 0


def generator(network: Thing, budget: Budget) -> State:
    """Tensors of a generator; ValueError, TypeError or KeyError where they are damaged."""
    own = _variables(network, budget)
    parts = network.state["components"]
    mapping = _variables(parts["mapping"], budget)
    synthesis = _variables(parts["synthesis"], budget)
    state = {"mapping.w_avg": own["dlatent_avg"]} | _mapping(mapping, "Dense")
    state["synthesis.b4.const"] = synthesis["4x4/Const/const"][0]
    for name, value in synthesis.items():
        match = re.fullmatch(r"(\d+)x\1/(Conv0_up|Conv1?|ToRGB)/(\w+)", name)
        if not match:
            continue
        layer = {"Conv0_up": "conv0", "ToRGB": "torgb"}.get(match[2], "conv1")
        prefix = f"synthesis.b{match[1]}.{layer}."
        if match[3] == "weight":
            weight = value.permute(3, 2, 0, 1)
            state[prefix + "weight"] = weight.flip(2, 3) if layer == "conv0" else weight
        elif match[3] == "mod_weight":
            state[prefix + "affine.weight"] = value.t()
        elif match[3] == "mod_bias":
            state[prefix + "affine.bias"] = value + 1
        else:  # bias, noise_strength
            state[prefix + match[3]] = value
    for name, value in synthesis.items():
        if match := re.fullmatch(r"noise(\d{1,2})", name):  # 4x4 has one layer, the others two
            at = int(match[1])
            block = f"synthesis.b{2 ** ((at + 5) // 2)}"
            state[f"{block}.conv{(at + 1) % 2}.noise_const"] = value[0, 0]
    return {name: value.contiguous() for name, value in state.items()}


def discriminator(network: Thing, budget: Budget) -> State:
    """Tensors of a discriminator; ValueError, TypeError or KeyError where they are damaged."""
    variables = _variables(network, budget)
    names = {"FromRGB": "fromrgb", "Conv0": "conv0", "Conv1_down": "conv1", "Skip": "skip"}
    state = _mapping(variables, "Mapping")
    for name, value in variables.items():
        match = re.fullmatch(r"(\d+)x\1/(\w+)/(weight|bias)", name)
        if match and match[2] in names:
            key = f"b{match[1]}.{names[match[2]]}.{match[3]}"
            state[key] = value.permute(3, 2, 0, 1) if match[3] == "weight" else value
    state["b4.conv.weight"] = variables["4x4/Conv/weight"].permute(3, 2, 0, 1)
    state["b4.conv.bias"] = variables["4x4/Conv/bias"]
    for ours, theirs in (("fc", "4x4/Dense0"), ("out", "Output")):
        state[f"b4.{ours}.weight"] = variables[f"{theirs}/weight"].t()
        state[f"b4.{ours}.bias"] = variables[f"{theirs}/bias"]
    return {name: value.contiguous() for name, value in state.items()}


def hints(generator: Thing | None, discriminator: Thing | None) -> Hints:
    """What the networks' own arguments say; arguments that are not known are ignored."""
    g = generator.state.get("static_kwargs", {}) if generator else {}
    d = discriminator.state.get("static_kwargs", {}) if discriminator else {}
    return Hints(
        conv_clamp=_float(g.get("conv_clamp")),
        d_conv_clamp=_float(d.get("conv_clamp")),
        num_fp16_res=int(g.get("num_fp16_res", 0)),
        w_avg_beta=float(g.get("dlatent_avg_beta", 0.995)),
        mbstd_group=d.get("mbstd_group_size"),
        channels=_channels(g),
        d_channels=_channels(d),
    )


def _channels(kwargs: dict[str, Any]) -> tuple[int, int] | None:
    """fmap_base counts from 8 px at resolution 4, so the published base is twice that."""
    base, most = kwargs.get("fmap_base"), kwargs.get("fmap_max", 512)
    return (base * 2, most) if isinstance(base, int) and isinstance(most, int) else None


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _mapping(variables: dict[str, Tensor], layer: str) -> State:
    state: State = {}
    for name, value in variables.items():
        match = re.fullmatch(rf"(?:(LabelEmbed)|{layer}(\d+))/(weight|bias)", name)
        if match:
            ours = "embed" if match[1] else f"fc{match[2]}"
            state[f"mapping.{ours}.{match[3]}"] = value.t() if match[3] == "weight" else value
    return state


def _variables(network: Any, budget: Budget) -> dict[str, Tensor]:
    if not isinstance(network, Thing) or network.name != CLASS:
        raise TypeError("not a network")
    pairs = network.state["variables"]
    return {str(name): build(value, budget) for name, value in pairs if isinstance(value, Array)}
