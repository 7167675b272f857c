"""Outings: photographs are looked for in the memory, and walks go through it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merzmory.commands.door import ConfigArgument, Door, SetOption, carried_out, entered

if TYPE_CHECKING:
    from merzmory.story.step import Step

_QUICK = 150  # steps that will do for 64 pixels

app = typer.Typer()


@app.command(rich_help_panel="Look around")
def project(
    config: ConfigArgument,
    photos: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PHOTO]...", help="Files; else keepers over all their dates."),
    ] = None,
    space: Annotated[str, typer.Option(help="w, or w+: nearer to the photograph alone.")] = "",
    steps: Annotated[int | None, typer.Option(help="Of the search; 1000 as in the papers.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help=f"{_QUICK} steps: seconds a photograph of 64 pixels.")
    ] = False,
    set_: SetOption = None,
) -> None:
    """Find the pictures of the memory that look most like photographs; a stop costs seconds."""
    with entered() as door:
        from merzmory.story.wander import project as asked

        count = steps if steps is not None else _QUICK if quick else None
        words = [
            *(set_ or []),
            *([f"project.space={json.dumps(space)}"] if space else []),
            *([f"project.steps={count}"] if count is not None else []),
        ]
        folder = _done(door, asked(photos or ()), config, words)
        for pattern in ("sheet-*.png", "years.png", "vectors.npz", "years.npz"):
            for file in sorted(folder.glob(pattern)):
                typer.echo(f"  {file}")


def walk(
    config: ConfigArgument,
    through: Annotated[
        str,
        typer.Option(
            help="seeds, noise, psi, labels, favourites, favourites:NAME,NAME, time, years, or a "
            "file of vectors; else walk.through."
        ),
    ] = "",
    preview: Annotated[
        bool, typer.Option("--preview", help="Few frames and pixels, to look at first.")
    ] = False,
    set_: SetOption = None,
) -> None:
    """Film a walk through the memory."""
    with entered() as door:
        from merzmory.pipeline import STEPS

        words = [
            *(set_ or []),
            *([f"walk.through={json.dumps(through, ensure_ascii=False)}"] if through else []),
            *(["walk.preview=true"] if preview else []),
        ]
        typer.echo(f"  {_done(door, STEPS['walk'], config, words)}")


def _done(door: Door, step: Step, config: str, words: list[str]) -> Path:
    """Do a step here, while a person looks on; its folder."""
    return carried_out(step, *door.open(config, words))
