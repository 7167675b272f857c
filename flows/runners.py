"""Shards on a studio's machines: Dask or Ray, by configuration.

The far half of a step (`manifest.Far`) runs there and gives plain data back; what it made is
written here, so that a catalogue and a folder have one writer. The machines must see the same
photographs under the same paths, have merzmory installed, and reach the Prefect server.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import TaskRunner

from merzmory.config import Studio
from merzmory.errors import ConfigError
from merzmory.manifest import Far, Work
from merzmory.records import Announce

_TASKS_A_STEP = 400  # a task run costs the server 38 kB and Dask or Ray 0.1 s
_AHEAD = 64  # tasks that are sent before the first one's answer is written
_STORE = 128 * 2**20  # bytes: what shards are sent and answer is some kilobytes each


def task_runner(studio: Studio) -> TaskRunner[Any]:
    """The runner that a config asks for; not started yet.

    Raises:
        ConfigError: its extra is not installed.
    """
    runner: TaskRunner[Any]
    try:
        if studio.runner == "dask":
            from prefect_dask.task_runners import DaskTaskRunner

            own: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": None}
            runner = DaskTaskRunner(
                address=studio.address or None, cluster_kwargs=None if studio.address else own
            )
        else:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would write to its makers
            from prefect_ray.task_runners import RayTaskRunner

            own = {"include_dashboard": False, "object_store_memory": _STORE}
            runner = RayTaskRunner(
                address=studio.address or None, init_kwargs=None if studio.address else own
            )
    except ImportError as error:
        raise ConfigError(
            f"studio.runner is {studio.runner}, which is not installed: "
            f'pip install "merzmory[{studio.runner}]", or leave studio.runner at local.'
        ) from error
    return runner


@task(
    name="far-shards",
    task_run_name="{step}-{first:05d}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=5,
)
def far_shards(step: str, first: int, do: Callable[[Any], Any], sent: list[Any]) -> list[Any]:
    """What the shards of `step` from number `first` make, on the machine where this runs."""
    made = [do(each) for each in sent]
    get_run_logger().info("%s: %d shards from %d are done", step, len(made), first)
    return made


def go_far(name: str, work: Work, far: Far, studio: Studio, announce: Announce) -> None:
    """Do every shard of `work` on the studio's machines and write here what they made.

    Raises:
        ConfigError: the runner's extra is not installed.
    """
    each = -(-work.shards // _TASKS_A_STEP)
    under_way: deque[tuple[int, Any]] = deque()

    def take_first() -> None:
        first, future = under_way.popleft()
        for offset, made in enumerate(future.result()):
            far.take(first + offset, made, announce)

    with task_runner(studio) as runner:
        for first in range(0, work.shards, each):
            shards = range(first, min(first + each, work.shards))
            sent = [far.send(index) for index in shards]
            knobs = {"step": name, "first": first, "do": far.do, "sent": sent}
            under_way.append((first, runner.submit(far_shards, parameters=knobs)))
            if len(under_way) >= _AHEAD:
                take_first()
        while under_way:
            take_first()
