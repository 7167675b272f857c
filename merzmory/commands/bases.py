"""`merzmory weights`: bases and networks, what is here, what may be sold, and how they come."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from merzmory.commands.door import OutputsOption, entered

if TYPE_CHECKING:
    from merzmory.weights.ledger import Status, Weight

_WIDTH = 80  # columns of a terminal
_HERE = "Here"
_KINDS = {
    "base": "Bases, to train further", "generator": "StyleGAN3, to make pictures",
    "upscaler": "To enlarge pictures", "embedder": "To compare pictures",
    "metric": "To measure with", "faces": "To find faces",
}  # fmt: skip
_SELL = {True: "yes", False: "no", "ask": "ask"}
_SALE = {
    True: "What it makes may be sold.", False: "What it makes may not be sold.",
    "ask": "Ask its publisher before you sell what it makes.",
}  # fmt: skip

app = typer.Typer(help="Bases and networks: what is here, what may be sold, how they come.")

OfflineOption = Annotated[
    bool, typer.Option("--offline", envvar="MERZMORY_OFFLINE", help="Never ask the network.")
]
ChangeOption = Annotated[
    bool, typer.Option("--accept-change", help="Take another file than the one that came first.")
]


@app.callback(invoke_without_command=True)
def _weights(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@app.command("list")
def list_(outputs: OutputsOption = None) -> None:
    """What is here, and what the ledger knows: size, resolution, and whether it may be sold."""
    with entered() as door:
        from merzmory.weights import ledger

        for line in listed(ledger.status(door.cache(outputs))):
            typer.echo(line)


@app.command()
def show(
    name: str,
    preview: Annotated[
        bool, typer.Option("--preview/--no-preview", help="Sixteen pictures, once it is here.")
    ] = True,
    outputs: OutputsOption = None,
) -> None:
    """What is known of NAME; once it is here, also sixteen pictures that it makes."""
    with entered() as door:
        from merzmory.weights import ledger

        cache = door.cache(outputs)
        weight = ledger.known(name, cache)
        here = ledger.here(weight, cache)
        for line in facts(weight, here):
            typer.echo(line)
        if here is not None and preview and weight.kind in ("base", "generator"):
            from merzmory.commands.terminal import Board
            from merzmory.story.preview import preview as drawn

            with Board() as board:
                board.begin("preview", "Sixteen pictures")
                path = drawn(name, cache, announce=board.announce)
                board.end(found=False)
            typer.echo(f"  {path}")


@app.command()
def fetch(
    name: str,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="I have read the licence and accept it.")
    ] = False,
    mirror: Annotated[
        str,
        typer.Option(
            envvar="MERZMORY_MIRROR",
            metavar="URL|FOLDER",
            help="Where to look first, by file name.",
        ),
    ] = "",
    offline: OfflineOption = False,
    accept_change: ChangeOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Download NAME from its publisher, over the network; goes on where it stopped."""
    with entered() as door:
        from merzmory.commands.terminal import Board, human_size
        from merzmory.weights import ledger
        from merzmory.weights.acquire import fetch as bring

        cache = door.cache(outputs)
        weight = ledger.known(name, cache)
        with Board() as board:
            if ledger.here(weight, cache) is None and (accept_licence or not weight.needs_accept):
                size = (
                    f"about {human_size(weight.size)}" if weight.size else "its size is not known"
                )
                board.say(f"{name}: {size} · {weight.licence}: {weight.licence_phrase}")
            board.begin("fetch", f"Fetching {name}")
            path = bring(
                name, cache, accept_licence, board.announce,
                mirror=mirror, offline=offline, accept_change=accept_change,
            )  # fmt: skip
            board.end(found=False)
        typer.echo(f"  {path}")


