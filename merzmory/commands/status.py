"""Where the work stands, as lines for the terminal: what is finished, where, how large, what next."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from merzmory.commands.terminal import human_size
from merzmory.errors import MerzmoryError

if TYPE_CHECKING:
    from merzmory.archive.assets import Row
    from merzmory.config import Config
    from merzmory.gan.export import Exported
    from merzmory.workspace import Workspace

_MORE_STEPS = 4000


def ending(
    argument: str, overrides: Sequence[str], config: Config, took: str, rows: Sequence[Row]
) -> Iterator[str]:
    """What the story made, where it lies, and the next command."""
    from merzmory.pipeline import summary

    made = summary(config, config.workspace())
    widest = max((len(title) for title, _ in made), default=0)
    yield f"\n  Done in {took}, from {counted(rows)}. To look at:\n"
    for title, path in made:
        yield f"    {title:<{widest}}  {path}"
    with contextlib.suppress(MerzmoryError):  # pictures that were not matched
        for line in waiting_lines(argument, overrides, config, config.workspace()):
            yield f"\n  {line}"
    said, words = "Let it forget more (it goes on from here):", list(overrides)
    words = [w for w in words if not w.replace(" ", "").startswith("train.steps=")]
    if config.archive.folder is None and not config.archive.is_fetched:
        said = "Now with your own photographs (they are only read, never changed):"
        words += ["archive.folder=~/Pictures", "train.steps=500"]
    else:
        words.append(f"train.steps={max(_MORE_STEPS, 2 * config.train.steps)}")
    settings = " ".join(f"--set {_quoted(word)}" for word in words)
    yield f"\n  {said}\n\n    {command()} run {shlex.quote(argument)} {settings}\n"


def waiting_lines(
    argument: str, overrides: Sequence[str], config: Config, workspace: Workspace
) -> Iterator[str]:
    """The line of the pictures that wait for a decision, where some do."""
    from merzmory.story.holding import waiting

    if files := waiting(config, workspace):
        yield held_line(argument, overrides, files)


def held_line(argument: str, overrides: Sequence[str], files: Sequence[str]) -> str:
    """Which pictures are held back, and the commands that look and decide."""
    from merzmory.story.holding import sentence

    settings = "".join(f" --set {_quoted(word)}" for word in overrides)
    return sentence(files, command(), shlex.quote(argument), settings)


def network_of(argument: str, overrides: Sequence[str]) -> Path:
    """The network file or run folder that `argument` is, or else the run of the config of that name.

    Raises:
        MerzmoryError: there is no such config, or its training has not begun.
    """
    from merzmory.config import load
    from merzmory.gan.checkpoint import FOREIGN, SUFFIX
    from merzmory.gan.run import RUN
    from merzmory.pipeline import training_run

    path = Path(argument).expanduser()
    if path.suffix.lower() in (SUFFIX, *FOREIGN) or (path / RUN).is_file():
        return path
    made = load(argument, list(overrides))
    folder = training_run(made, made.workspace())
    if not (folder / RUN).is_file():
        raise MerzmoryError(
            f"There is no training of {argument} yet: run `{command()} train {argument}` first."
        )
    return folder


def exported_lines(done: Exported, format: str, licence: str) -> Iterator[str]:
    """The files that were written, what is in them, what they may be used for, what opens them."""
    from merzmory.latent.export import OPENS

    step = f" of step {done.notes['step']}" if "step" in done.notes else ""
    yield from (f"  {path}" for path in done.files)
    yield f"{', '.join(done.networks)}{step}, {human_size(done.bytes)}."
    yield licence
    yield OPENS[format]
    yield from (f"For its code: {remark}." for remark in done.remarks)


def counted(rows: Sequence[Row]) -> str:
    """160 files: 142 kept, 10 duplicates, 6 rejected, 1 skipped, 1 error."""
    counts = Counter(row.verdict for row in rows)
    names = {"duplicate": "duplicates", "error": "errors"}
    parts = [
        f"{counts[verdict]} {names.get(verdict, verdict) if counts[verdict] > 1 else verdict}"
        for verdict in ("kept", "duplicate", "rejected", "skipped", "error")
        if counts[verdict]
    ]
    return f"{len(rows)} files" + f" ({', '.join(parts)})" * bool(parts)


def photo_lines(rows: Sequence[Row], *, every: bool) -> Iterator[str]:
    """The files that were not kept, or all, each with its verdict and reason; then their number."""
    for row in rows:
        if every or row.verdict != "kept":
            stars = f"{row.stars} star{'s' * (row.stars > 1)}" if row.stars else ""
            said = ", ".join(filter(None, (row.flag, stars, row.label)))
            yield (
                f"{row.verdict:<9}  {row.path}"
                + f"  [{said}]" * bool(said)
                + (f"\n{'':<11}{row.reason}" if row.reason else "")
            )
    yield counted(rows)


def row_lines(rows: Iterable[Row], source: str) -> Iterator[str]:
    """Every file as one JSON line; `source` is the archive's, where a file's own is not known."""
    for row in rows:
        said = asdict(row)
        own = row.origin.source if row.origin else source
        yield json.dumps({**said, "source": own, "date": row.taken})


def found_lines(rows: Sequence[Row], words: Sequence[str], *, judged: bool) -> Iterator[str]:
    """What ingest found, by verdict, and the next command: `words` are what it is given."""
    line = shlex.join(words)
    yield f"  {counted(rows)}"
    if judged:
        yield f"\n  Every file, with the reason:\n\n    {command()} photos {line} --all\n"
    else:
        yield f"\n  To set doubles and blurs aside:\n\n    {command()} cull {line}\n"


def experiment_lines(config: Config) -> Iterator[str]:
    """Each step of one experiment: finished, begun or waiting; and the server."""
    from merzmory.pipeline import STORY

    workspace = config.workspace()
    yield f"{config.name}, in {workspace.experiment}"
    if not workspace.outputs.is_dir():
        yield f"  nothing yet: merzmory run {config.name}"
        return
    waits = False
    for step in STORY:
        try:
            work = step.plan(config, workspace)
        except MerzmoryError as error:  # behind an unfinished step that is to be expected
            yield f"   - {step.title:<32} {'waits' if waits else error}"
            waits = True
            continue
        if work.shards == 0:
            yield f"  ok {step.title:<32} {work.folder} ({human_size(_size(work.folder))})"
        else:
            yield f"  .. {step.title:<32} {_begun(step.name, work.folder, config)}"
            waits = True
    yield _server(workspace.prefect)


def overview_lines(outputs: Path) -> Iterator[str]:
    """Every experiment under `outputs`, its results and their sizes; and the server."""
    from merzmory.workspace import Workspace

    if not outputs.is_dir():
        yield f"Nothing yet in {outputs}: merzmory run demo"
        return
    shared = {
        "archives": "catalogues of the photographs",
        "weights": "bases and networks",
        "private": "sessions",
    }
    for folder in sorted(p for p in outputs.iterdir() if p.is_dir() and p.name != "prefect"):
        if folder.name in shared:
            yield f"{folder} ({shared[folder.name]}, {human_size(_size(folder))})"
            continue
        yield f"{folder} ({human_size(_size(folder))})"
        for result in Workspace(outputs, folder.name).results():
            yield f"  ok {result.name} ({human_size(_size(result))})"
        for part in sorted(folder.glob("*.part")):
            yield f"  .. {part.name} (unfinished; the same command goes on with it)"
    yield _server(outputs / "prefect")


def command() -> str:
    """How the person calls this program: by its name, or by its path where no name leads to it."""
    own = Path(sys.argv[0])
    if shutil.which("merzmory") or own.name != "merzmory":
        return "merzmory"
    own = own.absolute()
    here = own.is_relative_to(Path.cwd())
    return shlex.quote(str(own.relative_to(Path.cwd()) if here else own))


def _begun(step: str, folder: Path, config: Config) -> str:
    if step == "train" and folder.is_dir():
        from merzmory.gan import run

        return f"{run.progress(folder)[0]} of {config.train.steps} steps ({folder})"
    part = folder.with_name(folder.name + ".part")
    return f"begun ({part})" if part.is_dir() else "to do"


def _server(home: Path) -> str:
    from flows.presence import living
    from flows.server import find

    url = find(home)
    if url is None:
        return "No run at the moment; the Prefect server is not running."
    users = living(home)
    return f"Prefect server: {url.removesuffix('/api')} ({users} run{'s' * (users != 1)} at the moment)"


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _quoted(word: str) -> str:
    """`word` for a shell, with a leading ~ left to it: archive.folder=~/Pictures."""
    return word if word.startswith("archive.folder=~/") and " " not in word else shlex.quote(word)
