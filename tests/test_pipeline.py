"""What every step has in common, whatever it makes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from merzmory import config
from merzmory.errors import WeightsError
from merzmory.gan.config import EngineError
from merzmory.manifest import lay_out
from merzmory.records import Announce
from merzmory.story.step import Step
from merzmory.workspace import Workspace


def loaded(tmp_path: Path) -> tuple[config.Config, Workspace]:
    made = config.load("demo", [f"outputs={tmp_path / 'outputs'}", "train.threads=1"])
    return made, made.workspace()


def test_every_step_computes_on_the_threads_of_the_training(tmp_path: Path) -> None:
    """A step that finds the training done gives the bits of one that has just done it."""
    seen = []

    def make(part: Path, index: int, announce: Announce) -> list[dict[str, str]]:
        seen.append(torch.get_num_threads())
        return []

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        step = Step("x", "X", lambda c, w: lay_out("x", w.result("x", {}), {}, 1, make))
        folder = step(*loaded(tmp_path))
    finally:
        torch.set_num_threads(before)
    assert seen == [1]
    assert config.load(folder / "config.toml") == loaded(tmp_path)[0]


@pytest.mark.parametrize("planned", [True, False])
def test_the_engine_speaks_in_whole_sentences_here(planned: bool, tmp_path: Path) -> None:
    def fail(*_: object) -> list[dict[str, str]]:
        raise EngineError("the file is damaged, give another one")

    def plan(made: config.Config, workspace: Workspace):  # type: ignore[no-untyped-def]
        return fail() if planned else lay_out("x", workspace.result("x", {}), {}, 1, fail)

    with pytest.raises(WeightsError, match=r"^The file is damaged, give another one\.$"):
        Step("x", "X", plan)(*loaded(tmp_path))
