"""The darkroom: look around in what was learned, keep what you like, and mix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merzmory.commands.door import ConfigArgument, Door, SetOption, carried_out, entered

if TYPE_CHECKING:
    from merzmory.latent.vectors import Vector
    from merzmory.story.opened import Network
    from merzmory.story.travel import Start

_PANEL = "Look around"

app = typer.Typer()
favourites_app = typer.Typer(
    help="Points that you gave a name: list, add, name, remove, export, mix."
)
app.add_typer(favourites_app, name="favourites", rich_help_panel=_PANEL)

OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where; else among the results.")
]
StepOption = Annotated[int | None, typer.Option("--step", help="Of the training; else its last.")]
WhichOption = Annotated[str, typer.Option("--network", help="ema or raw; else sample.network.")]
FileOption = Annotated[
    Path | None, typer.Option("--file", help="A network file instead of the training's.")
]
OriginOption = Annotated[
    str, typer.Option("--origin", help="seed:12, favourite:NAME, a file of vectors, FILE@NAME.")
]
GoOption = Annotated[
    list[str] | None,
    typer.Option("--go", metavar="C,R", help="Move the origin to this cell; repeatable."),
]
DistanceOption = Annotated[
    float, typer.Option("--distance", help="Sampling distance: 0 all alike, 2 unrelated.")
]
TruncationOption = Annotated[
    float | None, typer.Option("--truncation", help="0 the average, 1 all; else the origin's, 0.8.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the grid: another one, other ways.")]
SpaceOption = Annotated[str, typer.Option("--space", help="z or w; else the origin's.")]
LabelOption = Annotated[str, typer.Option("--label", help="Of a network with labels.")]


@app.command(rich_help_panel=_PANEL)
def explore(
    config: ConfigArgument,
    out: OutOption = None,
    origin: OriginOption = "seed:0",
    go: GoOption = None,
    rows: Annotated[int, typer.Option(min=1, max=41)] = 5,
    columns: Annotated[int, typer.Option(min=1, max=41)] = 5,
    distance: DistanceOption = 0.5,
    truncation: TruncationOption = None,
    seed: SeedOption = 0,
    space: SpaceOption = "",
    label: LabelOption = "",
    step: StepOption = None,
    network: WhichOption = "",
    file: FileOption = None,
    set_: SetOption = None,
) -> None:
    """Lay out the pictures around a point; a cell always shows the same picture."""
    with entered() as door:
        from merzmory.story import travel

        start = _start(origin, go, distance, truncation, seed, space, label)
        asked = travel.explore(
            start, _network(step, network, file), columns=columns, rows=rows, out=_place(door, out)
        )
        folder = carried_out(asked, *door.open(config, set_))
        typer.echo(f"  {folder / 'grid.png'}")


@app.command(rich_help_panel=_PANEL)
def directions(
    config: ConfigArgument,
    method: Annotated[str, typer.Option(help="sefa or ganspace.")] = "sefa",
    out: OutOption = None,
    layers: Annotated[
        str, typer.Option(help="all, coarse, middle, fine, or a range such as 4-7.")
    ] = "all",
    count: Annotated[int, typer.Option(min=1, max=64, help="Directions.")] = 6,
    names: Annotated[
        str, typer.Option(help="Of the sliders, the strongest first: light,age.")
    ] = "",
    rows: Annotated[int, typer.Option(min=1, max=32, help="Seeds, one a row.")] = 5,
    first_seed: Annotated[int, typer.Option(min=0)] = 0,
    reach: Annotated[float, typer.Option(min=0.1, max=20, help="Standard deviations.")] = 3.0,
    columns: Annotated[int, typer.Option(min=2, max=21)] = 7,
    truncation: Annotated[float, typer.Option(min=-2, max=2)] = 0.8,
    label: LabelOption = "",
    step: StepOption = None,
    network: WhichOption = "",
    file: FileOption = None,
    set_: SetOption = None,
) -> None:
    """Find directions that change one thing, draw what each does, and save them as sliders."""
    with entered() as door:
        from merzmory.story import travel

        asked = travel.directions(
            method, _network(step, network, file), part=layers, count=count,
            names=[name.strip() for name in names.split(",") if name.strip()], seeds=rows,
            first_seed=first_seed, reach=reach, columns=columns, psi=truncation, label=label,
            out=_place(door, out),
        )  # fmt: skip
        folder = carried_out(asked, *door.open(config, set_))
        for path in sorted(folder.glob("direction*")):
            typer.echo(f"  {path}")


@app.command(rich_help_panel=_PANEL)
def blend(
    config: ConfigArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The network file, .safetensors.")],
    start: Annotated[str, typer.Option("--from", metavar="STEP|base")] = "base",
    end: Annotated[str | None, typer.Option("--to", metavar="STEP", help="Else the last.")] = None,
    curve: Annotated[
        str, typer.Option(help="0.5, swap:32, smooth:32, or points such as 4=0,16=0.5,64=1.")
    ] = "0.5",
    rows: Annotated[int, typer.Option(min=1, max=32, help="Seeds on the sheet.")] = 6,
    truncation: Annotated[float, typer.Option(min=-2, max=2)] = 0.8,
    set_: SetOption = None,
) -> None:
    """Write the network between two steps, or between base and training, without training."""
    with entered() as door:
        made, workspace = door.open(config, set_)
        from merzmory.story import travel

        door.place = out = out.expanduser()
        paths = travel.blend(
            made, workspace, out, start=start, end=end or str(made.train.steps), curve=curve,
            seeds=rows, psi=truncation,
        )  # fmt: skip
        for path in paths:
            typer.echo(f"  {path}")


@favourites_app.callback(invoke_without_command=True)
def _favourites(context: typer.Context, config: ConfigArgument) -> None:
    context.obj = config
    if context.invoked_subcommand is None:
        _list(context)


@favourites_app.command("list")
def _list(context: typer.Context, set_: SetOption = None) -> None:
    """List them."""
    with entered() as door:
        from merzmory.story import travel

        _made, workspace = door.open(context.obj, set_)
        found = travel.known(workspace).all()
        for line in favourite_lines(found):
            typer.echo(line)


@favourites_app.command("add")
def _add(
    context: typer.Context,
    name: str,
    origin: OriginOption = "seed:0",
    go: GoOption = None,
    cell: Annotated[str, typer.Option("--cell", metavar="C,R", help="Of the grid.")] = "0,0",
    distance: DistanceOption = 0.5,
    truncation: TruncationOption = None,
    seed: SeedOption = 0,
    space: SpaceOption = "",
    label: LabelOption = "",
    slider: Annotated[
        list[str] | None, typer.Option("--slider", metavar="NAME=AMOUNT", help="Repeatable.")
    ] = None,
    sliders: Annotated[
        Path | None, typer.Option("--sliders", metavar="FILE", help="Their directions.json.")
    ] = None,
    step: StepOption = None,
    network: WhichOption = "",
    file: FileOption = None,
    set_: SetOption = None,
) -> None:
    """Give the cell of a grid a name: the same words as `explore`, and --cell C,R."""
    with entered() as door:
        from merzmory.errors import ConfigError
        from merzmory.story import travel

        if bool(slider) != bool(sliders):
            raise ConfigError("Say which file the sliders are in and how far: --sliders, --slider.")
        kept = travel.keep(
            *door.open(context.obj, set_), name,
            _start(origin, go, distance, truncation, seed, space, label),
            _network(step, network, file), _cell(cell), sliders, dict(map(_amount, slider or [])),
        )  # fmt: skip
        for line in favourite_lines([kept]):
            typer.echo(line)


@favourites_app.command("mix")
def _mix(
    context: typer.Context,
    name: str,
    of: Annotated[str, typer.Option("--of", metavar="NAME", help="All layers, before others.")],
    coarse: Annotated[
        str, typer.Option(metavar="NAME", help="Pose and outline from this one.")
    ] = "",
    middle: Annotated[str, typer.Option(metavar="NAME", help="Forms from this one.")] = "",
    fine: Annotated[str, typer.Option(metavar="NAME", help="Colours and texture.")] = "",
    layer: Annotated[
        list[str] | None, typer.Option("--layer", metavar="4-7=NAME", help="Repeatable.")
    ] = None,
    step: StepOption = None,
    network: WhichOption = "",
    file: FileOption = None,
    set_: SetOption = None,
) -> None:
    """Mix favourites layer by layer, and give the mixture a name."""
    with entered() as door:
        from merzmory.story import travel

        taken = {"coarse": coarse, "middle": middle, "fine": fine}
        taken |= dict(text.partition("=")[::2] for text in layer or [])
        kept = travel.mixed(
            *door.open(context.obj, set_), name, of, {k: v for k, v in taken.items() if v},
            _network(step, network, file),
        )  # fmt: skip
        for line in favourite_lines([kept]):
            typer.echo(line)


@favourites_app.command("name")
def _name(context: typer.Context, old: str, new: str, set_: SetOption = None) -> None:
    """Give one another name."""
    with entered() as door:
        from merzmory.story import travel

        travel.known(door.open(context.obj, set_)[1]).rename(old, new)


@favourites_app.command("remove")
def _remove(context: typer.Context, name: str, set_: SetOption = None) -> None:
    """Forget one."""
    with entered() as door:
        from merzmory.story import travel

        travel.known(door.open(context.obj, set_)[1]).remove(name)


@favourites_app.command("export")
def _export(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="FILE", help=".npz or .json")],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...")] = None,
    set_: SetOption = None,
) -> None:
    """Write favourites, or all, as a file of vectors."""
    with entered() as door:
        from merzmory.latent import vectors
        from merzmory.story import travel

        known = travel.known(door.open(context.obj, set_)[1])
        door.place = out = out.expanduser()
        found = [known.get(name) for name in names] if names else known.all()
        vectors.save(out, found)
        typer.echo(f"  {out} ({len(found)})")


def favourite_lines(found: Iterable[Vector]) -> Iterable[str]:
    """A line a favourite: its name, its space, psi, label, and where it comes from."""
    from merzmory.latent.explore import path_of

    for one in found:
        kind = "W+" if one.values.ndim == 2 else one.space
        words = [kind, f"psi {one.psi:g}", *([one.label] if one.label else [])]
        for key in ("seed", "step", "network_file"):
            if key in one.about:
                words.append(f"{key.removeprefix('network_')} {one.about[key]}")
        words += [f"cell {column},{row}" for _, _, column, row in path_of(one)]
        yield f"  {one.name:<20} {' · '.join(words)}"


def _place(door: Door, out: Path | None) -> Path | None:
    if out is None:
        return None
    door.place = out.expanduser()
    return door.place


def _start(
    origin: str,
    go: list[str] | None,
    distance: float,
    truncation: float | None,
    seed: int,
    space: str,
    label: str,
) -> Start:
    from merzmory.story.travel import Start

    chosen: Any = _one_of(space, ("", "z", "w"), "--space")
    cells = tuple(_cell(text) for text in go or [])
    return Start(origin, cells, seed, distance, truncation, chosen, label)


def _network(step: int | None, which: str, file: Path | None) -> Network:
    from merzmory.story.opened import Network

    chosen: Any = _one_of(which, ("", "ema", "raw"), "--network")
    return Network(step, chosen, file.expanduser() if file else None)


def _one_of(word: str, words: tuple[str, ...], option: str) -> str:
    from merzmory.errors import ConfigError

    if word not in words:
        raise ConfigError(f"{option} is {word!r:.20}: choose {' or '.join(words[1:])}.")
    return word


def _cell(text: str) -> tuple[int, int]:
    from merzmory.errors import ConfigError

    found = re.fullmatch(r"\s*(-?\d{1,4})\s*,\s*(-?\d{1,4})\s*", text)
    if not found:
        raise ConfigError(f"{text!r:.20} is no cell: write its column and row, such as 2,-1.")
    return int(found[1]), int(found[2])


def _amount(text: str) -> tuple[str, float]:
    from merzmory.errors import ConfigError

    name, _, amount = text.rpartition("=")
    try:
        return name, float(amount)
    except ValueError as error:
        raise ConfigError(f"{text!r:.70} moves no slider: write NAME=2.5.") from error
