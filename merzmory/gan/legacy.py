"""Foreign network files: NVIDIA's PyTorch and TensorFlow pickles, rosinality's checkpoints.

Nothing in a file is ever run (`pickles`), its architecture is read off its tensors (`architecture`), and
what is damaged, hostile or no network of StyleGAN2 or 3 ends in an EngineError of one sentence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import nn

from merzmory.gan import legacy_stylegan3, legacy_tf, rosinality
from merzmory.gan.architecture import Architecture, Hints, State, about, assemble, describe
from merzmory.gan.config import EngineError
from merzmory.gan.pickles import Limit
from merzmory.gan.torch_files import DAMAGE, Budget, build, read_file
from merzmory.gan.unbuilt import Array, TensorView, Thing

NAMES: Final = ("G", "G_ema", "D")
MAX_PARTS: Final = 20_000  # modules and tensors of one network; 1024 px has about 400
MAX_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a foreign file holds: tensors (float, CPU) under the published names, by network."""

    kind: (
        str  # who wrote it: stylegan2-ada-pytorch, -tensorflow or -rosinality, or stylegan3-pytorch
    )
    config: Architecture
    states: dict[str, State]  # of "G", "G_ema", "D", those that are there


def read(path: Path) -> Foreign:
    """The networks of a foreign file.

    Raises:
        EngineError: not there, damaged, hostile, or no network of StyleGAN2 or 3.
    """
    value, budget = read_file(path)
    try:
        kind, states, config = _opened(value, budget)
    except EngineError as error:
        raise EngineError(f"{path} cannot be used: {error}; give another network file") from error
    except DAMAGE as error:
        raise EngineError(f"{path} is damaged or no network file: fetch it again") from error
    return Foreign(kind, config, states)


def load(path: Path) -> dict[str, nn.Module]:
    """The networks of a foreign file by name, of "G", "G_ema" and "D" those that are there: eval mode,
    float32, on the CPU, without gradients. Raises as `read`."""
    return _assembled(path, read(path))


def _assembled(path: Path, foreign: Foreign) -> dict[str, nn.Module]:
    try:
        return {name: assemble(foreign.config, name, s) for name, s in foreign.states.items()}
    except EngineError as error:
        raise EngineError(f"{path} cannot be used: {error}; give another network file") from error


def convert(path: Path, out: Path) -> Path:
    """Write the networks of a foreign file as our safetensors at `out`, which is returned.

    Raises as `read`; EngineError too where the disk is full or not writable.
    """
    from merzmory.gan import checkpoint  # it opens foreign files through this module

    foreign = read(path)
    networks = _assembled(path, foreign)
    notes = {"source": path.name, "source_kind": foreign.kind}
    checkpoint.save_network(out, networks, foreign.config, extra=notes)
    return out


def inspect(path: Path) -> dict[str, Any]:
    """What a foreign file is and what can be done with it, for JSON; raises as `read`."""
    foreign = read(path)
    _assembled(path, foreign)
    names = [name for name in NAMES if name in foreign.states]
    tensors = [t for state in foreign.states.values() for t in state.values()]
    found = about(foreign.config, names)
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        **found,
        "dtypes": sorted({str(t.dtype).removeprefix("torch.") for t in tensors}),
        "notes": {**found["notes"], "source_kind": foreign.kind},
    }


def _opened(value: Any, budget: Budget) -> tuple[str, dict[str, State], Architecture]:
    """(kind, states by network, architecture) of an opened file."""
    if isinstance(value, Thing) and value.name == "Generator":
        value = {"G_ema": value}
    hints: Hints
    if isinstance(value, (tuple, list)) and len(value) == 3:
        kind, (states, hints) = "stylegan2-tensorflow", _tensorflow(value, budget)
    elif isinstance(value, dict) and isinstance(value.get("g_ema", value.get("g")), dict):
        kind, (states, hints) = "stylegan2-rosinality", _rosinality(value, budget)
    else:
        networks = {n: value[n] for n in NAMES if isinstance(value.get(n), Thing)} if value else {}
        if not networks:
            raise EngineError("it holds no network")
        if networks.get("G") is networks.get("G_ema"):  # one object under two names
            networks.pop("G", None)
        states = {name: _flatten(thing, budget) for name, thing in networks.items()}
        d = networks.get("D")
        hints = _discriminator_hints(d) if d is not None else Hints()
        g = networks.get("G_ema", networks.get("G"))
        if g is not None and legacy_stylegan3.is_one(g):
            discriminator = describe(None, states["D"], hints) if d is not None else None
            state = states.get("G_ema") or states["G"]
            config = legacy_stylegan3.describe(g, state, discriminator)
            return "stylegan3-pytorch", states, config
        kind = "stylegan2-ada-pytorch"
        hints = _generator_hints(g, hints) if g is not None else hints
    return kind, states, describe(states.get("G_ema") or states.get("G"), states.get("D"), hints)


