"""Flow: sources > catalogue > dataset > run, and how it went: strip, film, curve, scores."""

from __future__ import annotations

from prefect import flow

from flows.runs import OPTIONS, tell

STEPS = ("ingest", "cull", "build", "train", "strip", "timelapse", "curve", "score")


@flow(name="merzmory-ingest-and-train", **OPTIONS)
def ingest_and_train(config: str = "demo", overrides: list[str] | None = None) -> str:
    """Photographs in, a trained generator out; returns the scores' folder.

    Args:
        config: A TOML file, or the name of a config that comes with the project.
        overrides: Settings laid over it, such as "train.steps=4000".
    """
    return tell(STEPS, config, overrides or [])
