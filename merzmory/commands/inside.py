"""What a file says inside itself, in words; and content credentials that others can check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from merzmory.commands.door import OutputsOption, entered

_PANEL = "Look"
_KINDS = {
    "sample": "A picture of a seed", "upscaled": "An enlarged picture", "gallery": "A picture of "
    "the gallery", "strip": "A film strip", "matches": "Pictures beside the photographs nearest "
    "to them", "film": "A film", "slideshow": "A slideshow", "print": "A print",
    "walk": "A walk through the memory", "timelapse": "A film of the training",
    "roll": "A film strip, passing by", "grid": "Pictures around a point of the memory",
    "directions": "A direction of the memory", "projection": "The picture nearest to a photograph",
    "dig": "A picture beside the photographs nearest to it",
}  # fmt: skip
_SOURCES = {
    "trainedAlgorithmicMedia": "made by a trained network, not by a camera",
    "compositeWithTrainedAlgorithmicMedia": "photographs, and what a trained network made",
    "dataDrivenMedia": "a chart of what was measured",
    "digitalCapture": "taken by a digital camera",
    "algorithmicMedia": "made by an algorithm that was not trained",
}

app = typer.Typer()


@app.command(rich_help_panel=_PANEL)
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="PNG, JPEG, TIFF, WebP, MP4, MOV.")],
    again: Annotated[
        Path | None, typer.Option("--again", metavar="OUT.png", help="Make the picture again.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="The record as JSON, for programs.")
    ] = False,
    outputs: OutputsOption = None,
) -> None:
    """Read what a picture or film says inside: who made it, from what, and whether it may be sold."""
    with entered() as door:
        import json

        from merzmory import provenance

        record, source = provenance.told(file.expanduser())
        if json_:
            typer.echo(json.dumps({"digital_source_type": source, **record}))
        else:
            for line in words(file, record, source):
                typer.echo(f"  {line}")
        if again is not None:
            from merzmory.story.again import make

            place = door.cache(outputs).parent
            door.place = again = again.expanduser()
            equal = make(file.expanduser(), again, place, force=force)
            said = {
                True: "equal to the bit",
                False: "not equal to the bit: it was made on another kind of machine",
                None: "in the size that the network makes",
            }[equal]
            typer.echo(f"  {again} ({said})", err=json_)


@app.command(rich_help_panel=_PANEL)
def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A picture or film of yours.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The signed copy.")],
    chain: Annotated[Path, typer.Option("--chain", help="Your certificates, PEM.")],
    key: Annotated[Path, typer.Option("--key", help="Your private key, PEM (ES256).")],
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
) -> None:
    """Sign a copy with content credentials (C2PA), as the last thing before it goes out."""
    with entered() as door:
        from merzmory.errors import ConfigError
        from merzmory.signing import sign as write
        from merzmory.story import holding

        if back := holding.withheld([file.expanduser()]):
            raise ConfigError(holding.sentence([path.name for path in back]))
        door.place = out = out.expanduser()
        state = write(
            file.expanduser(), out, chain=chain.expanduser(), key=key.expanduser(), force=force
        )
        typer.echo(f"  {out} ({state})")


def words(file: Path, record: Mapping[str, Any], source: str) -> Iterator[str]:
    """What a record says, as lines for people; whatever it holds, they are short and printable."""
    kind = _KINDS.get(str(record.get("kind", "")), "A file of MERZmory" if record else "")
    means = _SOURCES.get(source, f"IPTC calls it {source}" if source else "")
    head = ": ".join(filter(None, (kind, means)))
    yield _clean(f"{head}." if head else f"{file.name} says nothing about how it was made.")
    if "seed" in record:
        psi = f", psi (truncation) {record['psi']}" if "psi" in record else ""
        network = {"ema": ", running average", "raw": ", last step"}.get(record.get("network", ""))
        label = f", label {record['label']}" if record.get("label") else ""
        yield _clean(f"Seed {record['seed']}{psi}{label}{network or ''}.")
    elif isinstance(record.get("seeds"), list):
        shown = ", ".join(str(seed) for seed in record["seeds"][:12])
        more = f" and {len(record['seeds']) - 12} others" if len(record["seeds"]) > 12 else ""
        yield _clean(f"Seeds {shown}{more}.")
    if "run" in record:
        step = f", step {record['step']}" if record.get("step") is not None else ""
        base = f", from the base {record['base']}" if record.get("base") else ""
        yield _clean(f"Trained here: {record['run']}{step}{base}.")
    if record.get("engine"):
        yield _clean(f"Enlarged {record.get('scale', '')} times by {record['engine']}.")
    if record.get("licence"):
        yield _clean(str(record["licence"]))
    near = record.get("nearest")
    if isinstance(near, list) and near:
        yield _clean(
            "Nearest photographs, by the beginning of their SHA-256 (`merzmory photos CONFIG "
            f"--json`): {', '.join(str(one) for one in near[:3])}."
        )


def _clean(text: str) -> str:
    """One line of at most 300 printable letters: a file may say anything to a terminal."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= 300 else f"{line[:299]}…"
