"""The command line with a pipeline of small steps: `python story.py run demo --set outputs=...`.

The flow, the server, the terminal and the config are the real ones; only the rooms' work is small.
In the environment, STORY_SECONDS is how long a shard of the training takes, STORY_MARK a file that
appears when it trains, and STORY_FAILS the step that breaks.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from merzmory.config import Config
from merzmory.errors import ArchiveError
from merzmory.manifest import Work, do, lay_out
from merzmory.records import Announce, Progress, silent
from merzmory.workspace import Workspace

TITLES = {
    "ingest": "Reading the photographs",
    "cull": "Setting doubles and blurred frames aside",
    "build": "Cutting the training squares",
    "train": "Training the generator",
    "sample": "Asking the machine for pictures",
}


class Step:
    """A step that writes a small picture a shard."""

    def __init__(self, name: str, title: str) -> None:
        self.name, self.title = name, title

    def plan(self, config: Config, workspace: Workspace) -> Work:
        workspace.prepare()
        if config.archive.folder is not None and self.name == "ingest":
            raise ArchiveError(f"{config.archive.folder} holds no photographs: choose another.")
        seconds = float(os.environ.get("STORY_SECONDS", "0")) if self.name == "train" else 0.0
        count, settings = 300 if self.name == "build" else 3, {"name": self.name}
        if os.environ.get("STORY_FAILS") == self.name:
            raise RuntimeError("a screw came loose")

        def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
            if self.name == "train" and "STORY_MARK" in os.environ:
                Path(os.environ["STORY_MARK"]).touch()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(0.05)
            Image.new("RGB", (8, 8), (index % 256, 80, 80)).save(part / f"{index}.png")
            note = "a picture of the way" if self.name == "train" else ""
            announce(Progress(self.name, index + 1, count, "pictures", note))
            return [{"file": f"{index}.png"}]

        return lay_out(self.name, workspace.result(self.name, settings), settings, count, make)

    def __call__(self, config: Config, workspace: Workspace, announce: Announce = silent) -> Path:
        return do(self.plan(config, workspace), announce)


def install() -> ModuleType:
    """Put the small pipeline where the real one is imported from."""
    small: Any = ModuleType("merzmory.pipeline")
    small.STORY = tuple(Step(name, title) for name, title in TITLES.items())
    small.STEPS = {step.name: step for step in small.STORY}
    small.summary = lambda config, workspace: [
        (step.title, step.plan(config, workspace).folder) for step in small.STORY
    ]
    small.photographs = lambda config, workspace: []
    sys.modules["merzmory.pipeline"] = small
    return small


if __name__ == "__main__":
    install()
    from merzmory.cli import main

    main()
