"""The training loop: steps, previews, snapshots, checkpoints; stops anywhere and goes on exactly."""

from __future__ import annotations

import dataclasses
import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from merzmory.gan import generate
from merzmory.gan import run as runs
from merzmory.gan.augment import AugmentPipe
from merzmory.gan.checkpoint import load_discriminator, load_generator, save_network
from merzmory.gan.config import (
    ENGINE_VERSION,
    EngineError,
    NetworkConfig,
    TrainConfig,
    train_config,
)
from merzmory.gan.data import PictureSet
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.resume import load_newest, save_checkpoint
from merzmory.gan.step import TrainingState, step_seed

# Keys of the machine, not of the result: they may differ on resume and are recorded then.
MACHINE_KEYS = (
    "device", "threads", "checkpoint_every_seconds", "checkpoint_every_steps", "keep_checkpoints",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """What the loop announces after each step."""

    step: int  # steps done
    steps: int  # steps wanted
    kimg: float  # thousand real pictures shown
    images_per_second: float  # real pictures, over the last tick
    eta_seconds: float
    losses: dict[str, float | None] = field(default_factory=dict)  # means of the last tick
    ada_p: float = 0.0  # augmentation strength at the last tick
    event: str | None = None  # started, resumed, preview, checkpoint, stopped, finished
    preview: Path | None = None


Announce = Callable[[TrainingProgress], None]


def train(
    run: Path,
    *,
    dataset: Path,
    config: TrainConfig,
    base: Path | None,
    announce: Announce | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Path:
    """Start the training in the folder `run`, or go on from its newest checkpoint; returns `run`.

    G and G_ema start from the base's G_ema and D from its D, with the base's architecture; without a base both are
    new. On resume only `steps` may grow (and MACHINE_KEYS differ); the same command after a kill
    ends with the same bits on the same CPU with the same number of threads.

    `should_stop` is asked after each step: True writes a checkpoint and returns, with the event "stopped".
    Ctrl-C does the same and then raises KeyboardInterrupt; a second one interrupts at once.

    Raises EngineError: unusable dataset, base or device, differing recipe, full disk.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    pictures = PictureSet(dataset)
    known = runs.read_run(run) if (run / runs.RUN).exists() else None
    if known is not None:
        _refuse_changes(run, known, config, base, pictures)
    G, D = _networks(run, known, pictures, config, base, device)
    _check_fit(G.config, pictures, config)
    augment = None
    if config.ada != "off":
        augment = AugmentPipe(config.augment).to(device)
        augment.p.fill_(config.ada_initial)
    state = TrainingState(config, G, D, augment)
    numbers = load_newest(run, state)
    if known is None or _recorded(known["config"]) != _recorded(dataclasses.asdict(config)):
        _write_run(run, known, dataset, config, base, pictures, G.config)
    if state.step >= config.steps and runs.is_finished(run):
        return run
    return _Loop(run, state, pictures, announce, should_stop).go(resumed=numbers is not None)


def resume(
    run: Path,
    *,
    announce: Announce | None = None,
    should_stop: Callable[[], bool] | None = None,
    **changes: Any,
) -> Path:
    """Go on with a run from its folder alone; `changes` are keys that may differ (steps, machine keys)."""
    known = runs.read_run(run)
    config = train_config({**known["config"], **changes})
    base = Path(known["base"]) if known["base"] else None
    return train(
        run, dataset=Path(known["dataset"]), config=config, base=base,
        announce=announce, should_stop=should_stop,
    )  # fmt: skip


def choose_device(name: str) -> torch.device:
    """The device of a name; auto is cuda, else mps, else cpu. EngineError where it is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EngineError(f"device {name} is not available here, use auto or cpu") from error
    return device


class _Loop:
    """The loop over steps and what it writes at some of them."""

    def __init__(
        self,
        run: Path,
        state: TrainingState,
        pictures: PictureSet,
        announce: Announce | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.run, self.state, self.pictures = run, state, pictures
        self.config = state.config
        self.announce, self.should_stop = announce, should_stop
        self.losses: dict[str, float | None] = {}
        self.rate, self.strength = 0.0, 0.0
        self.tick_start, self.tick_step = time.monotonic(), state.step
        self.saved_at, self.saved_step = time.monotonic(), state.step

    def go(self, *, resumed: bool) -> Path:
        config, state = self.config, self.state
        marks = set(config.snapshot_steps())
        runs.cut_back(self.run, state.step)
        self.strength = state.strength
        self._say("resumed" if resumed else "started")
        if state.step in marks and not runs.snapshot_path(self.run, state.step).exists():
            self._mark(snapshot=True)
        with _deferred_interrupt() as interrupted:
            while state.step < config.steps:
                self._one_step()
                if state.step % config.tick_steps == 0:
                    self._tick()
                every = config.preview_every_steps
                if state.step in marks or (every and state.step % every == 0):
                    self._mark(snapshot=state.step in marks)
                stop = interrupted() or (self.should_stop is not None and self.should_stop())
                if stop and state.step < config.steps:
                    self._checkpoint()
                    self._say("stopped")
                    if interrupted():
                        raise KeyboardInterrupt
                    return self.run
                if self._checkpoint_due():
                    self._checkpoint()
                self._say(None)
        self._checkpoint()
        if state.step % config.tick_steps or not runs.read_lines(self.run / runs.STATS):
            self._tick(closing=True)
        self._say("finished")
        return self.run

    def _one_step(self) -> None:
        config, state = self.config, self.state
        position = state.step * config.batch
        real, c = self.pictures.batch(config.seed, position, config.batch, mirror=config.mirror)
        c_fake = None
        if state.G.c_dim:
            rng = np.random.default_rng([config.seed, state.step, 2])
            c_fake = self.pictures.random_labels(rng, config.batch)
            c_fake = c_fake if c_fake is None else c_fake.to(state.device)
        c = c.to(state.device) if c is not None and state.G.c_dim else None
        state.advance(real.to(state.device), c, c_fake)

    def _tick(self, *, closing: bool = False) -> None:
        """A line of stats; a closing one (off the ticks' grid) is dropped again if the run grows."""
        state, now = self.state, time.monotonic()
        self.losses = state.measures() if closing else state.take_measures()
        self.strength = state.strength
        line: dict[str, Any] = {"step": state.step, "kimg": state.step * self.config.batch / 1000}
        line |= {"ada_p": self.strength, **self.losses} | ({"closing": True} if closing else {})
        seconds = max(now - self.tick_start, 1e-9)
        self.rate = (state.step - self.tick_step) * self.config.batch / seconds
        self.tick_start, self.tick_step = now, state.step
        timing = {"step": state.step, "seconds": seconds, "images_per_second": self.rate}
        runs.append_line(self.run / runs.TIMINGS, {**timing, "time": time.time()})
        runs.append_line(self.run / runs.STATS, line)

    def _mark(self, *, snapshot: bool) -> None:
        """Preview sheets and, at the steps of the list, a snapshot."""
        state, config = self.state, self.config
        seeds = range(config.preview_seed, config.preview_seed + config.preview_count)
        columns = runs.preview_columns(config.preview_count)
        name = runs.step_name(state.step)
        shown = self.run / "previews" / f"{name}-ema.png"
        for which, network in (("raw", state.G), ("ema", state.G_ema)):
            label = 0 if network.c_dim else None
            pictures = generate.images(network, seeds, config.preview_psi, label=label)
            path = self.run / "previews" / f"{name}-{which}.png"
            runs.write_picture(path, generate.sheet(pictures, columns))
        if snapshot:
            save_network(
                runs.snapshot_path(self.run, state.step),
                {"G": state.G, "G_ema": state.G_ema},
                state.G.config,
                extra={"step": str(state.step), "batch": str(config.batch)},
            )
        self._say("preview", shown)

    def _checkpoint_due(self) -> bool:
        every = self.config.checkpoint_every_steps
        if every and self.state.step % every == 0:
            return True
        return time.monotonic() - self.saved_at >= self.config.checkpoint_every_seconds

    def _checkpoint(self) -> None:
        state = self.state
        if (state.step, True) != (self.saved_step, bool(runs.checkpoints(self.run))):
            position = state.step * self.config.batch
            save_checkpoint(self.run, state, position, self.config.keep_checkpoints)
            self._say("checkpoint")
        self.saved_at, self.saved_step = time.monotonic(), state.step

    def _say(self, event: str | None, preview: Path | None = None) -> None:
        if self.announce is None:
            return
        step, config = self.state.step, self.config
        left = (config.steps - step) * config.batch
        eta = left / self.rate if self.rate else float("nan")
        self.announce(
            TrainingProgress(
                step, config.steps, step * config.batch / 1000, self.rate, eta,
                dict(self.losses), self.strength, event, preview,
            )
        )  # fmt: skip


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of the step; a second one interrupts at once.

    Only where Python's own handler is in place, in the main thread: other handlers stay.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not main or before is not signal.default_int_handler:
        yield lambda: False
        return
    asked: list[int] = []

    def note(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


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
        G, D = load_generator(base, "ema", device), load_discriminator(base, device)
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
) -> None:
    old, new = known["config"], _recorded(dataclasses.asdict(config))
    keys = [
        key
        for key in sorted({*old, *new} - {"base", "steps", *MACHINE_KEYS})
        if old.get(key) != new.get(key)
    ]
    if int(new["steps"]) < int(old["steps"]):
        keys.append("steps (it may only grow)")
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
    network: NetworkConfig,
) -> None:
    history = list(known.get("history", [])) if known else []
    if known:
        old, new = known["config"], _recorded(dataclasses.asdict(config))
        history.append({k: [old.get(k), new[k]] for k in new if old.get(k) != new[k]})
    runs.write_json(
        run / runs.RUN,
        {
            "format": runs.FORMAT,
            "kind": "run",
            "engine": ENGINE_VERSION,
            "config": dataclasses.asdict(config),
            "network": dataclasses.asdict(network),
            "base": str(base) if base else "",
            "base_sha256": known["base_sha256"] if known else (_sha256(base) if base else ""),
            "dataset": str(dataset),
            "dataset_id": pictures.identity,
            "pictures": len(pictures),
            "history": history,
        },
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
