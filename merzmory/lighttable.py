"""The light table: what the archive holds, and what you say of it."""

from __future__ import annotations

from typing import Annotated

import typer

from merzmory.door import ConfigArgument, SetOption, entered

app = typer.Typer()


@app.command(rich_help_panel="Look")
def photos(
    config: ConfigArgument,
    set_: SetOption = None,
    every: Annotated[bool, typer.Option("--all", help="The ones that are kept, too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every file, one JSON line each.")
    ] = False,
) -> None:
    """List the photographs that were set aside, each with its reason."""
    with entered() as door:
        import json
        from dataclasses import asdict

        from merzmory.config import load
        from merzmory.pipeline import photographs
        from merzmory.status import photo_lines

        made = load(config, set_ or [])
        door.place = made.outputs
        rows = photographs(made, made.workspace())
        lines = map(json.dumps, map(asdict, rows)) if as_json else photo_lines(rows, every=every)
        for line in lines:
            typer.echo(line)
