"""Before anything is trained: the verdict and the crops of a real archive; labels through the story."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from merzmory.archive.marks import Mark
from merzmory.cli import app
from merzmory.commands.beforehand import ready_lines
from merzmory.config import Config, load
from merzmory.dataset.crop import NAMES
from merzmory.dataset.readiness import Cost, readiness
from merzmory.errors import ConfigError, MerzmoryError
from merzmory.frame import Frame
from merzmory.gan import checkpoint
from merzmory.manifest import read_manifest, read_settings
from merzmory.pipeline import STEPS
from merzmory.story import archives, lineage, outlook

_TINY = [
    "train.base=", "dataset.resolution=16", "train.steps=2", "train.batch=4", "train.z_dim=16",
    "train.w_dim=16", "train.mapping_layers=2", "train.channel_base=256", "train.channel_max=32",
    "train.preview_count=4", "train.metric_pictures=0", "train.threads=1", "train.device=cpu",
    "cull.min_side=16", "cull.near_bits=0", "cull.max_clipped=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photographs of 48 x 32 of two years, read and culled."""
    place = tmp_path_factory.mktemp("outlook")
    folder = place / "photos"
    folder.mkdir()
    for number in range(12):
        dice = np.random.default_rng(number)
        pixels = dice.integers(0, 256, (16, 24, 3), np.uint8).repeat(2, 0).repeat(2, 1)
        exif = Image.Exif()
        exif[0x010F] = "Lens & Sons"  # a date without a camera is a scanner's
        exif[0x0132] = f"{2014 + number % 2}:05:{1 + number:02d} 10:00:00"
        Image.fromarray(pixels).save(folder / f"{number:02d}.jpg", quality=95, exif=exif)
    made = _config(place)
    for step in ("ingest", "cull"):
        STEPS[step](made, made.workspace())
    return place


def _config(place: Path, *overrides: str) -> Config:
    own = [f"outputs={place / 'out'}", f"archive.folder={place / 'photos'}", "name=tiny"]
    return load("demo", [*own, *_TINY, *overrides])


def test_the_verdict_on_an_archive(archive: Path) -> None:
    made = _config(archive)
    found = outlook.ready(made, made.workspace())
    assert found.verdict == "FIX FIRST" and "12 photographs are few" in found.reasons[0]
    assert found.numbers["outings"] == 12 and found.numbers["enlarged"] == 0
    assert [cost.steps for cost in found.costs] == [2, 500, 4000]
    lines = list(ready_lines(found, made))
    assert all(len(line) <= 80 for line in lines) and lines[0].strip() == "FIX FIRST"
    assert sum("(this config)" in line for line in lines) == 1


def test_the_commands(archive: Path) -> None:
    words = [word for pair in _TINY for word in ("--set", pair)]
    words += [
        "--set",
        f"outputs={archive / 'out'}",
        "--set",
        f"archive.folder={archive / 'photos'}",
    ]
    words += ["--set", "name=tiny"]
    said = CliRunner().invoke(app, ["ready", "demo", "--json", *words])
    assert said.exit_code == 0 and json.loads(said.output)["verdict"] == "FIX FIRST"
    said = CliRunner().invoke(app, ["crops", "demo", "--compare", "--count", "3", *words])
    assert said.exit_code == 0
    file = Path(said.output.strip().splitlines()[-1].strip())
    settings = read_settings(file.parent)["settings"]
    assert file.name == "crops-00.png" and settings["methods"] == list(NAMES)


def test_the_lines_of_a_good_archive() -> None:
    found = readiness(
        640, 64, costs=[Cost(500, 190.0, 2 * 10**9, "measured")],
        set_aside={"duplicate": 3, "rejected": 4, "too_small": 1},
    )  # fmt: skip
    text = "\n".join(ready_lines(found, load("demo")))
    assert "640 photographs are enough. First runs are drafts." in " ".join(text.split())
    assert "3 duplicates, 4 rejected (1 too small)" in text
    assert "500 steps         about 3 min 10 s, 2.0 GB\n" in text


def test_a_disk_that_is_too_small() -> None:
    cost = Cost(500, 190.0, 2 * 10**9, "measured")
    found = readiness(640, 64, costs=[cost], steps=500, free=10**9)
    assert found.verdict == "FIX FIRST" and "2.0 GB, and the disk has 1.0 GB" in found.reasons[0]
    assert readiness(640, 64, costs=[cost], steps=500, free=3 * 10**9).verdict == "GO"


@pytest.mark.parametrize(("days", "verdict"), [(3.0, "GO"), (3.01, "FIX FIRST")])
def test_a_training_that_takes_days(days: float, verdict: str) -> None:
    cost = Cost(500, days * 86400, 10**9, "measured")
    found = readiness(640, 64, costs=[cost], steps=500)
    assert found.verdict == verdict and ("3 days" in found.reasons[0]) == (verdict != "GO")
    assert readiness(640, 64, costs=[cost], steps=200).verdict == "GO"
    assert "500 steps         about 3 days, 1.0 GB" in "\n".join(ready_lines(found, load("demo")))


def test_a_box_by_hand_makes_another_dataset(archive: Path, tmp_path: Path) -> None:
    shutil.copytree(archive, tmp_path / "copy")
    made = _config(archive, f"outputs={tmp_path / 'copy/out'}")
    workspace = made.workspace()
    before = lineage.dataset(made, workspace).folder
    photo = archives.keepers(made, workspace)[3]
    catalogue = archives.catalogue(made, workspace)
    catalogue.mark([Mark(photo.id, "box", "4,2,24,22")])
    STEPS["cull"](made, workspace)
    folder = STEPS["build"](made, workspace)
    assert folder != before
    (line,) = [line for line in read_manifest(folder) if line["photo"] == photo.id]
    assert line["box"] == [4, 2, 24, 22] and line["method"] == "by hand"


def test_labels_go_through_the_story(archive: Path) -> None:
    """A conditional generator from scratch, by year: trained, and sampled in both its years."""
    made = _config(archive, "dataset.labels=year", "sample.count=4", "dataset.fit=squeeze")
    workspace = made.workspace()
    for step in ("build", "train", "sample"):
        folder = STEPS[step](made, workspace)
    assert checkpoint.inspect(lineage.snapshot(made, workspace))["labels"] == 2
    assert [line["label"] for line in read_manifest(folder)] == ["2014", "2015", "2014", "2015"]
    assert lineage.frame(made, workspace) == Frame("3:2")  # the shape of most photographs
    with Image.open(folder / "seed000000.png") as picture:
        assert picture.size == (24, 16)


def test_a_base_without_labels_takes_none(archive: Path) -> None:
    made = _config(archive, "dataset.labels=year", "train.base=starter", "dataset.resolution=0")
    made = made.model_copy(update={"cull": made.cull.model_copy(update={"min_side": 16})})
    with pytest.raises(ConfigError, match="base starter knows no labels"):
        lineage.dataset(made, made.workspace())
    with pytest.raises(ConfigError, match="cannot be told apart by album"):
        lineage.dataset(_config(archive, "dataset.labels=album"), made.workspace())


def test_nothing_was_read_yet(tmp_path: Path) -> None:
    made = _config(tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(MerzmoryError, match="merzmory ingest"):
        outlook.ready(made, made.workspace())


def test_a_base_of_cars_shows_its_window(archive: Path) -> None:
    made = _config(archive)
    cars = made.model_copy(update={"train": replace(made.train, base="cars-512")})
    assert archives.base_frame(cars) == Frame("4:3", (0, 0.125, 1, 0.875))
    assert archives.base_frame(made) is None
