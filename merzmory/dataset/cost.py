"""What a training will take on this machine: hours and gigabytes, before it begins.

The hours come from an earlier run of the same networks, or else from real steps on a few pictures
of noise; the bytes from the number of weights.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from merzmory.dataset.readiness import Cost
from merzmory.gan import run as runs
from merzmory.gan.augment import AugmentPipe
from merzmory.gan.checkpoint import load_base
from merzmory.gan.config import EngineError, NetworkConfig, TrainConfig
from merzmory.gan.device import choose_device, use_threads
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.step import TrainingState

_FLOAT = 4  # bytes
_SMALL = 128  # pixels up to which a whole batch is measured on a CPU; above, one picture
_PATIENCE = 10.0  # seconds: a shorter step is done twice, for the first of a kind lays out memory
_WARM = 16  # steps that a run takes to find its pace; R1 comes every so many
_SHAPING = ("batch", "device", "threads", "precision", "r1_interval", "pl_interval", "ada")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds a step, and how they were found."""

    seconds: float
    how: str


def costs(
    *,
    resolution: int,
    labels: int,
    config: TrainConfig,
    base: Path | None,
    earlier: Iterable[Path] = (),
    steps: Sequence[int] = (500, 4000),
) -> tuple[Cost, ...]:
    """What trainings of so many `steps` take; `earlier` are folders of runs, `labels` how many kinds.

    Raises:
        EngineError: the base cannot be read, or the device is not there.
    """
    use_threads(config.threads)
    device = choose_device(config.device)
    G, D = _networks(resolution, labels, config, base, device)
    pace = recorded(earlier, config, G.config) or measured(G, D, config, device)
    g, d = (sum(tensor.numel() for tensor in n.state_dict().values()) for n in (G, D))
    found = []
    for count in steps:
        seconds = pace.seconds * count
        size = disk(g, d, replace(config, steps=count), seconds)
        found.append(Cost(count, seconds, size, pace.how))
    return tuple(found)


def disk(generator: int, discriminator: int, config: TrainConfig, seconds: float) -> int:
    """Bytes of a run's folder from the numbers of weights: full states, and a snapshot a mark.

    A full state holds G, D, the average of G, and two moments of each weight (Adam). As many are
    kept as the recipe says, or as were written in so many `seconds` and fit its gigabytes; while
    one is written there is one more. A snapshot holds G and its average.
    """
    state = _FLOAT * (4 * generator + 3 * discriminator)
    written = int(seconds / config.checkpoint_every_seconds) + 1
    kept = max(config.keep_checkpoints, min(written, int(config.checkpoint_gb * 1e9) // state))
    snapshot = _FLOAT * 2 * generator
    return state * (kept + 1) + snapshot * len(config.snapshot_steps())


def recorded(earlier: Iterable[Path], config: TrainConfig, network: NetworkConfig) -> Pace | None:
    """The pace of the newest of the `earlier` runs with the same networks and recipe; None without."""
    newest = sorted(filter(Path.is_dir, earlier), key=lambda p: p.stat().st_mtime, reverse=True)
    for folder in newest:
        try:
            known = runs.read_run(folder)
            if _kind(known["config"], known["network"]) != _kind(config, network):
                continue
            lines = runs.read_lines(folder / runs.TIMINGS)
            speeds = [line["images_per_second"] for line in lines if line["step"] > _WARM]
        except (EngineError, KeyError, TypeError):
            continue
        if speeds:
            return Pace(config.batch / statistics.median(speeds), f"as {folder.name} took")
    return None


def measured(G: Generator, D: Discriminator, config: TrainConfig, device: torch.device) -> Pace:
    """The pace of real steps on noise: plain ones, and what the regularisations add to them.

    Of large pictures on a CPU, one is asked for, and what the regularisations add is what they add
    to small ones: path lengths 0.31 and R1 0.56 of a plain step (measured at 64 pixels).
    """
    whole = device.type != "cpu" or G.resolution <= _SMALL
    batch = config.batch if whole else 1
    augment = AugmentPipe(config.augment).to(device) if config.ada != "off" else None
    state = TrainingState(replace(config, batch=batch), G, D, augment)
    noise = torch.Generator().manual_seed(config.seed)
    real = torch.randn(batch, 3, G.resolution, G.resolution, generator=noise).to(device)
    label = torch.eye(G.c_dim, device=device)[[0] * batch] if G.c_dim else None

    def seconds(*, pl: int = 0, r1: int = 0) -> float:
        state.config = replace(state.config, pl_interval=pl, r1_interval=r1)
        first = _timed(lambda: state.advance(real, label, label), device)
        if first > _PATIENCE:
            return first
        return min(first, _timed(lambda: state.advance(real, label, label), device))

    plain = seconds()
    took = plain
    if config.pl_interval:
        more = max(0.0, seconds(pl=1) - plain) if whole else 0.31 * plain
        took += more / config.pl_interval
    if config.r1_interval:
        more = max(0.0, seconds(r1=1) - plain) if whole else 0.56 * plain
        took += more / config.r1_interval
    how = "measured on steps of noise" if whole else "measured on one picture of noise"
    return Pace(took * config.batch / batch, how)


def _timed(work: Callable[[], None], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _networks(
    resolution: int, labels: int, config: TrainConfig, base: Path | None, device: torch.device
) -> tuple[Generator, Discriminator]:
    if base is not None:
        G, D = load_base(base, device)
        return G.requires_grad_(True), D.requires_grad_(True)
    shared = {field.name for field in fields(NetworkConfig)} & {f.name for f in fields(config)}
    network = NetworkConfig(
        resolution=resolution, c_dim=labels, **{name: getattr(config, name) for name in shared}
    )
    return Generator(network).to(device), Discriminator(network).to(device)


def _kind(config: Any, network: Any) -> dict[str, Any]:
    """What the pace of a run hangs on, of dataclasses or of what run.json says."""

    def of(values: Any, name: str) -> Any:
        return values.get(name) if isinstance(values, dict) else getattr(values, name)

    sizes = ("resolution", "c_dim", "channel_base", "channel_max", "mapping_layers")
    return {name: of(config, name) for name in _SHAPING} | {n: of(network, n) for n in sizes}
