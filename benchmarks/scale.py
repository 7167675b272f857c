"""Two hundred thousand photographs on one machine: time, rows and memory.

    python benchmarks/scale.py                        20,000 photographs
    python benchmarks/scale.py --photos 20000 200000  and how it grows
    python benchmarks/scale.py --steps ingest         without culling

The photographs are real JPEGs of 48 x 32 pixels, made here, all unlike each other; of each fifty
one is an exact copy of another, and one the same picture with other bytes.
Each size runs in a program of its own; memory is the most that it, and any worker, held at once.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

_OF = 50  # of so many, one is a copy and one a double
_A_FOLDER = 1000
_COMMENT = b"\xff\xfe\0\6seen"  # a JPEG's segment


def make_photographs(root: Path, count: int) -> int:
    """`count` files below `root`; how many of them are exact copies."""
    copies = 0
    last = b""
    for number in range(count):
        folder = root / f"{number // _A_FOLDER:04d}"
        if number % _A_FOLDER == 0:
            folder.mkdir(parents=True)
        if number % _OF == _OF - 1:
            copies += 1
        elif number % _OF == _OF - 2:
            last = last[:2] + _COMMENT + last[2:]
        else:
            dice = np.random.default_rng(number)
            coarse = Image.fromarray(dice.integers(0, 256, (8, 12, 3), np.uint8))
            out = io.BytesIO()
            coarse.resize((48, 32), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
            last = out.getvalue()
        (folder / f"IMG_{number:06d}.jpg").write_bytes(last)
    return copies


def _megabytes(pid: int, field: str = "VmRSS") -> float:
    """Memory of a process (Linux); 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def _children(parent: int) -> list[int]:
    try:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def measure(root: Path, archive: Path, steps: list[str]) -> dict[str, float]:
    """Read and cull `root` here; seconds, rows and megabytes."""
    from merzmory.archive import culling, ingest
    from merzmory.archive.ingest import catalogue_of
    from merzmory.archive.sources.folder import FolderSource
    from merzmory.config import Cull
    from merzmory.manifest import do

    said: dict[str, float] = {"idle": _megabytes(os.getpid()), "workers": 0.0, "worker": 0.0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            each = [_megabytes(pid) for pid in _children(os.getpid())]
            said["workers"] = max(said["workers"], sum(each))
            said["worker"] = max([said["worker"], *each])

    threading.Thread(target=watch, daemon=True).start()

    def timed(name: str, work: object) -> None:
        start, before = time.perf_counter(), _worked()
        work()  # type: ignore[operator]
        said[name] = time.perf_counter() - start
        said[f"{name} CPU"] = _worked() - before
        said[f"{name} peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {name}: {said[name]:.1f} s", file=sys.stderr, flush=True)

    def read() -> None:
        do(ingest.plan(source=FolderSource(root), archive=archive, shard_size=256))

    knobs = Cull().model_dump()
    timed("ingest", read)
    timed("again", read)
    timed("rows", lambda: said.update(files=sum(catalogue_of(archive).counts().values())))
    if "cull" in steps:
        timed("cull", lambda: do(culling.plan(archive=archive, **knobs)))
        timed("keepers", lambda: said.update(kept=len(catalogue_of(archive).keepers())))
    said["database"] = (archive / "catalogue.sqlite").stat().st_size / 2**20
    over.set()
    return said


def _worked() -> float:
    """CPU seconds of this process, of those that it has ended, and (Linux) of its workers."""
    used = os.times()
    seconds = used.user + used.system + used.children_user + used.children_system
    for pid in _children(os.getpid()):
        with suppress(OSError):
            said = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            seconds += (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def main() -> None:
    """Print a table: a column a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", type=int, nargs="+", default=[20_000])
    parser.add_argument("--steps", nargs="+", default=["ingest", "cull"])
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(*asked.measure, asked.steps)))
        return
    columns: list[dict[str, float]] = []
    for count in asked.photos:
        with tempfile.TemporaryDirectory() as place:
            root, archive = Path(place) / "photos", Path(place) / "archive"
            start = time.perf_counter()
            copies = make_photographs(root, count)
            made = time.perf_counter() - start
            print(f"{count} photographs, {copies} of them copies, made in {made:.0f} s",
                  file=sys.stderr, flush=True)  # fmt: skip
            told = subprocess.run(
                [sys.executable, __file__, "--steps", *asked.steps, "--measure", root, archive],
                stdout=subprocess.PIPE, check=True,
            )  # fmt: skip
            columns.append(json.loads(told.stdout))
    units = {"idle": "MB", "workers": "MB", "worker": "MB", "database": "MB"}
    print("| what | " + " | ".join(f"{count:,}" for count in asked.photos) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for name in columns[0]:
        unit = "" if name in {"files", "kept"} else units.get(name, "s")
        unit = "MB" if name.endswith("peak") else unit
        figures = [column[name] for column in columns]
        digits = 0 if not unit else 1
        shown = " | ".join(f"{figure:,.{digits}f} {unit}".strip() for figure in figures)
        print(f"| {name} | {shown} |")


if __name__ == "__main__":
    main()
