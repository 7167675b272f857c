"""Before anything is trained: what is cut from the photographs, and whether they will do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from merzmory.commands.door import ConfigArgument, SetOption, carried_out, entered

if TYPE_CHECKING:
    from merzmory.config import Config
    from merzmory.dataset.readiness import Readiness

_WIDTH = 80
_INDENT = 18  # columns of a number's name

app = typer.Typer()


@app.command(rich_help_panel="Look")
def crops(
    config: ConfigArgument,
    set_: SetOption = None,
    count: Annotated[int, typer.Option(min=1, help="Photographs, evenly spread.")] = 36,
    compare: Annotated[
        bool, typer.Option("--compare", help="Every method's square beside each photograph.")
    ] = False,
) -> None:
    """Show what would be cut from the photographs, before anything is built."""
    with entered() as door:
        made, workspace = door.open(config, set_)
        from merzmory.story.outlook import crops as sheets

        step = sheets(count, compare=compare)
        folder = carried_out(step, made, workspace)
        for file in sorted(folder.glob("*.png")):
            typer.echo(f"  {file}")


@app.command(rich_help_panel="Look")
def ready(
    config: ConfigArgument,
    set_: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
) -> None:
    """Say whether the photographs will do, and what the training takes on this machine."""
    with entered() as door:
        import json
        from dataclasses import asdict

        from merzmory.commands.terminal import Board
        from merzmory.story.outlook import ready as judged

        made, workspace = door.open(config, set_)
        if as_json:
            typer.echo(json.dumps(asdict(judged(made, workspace))))
            return
        with Board() as board:
            board.begin("ready", "Timing a step of the training")
            found = judged(made, workspace)
        for line in ready_lines(found, made):
            typer.echo(line)


def ready_lines(found: Readiness, config: Config) -> Iterator[str]:
    """The verdict, its reasons, what is worth knowing, the numbers and the costs: 80 columns."""
    from merzmory.commands.terminal import human_size, human_time

    yield f"\n  {found.verdict}\n"
    for sentence in (*found.reasons, *found.remarks):
        yield from _wrapped(sentence)
    numbers = found.numbers
    aside = {
        key.removeprefix("set_aside_"): int(value)
        for key, value in numbers.items()
        if key.startswith("set_aside_") and value
    }
    small = aside.pop("too_small", 0)
    yield ""
    yield _row("Kept", f"{int(numbers['photographs'])} photographs")
    if aside:
        many = {"duplicate": "duplicates", "error": "errors"}
        said = [f"{n} {many.get(why, why) if n > 1 else why}" for why, n in aside.items()]
        yield _row("Set aside", ", ".join(said) + (f" ({small} too small)" if small else ""))
    for key, name in (
        ("with_faces", "With faces"), ("alike", "Near twins"), ("in_bursts", "In bursts"),
        ("black_and_white", "Black and white"), ("writing", "Full of writing"),
    ):  # fmt: skip
        if key in numbers:
            yield _row(name, f"{numbers[key]:.0%}")
    if "outings" in numbers:
        outings = int(numbers["outings"])
        yield _row(
            "Outings",
            f"{outings}, the largest with {numbers['largest_outing']:.0%} of the photographs"
            if outings > 1
            else "1, with all that have a date",
        )
    if not found.costs:
        return
    yield ""
    for cost in found.costs:
        mark = "  (this config)" if cost.steps == config.train.steps else ""
        days = cost.seconds / 86400
        took = f"{days:.0f} days" if days >= 2 else human_time(round(cost.seconds))
        yield _row(f"{cost.steps} steps", f"about {took}, {human_size(cost.bytes)}{mark}")
    yield _row("", f"Time {found.costs[0].how} on this machine.")
    if found.verdict != "GO":  # whose reason says so
        yield _row("", "First runs are drafts.")
    yield ""


def _wrapped(sentence: str) -> Iterator[str]:
    yield from textwrap.wrap(
        sentence, _WIDTH, initial_indent="  · ", subsequent_indent="    ", break_long_words=False
    )


def _row(name: str, text: str) -> str:
    return f"  {name:<{_INDENT}}{text}"
