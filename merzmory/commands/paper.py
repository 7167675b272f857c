"""On paper: contact sheets and prints, and what may be sold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merzmory.commands.door import ConfigArgument, SetOption, carried_out, entered

if TYPE_CHECKING:
    from merzmory.licence import Chain

_MOST = 16  # times that an engine enlarges

app = typer.Typer()


@app.command(rich_help_panel="On paper")
def prints(
    config: ConfigArgument,
    picks: Annotated[
        str, typer.Option("--picks", metavar="3,17", help="Seeds, as on the contact sheet.")
    ] = "",
    paper: Annotated[str, typer.Option("--paper", help="A4, 30x40, ...; else its own size.")] = "",
    dpi: Annotated[int, typer.Option("--dpi")] = 300,
    bleed: Annotated[float, typer.Option("--bleed", help="Millimetres; 3 is usual.")] = 0.0,
    marks: Annotated[bool, typer.Option("--marks", help="Crop marks at the corners.")] = False,
    profile: Annotated[
        Path | None, typer.Option("--profile", help="The lab's ICC profile; else sRGB.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="tiff, png or jpeg.")] = "tiff",
    edition: Annotated[int, typer.Option("--edition", help="Prints of each picture.")] = 1,
    title: Annotated[str, typer.Option("--title", help="On the certificates.")] = "",
    artist: Annotated[
        str, typer.Option("--artist", help="Who signs; else gallery.photographer.")
    ] = "",
    set_: SetOption = None,
) -> None:
    """Contact sheets to choose by; with --picks, files for the lab and their certificates."""
    with entered() as door:
        from merzmory.commands.status import held_line
        from merzmory.manifest import read_manifest
        from merzmory.prints.edition import Order
        from merzmory.story.editions import contact
        from merzmory.story.editions import prints as printed
        from merzmory.story.holding import held

        if not picks:
            made, workspace = door.open(config, set_)
            folder = carried_out(contact(paper or "A4", dpi), made, workspace)
            typer.echo(f"  {folder / 'contact.pdf'}")
            if back := held(made, workspace):
                typer.echo(f"  {held_line(config, set_ or [], back)}")
            typer.echo("\n  To print some of them, by their seeds:\n")
            typer.echo(f"    merzmory prints {config} --picks 3,17 --paper A4\n")
            return
        order = Order(
            _seeds(picks), paper, dpi, bleed, marks, profile and profile.expanduser(),
            format, edition, title, artist,  # type: ignore[arg-type]  # checked with the rest
        )  # fmt: skip
        folder = carried_out(printed(order), *door.open(config, set_))
        for line in read_manifest(folder):
            for said in print_lines(line, folder):
                typer.echo(said)
        from merzmory.licence import chain

        typer.echo(f"\n  {chain(folder).verdict}")


@app.command(rich_help_panel="On paper")
def licence(
    source: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG|FILE", help="A config, a run, a network or a result's file."
        ),
    ],
    set_: SetOption = None,
) -> None:
    """May I sell this? The licences of base, photographs and upscaler, and what they come to."""
    with entered() as door:
        from merzmory.config import load
        from merzmory.licence import chain
        from merzmory.story.editions import licences
        from merzmory.story.step import engine_errors

        given = Path(source).expanduser()
        with engine_errors():
            if given.exists() and given.suffix != ".toml":
                found = chain(given)
            else:
                made = load(source, set_ or [])
                door.place = made.outputs
                found = licences(made, made.workspace())
        for line in licence_lines(found):
            typer.echo(line)


def licence_lines(found: Chain) -> Iterator[str]:
    """Each link with its answer, then the answer of all."""
    for link in found.links:
        yield f"  {link.may_sell:<4} {link.what:<12} {link.sentence}"
    yield f"\n  {found.verdict}"


def print_lines(line: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """A print and its certificate; where it is too small for its paper, what it would need."""
    on = f"{line['paper']}, " if line["paper"] else ""
    yield f"  {folder / line['file']}"
    yield f"  {folder / line['certificate']}"
    yield (
        f"    {on}{line['width_mm']:g} x {line['height_mm']:g} mm at {line['dpi']} dpi, of which the "
        f"picture itself gives {line['fine']:.0f}: {line['grade']}"
    )
    if line["grade"] != "sharp":
        wide, high = line["sharp_mm"]
        yield (
            f"    Sharp it would be with --set upscale.scale={line['sharp_scale']}."
            if line["sharp_scale"] <= _MOST
            else f"    Sharp it would be enlarged {line['sharp_scale']} times, and engines go to {_MOST}; as "
            f"it is, it is sharp up to {wide:g} x {high:g} mm."
        )


def _seeds(picks: str) -> tuple[int, ...]:
    """3,17,20-22 as seeds, each once."""
    from merzmory.errors import ConfigError

    seeds: dict[int, None] = {}
    for word in re.split(r"[,\s]+", picks.strip(", ")):
        found = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", word)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < first + 1000:
            raise ConfigError(
                f"--picks {picks} is not understood: write seeds, such as 3,17,20-22."
            )
        seeds.update(dict.fromkeys(range(first, last + 1)))
    return tuple(seeds)