@app.command("import")
def import_(
    name: str, file: Path, accept_change: ChangeOption = False, outputs: OutputsOption = None
) -> None:
    """Check a file that you downloaded, and keep it as NAME."""
    with entered() as door:
        from merzmory.weights.acquire import import_file

        cache = door.cache(outputs)
        path = import_file(name, file.expanduser(), cache, accept_change=accept_change)
        typer.echo(f"  {path}")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What you will call it: train.base=NAME.")],
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help=".pkl, .pt or .safetensors.")],
    licence: Annotated[str, typer.Option(help="What it comes under, in its owner's words.")] = "",
    may_sell: Annotated[
        str, typer.Option(help="What its owner says of sales: yes, no or ask.")
    ] = "ask",
    title: Annotated[str, typer.Option(help="What it shows.")] = "",
    window: Annotated[
        str, typer.Option(metavar="X0,Y0,X1,Y1", help="The picture between its bars, in pixels.")
    ] = "",
    offline: OfflineOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Bring a base of your own: any StyleGAN2 or 3 network, with what may be done with it."""
    with entered() as door:
        from merzmory.commands.terminal import Board
        from merzmory.errors import ConfigError
        from merzmory.weights.acquire import add as bring

        if window and not re.fullmatch(r"\d+(,\d+){3}", window):
            raise ConfigError(f"{window!r:.60} is no window: write X0,Y0,X1,Y1 in pixels.")
        sale: dict[str, Literal["yes", "no", "ask"]] = {"yes": "yes", "no": "no", "ask": "ask"}
        if may_sell not in sale:
            raise ConfigError(f"--may-sell is {may_sell!r:.40}: write yes, no or ask.")
        with Board() as board:
            board.begin("fetch", f"Bringing {name}")
            path = bring(
                name, source, door.cache(outputs), title=title, licence=licence,
                may_sell=sale[may_sell], window=tuple(map(int, window.split(","))) if window else (),
                offline=offline, announce=board.announce,
            )  # fmt: skip
            board.end(found=False)
        typer.echo(f"  {path}\n\n  Train it further with --set train.base={name}.")


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="Without it, all that are here.")] = None,
    outputs: OutputsOption = None,
) -> None:
    """Look whether files are still what they should be: by the ledger, or the first that came."""
    with entered() as door:
        from merzmory.errors import MerzmoryError, WeightsError
        from merzmory.weights import ledger, vetting

        cache, bad = door.cache(outputs), 0
        lying = [
            one.weight.name
            for one in ledger.status(cache)
            if one.path is not None or one.weight.cached(cache).is_file()
        ]
        names = [name] if name is not None else lying
        for each in names:
            try:
                typer.echo(f"  {vetting.verify(each, cache)}")
            except MerzmoryError as error:
                if name is not None:
                    raise
                bad += 1
                typer.echo(f"  {error}")
        if bad:
            raise WeightsError(f"{bad} of {len(names)} files are not what they should be.")


def listed(entries: Sequence[Status]) -> Iterator[str]:
    """A table of 80 columns: what is here first, then what could come, by kind."""
    groups: dict[str, list[Weight]] = {title: [] for title in (_HERE, *_KINDS.values())}
    for one in entries:
        groups[_HERE if one.path is not None else _KINDS[one.weight.kind]].append(one.weight)
    yield f"  {'':<26} {'px':>4} {'size':>7} sell"
    for title, found in groups.items():
        if found:
            yield f"\n{title}"
        for weight in found:
            size = f"{weight.size / 1e6:,.0f} MB" if weight.size else ""
            side, sell = weight.resolution or "", _SELL[weight.may_sell]
            what = re.sub(r", \d+( x \d+)? px", "", weight.title)
            line = f"  {weight.name:<26} {side:>4} {size:>7} {sell:<4} {what}"
            yield line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
    yield "\n`merzmory weights show NAME` says more, and makes sixteen pictures once it is here."


def facts(weight: Weight, here: Path | None) -> Iterator[str]:
    """What the ledger says of a weight, as lines."""
    from merzmory.commands.terminal import human_size
    from merzmory.weights import passports

    yield f"  {weight.title}"
    if weight.window:
        x0, y0, x1, y1 = weight.window
        side = f"{weight.resolution} x {weight.resolution}"
        yield f"  Shown without its bars: {x1 - x0} x {y1 - y0} of its {side} pixels."
    if weight.notes:
        yield f"  {weight.notes}"
    about = "" if weight.bytes else "about "
    size = f"{about}{human_size(weight.size)}" if weight.size else "size not known before it comes"
    yield f"  {_KINDS[weight.kind]} · {size}"
    where = f" ({weight.licence_url})" if weight.licence_url else ""
    yield f"  {weight.licence}: {weight.licence_phrase}{where}"
    if weight.kind in ("base", "generator", "upscaler"):
        yield f"  {_SALE[weight.may_sell]}"
    first = passports.read(here) if here is not None and not weight.embedded else None
    if weight.sha256 is not None:
        yield f"  SHA-256 {weight.sha256}"
    elif first is not None:
        yield f"  SHA-256 {first.sha256}, of the file that came first, on {first.since}"
    else:
        yield "  SHA-256 not published: that of the first file is written down"
    for url in weight.urls:
        yield f"  {url}"
    accept = " --accept-licence" if weight.needs_accept else ""
    yield f"  {here}" if here else f"  Not here: merzmory weights fetch {weight.name}{accept}"
