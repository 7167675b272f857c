"""Each step of the pipeline as Prefect tasks: a task is some shards, at least ten seconds of work.

Tasks are called in the main thread, so that Ctrl-C ends them at once. What is finished is found on
the disk, never in Prefect's cache.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

from prefect import get_run_logger, tags, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from flows.artifacts import ProgressBar, show_sheet
from flows.device import one_training
from flows.runners import go_far
from merzmory.config import Config
from merzmory.manifest import Work
from merzmory.pipeline import STEPS
from merzmory.records import Announce, Progress
from merzmory.workspace import Workspace

TASK_SECONDS = 10.0
TASKS_A_STEP = 100  # a task run costs the server 38 kB: ten thousand shards are a hundred tasks
_TRANSIENT = {
    errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ECONNRESET,
    errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH,
}  # fmt: skip


class Listener(Protocol):
    """Somebody who watches the story: the terminal, the studio."""

    def begin(self, name: str, title: str) -> None:
        """The step `name` begins to look what there is to do."""

    def announce(self, progress: Progress) -> None:
        """How far it is."""

    def end(self, *, found: bool) -> None:
        """It is finished; `found`: it was finished before."""


class _Nobody:
    def begin(self, name: str, title: str) -> None: ...
    def announce(self, progress: Progress) -> None: ...
    def end(self, *, found: bool) -> None: ...


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Flows that are called inside the block tell `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class Errand:
    """A step's Work on its way through tasks. Opaque to Prefect, which never stores it."""

    def __init__(self, work: Work, announce: Announce) -> None:
        self._work, self._announce = work, announce
        self._fewest = -(-work.shards // TASKS_A_STEP)
        self.done = 0
        self.folder: Path | None = None

    def go_on(self, seconds: float) -> None:
        """Run shards for `seconds` or more; behind the last one, finish the folder."""
        until, first = time.monotonic() + seconds, self.done
        while self.done < self._work.shards:
            self._work.run_shard(self.done, self._announce)
            self.done += 1
            if time.monotonic() >= until and self.done - first >= self._fewest:
                break
        if self.done == self._work.shards:
            self.folder = self._work.finish()


def _is_transient(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether trying again may help: a network disk that stutters, never a sentence of ours."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError) and error.errno in _TRANSIENT


@task(
    name="shards",
    task_run_name="{step}-{first:03d}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=_is_transient,
)
def shards(step: str, first: int, errand: Errand) -> int:
    """Some shards of `step` from number `first`; how many shards are whole now."""
    errand.go_on(TASK_SECONDS)
    get_run_logger().info("%s: %d shards are whole", step, errand.done)
    return errand.done


def carry_out(name: str, config: Config, workspace: Workspace) -> Path:
    """Do a step inside a flow, task by task, and return its finished folder."""
    step, listener = STEPS[name], _listener.get() or _Nobody()
    listener.begin(name, step.title)
    work = step.plan(config, workspace)
    if work.shards == 0:
        folder = work.finish()
        get_run_logger().info("%s: found, nothing to do (%s)", step.title, folder)
        listener.end(found=True)
        return folder

    bar = ProgressBar(name, step.title)

    def announce(progress: Progress) -> None:
        listener.announce(progress)
        bar(progress)

    alone = one_training(config.train.device, announce) if name == "train" else nullcontext()
    with tags(name), alone:
        if work.far is not None and config.studio.runner != "local":
            go_far(name, work, work.far, config.studio, announce)
            folder = work.finish()
        else:
            folder = _go_near(name, Errand(work, announce))
    show_sheet(name, step.title, folder)
    get_run_logger().info("%s: finished (%s)", step.title, folder)
    listener.end(found=False)
    return folder


def _go_near(name: str, errand: Errand) -> Path:
    while errand.folder is None:
        shards(name, errand.done, errand)
    return errand.folder
