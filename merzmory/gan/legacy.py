"""Foreign network files: NVIDIA's PyTorch and TensorFlow pickles, rosinality's checkpoints.

Nothing in a file is ever run (`pickles`), its architecture is read off its tensors (`architecture`), and
what is damaged, hostile or not a StyleGAN2 network ends in an EngineError of one sentence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import nn

from merzmory.gan import legacy_tf, rosinality
from merzmory.gan.architecture import Hints, State, assemble, describe
from merzmory.gan.config import EngineError, NetworkConfig, abilities
from merzmory.gan.pickles import Limit
from merzmory.gan.torch_files import DAMAGE, Budget, build, read_file
from merzmory.gan.unbuilt import Array, TensorView, Thing

NAMES: Final = ("G", "G_ema", "D")
MAX_PARTS: Final = 20_000  # modules and tensors of one network; 1024 px has about 400
MAX_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a foreign file holds: tensors (float, CPU) under the published names, by network."""

    kind: str  # "stylegan2-ada-pytorch", "stylegan2-tensorflow" or "stylegan2-rosinality"
    config: NetworkConfig
    states: dict[str, State]  # of "G", "G_ema", "D", those that are there


def read(path: Path) -> Foreign:
    """The networks of a foreign file.

    Raises:
        EngineError: not there, damaged, hostile, StyleGAN3, or no StyleGAN2 network.
    """
    return _foreign(path, *read_file(path))


def _foreign(path: Path, value: Any, budget: Budget) -> Foreign:
    try:
        if version := _stylegan3(value):
            raise EngineError(f"StyleGAN3 networks cannot be opened yet, and this is a {version}")
        kind, states, hints = _states(value, budget)
        config = describe(states.get("G_ema") or states.get("G"), states.get("D"), hints)
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
    """What a foreign file is and what can be done with it, for JSON; raises as `read`.

    StyleGAN3 is named here although it cannot be opened.
    """
    about: dict[str, Any] = {"file": path.name}
    value, budget = read_file(path)
    try:
        version = _stylegan3(value)
    except DAMAGE as error:
        raise EngineError(f"{path} is damaged or no network file: fetch it again") from error
    if version:
        notes = {"why": "StyleGAN3 networks cannot be opened yet"}
        return {"kind": version, **about, "bytes": path.stat().st_size, "can": [], "notes": notes}
    foreign = _foreign(path, value, budget)
    _assembled(path, foreign)
    config, names = foreign.config, [n for n in NAMES if n in foreign.states]
    tensors = [t for state in foreign.states.values() for t in state.values()]
    return {
        "kind": "stylegan2",
        **about,
        "bytes": path.stat().st_size,
        "networks": names,
        **config.about(),
        "dtypes": sorted({str(t.dtype).removeprefix("torch.") for t in tensors}),
        "can": abilities(names),
        "notes": {"source_kind": foreign.kind},
    }


def _states(value: Any, budget: Budget) -> tuple[str, dict[str, State], Hints]:
    """(kind, states by network, hints) of an opened file."""
    if isinstance(value, Thing) and value.name == "Generator":
        value = {"G_ema": value}
    if isinstance(value, (tuple, list)) and len(value) == 3:
        return ("stylegan2-tensorflow", *_tensorflow(value, budget))
    if isinstance(value, dict) and isinstance(value.get("g_ema", value.get("g")), dict):
        return ("stylegan2-rosinality", *_rosinality(value, budget))
    networks = {n: value[n] for n in NAMES if isinstance(value.get(n), Thing)} if value else {}
    if not networks:
        raise EngineError("it holds no network")
    if networks.get("G") is networks.get("G_ema"):  # one object under two names
        networks.pop("G", None)
    states = {name: _flatten(thing, budget) for name, thing in networks.items()}
    return "stylegan2-ada-pytorch", states, _hints(networks)


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


def _stylegan3(value: Any) -> str:
    """ "stylegan3-t" or "stylegan3-r" where a generator is one, else ""."""
    if isinstance(value, Thing):
        value = {"G_ema": value}
    for name in ("G_ema", "G") if isinstance(value, dict) else ():
        if isinstance(value.get(name), Thing) and value[name].name == "Generator":
            synthesis = _child(value[name], "synthesis")
            names = synthesis.state.get("layer_names")
            if names:
                weight = _child(synthesis, str(names[0])).state["_parameters"]["weight"]
                return "stylegan3-r" if weight.size[-1] == 1 else "stylegan3-t"
    return ""


def _child(thing: Thing, *names: str) -> Thing:
    for name in names:
        thing = thing.state["_modules"][name]
        if not isinstance(thing, Thing):
            raise TypeError("not a module")
    return thing


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


def _hints(networks: Mapping[str, Thing]) -> Hints:
    """What the modules' attributes and arguments say beyond shapes."""
    hints = Hints()
    g, d = networks.get("G_ema", networks.get("G")), networks.get("D")
    if g is not None:
        synthesis, mapping = _child(g, "synthesis"), _child(g, "mapping")
        block = _child(synthesis, "b4")
        _only(block, "architecture", "skip")
        conv = _child(block, "conv1")
        _only(conv, "activation", "lrelu")
        _only(conv, "use_noise", True)
        given = g.state.get("_init_kwargs", {})
        kwargs = synthesis.state.get("_init_kwargs", {})
        # stylegan3's code flattens the arguments and has other defaults than stylegan2-ada's
        fp16 = synthesis.state.get(
            "num_fp16_res", kwargs.get("num_fp16_res", 0 if "synthesis_kwargs" in given else 4)
        )
        beta = mapping.state.get("w_avg_beta")
        hints = dataclasses.replace(
            hints,
            conv_clamp=_float(conv.state.get("conv_clamp")),
            num_fp16_res=int(fp16),
            w_avg_beta=0.998 if beta is None else float(beta),
            channels=_channels(kwargs),
        )
    if d is not None:
        epilogue = _child(d, "b4")
        mbstd = epilogue.state["_modules"].get("mbstd")
        group = mbstd.state.get("group_size") if isinstance(mbstd, Thing) else None
        hints = dataclasses.replace(
            hints,
            d_conv_clamp=_float(_child(epilogue, "conv").state.get("conv_clamp")),
            mbstd_group=group,
            d_channels=_channels(d.state.get("_init_kwargs", {})),
        )
    return hints


def _only(module: Thing, name: str, value: Any) -> None:
    found = module.state.get(name, value)
    if found != value:
        raise EngineError(f"its {name} is {str(found)[:40]!r} and StyleGAN2 has {value!r}")


def _channels(kwargs: Mapping[str, Any]) -> tuple[int, int]:
    return int(kwargs.get("channel_base", 32768)), int(kwargs.get("channel_max", 512))


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
