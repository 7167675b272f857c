"""Flow: pictures and walks > film, from a run that is trained."""

from __future__ import annotations

from prefect import flow

from flows.runs import OPTIONS, tell

STEPS = ("sample", "match", "upscale", "walk", "film")


@flow(name="merzmory-slideshow", **OPTIONS)
def slideshow(config: str = "demo", overrides: list[str] | None = None) -> str:
    """A walk through the memory and a film of its pictures; returns the film's folder.

    Args:
        config: A TOML file, or the name of a config that comes with the project.
        overrides: Settings laid over it, such as "film.music=~/song.mp3".
    """
    return tell(STEPS, config, overrides or [])
