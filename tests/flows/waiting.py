"""A served flow whose first step has to wait: `python waiting.py FOLDER`.

The flow's beginning, its waiting and its coming back are the real ones; the step only counts.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import story

story.install()

from prefect import flow  # noqa: E402

from flows import tasks  # noqa: E402
from flows.runs import OPTIONS, tell  # noqa: E402
from merzmory.config import Config  # noqa: E402
from merzmory.errors import WaitingError  # noqa: E402
from merzmory.manifest import Work  # noqa: E402
from merzmory.workspace import Workspace  # noqa: E402

FOLDER = Path(sys.argv[1])
SECONDS = 8.0


class Fetch(story.Step):
    """The first time it is asked to wait; then it is done."""

    def plan(self, config: Config, workspace: Workspace) -> Work:
        def run_shard(_index: int, _announce: object) -> None:
            now = datetime.datetime.now(datetime.UTC)
            with (FOLDER / "asked").open("a", encoding="utf-8") as out:
                out.write(f"{now.timestamp()}\n")
            if len((FOLDER / "asked").read_text().split()) == 1:
                until = now + datetime.timedelta(seconds=SECONDS)
                raise WaitingError("The service asked us to wait until then.", until)

        def finish() -> Path:
            (FOLDER / "done").touch()
            return FOLDER

        return Work("fetch", FOLDER, 1, run_shard, finish)


tasks.STEPS["ingest"] = Fetch("ingest", "Fetching")


@flow(name="waits", **OPTIONS)
def waits(config: str = "demo", overrides: list[str] | None = None) -> str:
    """Nothing but the step."""
    return tell(["ingest"], config, overrides or [])


if __name__ == "__main__":
    waits.serve(
        name="often",
        parameters={"overrides": [f"outputs={FOLDER / 'outputs'}"]},
        limit=1,
    )
