"""Start a training run, or go on with it exactly; where a step breaks, go on from the checkpoint before."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from merzmory.gan import recovery
from merzmory.gan import run as runs
from merzmory.gan.augment import AugmentPipe
from merzmory.gan.checkpoint import load_base
from merzmory.gan.config import (
    ENGINE_VERSION,
    EngineError,
    NetworkConfig,
    TrainConfig,
    train_config,
)
from merzmory.gan.data import PictureSet
from merzmory.gan.device import choose_device, keep_freed_memory, release_memory, use_threads
from merzmory.gan.loop import Announce, DivergedError, Loop, TrainingProgress
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.resume import load_newest
from merzmory.gan.step import TrainingState, step_seed

__all__ = ["MACHINE_KEYS", "Announce", "TrainingProgress", "choose_device", "resume", "train"]

# Keys of the machine, not of the result: they may differ on resume and are recorded then.
MACHINE_KEYS = (
    "device", "threads", "checkpoint_every_seconds", "checkpoint_every_steps", "keep_checkpoints",
    "checkpoint_gb", "metric_pictures", "micro_batch",
)  # fmt: skip


# Keys that a person may change on the way, if asked for: recorded with the step from which they hold.
CHANGEABLE = (
    "learning_rate", "gamma", "ema_half_life_steps", "ema_rampup", "ada", "ada_target", "ada_initial",
    "ada_kimg", "ada_max", "augment", "style_mixing", "r1_interval", "pl_interval", "pl_weight",
    "pl_decay", "precision",
)  # fmt: skip


def train(
    run: Path,
    *,
    dataset: Path,
    config: TrainConfig,
    base: Path | None,
    announce: Announce | None = None,
    should_stop: Callable[[], bool] | None = None,
    change: bool = False,
) -> Path:
    """Start the training in the folder `run`, or go on from its newest checkpoint; returns `run`.

    G and G_ema start from the base's G_ema and D from its D, with the base's architecture; without a base both are
    new. On resume only `steps` may grow (and MACHINE_KEYS differ) and, with `change`, CHANGEABLE keys differ,
    which run.json keeps with the step of the checkpoint that they begin at; the same command after a kill
    ends with the same bits on the same CPU with the same number of threads.

    Numbers that are not finite roll the training back to its checkpoint, to go on with other random
    numbers ("rolled back"); a step that does not fit into memory is gone through in parts of half
    the size, and their gradients summed up ("smaller"). run.json keeps both.

    `should_stop` is asked after each step: True writes a checkpoint and returns, with the event "stopped".
    Ctrl-C does the same and then raises KeyboardInterrupt; a second one interrupts at once.

    Raises EngineError: unusable dataset, base or device, differing recipe, full disk, a run that another
    process trains already, numbers that are not finite again and again, too little memory for two pictures.
    """
    use_threads(config.threads)
    keep_freed_memory()
    device = choose_device(config.device)
    pictures = PictureSet(dataset)
    known = runs.read_run(run) if (run / runs.RUN).exists() else None
    if known is not None:
        _refuse_changes(run, known, config, base, pictures, CHANGEABLE if change else ())
    state = _state(run, known, pictures, config, base, device)  # misfits are refused here
    with runs.exclusive(run):
        while True:
            broke_at: int | None = None
            try:
                return _go_on(run, state, known, dataset, base, pictures, announce, should_stop)
            except DivergedError as error:
                broke_at = error.step
            except RuntimeError as error:
                if not recovery.is_out_of_memory(error):
                    raise
            micro = state.micro_batch
            del state
            release_memory()
            if broke_at is None:
                event = "smaller"
                note = recovery.take_smaller_bites(run, micro, config.batch, device)
            else:
                event = "rolled back"
                _, note = recovery.roll_back(run, broke_at)
            known = runs.read_run(run)
            state = _state(run, known, pictures, config, base, device)
            if announce is not None:
                announce(TrainingProgress(state.step, config.steps, event=event, note=note))


def _go_on(
    run: Path,
    state: TrainingState,
    known: dict[str, Any] | None,
    dataset: Path,
    base: Path | None,
    pictures: PictureSet,
    announce: Announce | None,
    should_stop: Callable[[], bool] | None,
) -> Path:
    """From the newest checkpoint, or from the start, to the last step."""
    config = state.config
    numbers = load_newest(run, state)
    if known is None or _recorded(known["config"]) != _recorded(dataclasses.asdict(config)):
        _write_run(run, known, dataset, config, base, pictures, state)
    if state.step >= config.steps and runs.is_finished(run):
        return run
    recovery.refuse_too_small_a_disk(run, state)
    return Loop(run, state, pictures, announce, should_stop).go(resumed=numbers is not None)


def resume(
    run: Path,
    *,
    announce: Announce | None = None,
    should_stop: Callable[[], bool] | None = None,
    change: bool = False,
    **changes: Any,
) -> Path:
    """Go on with a run from its folder alone; `changes` are keys that may differ (see `train`)."""
    known = runs.read_run(run)
    config = train_config({**known["config"], **changes})
    base = run / str(known["base"]) if known["base"] else None  # absolute, or inside the run
    return train(
        run, dataset=run / str(known["dataset"]), config=config, base=base,
        announce=announce, should_stop=should_stop, change=change,
    )  # fmt: skip


def _state(
    run: Path,
    known: dict[str, Any] | None,
    pictures: PictureSet,
    config: TrainConfig,
    base: Path | None,
    device: torch.device,
) -> TrainingState:
    """The training at step 0."""
    G, D = _networks(run, known, pictures, config, base, device)
    _check_fit(G.config, pictures, config)
    augment = None
    if config.ada != "off":
        augment = AugmentPipe(config.augment).to(device)
        augment.p.fill_(config.ada_initial)
    micro = recovery.micro_batch(known, config, device)
    return TrainingState(config, G, D, augment, micro_batch=micro, turns=recovery.turns(known))


def _networks(
    run: Path,
    known: dict[str, Any] | None,
    pictures: PictureSet,
    config: TrainConfig,
    base: Path | None,
    device: torch.device,
) -> tuple[Generator, Discriminator]:
    """G and D at step 0: the base's, or new ones from the seed."""
    if known is not None and runs.checkpoints(run):  # the checkpoint brings the weights
        architecture = NetworkConfig.from_dict(known["network"])
    elif base is not None:
        G, D = load_base(base, device)
        return G.requires_grad_(True), D.requires_grad_(True)
    else:
        architecture = NetworkConfig(
            resolution=pictures.resolution,
            c_dim=len(pictures.classes),
            z_dim=config.z_dim,
            w_dim=config.w_dim,
            mapping_layers=config.mapping_layers,
            channel_base=config.channel_base,
            channel_max=config.channel_max,
            mbstd_group=config.mbstd_group,
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step_seed(config.seed, 2**32 - 1))
        G, D = Generator(architecture), Discriminator(architecture)
    layout = torch.channels_last
    return G.to(device, memory_format=layout), D.to(device, memory_format=layout)  # type: ignore[call-overload]


