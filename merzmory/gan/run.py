"""The run folder: the one folder of the project that grows.

    run.json          recipe, architecture, base and dataset it belongs to
    stats.jsonl       a line a tick: step, kimg, losses, strength; the last line says how far the run is
    timings.jsonl     a line a tick: what depends on the machine
    metrics.jsonl     a line a snapshot: sliced Wasserstein distance to the real pictures
    checkpoints/step-000200/      all that resuming needs
    snapshots/step-000100.safetensors     G and G_ema (float32)
    previews/step-000100-ema.png, -raw.png     the same fixed seeds at each step

Every file is written aside and renamed; stats.jsonl is cut back to the checkpoint when a run goes on.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from merzmory.gan.checkpoint import SUFFIX, storage_errors
from merzmory.gan.config import EngineError
from merzmory.gan.generate import Pixels

FORMAT = 1
RUN, STATS, TIMINGS, METRICS = "run.json", "stats.jsonl", "timings.jsonl", "metrics.jsonl"


def step_name(step: int) -> str:
    """step-000200."""
    return f"step-{step:06d}"


def step_of(path: Path) -> int:
    """200 of step-000200, step-000200.safetensors or step-000200-ema.png."""
    return int(path.name.split("-")[1].split(".")[0])


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file aside, then rename it."""
    aside = path.with_name(path.name + ".part")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON aside, then rename it."""
    text = json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False)
    write_bytes(path, (text + "\n").encode())


def write_picture(path: Path, picture: Pixels) -> None:
    """Write a PNG [H, W, C] aside, then rename it."""
    aside = path.with_name(path.name + ".part")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.squeeze()).save(aside, format="PNG")
        aside.replace(path)


def read_run(run: Path) -> dict[str, Any]:
    """run.json; EngineError where the folder is not a run, is damaged or of a newer format."""
    path = run / RUN
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version = int(found["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"{path} is missing or damaged, give the folder of a training run"
        ) from error
    if version > FORMAT:
        raise EngineError(
            f"{run} has format {version} and this version reads up to {FORMAT}, update merzmory"
        )
    return dict(found)


@contextmanager
def exclusive(run: Path) -> Iterator[None]:
    """Hold the run for this process; the system lets go of it even after a kill.

    Raises EngineError where another process holds it.
    """
    path = run / ".lock"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    with file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EngineError(
                f"{run} is being trained by another process, wait for it or stop it first"
            ) from error
        yield


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Append one JSON line, so that the line is on the disk when this returns, or nothing of it."""
    with storage_errors(path), path.open("ab") as out:
        before = out.tell()
        try:
            out.write((json.dumps(values, sort_keys=True) + "\n").encode())
            out.flush()
            os.fsync(out.fileno())
        except OSError:
            os.truncate(path, before)
            raise


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a .jsonl file; a last line that a kill cut off is left out."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def cut_back(run: Path, step: int) -> None:
    """Drop what was written behind `step`, and the closing lines of a run that grows."""
    for name in (STATS, TIMINGS, METRICS):
        if not (run / name).exists() and name == METRICS:
            continue
        kept = [
            line
            for line in read_lines(run / name)
            if line["step"] <= step and not line.get("closing")
        ]
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in kept)
        write_bytes(run / name, text.encode())
    for kind in ("snapshots", "previews"):
        for path in (run / kind).glob("step-*"):
            if step_of(path) > step:
                path.unlink()


def checkpoints(run: Path) -> list[tuple[int, Path]]:
    """Whole full-state checkpoints, oldest first."""
    found = [p for p in (run / "checkpoints").glob("step-*") if p.suffix != ".part"]
    return sorted((step_of(p), p) for p in found)


def drop_old_checkpoints(run: Path, keep: int, budget: float = 0) -> None:
    """Keep the newest `keep`, and more of them while all take at most `budget` bytes; what a kill
    left half-written goes too."""
    taken = 0
    for number, (_, path) in enumerate(reversed(checkpoints(run)), 1):
        taken += sum(file.stat().st_size for file in path.iterdir())
        if number > keep and taken > budget:
            shutil.rmtree(path, ignore_errors=True)
    for part in (run / "checkpoints").glob("*.part"):
        shutil.rmtree(part, ignore_errors=True)


def snapshots(run: Path) -> list[tuple[int, Path]]:
    """(step, file) of the slim network files, by step."""
    return sorted((step_of(p), p) for p in (run / "snapshots").glob(f"step-*{SUFFIX}"))


def snapshot_path(run: Path, step: int) -> Path:
    """snapshots/step-000100.safetensors."""
    return run / "snapshots" / (step_name(step) + SUFFIX)


def final_snapshot(run: Path) -> Path:
    """The snapshot of the latest step; EngineError where the run has none yet."""
    found = snapshots(run)
    if not found:
        raise EngineError(f"{run} has no snapshot yet, train it first")
    return found[-1][1]


def previews(run: Path, which: str = "ema") -> list[tuple[int, Path]]:
    """(step, PNG) of the preview sheets of the averaged (`ema`) or trained (`raw`) weights."""
    return sorted((step_of(p), p) for p in (run / "previews").glob(f"step-*-{which}.png"))


def preview_columns(count: int) -> int:
    """Columns of a preview sheet with `count` pictures: near square, rows not above columns."""
    columns = 1
    while columns * columns < count:
        columns += 1
    return columns


def progress(run: Path) -> tuple[int, int]:
    """(steps done, steps wanted), as far as the disk knows."""
    wanted = int(read_run(run)["config"]["steps"])
    lines = read_lines(run / STATS)
    done = int(lines[-1]["step"]) if lines else 0
    return done, wanted


def is_finished(run: Path) -> bool:
    """Whether the run has reached its last step and kept its snapshot and checkpoint."""
    if not (run / RUN).is_file():
        return False
    done, wanted = progress(run)
    newest = checkpoints(run)
    return (
        done == wanted
        and snapshot_path(run, wanted).is_file()
        and bool(newest)
        and newest[-1][0] == wanted
    )
