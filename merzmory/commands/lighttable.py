"""The light table: what the archive holds, and what you say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merzmory.commands.door import (
    PlaceArgument,
    PlaceOrAllArgument,
    SetOption,
    WorkspaceOption,
    entered,
)

if TYPE_CHECKING:
    from merzmory.archive.assets import Row
    from merzmory.archive.marks import Mark
    from merzmory.config import Config
    from merzmory.workspace import Workspace

app = typer.Typer()

StarsFilter = Annotated[
    str, typer.Option("--stars", metavar="N|N+|N-", help="Only those with so many, or more, less.")
]
LabelFilter = Annotated[str, typer.Option("--label", help="Only those with this label.")]


@app.command(rich_help_panel="Look")
def photos(
    config: PlaceOrAllArgument = None,
    workspace: WorkspaceOption = None,
    set_: SetOption = None,
    every: Annotated[bool, typer.Option("--all", help="The ones that are kept, too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every file, one JSON line each.")
    ] = False,
    unreviewed: Annotated[
        bool, typer.Option("--unreviewed", help="Only those you said nothing of.")
    ] = False,
    picked: Annotated[bool, typer.Option("--picked", help="Only those you picked.")] = False,
    rejected: Annotated[bool, typer.Option("--rejected", help="Only those you rejected.")] = False,
    stars: StarsFilter = "",
    label: LabelFilter = "",
) -> None:
    """List the photographs that were set aside, each with its reason; or those you marked."""
    with entered() as door:
        from merzmory.commands.status import photo_lines, row_lines
        from merzmory.config import asked, load
        from merzmory.story.archives import configs, photographs, source

        if config is None:
            here = load("demo", asked("demo", [], workspace)[1])
            meant = configs(here.workspace(), set_ or [])
        else:
            meant = [load(*asked(config, set_ or [], workspace))]
        chosen = bool(unreviewed or picked or rejected or stars or label)
        flags = {"pick": picked, "reject": rejected}
        wanted = {flag for flag, asked_for in flags.items() if asked_for}
        for made in meant:
            door.place = made.outputs
            rows = photographs(made, made.workspace())
            if chosen:
                rows = list(_chosen(rows, unreviewed, wanted, stars, label))
            if as_json:
                lines = row_lines(rows, source(made, made.workspace()).settings["source"])
            else:
                lines = photo_lines(rows, every=every or chosen)
            for line in lines:
                typer.echo(line)


@app.command(rich_help_panel="Your photographs")
def mark(
    config: PlaceArgument,
    photographs: Annotated[
        list[str] | None,
        typer.Argument(metavar="PHOTO...", help="Paths, folders, file names, or sha256 digits."),
    ] = None,
    pick: Annotated[bool, typer.Option("--pick", help="Keep it, whatever was measured.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Set it aside.")] = False,
    unflag: Annotated[bool, typer.Option("--unflag", help="Take pick or reject back.")] = False,
    stars: Annotated[int | None, typer.Option("--stars", help="0 to 5.")] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="red, yellow, green, blue, purple, or none.")
    ] = None,
    date: Annotated[
        str | None, typer.Option("--date", help="1962, 1962-07, 1962-07-14, or none.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last marks back.")] = False,
    workspace: WorkspaceOption = None,
    set_: SetOption = None,
) -> None:
    """Pick, reject, star, label or date photographs: what you say outranks what was measured."""
    with entered() as door:
        from merzmory.archive import marks
        from merzmory.config import asked
        from merzmory.errors import ConfigError
        from merzmory.story.archives import catalogue_and_ruling, found

        flags = [flag for flag, on in (("pick", pick), ("reject", reject), ("", unflag)) if on]
        said = [("flag", flags[0])] if flags else []
        said += [("stars", str(stars))] if stars is not None else []
        said += [
            (kind, "" if value == "none" else value)
            for kind, value in (("label", label), ("date", date))
            if value is not None
        ]
        if len(flags) > 1 or undo == bool(said) or undo == bool(photographs):
            raise ConfigError(
                "Say which photographs and one of --pick, --reject or --unflag, --stars N, "
                "--label red, --date 1962; or --undo alone."
            )
        made, lies = door.open(*asked(config, set_ or [], workspace))
        catalogue, _ruling = catalogue_and_ruling(made, lies)
        rows = found(made, lies)
        if undo:
            done = catalogue.undo()
            typer.echo(_taken_back(done, rows))
        else:
            shas = marks.find(rows, photographs or [])
            done = [marks.mark(sha256, *one) for sha256 in shas for one in said]
            changed = catalogue.mark(done)
            typer.echo(
                f"  {_counted(len(shas), 'photograph')}, {_counted(changed, 'mark')} changed"
            )
        judged_again(made, lies)


@app.command(rich_help_panel="Your photographs")
def duplicates(
    config: PlaceArgument, workspace: WorkspaceOption = None, set_: SetOption = None
) -> None:
    """Lay the stacks of duplicates on contact sheets, and the pairs around the threshold."""
    with entered() as door:
        from merzmory.config import asked
        from merzmory.manifest import do, read_manifest
        from merzmory.pipeline import duplicates as lay_out

        made, lies = door.open(*asked(config, set_ or [], workspace))
        folder = do(lay_out(made, lies))
        stacks = read_manifest(folder)
        frames = sum(len(stack["doubles"]) for stack in stacks)
        typer.echo(f"  {_counted(len(stacks), 'stack')}, {_counted(frames, 'frame')} set aside")
        typer.echo(f"  {folder}")


@app.command(rich_help_panel="Your photographs")
def xmp(
    config: PlaceArgument,
    read: Annotated[
        bool, typer.Option("--read", help="Take over ratings, flags and labels from XMP.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="DIR", help="Write your marks as sidecars below DIR."),
    ] = None,
    beside: Annotated[
        bool, typer.Option("--beside", help="Write them beside the photographs instead.")
    ] = False,
    workspace: WorkspaceOption = None,
    set_: SetOption = None,
) -> None:
    """Exchange marks with Lightroom, digiKam and darktable; originals are never written."""
    with entered() as door:
        from merzmory.config import asked
        from merzmory.errors import ConfigError

        if [read, write is not None, beside].count(True) != 1:
            raise ConfigError("Say one of --read, --write DIR or --beside.")
        made, lies = door.open(*asked(config, set_ or [], workspace))
        if read:
            for line in _read_xmp(made, lies):
                typer.echo(line)
            judged_again(made, lies)
        else:
            for line in _write_xmp(made, lies, write):
                typer.echo(line)


def _chosen(
    rows: Sequence[Row], unreviewed: bool, flags: set[str], stars: str, label: str
) -> Iterator[Row]:
    from merzmory.errors import ConfigError

    digit, sign = stars[:1], stars[1:]
    if stars and (digit not in "012345" or sign not in ("", "+", "-")):
        raise ConfigError(f"--stars {stars} is not understood: write 3, 3+ or 3-.")
    for row in rows:
        if row.verdict not in ("kept", "duplicate", "rejected"):
            continue
        if unreviewed and (row.flag or row.stars or row.label):
            continue
        if (flags and row.flag not in flags) or (label and row.label != label):
            continue
        if stars:
            given = int(digit)
            low, high = (given if sign != "-" else 0), (given if sign != "+" else 5)
            if not low <= row.stars <= high:
                continue
        yield row


def _taken_back(done: Sequence[Mark], rows: Sequence[Row]) -> str:
    if not done:
        return "  There are no marks to take back."
    paths = {row.sha256: row.path for row in rows}
    said = Counter(f"{mark.kind} {mark.value or 'none'}" for mark in done)
    first = paths.get(done[0].sha256, done[0].sha256[:12])
    others = len({mark.sha256 for mark in done}) - 1
    more = f" and {_counted(others, 'other')}" if others else ""
    return f"  Taken back: {', '.join(said)} of {first}{more}"


def judged_again(config: Config, workspace: Workspace) -> None:
    """Stacks are formed anew around what was marked, where the archive was culled before."""
    from merzmory.commands.status import counted
    from merzmory.manifest import do
    from merzmory.pipeline import STEPS
    from merzmory.story.archives import catalogue_and_ruling, photographs

    catalogue, ruling = catalogue_and_ruling(config, workspace)
    if catalogue.ruled_over(ruling) is not None:
        do(STEPS["cull"].plan(config, workspace))
        typer.echo(f"  {counted(photographs(config, workspace))}")


def _read_xmp(config: Config, workspace: Workspace) -> Iterator[str]:
    from merzmory.archive import sidecars
    from merzmory.story.archives import catalogue_and_ruling, found

    rows = [row for row in found(config, workspace) if row.verdict not in ("skipped", "error")]
    told = list(sidecars.read((row.path, row.sha256) for row in rows if row.sha256))
    catalogue, _ruling = catalogue_and_ruling(config, workspace)
    changed = catalogue.mark(mark for one in told for mark in one.marks())
    for one in told:
        if one.trouble:
            yield f"  not read: {one.trouble}"
    speaking = sum(bool(one.marks()) for one in told)
    yield (
        f"  {_counted(speaking, 'photograph')} with a rating, flag or label; "
        f"{_counted(changed, 'mark')} changed (`merzmory mark --undo` takes them back)"
    )


def _write_xmp(config: Config, workspace: Workspace, folder: Path | None) -> Iterator[str]:
    from merzmory.archive import sidecars
    from merzmory.archive.marks import NOTHING
    from merzmory.story.archives import catalogue_and_ruling, found, source

    catalogue, _ruling = catalogue_and_ruling(config, workspace)
    said = catalogue.marks()
    rows = [row for row in found(config, workspace) if said.get(row.sha256 or "", NOTHING).told]
    root = source(config, workspace).settings.get("folder")
    counts: Counter[str] = Counter()
    for sidecar in sidecars.write(
        {row.path: said[row.sha256 or ""] for row in rows},
        folder=folder,
        root=Path(root) if root else None,
    ):
        counts[sidecar.how] += 1
        if sidecar.how == sidecars.LEFT:
            yield f"  left as it is: {sidecar.path} ({sidecar.reason})"
    yield (
        f"  {counts[sidecars.NEW]} new, {counts[sidecars.MERGED]} merged with another program's, "
        f"{counts[sidecars.LEFT]} left" + (f", in {folder}" if folder else "")
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
