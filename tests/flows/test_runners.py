"""A studio's runner makes the same catalogue, with one writer."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.runners import task_runner
from merzmory.archive import ingest
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.sources.folder import FolderSource
from merzmory.config import Studio
from merzmory.errors import ConfigError
from merzmory.manifest import do

ROOT = Path(__file__).resolve().parents[2]
FAR = Path(__file__).with_name("far.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten photographs, one of them twice, one cut off, and a note."""
    place = tmp_path_factory.mktemp("photos")
    for number in range(10):
        pixels = np.random.default_rng(number).integers(0, 256, (60, 90, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.jpg")
    (place / "copy.jpg").write_bytes((place / "3.jpg").read_bytes())
    (place / "cut.jpg").write_bytes((place / "4.jpg").read_bytes()[:500])
    (place / "note.txt").write_text("note")
    return place


def _read(outputs: Path, folder: Path, runner: str) -> Path:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, FAR, outputs, folder, runner],
        env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return Path(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def here(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue that this process makes alone."""
    archive = tmp_path_factory.mktemp("here") / "archive"
    return do(ingest.plan(source=FolderSource(folder), archive=archive, shard_size=64))


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_shards_on_real_workers(runner: str, folder: Path, here: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec(f"prefect_{runner}") is None:
        pytest.skip(f"needs the extra {runner}: pip install 'merzmory[{runner}]'")
    archive = _read(tmp_path, folder, runner)
    assert catalogue_of(archive).rows() == catalogue_of(here).rows()
    assert catalogue_of(archive).assets() == catalogue_of(here).assets()
    assert len(catalogue_of(archive).rows()) == 13
    with sqlite3.connect(tmp_path / "prefect" / "prefect.db") as base:
        names = [name for (name,) in base.execute("SELECT name FROM task_run ORDER BY name")]
    assert names == [f"ingest-{number:05d}" for number in range(4)]


def test_a_runner_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_dask.task_runners", None)
    with pytest.raises(ConfigError, match=r"merzmory\[dask\]"):
        task_runner(Studio(runner="dask"))
