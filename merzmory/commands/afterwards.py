"""Once it is trained: how good, how near, what lies under a picture, and what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merzmory.commands.door import ConfigArgument, SetOption, carried_out, entered

if TYPE_CHECKING:
    pass

app = typer.Typer()


@app.command(rich_help_panel="Look")
def measure(config: ConfigArgument, set_: SetOption = None) -> None:
    """Measure the pictures against your archive: FID, KID, precision, recall, and what they say."""
    with entered() as door:
        from merzmory.latent.measure import TABLE
        from merzmory.story.hindsight import MEASURE

        folder = carried_out(MEASURE, *door.open(config, set_))
        typer.echo("\n" + (folder / TABLE).read_text("utf-8"))
        typer.echo(f"  {folder}")


@app.command(rich_help_panel="Look")
def meter(config: ConfigArgument, set_: SetOption = None) -> None:
    """Measure, step by step, how many pictures come near to a single photograph of yours."""
    with entered() as door:
        from merzmory.story.hindsight import METER

        typer.echo(f"  {carried_out(METER, *door.open(config, set_)) / 'meter.png'}")


@app.command(rich_help_panel="Look")
def dig(
    config: ConfigArgument,
    photo: Annotated[
        Path | None, typer.Option(help="What did the machine make of this photograph?")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(metavar="SEED", help="What lies under this picture?")
    ] = None,
    set_: SetOption = None,
) -> None:
    """Lay the nearest photographs beside a picture, layer by layer; or pictures beside a photograph.

    Without an option: the picture that lies nearest to a photograph.
    """
    with entered() as door:
        from merzmory.errors import ConfigError
        from merzmory.story.hindsight import dig as digging

        if photo is not None and sample is not None:
            raise ConfigError("One question at a time: give --photo FILE or --sample SEED.")
        folder = carried_out(digging(photo=photo, seed=sample), *door.open(config, set_))
        for file in sorted(folder.glob("*.png")) + sorted(folder.glob("*.gif")):
            typer.echo(f"  {file}")


@app.command(rich_help_panel="Look")
def decide(
    config: ConfigArgument,
    publish: Annotated[
        list[int] | None, typer.Option(metavar="SEED", help="Show it, near copy or not.")
    ] = None,
    hold: Annotated[list[int] | None, typer.Option(metavar="SEED", help="Never show it.")] = None,
    forget: Annotated[
        list[int] | None, typer.Option(metavar="SEED", help="Take the decision back.")
    ] = None,
    set_: SetOption = None,
) -> None:
    """Decide which pictures others may see; without an option, list those that are held back."""
    with entered() as door:
        from merzmory.commands.status import held_line
        from merzmory.gallery.decisions import HOLD, PUBLISH
        from merzmory.story import holding

        made, workspace = door.open(config, set_)
        for seeds, word in ((publish, PUBLISH), (hold, HOLD), (forget, "")):
            if seeds:
                holding.decide(made, workspace, seeds, word)
        waiting, held = holding.waiting(made, workspace), holding.held(made, workspace)
        if waiting:
            typer.echo(f"  {held_line(config, set_ or [], waiting)}")
        if own := [holding.seed_of(file) for file in held if file not in waiting]:
            typer.echo(f"  Held by you: {', '.join(own)}.")
        if not held:
            typer.echo("  No picture is held back.")
