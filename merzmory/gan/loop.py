"""The loop over steps: what is written at which of them, and how it stops."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from merzmory.gan import generate
from merzmory.gan import run as runs
from merzmory.gan.checkpoint import save_network
from merzmory.gan.data import PictureSet
from merzmory.gan.resume import save_checkpoint
from merzmory.gan.step import TrainingState


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
        self.losses: dict[str, float | None] = {}
        self.rate, self.strength = 0.0, 0.0
        self.tick_start, self.tick_step = time.monotonic(), state.step
        self.saved_at, self.saved_step = time.monotonic(), state.step

    def go(self, *, resumed: bool) -> Path:
        """Steps until the last one or until asked to stop; returns the run folder."""
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
