"""`merzmory fetch`: the door to the photographs that lie at Instagram or Flickr.

Here, and nowhere else, a person is asked for a password or a code; neither is kept or logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from merzmory.commands.door import ConfigArgument, SetOption, entered
from merzmory.errors import ArchiveError

if TYPE_CHECKING:
    from merzmory.archive.sources.instagram import InstagramSource
    from merzmory.config import Config
    from merzmory.workspace import Workspace

app = typer.Typer()


@app.command(rich_help_panel="One step")
def fetch(
    config: ConfigArgument,
    set_: SetOption = None,
    accept_risk: Annotated[
        bool,
        typer.Option("--accept-risk", help="I know that Instagram has suspended accounts for it."),
    ] = False,
) -> None:
    """Fetch photographs from Instagram or Flickr; again: only what is new there."""
    with entered() as door:
        risk = ["archive.instagram.accept_risk=true"] if accept_risk else []
        made, workspace = door.open(config, [*(set_ or []), *risk])
        from merzmory.archive.sources.instagram import InstagramSource
        from merzmory.commands.terminal import Board
        from merzmory.manifest import do
        from merzmory.pipeline import FETCH, fetch_again
        from merzmory.story.archives import distant
        from merzmory.story.step import Step

        service = distant(made, workspace)
        typer.echo(f"  {service.intent}")
        if isinstance(service, InstagramSource) and service.needs_login:
            _log_in(service)
        step = Step(FETCH.name, FETCH.title, fetch_again)
        with Board() as board:
            board.begin(step.name, step.title)
            do(step.plan(made, workspace), board.announce)
            board.end(found=False)
        typer.echo(f"  {service.summary}\n\n  Then: merzmory run with the same config.")


def intent(made: Config, workspace: Workspace) -> str:
    """What fetching will do, before it starts."""
    from merzmory.story.archives import distant

    return distant(made, workspace).intent


def _log_in(service: InstagramSource) -> None:
    def password() -> str:
        said = f"  Instagram's password of {service.login} (not shown, not kept)"
        return str(typer.prompt(said, hide_input=True))

    def code() -> str:
        return str(typer.prompt("  The code that Instagram sent you")).strip()

    try:
        service.log_in(password, code)
    except typer.Abort:
        raise ArchiveError(
            "A login asks for a password: run `merzmory fetch` in a terminal."
        ) from None
