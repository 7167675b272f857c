"""What the steps of the story have in common: how one is planned and done, whatever it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from merzmory.config import Config
from merzmory.errors import WeightsError
from merzmory.gan.config import EngineError
from merzmory.gan.device import use_threads
from merzmory.manifest import Work, do, write_aside
from merzmory.records import Announce, silent
from merzmory.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the story: its command's name, its title for people, and its function."""

    name: str
    title: str
    lay_out: Callable[[Config, Workspace], Work]

    def plan(self, config: Config, workspace: Workspace) -> Work:
        """The step's Work; `shards` is 0 where it is finished already.

        Raises:
            MerzmoryError: the input, a setting or a step before this one is not fit for it.
        """
        with engine_errors():
            workspace.prepare()
            work = self.lay_out(config, workspace)

        def run_shard(index: int, announce: Announce) -> None:
            use_threads(config.train.threads)  # also where the training is found, not done here
            with engine_errors():
                work.run_shard(index, announce)

        return replace(with_config(work, config), run_shard=run_shard)

    def __call__(self, config: Config, workspace: Workspace, announce: Announce = silent) -> Path:
        """Do the step here and return its finished folder."""
        return do(self.plan(config, workspace), announce)


def with_config(work: Work, config: Config) -> Work:
    """`work`, with the whole resolved config beside its result."""

    def finish() -> Path:
        folder = work.finish()
        if not (folder / "config.toml").exists():
            write_aside(folder / "config.toml", config.toml().encode())
        return folder

    return replace(work, finish=finish)


def one_after_the_other(first: Work, second: Work) -> Work:
    """The shards of `first`, then those of `second`, as one Work that makes `second`."""
    if second.shards == 0:
        return second

    def run_shard(number: int, announce: Announce) -> None:
        if number < first.shards:
            first.run_shard(number, announce)
            return
        if number == first.shards:
            first.finish()
        second.run_shard(number - first.shards, announce)

    return replace(second, shards=first.shards + second.shards, run_shard=run_shard)


@contextmanager
def engine_errors() -> Iterator[None]:
    """The sealed engine has its own error; above it, it is a MerzmoryError."""
    try:
        yield
    except EngineError as error:
        sentence = str(error).removesuffix(".")
        raise WeightsError(f"{sentence[:1].upper()}{sentence[1:]}.") from error
