"""Flow: samples > matches > upscales > gallery, from a run that is trained."""

from __future__ import annotations

from prefect import flow

from flows.runs import OPTIONS, tell

STEPS = ("sample", "match", "upscale", "film", "publish")


@flow(name="merzmory-memory-gallery", **OPTIONS)
def memory_gallery(config: str = "demo", overrides: list[str] | None = None) -> str:
    """New pictures beside their nearest photographs; returns the gallery's folder.

    Args:
        config: A TOML file, or the name of a config that comes with the project.
        overrides: Settings laid over it, such as "sample.first_seed=1000".
    """
    return tell(STEPS, config, overrides or [])
