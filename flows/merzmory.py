"""Flow: the whole story, from an archive to its gallery and film."""

from __future__ import annotations

from prefect import flow

from flows.runs import OPTIONS, tell
from merzmory.pipeline import STORY


@flow(name="merzmory", **OPTIONS)
def merzmory(config: str = "demo", overrides: list[str] | None = None) -> str:
    """Photographs in, memories out; returns the gallery's folder.

    Args:
        config: A TOML file, or the name of a config that comes with the project.
        overrides: Settings laid over it, such as "train.steps=500".
    """
    return tell([step.name for step in STORY], config, overrides or [])
