"""Full-state checkpoints: everything that the next step depends on.

networks.safetensors      G, G_ema, D (opens as a network file)
optimisers.safetensors    Adam's moments and step counts of G and D, by parameter name
running.safetensors       pl_mean, strength, measures since the last tick
state.json                step, data position, seed, threads, device; written last
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merzmory.gan.checkpoint import read_tensors, save_network, storage_errors, write_tensors
from merzmory.gan.config import EngineError
from merzmory.gan.run import checkpoints, drop_old_checkpoints, step_name, write_json
from merzmory.gan.step import TrainingState

FORMAT = 1
_RUNNING = ("pl_mean", "sums", "counts", "signs")


def save_checkpoint(run: Path, state: TrainingState, position: int) -> Path:
    """Write checkpoints/step-NNNNNN and drop the oldest as the recipe says; returns the folder."""
    target = run / "checkpoints" / step_name(state.step)
    part = target.with_name(target.name + ".part")
    with storage_errors(run):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    networks = {"G": state.G, "G_ema": state.G_ema, "D": state.D}
    save_network(part / "networks.safetensors", networks, state.G.config)
    metadata = {"format": str(FORMAT), "kind": "checkpoint"}
    moments = {
        **_moments("G", state.G, state.g_opt),
        **_moments("D", state.D, state.d_opt),
    }
    write_tensors(part / "optimisers.safetensors", moments, metadata)
    running = {name: getattr(state, name) for name in _RUNNING}
    if state.augment is not None:
        running["p"] = state.augment.p
    write_tensors(part / "running.safetensors", running, metadata)
    write_json(
        part / "state.json",
        {
            "format": FORMAT,
            "step": state.step,
            "position": position,
            "seed": state.config.seed,
            "threads": torch.get_num_threads(),
            "device": state.device.type,
            "torch": torch.__version__,
        },
    )
    with storage_errors(run):
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
        _sync(target.parent)
    config = state.config
    drop_old_checkpoints(run, config.keep_checkpoints, config.checkpoint_gb * 1e9)
    return target


def load_newest(run: Path, state: TrainingState) -> dict[str, Any] | None:
    """Put the newest readable checkpoint into `state`; returns its state.json, None where there is none.

    A checkpoint that a power cut damaged is passed over for the one before.
    Raises EngineError when all are damaged.
    """
    found = checkpoints(run)
    for _, folder in reversed(found):
        try:
            return _load(folder, state)
        except (EngineError, OSError, ValueError, KeyError):
            continue
    if found:
        raise EngineError(
            f"no checkpoint in {run} can be read, start again in another folder "
            "with the newest snapshot as base"
        )
    return None


def _load(folder: Path, state: TrainingState) -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    if int(numbers["format"]) > FORMAT:
        raise EngineError(f"{folder} has a newer format, update merzmory")
    networks, _ = read_tensors(folder / "networks.safetensors")
    moments, _ = read_tensors(folder / "optimisers.safetensors")
    running, _ = read_tensors(folder / "running.safetensors")
    for name, network in (("G", state.G), ("G_ema", state.G_ema), ("D", state.D)):
        prefix = name + "."
        network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in networks.items() if k.startswith(prefix)}
        )
    _restore("G", state.G, state.g_opt, moments)
    _restore("D", state.D, state.d_opt, moments)
    for name in _RUNNING:
        setattr(state, name, running[name].to(state.device))
    if state.augment is not None and "p" in running:  # else it has only now been switched on
        state.augment.p.copy_(running["p"])
    state.step = int(numbers["step"])
    return numbers


def _moments(name: str, network: nn.Module, optimiser: torch.optim.Adam) -> dict[str, Tensor]:
    return {
        f"{name}.{key}.{moment}": optimiser.state[p][moment]
        for key, p in network.named_parameters()
        if p in optimiser.state
        for moment in ("exp_avg", "exp_avg_sq", "step")
    }


def _restore(
    name: str, network: nn.Module, optimiser: torch.optim.Adam, moments: dict[str, Tensor]
) -> None:
    optimiser.state.clear()
    for key, p in network.named_parameters():
        prefix = f"{name}.{key}."
        if prefix + "exp_avg" not in moments:
            continue
        step = moments[prefix + "step"]
        optimiser.state[p] = {
            "step": step.to(p.device) if optimiser.defaults["fused"] else step,
            "exp_avg": torch.zeros_like(p).copy_(moments[prefix + "exp_avg"]),
            "exp_avg_sq": torch.zeros_like(p).copy_(moments[prefix + "exp_avg_sq"]),
        }


def _sync(folder: Path) -> None:
    """Make a rename durable where the system allows to open a folder."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
