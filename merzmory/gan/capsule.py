"""A run in one ZIP: to be trained on a borrowed machine, brought back, and continued.

README.txt        how to go on
merzmory/gan/     this engine: a machine with torch, numpy, pillow and safetensors needs nothing else
run/              run.json, stats, previews, snapshots, the newest checkpoint
run/dataset/      the training squares, with labels, without paths, dates or places
run/base.*        the base, as long as there is no checkpoint
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from merzmory.gan import run as runs
from merzmory.gan.checkpoint import storage_errors
from merzmory.gan.config import EngineError
from merzmory.gan.data import FORMAT as DATASET_FORMAT
from merzmory.gan.data import bare_manifest, manifest_lines

DATASET = "dataset"
_RUN = "run"
_LINES = (runs.STATS, runs.TIMINGS, runs.METRICS)
_FOLDERS = ("snapshots", "previews", "checkpoints", DATASET)
_README = """\
A training run of MERZmory. It holds the training squares of somebody's photographs: handle with care.

    python -m merzmory.gan train run        goes on, here; again after every interruption
    python -m merzmory.gan train run --set steps=4000
    python -m merzmory.gan pack run back.zip

Needed: Python 3.11 or newer with torch, numpy, pillow and safetensors. Keep this folder on a disk that
outlives the notebook: checkpoints are written into it every two minutes.
At home:  python -m merzmory.gan unpack back.zip RUN
"""


def pack(run: Path, out: Path) -> Path:
    """Write the run folder with its dataset and this engine into the ZIP `out`, which is returned.

    Raises EngineError: no run, its dataset or base is gone, it is being trained, the disk is full.
    """
    known = runs.read_run(run)
    dataset = run / known["dataset"]
    part = out.with_name(out.name + ".part")
    with runs.exclusive(run), storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr("README.txt", _README)
                for source in sorted(Path(__file__).parent.glob("*.py")):
                    archive.write(source, f"merzmory/gan/{source.name}")
                archive.writestr("merzmory/__init__.py", "")
                base = _base(run, known)
                if base is not None:
                    archive.write(base, f"{_RUN}/base{base.suffix}")
                carried = {
                    **known,
                    "dataset": DATASET,
                    "base": f"base{base.suffix}" if base else "",
                }
                archive.writestr(
                    f"{_RUN}/{runs.RUN}", json.dumps(carried, indent=1, sort_keys=True)
                )
                for path in _own_files(run):
                    archive.write(path, f"{_RUN}/{path.relative_to(run).as_posix()}")
                for name, data in _squares(dataset, known["network"]["resolution"]):
                    archive.writestr(f"{_RUN}/{DATASET}/{name}", data)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        part.replace(out)
    return out


def unpack(file: Path, run: Path) -> Path:
    """Lay the run out of the ZIP `file` as the folder `run`, which is returned. A folder that is this run
    already is brought forward: its dataset and base stay, what was trained elsewhere is added.

    Raises EngineError: no capsule, damaged, of another run, not further than `run`, the disk is full.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = _members(file, archive)
            known = json.loads(archive.read(f"{_RUN}/{runs.RUN}"))
            if not (run / runs.RUN).exists():
                return _lay_out(archive, members, run)
            with runs.exclusive(run):
                return _bring_back(file, archive, members, run, known)
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, EOFError) as error:
        raise EngineError(
            f"{file} is damaged or no packed run, pack it again with python -m merzmory.gan pack"
        ) from error
    except FileNotFoundError as error:
        raise EngineError(f"{file} does not exist, give the ZIP of a packed run") from error


def _base(run: Path, known: dict[str, Any]) -> Path | None:
    """The base's file where training still needs it: before the first checkpoint."""
    if not known["base"] or runs.checkpoints(run):
        return None
    path = run / str(known["base"])
    if not path.is_file():
        raise EngineError(
            f"the base {known['base']} of {run} is gone and the run has no checkpoint yet, "
            "train it for a few minutes first"
        )
    return path


