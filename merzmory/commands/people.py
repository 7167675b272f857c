"""The people in the photographs: who they are, and who is left out or blurred. Nothing leaves here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from merzmory.commands.door import PlaceArgument, SetOption, WorkspaceOption, entered
from merzmory.commands.lighttable import judged_again

if TYPE_CHECKING:
    from pathlib import Path

    from merzmory.archive.looking import People
    from merzmory.archive.people import Person
    from merzmory.config import Config
    from merzmory.workspace import Workspace

app = typer.Typer()

_FEW = 12  # persons that are listed without --all
_MADE = ("dataset", "run", "samples", "matches", "gallery")  # kinds of results that show people


@app.command(rich_help_panel="Your photographs")
def people(
    config: PlaceArgument,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|PHOTO...]", help="After --name a name, after --split photos."
        ),
    ] = None,
    name: Annotated[
        int | None, typer.Option("--name", metavar="N", help="Give person N the name NAME.")
    ] = None,
    exclude: Annotated[
        list[int] | None,
        typer.Option("--exclude", metavar="N", help="Leave out all photographs with person N."),
    ] = None,
    blur: Annotated[
        list[int] | None,
        typer.Option("--blur", metavar="N", help="Blur person N before anything is learned."),
    ] = None,
    keep: Annotated[
        list[int] | None, typer.Option("--keep", metavar="N", help="Take that back for person N.")
    ] = None,
    merge: Annotated[
        tuple[int, int] | None,
        typer.Option("--merge", metavar="N M", help="Person M is person N."),
    ] = None,
    split: Annotated[
        int | None, typer.Option("--split", metavar="N", help="In these PHOTOs it is another one.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last choice back.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete all prints, names and choices.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="List everybody.")] = False,
    workspace: WorkspaceOption = None,
    set_: SetOption = None,
) -> None:
    """Find the people in your photographs; name them, leave them out, or have them blurred."""
    with entered() as door:
        from merzmory.archive import people as who
        from merzmory.config import asked
        from merzmory.errors import ConfigError
        from merzmory.story.archives import people as known

        choices = [(n, "exclude") for n in exclude or ()] + [(n, "blur") for n in blur or ()]
        choices += [(n, "keep") for n in keep or ()]
        one_of = [name is not None, bool(choices), merge is not None, split is not None, undo]
        if sum([*one_of, forget]) > 1 or bool(words) != (name is not None or split is not None):
            raise ConfigError(
                'Say one thing: --name 3 "Anna", --exclude 3, --blur 3, --keep 3, --merge 3 5, '
                "--split 3 PHOTO..., --undo or --forget."
            )
        made, lies = door.open(*asked(config, set_ or [], workspace))
        crowd = known(made, lies)
        if forget:
            crowd.forget()
            for folder in lies.experiment.glob("people-*"):
                shutil.rmtree(folder)
            typer.echo(
                "  All prints, persons, names and choices are deleted; nobody is left out now."
            )
            judged_again(made, lies)
            return
        if undo:
            typer.echo(f"  Taken back: {', '.join(crowd.undo()) or 'nothing was said'}")
        elif any(one_of):
            pictures = _pictures(made, lies, words or []) if split is not None else []
            with crowd.saying() as said:
                if name is not None:
                    who.name(said, name, " ".join(words or []))
                for number, choice in choices:
                    who.choose(said, number, choice)
                if merge is not None:
                    who.merge(said, *merge)
                if split is not None:
                    typer.echo(f"  They are person {who.split(said, split, pictures)} now.")
        else:
            _look(crowd, lies)
        if choices or merge or split is not None or undo:
            judged_again(made, lies)
            for line in _before(lies):
                typer.echo(line)
        for line in _listed(crowd.persons(), every=every):
            typer.echo(line)
        if not any(one_of):
            typer.echo(f"  {_sheets(made, lies)}\n")


def _look(crowd: People, workspace: Workspace) -> None:
    from merzmory.archive.looking import eyes
    from merzmory.commands.terminal import Board
    from merzmory.story.archives import face_weights

    with Board() as board:
        board.begin("people", "Looking for people")
        done = crowd.look(eyes(**face_weights(workspace)), board.announce)
        board.end(found=done == 0)


def _sheets(config: Config, workspace: Workspace) -> Path:
    from merzmory.commands.terminal import Board
    from merzmory.manifest import do
    from merzmory.pipeline import portraits

    with Board() as board:
        board.begin("portraits", "Laying out their faces")
        work = portraits(config, workspace)
        folder = do(work, board.announce)
        board.end(found=work.shards == 0)
    for older in workspace.experiment.glob("people-*"):
        if older != folder:  # faces lie in one place, not in many
            shutil.rmtree(older)
    return folder


def _pictures(config: Config, workspace: Workspace, words: list[str]) -> list[str]:
    from merzmory.archive import marks
    from merzmory.story.archives import found

    return marks.find(found(config, workspace), words)


def _listed(persons: list[Person], *, every: bool) -> Iterator[str]:
    if not persons:
        yield "  No faces were found."
        return
    yield ""
    shown = persons if every else [p for p in persons if p.name or p.choice != "keep"]
    shown += [p for p in persons if p not in shown][: max(0, _FEW - len(shown))]
    for person in shown:
        photos = len({seen.sha256 for seen in person.seen})
        count = f"{photos} photograph{'s' * (photos > 1)}"
        line = f"  {person.number:>4}  {person.name or '-':<24} {count:<18}"
        yield f"{line} {person.choice if person.choice != 'keep' else ''}".rstrip()
    if len(shown) < len(persons):
        yield f"        and {len(persons) - len(shown)} more (--all)"
    yield ""


def _before(workspace: Workspace) -> Iterator[str]:
    """What was made before a choice, which does not know of it."""
    made = [p for kind in _MADE for p in sorted(workspace.experiment.glob(f"{kind}-????????"))]
    if made:
        yield (
            f"  {len(made)} results were made before this and stay as they are, among them "
            f"{made[0].name}:\n  delete what should go from {workspace.experiment}"
        )
