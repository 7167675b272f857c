"""Films of anything: a folder of pictures, with music, without a config; the film strip, scrolled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from merzmory.commands.door import ConfigArgument, SetOption, carried_out, entered

_PANEL = "Films"

app = typer.Typer()


@app.command(rich_help_panel=_PANEL)
def slideshow(
    folder: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Of pictures; or pictures, in order.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILM.mp4", help="The film; .mov for ProRes.")
    ] = Path("film.mp4"),
    music: Annotated[
        Path | None, typer.Option("--music", metavar="FILE", help="Else a bed is played for it.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="A picture.")] = None,
    size: Annotated[
        str | None, typer.Option("--size", help="720p, 1080p, 4k, or pixels of the longer side.")
    ] = None,
    aspect: Annotated[
        str | None, typer.Option("--aspect", help="16:9, 9:16, 1:1; else the first picture's.")
    ] = None,
    fill: Annotated[
        bool, typer.Option("--fill", help="Fill the frame; else pictures are seen whole.")
    ] = False,
    captions: Annotated[
        str | None, typer.Option("--captions", help="none, date, place or both: they are private.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option("--texts", metavar="FILE", help="Captions, a line a picture.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="name or date.")] = "name",
    codec: Annotated[str | None, typer.Option("--codec", help="h264, hevc, av1, prores.")] = None,
    set_: SetOption = None,
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
) -> None:
    """Make a film of any folder of pictures, cut on the beat; a film that was stopped goes on."""
    with entered() as door:
        from merzmory.commands.terminal import Board
        from merzmory.config import checked
        from merzmory.errors import ConfigError
        from merzmory.manifest import do
        from merzmory.story import showreel

        said: dict[str, Any] = {
            "music": music and str(music), "seconds_per_picture": seconds, "size": _number(size),
            "aspect": aspect, "fill": fill or None, "captions": captions,
            "texts": texts and str(texts),
            "codec": codec or ("prores" if out.suffix.lower() == ".mov" else None),
        }  # fmt: skip
        told = {key: value for key, value in said.items() if value is not None}
        knobs = checked({"film": told} if told else {}, set_ or [], "slideshow").film
        out = out.expanduser()
        suffix = ".mov" if knobs.codec == "prores" else ".mp4"
        if out.suffix.lower() != suffix:
            raise ConfigError(f"A film in {knobs.codec} is a {suffix}: --out {out.stem}{suffix}.")
        door.place = out.parent
        if out.exists() and not force:
            raise ConfigError(f"{out} is there already: choose another name, or add --force.")
        if not out.parent.is_dir():
            raise ConfigError(f"There is no folder {out.parent}: make it, or choose another --out.")
        found = showreel.gathered([path.expanduser() for path in folder], by=by)
        for sentence in found.left_out:
            typer.echo(f"  left out: {sentence}")
        with Board() as board:
            board.begin("film", f"Making a film of {len(found.pictures)} pictures")
            work = showreel.slideshow(found, out, knobs)
            showreel.hand_over(do(work, board.announce), out)
            board.end(found=False)
        typer.echo(f"  {out}")


@app.command(rich_help_panel=_PANEL)
def roll(config: ConfigArgument, set_: SetOption = None) -> None:
    """Let the film strip of forgetting pass by as a film."""
    with entered() as door:
        from merzmory.story.filming import ROLL

        made, workspace = door.open(config, set_)
        typer.echo(f"  {carried_out(ROLL, made, workspace)}")


def _number(size: str | None) -> str | int | None:
    return int(size) if size and size.isdigit() else size
