"""The command line: `merzmory run CONFIG`, one command a step, `status`, `config`, `weights`.

Nothing heavy is imported before a command runs, so `merzmory --help` is there at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from merzmory.commands import (
    afterwards,
    bases,
    beforehand,
    darkroom,
    fetching,
    films,
    inside,
    lighttable,
    outings,
    paper,
    people,
)
from merzmory.commands.door import (
    ConfigArgument,
    PlaceArgument,
    SetOption,
    WorkspaceOption,
    entered,
)

if TYPE_CHECKING:
    from types import FrameType

    from merzmory.config import Config
    from merzmory.workspace import Workspace

# The pipeline's steps in a photographer's words; a test compares the names with the pipeline's.
STEPS = {
    "ingest": "Read the photographs into the catalogue.",
    "cull": "Set doubles, blurred and too small ones aside, with reasons; nothing is deleted.",
    "build": "Cut the training squares.",
    "train": "Fine-tune the base on the squares; goes on from its checkpoint.",
    "strip": "Lay the same seeds side by side at step after step.",
    "timelapse": "Film the same seeds while the training goes on.",
    "curve": "Measure, step by step, how far the pictures lie from the base and from your archive.",
    "score": "Ask the discriminator which photographs look least and most like your archive.",
    "sample": "Make pictures.",
    "match": "Lay the nearest photographs beside every picture.",
    "upscale": "Enlarge the pictures.",
    "walk": "Film a walk through the memory.",
    "film": "Cut the pictures into a film with music.",
    "publish": "Hang the gallery.",
}

_AFTER = {  # what to do with a step's result
    "score": "Look at least.png. What does not belong there, take out of the folder of your\n"
    "  photographs and run again; what is only rare also scores low, and may stay.",
}

app = typer.Typer(
    name="merzmory",
    help="Train a generator on your own photographs, and explore what the machine remembers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(fetching.app)
app.add_typer(lighttable.app)
app.add_typer(people.app)
app.add_typer(beforehand.app)
app.add_typer(afterwards.app)
app.add_typer(darkroom.app)
app.add_typer(outings.app)
app.add_typer(paper.app)
app.add_typer(films.app)
app.add_typer(inside.app)
app.add_typer(bases.app, name="weights", rich_help_panel="Look")


def main() -> None:
    """The console script."""
    # torch's threads wait by spinning: beside another busy program a step takes ten times as long
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):  # a closed terminal stops the work like Ctrl-C
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
    app(prog_name="merzmory")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"merzmory {version('merzmory')}")
        raise typer.Exit


@app.callback()
def _merzmory(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(rich_help_panel="The story")
def run(
    config: ConfigArgument,
    set_: SetOption = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show Prefect's log.")] = False,
) -> None:
    """Tell the whole story: from the photographs to the gallery and the film."""
    with entered() as door:
        made, workspace = door.open(config, set_)
        from flows.here import run_story
        from merzmory.commands.terminal import Board, human_time
        from merzmory.pipeline import STEPS as PIPELINE
        from merzmory.pipeline import STORY

        began = time.monotonic()
        with Board() as board:
            board.say(f"MERZmory · {made.name} · everything lies in {workspace.experiment}")
            first = STORY[0]
            if made.archive.is_fetched:
                first = PIPELINE["fetch"]
                board.say(fetching.intent(made, workspace))
            board.begin(first.name, first.title)
            first.plan(made, workspace)  # photographs that are not there are named at once

            run_story(
                config, set_ or [], workspace.prefect, board,
                console=board.console if verbose else None,
                starting=lambda: board.begin("server", "Opening the workshop"),
            )  # fmt: skip
        from merzmory.commands.status import ending
        from merzmory.pipeline import photographs

        took = human_time(time.monotonic() - began)
        for line in ending(config, set_ or [], made, took, photographs(made, workspace)):
            typer.echo(line)


def _do(name: str, made: Config, workspace: Workspace) -> Path:
    """Do a step here, while a person looks on."""
    from flows.device import one_training
    from merzmory.commands.terminal import Board
    from merzmory.manifest import do
    from merzmory.pipeline import STEPS as PIPELINE

    step = PIPELINE[name]
    with Board() as board:
        board.begin(name, step.title)
        work = step.plan(made, workspace)
        alone = name == "train" and work.shards > 0
        with one_training(made.train.device, board.announce) if alone else contextlib.nullcontext():
            folder = do(work, board.announce)
        board.end(found=work.shards == 0)
    return folder


def _step_command(name: str) -> Callable[..., None]:
    def command(config: ConfigArgument, set_: SetOption = None) -> None:
        with entered() as door:
            made, workspace = door.open(config, set_)
            folder = _do(name, made, workspace)
            typer.echo(f"  {folder}")
            if name in _AFTER:
                typer.echo(f"  {_AFTER[name]}")
            if name in ("match", "film", "publish"):
                from merzmory.commands.status import waiting_lines

                for line in waiting_lines(config, set_ or [], made, workspace):
                    typer.echo(f"  {line}")

    return command


def _ingest(
    config: PlaceArgument, workspace: WorkspaceOption = None, set_: SetOption = None
) -> None:
    with entered() as door:
        from merzmory.commands.status import found_lines
        from merzmory.config import asked
        from merzmory.story.archives import found

        name, overrides = asked(config, set_ or [], workspace)
        made, lies = door.open(name, overrides)
        folder = _do("ingest", made, lies)
        judged = name != config  # a place, with the demo's thresholds
        if judged:
            _do("cull", made, lies)
            words = [config, *(["--workspace", str(workspace)] if workspace else [])]
            overrides = set_ or []
        else:
            words = [config]
        words += [word for override in overrides for word in ("--set", override)]
        typer.echo(f"  {folder}")
        for line in found_lines(found(made, lies), words, judged=judged):
            typer.echo(line)


for _name, _line in STEPS.items():
    _own: dict[str, Callable[..., None]] = {"ingest": _ingest, "walk": outings.walk}
    _command = _own.get(_name) or _step_command(_name)
    app.command(_name, help=_line, rich_help_panel="One step")(_command)


@app.command(rich_help_panel="Look")
def status(
    config: Annotated[str | None, typer.Argument(metavar="[CONFIG]")] = None,
    set_: SetOption = None,
) -> None:
    """Show what is finished and what is not, where it lies, and how large it is."""
    with entered() as door:
        from merzmory.commands.status import experiment_lines, overview_lines
        from merzmory.config import load

        made = load(config or "demo", set_ or [])
        door.place = made.outputs
        lines = experiment_lines(made) if config else overview_lines(made.outputs)
        for line in lines:
            typer.echo(line)


@app.command(rich_help_panel="Look")
def export(
    source: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A config, a run folder, or a network file.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file; with onnx, the folder.")],
    step: Annotated[int | None, typer.Option(help="Of the run; else its newest state.")] = None,
    format: Annotated[
        str, typer.Option(help="safetensors, slim (a sixth as large), rosinality or onnx.")
    ] = "safetensors",
    networks: Annotated[
        str | None, typer.Option(help="Such as G_ema,D: averaged generator, discriminator.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
    set_: SetOption = None,
) -> None:
    """Write the trained network as a file for elsewhere, and say what it may be used for."""
    with entered() as door:
        from merzmory.commands.status import exported_lines, network_of
        from merzmory.pipeline import export as write

        door.place = out = out.expanduser()
        done, licence = write(
            network_of(source, set_ or []), out, step=step, format=format, force=force,
            networks=networks.split(",") if networks else None,
        )  # fmt: skip
        for line in exported_lines(done, format, licence):
            typer.echo(line)


@app.command(rich_help_panel="Look")
def pack(config: ConfigArgument, out: Path, set_: SetOption = None) -> None:
    """Pack the training into one ZIP, to go on with it on another machine."""
    with entered() as door:
        from merzmory.commands.status import network_of
        from merzmory.pipeline import pack as write

        door.place = out = out.expanduser()
        size = write(network_of(config, set_ or []), out)
        typer.echo(
            f"  {out} ({size / 1e6:.0f} MB)\n\n  It holds the training squares of your photographs: "
            "mind where it goes.\n  On the other machine, which needs torch, numpy, pillow and "
            f"safetensors:\n\n    unzip {out.name} && python -m merzmory.gan train run\n"
        )


@app.command(rich_help_panel="Look")
def unpack(config: ConfigArgument, file: Path, set_: SetOption = None) -> None:
    """Bring a training back that was packed and went on elsewhere."""
    with entered():
        from merzmory.commands.status import network_of
        from merzmory.pipeline import unpack as bring_back

        done, wanted = bring_back(file.expanduser(), network_of(config, set_ or []))
        typer.echo(f"  The training is at step {done} of {wanted}.")


@app.command("config", rich_help_panel="Look")
def config_(config: ConfigArgument, set_: SetOption = None) -> None:
    """Print every setting with its value, as a TOML file."""
    with entered():
        from merzmory.config import load

        typer.echo(load(config, set_ or []).toml(), nl=False)
