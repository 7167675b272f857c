"""The light table: what the archive holds, and what you say of it."""

from __future__ import annotations

from typing import Annotated

import typer

from merzmory.door import PlaceArgument, SetOption, WorkspaceOption, entered

app = typer.Typer()


@app.command(rich_help_panel="Look")
def photos(
    config: PlaceArgument,
    workspace: WorkspaceOption = None,
    set_: SetOption = None,
    every: Annotated[bool, typer.Option("--all", help="The ones that are kept, too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every file, one JSON line each.")
    ] = False,
) -> None:
    """List the photographs that were set aside, each with its reason."""
    with entered() as door:
        from merzmory.config import asked, load
        from merzmory.lineage import photographs, source
        from merzmory.status import photo_lines, row_lines

        made = load(*asked(config, set_ or [], workspace))
        door.place = made.outputs
        rows = photographs(made, made.workspace())
        if as_json:
            lines = row_lines(rows, source(made, made.workspace()).settings["source"])
        else:
            lines = photo_lines(rows, every=every)
        for line in lines:
            typer.echo(line)