def _tensorflow(value: Any, budget: Budget) -> tuple[dict[str, State], Hints]:
    g, d, g_ema = (n if isinstance(n, Thing) else None for n in value)
    oldest = min((legacy_tf.version(n) for n in (g, d, g_ema) if n), default=0)
    if oldest < legacy_tf.OLDEST:
        raise EngineError(
            f"its networks are of version {oldest}, from before StyleGAN2 (version {legacy_tf.OLDEST})"
        )
    states = {
        name: legacy_tf.generator(network, budget)
        for name, network in (("G", g), ("G_ema", g_ema))
        if network and (name == "G_ema" or network is not g_ema)
    }
    if d:
        states["D"] = legacy_tf.discriminator(d, budget)
    return states, legacy_tf.hints(g_ema or g, d)


def _rosinality(value: dict[str, Any], budget: Budget) -> tuple[dict[str, State], Hints]:
    mean = value.get("latent_avg")
    average = build(mean, budget) if isinstance(mean, TensorView) else None
    states: dict[str, State] = {}
    for theirs, ours in (("g", "G"), ("g_ema", "G_ema"), ("d", "D")):
        if isinstance(value.get(theirs), dict):
            tensors = {
                str(k): build(v, budget)
                for k, v in value[theirs].items()
                if isinstance(v, TensorView)
            }
            if ours == "D":
                states[ours] = rosinality.discriminator(tensors)
            else:
                states[ours] = rosinality.generator(tensors, average)
    return states, rosinality.HINTS


def _flatten(network: Thing, budget: Budget) -> State:
    """Tensors of a module and its children under their dotted names."""
    state: State = {}
    todo: list[tuple[str, Thing, int]] = [("", network, 0)]
    parts = Limit(MAX_PARTS)
    for prefix, thing, depth in todo:
        if depth > MAX_DEPTH or not isinstance(thing, Thing):
            raise ValueError("modules within modules")
        parts.spend(sum(len(thing.state[k]) for k in ("_parameters", "_buffers", "_modules")))
        for kind in ("_parameters", "_buffers"):
            for name, value in thing.state[kind].items():
                if isinstance(value, (TensorView, Array)):
                    state[f"{prefix}{name}"] = build(value, budget)
        todo += [
            (f"{prefix}{name}.", child, depth + 1)
            for name, child in thing.state["_modules"].items()
            if child is not None
        ]
    return state


def _generator_hints(g: Thing, hints: Hints) -> Hints:
    """What the modules' attributes and arguments say beyond shapes."""
    synthesis, mapping = g.child("synthesis"), g.child("mapping")
    block = synthesis.child("b4")
    block.only("architecture", "skip")
    conv = block.child("conv1")
    conv.only("activation", "lrelu")
    conv.only("use_noise", True)
    given = g.state.get("_init_kwargs", {})
    kwargs = synthesis.state.get("_init_kwargs", {})
    # stylegan3's code flattens the arguments and has other defaults than stylegan2-ada's
    fp16 = synthesis.state.get(
        "num_fp16_res", kwargs.get("num_fp16_res", 0 if "synthesis_kwargs" in given else 4)
    )
    beta = mapping.state.get("w_avg_beta")
    return dataclasses.replace(
        hints,
        conv_clamp=_float(conv.state.get("conv_clamp")),
        num_fp16_res=int(fp16),
        w_avg_beta=0.998 if beta is None else float(beta),
        channels=_channels(kwargs),
    )


def _discriminator_hints(d: Thing) -> Hints:
    epilogue = d.child("b4")
    mbstd = epilogue.state["_modules"].get("mbstd")
    group = mbstd.state.get("group_size") if isinstance(mbstd, Thing) else None
    return Hints(
        d_conv_clamp=_float(epilogue.child("conv").state.get("conv_clamp")),
        mbstd_group=group,
        d_channels=_channels(d.state.get("_init_kwargs", {})),
    )


def _channels(kwargs: Mapping[str, Any]) -> tuple[int, int]:
    return int(kwargs.get("channel_base", 32768)), int(kwargs.get("channel_max", 512))


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