def _own_files(run: Path) -> Iterator[Path]:
    """Lines, previews, snapshots and the newest checkpoint."""
    yield from (run / name for name in _LINES if (run / name).exists())
    for folder in ("previews", "snapshots"):
        yield from sorted(p for p in (run / folder).glob("step-*") if p.suffix != ".part")
    for _, newest in runs.checkpoints(run)[-1:]:
        yield from sorted(newest.iterdir())


def _squares(dataset: Path, resolution: int) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of what training needs of a dataset: nothing that says whose photographs they are."""
    lines = manifest_lines(dataset)
    settings = {
        "format": DATASET_FORMAT, "kind": "dataset", "settings": {"resolution": resolution},
    }  # fmt: skip
    yield "settings.json", json.dumps(settings).encode()
    yield "manifest.jsonl", bare_manifest(lines).encode()
    for line in lines:
        yield str(line["file"]), (dataset / str(line["file"])).read_bytes()


def _members(file: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The run's members by their path below the run folder; EngineError for what no capsule holds."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        if info.is_dir() or path.parts[0] != _RUN:
            continue
        inner = PurePosixPath(*path.parts[1:])
        top = inner.parts[0] if inner.parts else ""
        plain = len(inner.parts) == 1 and (top in (runs.RUN, *_LINES) or inner.stem == "base")
        if ".." in inner.parts or "\\" in info.filename or not (plain or top in _FOLDERS):
            raise EngineError(f"{file} holds {info.filename!r}, which no packed run does")
        found[str(inner)] = info
    size = sum(info.file_size for info in found.values())
    if size > 2 * file.stat().st_size:  # members are stored as they are
        raise EngineError(f"{file} claims to hold more than it can, pack the run again")
    return found


def _lay_out(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], run: Path) -> Path:
    part = run.with_name(run.name + ".part")
    with storage_errors(run):
        shutil.rmtree(part, ignore_errors=True)
        for name, info in members.items():
            _extract(archive, info, part / name)
        part.rename(run)
    return run


def _bring_back(
    file: Path,
    archive: zipfile.ZipFile,
    members: dict[str, zipfile.ZipInfo],
    run: Path,
    carried: dict[str, Any],
) -> Path:
    here = runs.read_run(run)
    keys = ("dataset_id", "base_sha256", "network", "engine", "format")
    differ = [key for key in keys if here.get(key) != carried.get(key)]
    if differ or here["config"]["seed"] != carried["config"]["seed"]:
        raise EngineError(
            f"{file} holds another run than {run} ({', '.join(differ) or 'seed'} differ), "
            "unpack it into a folder of its own"
        )
    steps = [int(PurePosixPath(n).parts[1].split("-")[1]) for n in members if "state.json" in n]
    there, newest = max(steps, default=0), (runs.checkpoints(run) or [(0, run)])[-1][0]
    if there < newest:
        raise EngineError(
            f"{run} is at step {newest} and {file} at step {there}: nothing was changed"
        )
    with storage_errors(run):
        for folder in ("snapshots", "previews"):
            for name, info in members.items():
                if name.startswith(folder) and not (run / name).exists():
                    _extract(archive, info, run / name)
        for name in _LINES:
            if name in members:
                runs.write_bytes(run / name, archive.read(members[name]))
        target = run / "checkpoints" / runs.step_name(there)
        if steps and not target.exists():
            part = target.with_name(target.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            for name, info in members.items():
                if name.startswith("checkpoints/"):
                    _extract(archive, info, part / PurePosixPath(name).name)
            part.rename(target)
        kept = {"dataset": here["dataset"], "base": here["base"]}
        runs.write_json(run / runs.RUN, {**carried, **kept})
    return run


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path) -> None:
    """One member, written aside and renamed; its checksum is checked while it is read."""
    to.parent.mkdir(parents=True, exist_ok=True)
    aside = to.with_name(to.name + ".part")
    with archive.open(info) as source, aside.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(to)
