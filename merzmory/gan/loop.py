"""The loop over steps: what is written at which of them, and how it waits, stops or breaks off."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from merzmory.gan import generate, metrics
from merzmory.gan import run as runs
from merzmory.gan.checkpoint import save_network
from merzmory.gan.config import DiskFullError
from merzmory.gan.data import PictureSet, order
from merzmory.gan.generate import Pixels
from merzmory.gan.networks import Generator
from merzmory.gan.resume import save_checkpoint
from merzmory.gan.step import TrainingState


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """What the loop announces after each step."""

    step: int  # steps done
    steps: int  # steps wanted
    kimg: float = 0.0  # thousand real pictures shown
    images_per_second: float = 0.0  # real pictures, over the last tick
    eta_seconds: float = math.nan
    losses: dict[str, float | None] = field(default_factory=dict)  # means of the last tick
    ada_p: float = 0.0  # augmentation strength at the last tick
    event: str | None = None  # started, resumed, preview, checkpoint, paused, rolled back,
    # smaller, stopped, finished
    preview: Path | None = None
    note: str = ""  # a sentence, where the event needs one


Announce = Callable[[TrainingProgress], None]

METRIC_SEED = (
    1_000_000  # first seed of the pictures that metrics are taken of, and of the real ones
)
DISK_PATIENCE = 60.0  # s that a training waits for room on a full disk before it stops


class DivergedError(Exception):
    """Losses or weights at `step` are not finite."""

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"step {step} gave numbers that are not finite")


class Loop:
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
        self.interrupted: Callable[[], bool] = lambda: False
        self.losses: dict[str, float | None] = {}
        self.rate, self.strength = 0.0, 0.0
        self.tick_start, self.tick_step = time.monotonic(), state.step
        self.saved_at, self.saved_step = time.monotonic(), state.step

    def go(self, *, resumed: bool) -> Path:
        """Steps until the last one or until asked to stop; returns the run folder.

        Raises:
            DivergedError: what the training computes is not finite; nothing of it was written.
            DiskFullError: the disk is full, and nobody made room within DISK_PATIENCE.
        """
        config, state = self.config, self.state
        marks = set(config.snapshot_steps())
        runs.cut_back(self.run, state.step)
        self.strength = state.strength
        self._say("resumed" if resumed else "started")
        if state.step in marks and not runs.snapshot_path(self.run, state.step).exists():
            self._mark(snapshot=True)
        with _deferred_interrupt() as self.interrupted:
            while state.step < config.steps:
                self._one_step()
                if state.step % config.tick_steps == 0:
                    self._tick()
                every = config.preview_every_steps
                if state.step in marks or (every and state.step % every == 0):
                    self._mark(snapshot=state.step in marks)
                if self._is_stopped() and state.step < config.steps:
                    self._checkpoint()
                    self._say("stopped")
                    if self.interrupted():
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
        self._refuse_unsound()
        state, now = self.state, time.monotonic()
        self.losses = state.measures() if closing else state.take_measures()
        self.strength = state.strength
        line: dict[str, Any] = {"step": state.step, "kimg": state.step * self.config.batch / 1000}
        line |= {"ada_p": self.strength, **self.losses} | ({"closing": True} if closing else {})
        seconds = max(now - self.tick_start, 1e-9)
        self.rate = (state.step - self.tick_step) * self.config.batch / seconds
        self.tick_start, self.tick_step = now, state.step
        timing = {"step": state.step, "seconds": seconds, "images_per_second": self.rate}
        timing["time"] = time.time()
        self._write(lambda: runs.append_line(self.run / runs.TIMINGS, timing))
        self._write(lambda: runs.append_line(self.run / runs.STATS, line))

    def _mark(self, *, snapshot: bool) -> None:
        """Preview sheets and, at the steps of the list, metrics and a snapshot."""
        self._refuse_unsound()
        state, config = self.state, self.config
        seeds = range(config.preview_seed, config.preview_seed + config.preview_count)
        columns = runs.preview_columns(config.preview_count)
        name = runs.step_name(state.step)
        shown = self.run / "previews" / f"{name}-ema.png"
        for which, network in (("raw", state.G), ("ema", state.G_ema)):
            pictures = self._pictures(network, seeds, config.preview_psi)
            pictures = pictures[:, *self.pictures.window]  # without the bars
            path = self.run / "previews" / f"{name}-{which}.png"
            self._write(partial(runs.write_picture, path, generate.sheet(pictures, columns)))
        if snapshot:
            self._metrics()
            self._write(
                lambda: save_network(
                    runs.snapshot_path(self.run, state.step),
                    {"G": state.G, "G_ema": state.G_ema},
                    state.G.config,
                    extra={"step": str(state.step), "batch": str(config.batch)},
                )
            )
        self._say("preview", shown)

    def _metrics(self) -> None:
        """A line of metrics: how far G_ema's pictures are from real ones, without an extractor."""
        count = min(self.config.metric_pictures, len(self.pictures))
        path, step = self.run / runs.METRICS, self.state.step
        if not count or self.pictures.resolution < metrics.COARSEST:
            return
        if any(line["step"] == step for line in runs.read_lines(path)):  # before a kill
            return
        seeds = range(METRIC_SEED, METRIC_SEED + count)
        made = self._pictures(self.state.G_ema, seeds, 1.0)
        real = self.pictures.pixels(order(len(self.pictures), METRIC_SEED, 0, count))
        swd = {k: round(v, 4) for k, v in metrics.sliced_wasserstein(real, made).items()}
        line = {"step": step, "pictures": count, "sliced_wasserstein": swd}
        self._write(lambda: runs.append_line(path, line))

    def _pictures(self, network: Generator, seeds: range, psi: float) -> Pixels:
        """One a seed; with labels, of each class in turn."""
        batch, classes = min(8, self.state.micro_batch), network.c_dim
        if not classes:
            return generate.images(network, seeds, psi, batch=batch)
        rows = [
            generate.images(network, [seed], psi, label=at % classes, batch=batch)
            for at, seed in enumerate(seeds)
        ]
        return np.concatenate(rows)

    def _checkpoint_due(self) -> bool:
        every = self.config.checkpoint_every_steps
        if every and self.state.step % every == 0:
            return True
        return time.monotonic() - self.saved_at >= self.config.checkpoint_every_seconds

    def _checkpoint(self) -> None:
        state = self.state
        if (state.step, True) != (self.saved_step, bool(runs.checkpoints(self.run))):
            self._refuse_unsound()
            position = state.step * self.config.batch
            self._write(lambda: save_checkpoint(self.run, state, position))
            self._say("checkpoint")
        self.saved_at, self.saved_step = time.monotonic(), state.step

    def _refuse_unsound(self) -> None:
        if not self.state.is_sound():
            raise DivergedError(self.state.step)

    def _is_stopped(self) -> bool:
        return self.interrupted() or (self.should_stop is not None and self.should_stop())

    def _write(self, action: Callable[[], object]) -> None:
        """Write; where the disk is full, older checkpoints make room, and then the training waits."""
        until = None
        while True:
            try:
                action()
                return
            except DiskFullError as full:
                if len(runs.checkpoints(self.run)) > 1:
                    runs.drop_old_checkpoints(self.run, 1)
                    continue
                until = until or time.monotonic() + DISK_PATIENCE
                if self._is_stopped() or time.monotonic() >= until:
                    raise
                self._say("paused", note=f"paused at step {self.state.step}: {full}")
                time.sleep(min(1.0, DISK_PATIENCE))

    def _say(self, event: str | None, preview: Path | None = None, note: str = "") -> None:
        if self.announce is None:
            return
        step, config = self.state.step, self.config
        left = (config.steps - step) * config.batch
        eta = left / self.rate if self.rate else math.nan
        self.announce(
            TrainingProgress(
                step, config.steps, step * config.batch / 1000, self.rate, eta,
                dict(self.losses), self.strength, event, preview, note,
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