def _check_fit(network: NetworkConfig, pictures: PictureSet, config: TrainConfig) -> None:
    if network.resolution != pictures.resolution:
        raise EngineError(
            f"the base makes {network.resolution} px pictures and the dataset holds "
            f"{pictures.resolution} px, build the dataset at {network.resolution} px"
        )
    if network.c_dim and network.c_dim != len(pictures.classes):
        raise EngineError(
            f"the base has {network.c_dim} labels and the dataset {len(pictures.classes)}, "
            "label the pictures accordingly or take a base without labels"
        )
    if config.steps < 1:
        raise EngineError("steps is 0, training needs at least one step")


def _recorded(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe as it looks after a round trip through JSON."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _refuse_changes(
    run: Path,
    known: dict[str, Any],
    config: TrainConfig,
    base: Path | None,
    pictures: PictureSet,
    changeable: Sequence[str],
) -> None:
    old, new = known["config"], _recorded(dataclasses.asdict(config))
    keys = [
        f"{key} ({old.get(key)} there, {new.get(key)} here)"
        for key in sorted({*old, *new} - {"base", "steps", *MACHINE_KEYS, *changeable})
        if old.get(key) != new.get(key)
    ]
    if int(new["steps"]) < int(old["steps"]):
        keys.append(f"steps ({old['steps']} there, {new['steps']} here, it may only grow)")
    if base is not None and base.exists() and _sha256(base) != known["base_sha256"]:
        keys.append("base")
    if pictures.identity != known["dataset_id"]:
        keys.append("dataset")
    if known["engine"] != ENGINE_VERSION:
        keys.append(f"engine version ({known['engine']} there, {ENGINE_VERSION} here)")
    if keys:
        raise EngineError(
            f"{run} was started with other settings for {', '.join(keys)}: "
            "go on with the same ones or train in another folder"
        )


def _write_run(
    run: Path,
    known: dict[str, Any] | None,
    dataset: Path,
    config: TrainConfig,
    base: Path | None,
    pictures: PictureSet,
    state: TrainingState,
) -> None:
    history = list(known.get("history", [])) if known else []
    if known:
        old, new = known["config"], _recorded(dataclasses.asdict(config))
        differ = {k: [old.get(k), new[k]] for k in new if old.get(k) != new[k]}
        history.append(differ | ({"from step": state.step} if set(differ) & {*CHANGEABLE} else {}))
    runs.write_json(
        run / runs.RUN,
        {
            "format": runs.FORMAT,
            "kind": "run",
            "engine": ENGINE_VERSION,
            "config": dataclasses.asdict(config),
            "network": dataclasses.asdict(state.G.config),
            "base": _place(run, base) if base else "",
            "base_sha256": known["base_sha256"] if known else (_sha256(base) if base else ""),
            "dataset": _place(run, dataset),
            "dataset_id": pictures.identity,
            "pictures": len(pictures),
            "history": history,
            **{key: known[key] for key in ("turns", "micro_batch") if known and key in known},
        },
    )


def _place(run: Path, path: Path) -> str:
    """Inside the run as seen from it, so that it travels with it; else absolute."""
    whole = path.absolute()
    inside = whole.is_relative_to(run.absolute())
    return whole.relative_to(run.absolute()).as_posix() if inside else str(whole)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
