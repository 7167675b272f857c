"""How every command enters and leaves: what it is asked, where it writes, and errors as sentences.

Exit code 2 stands for what a person can mend, 1 for what nobody expected (its traceback is in the
log file), 130 for Ctrl-C.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from merzmory.errors import MerzmoryError, StorageError, storage_sentence

if TYPE_CHECKING:
    from merzmory.config import Config
    from merzmory.story.step import Step
    from merzmory.workspace import Workspace

ConfigArgument = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A TOML file, or the name of a config: demo.")
]
PlaceArgument = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG|FOLDER|ZIP",
        help="A config; or a folder, a ZIP or an export of photographs, with the demo's settings.",
    ),
]
PlaceOrAllArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[CONFIG|FOLDER|ZIP]",
        help="As ingest takes it; without it, every archive of the workspace.",
    ),
]
WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", metavar="DIR", help="Where results lie: --set outputs=DIR."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Lay a setting over the config; repeatable."),
]
OutputsOption = Annotated[
    Path | None, typer.Option("--outputs", help="Where results lie, if not where the demo's do.")
]


class Door:
    """One command at work: where it writes, and where its log file lies."""

    def __init__(self) -> None:
        self.place = Path()
        self.log: Path | None = None

    def open(self, config: str, overrides: list[str] | None) -> tuple[Config, Workspace]:
        """The config and a workspace that can be written."""
        from merzmory.config import load

        made = load(config, overrides or [])
        self.place = made.outputs
        workspace = made.workspace()
        workspace.prepare()
        try:
            workspace.experiment.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(
                storage_sentence(error, workspace.experiment) or str(error)
            ) from error
        self._log_to(workspace.experiment / "merzmory.log")
        return made, workspace

    def cache(self, outputs: Path | None) -> Path:
        """The folder of weights."""
        from merzmory.config import load

        made = load("demo", [f"outputs={outputs}"] if outputs else [])
        self.place = made.outputs
        return made.workspace().weights

    def _log_to(self, path: Path) -> None:
        self.log = path
        handler = logging.FileHandler(path, encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logging.captureWarnings(True)
        for name in ("merzmory", "py.warnings"):
            logging.getLogger(name).addHandler(handler)
            logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger("merzmory.cli").info("%s", _command_line())


@contextlib.contextmanager
def entered() -> Iterator[Door]:
    """A command at work; what goes wrong leaves as one sentence, with its exit code."""
    door = Door()
    try:
        yield door
    except KeyboardInterrupt:
        _leave(
            "\nStopped. Everything finished is kept; the same command goes on:\n\n"
            f"    {_command_line()}\n", 130,
        )  # fmt: skip
    except MerzmoryError as error:
        _leave(str(error), 2)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last door: what nobody expected gets a sentence
        sentence = storage_sentence(error, door.place) if isinstance(error, OSError) else None
        if sentence:
            _leave(sentence, 2)
        _leave(
            f"Something went wrong that should not have ({type(error).__name__}: {error}). What is "
            f"finished is kept; please report it with the file {_write_down(door.log)}.", 1,
        )  # fmt: skip


def carried_out(step: Step, made: Config, workspace: Workspace) -> Path:
    """Do a step here, while a person looks on; its finished folder."""
    from merzmory.commands.terminal import Board
    from merzmory.manifest import do

    with Board() as board:
        board.begin(step.name, step.title)
        work = step.plan(made, workspace)
        folder = do(work, board.announce)
        board.end(found=work.shards == 0)
    return folder


def _leave(sentence: str, code: int) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


def _write_down(log: Path | None) -> Path:
    """Put the traceback that is being handled into the log file; where it is."""
    if log is None:
        log = Path(tempfile.gettempdir()) / "merzmory.log"
        logging.getLogger("merzmory").addHandler(logging.FileHandler(log, encoding="utf-8"))
    logging.getLogger("merzmory.cli").exception("unexpected")
    return log


def _command_line() -> str:
    from merzmory.commands.status import command

    return f"{command()} {shlex.join(sys.argv[1:])}"
