"""The commands on paper: contact sheets, prints, certificates and licences of a real, small result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merzmory.cli import app
from merzmory.commands.paper import _seeds
from merzmory.config import load
from merzmory.manifest import read_manifest
from merzmory.pipeline import STEPS
from merzmory.story import lineage
from tests.snapshots import snapshot

STEPS_BEFORE = ("ingest", "cull", "build", "train", "sample", "match", "upscale")
TINY = (
    "train.base=", "dataset.resolution=16", "train.steps=2", "train.batch=4",
    "train.channel_base=128", "train.channel_max=8", "train.z_dim=8", "train.w_dim=8",
    "train.mapping_layers=2", "train.metric_pictures=0", "train.preview_count=1", "sample.count=3",
    "archive.workers=1", "cull.min_side=32", 'gallery.photographer="A. Nobody"',
)  # fmt: skip


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A result as far as the enlarged pictures, from twelve photographs."""
    home = tmp_path_factory.mktemp("paper")
    (home / "photos").mkdir()
    for number in range(12):
        snapshot(number).save(home / "photos" / f"IMG_201405{number + 10}.jpg", quality=92)
    said = [*TINY, f"archive.folder={home / 'photos'}", f"outputs={home / 'out'}"]
    config = load("demo", said)
    for name in STEPS_BEFORE:
        STEPS[name](config, config.workspace())
    return said


def run(*words: str, overrides: list[str], code: int = 0) -> str:
    knobs = [word for one in overrides for word in ("--set", one)]
    done = CliRunner().invoke(app, [*words, *knobs])
    assert done.exit_code == code, done.output
    return done.output


def test_contact_sheets_come_first(overrides: list[str]) -> None:
    said = run("prints", "demo", overrides=overrides)
    assert "--picks" in said
    pdf = Path(re.findall(r"\S+contact\.pdf", said)[0])
    assert pdf.read_bytes()[:5] == b"%PDF-"
    assert read_manifest(pdf.parent)[0]["pictures"] == [f"seed{n:06d}.png" for n in range(3)]


def test_prints_say_what_they_need_and_what_may_be_sold(overrides: list[str]) -> None:
    order = ("--picks", "2,0", "--paper", "10x15", "--bleed", "3", "--marks", "--edition", "2")
    said = run("prints", "demo", *order, "--format", "png", overrides=overrides)
    assert said.count("too small") == 2
    assert "sharp up to 5.4 x 5.4 mm" in said  # 64 pixels at 300 dpi
    assert "May be sold: no licence" in said
    folder = Path(re.findall(r"(\S+)/seed000002\.png", said)[0])
    lines = read_manifest(folder)
    assert [(line["seed"], line["edition"], line["may_sell"]) for line in lines] == [
        (2, 2, "yes"), (0, 2, "yes"),
    ]  # fmt: skip
    assert all((folder / line["certificate"]).is_file() for line in lines)
    own = run("prints", "demo", "--picks", "1", overrides=overrides)
    assert "at 300 dpi, of which the picture itself gives 300: sharp" in own
    larger = run(
        "prints", "demo", "--picks", "1", "--paper", "10x15", "--dpi", "36", overrides=overrides
    )
    assert "--set upscale.scale=9." in larger  # 16 x 9 = 144 of 142 dots
    refused = run("prints", "demo", "--picks", "9", overrides=overrides, code=2)
    assert "no picture of seed 9: choose from 0 to 2" in refused


def test_licences(overrides: list[str], tmp_path: Path) -> None:
    said = run("licence", "demo", overrides=overrides)
    assert [line.split()[:2] for line in said.splitlines()[:3]] == [
        ["yes", "base"], ["yes", "photographs"], ["yes", "upscaler"],
    ]  # fmt: skip
    config = load("demo", overrides)
    pictures = lineage.upscaled(config, config.workspace()).folder
    assert run("licence", str(pictures / "seed000001.png"), overrides=[]) == said
    early = run("licence", "demo", overrides=[f"outputs={tmp_path / 'none'}"])
    assert "sample archive" in early and "upscaler" not in early
    assert not (tmp_path / "none").exists()
    (tmp_path / "x.png").touch()
    assert "is no result" in run("licence", str(tmp_path / "x.png"), overrides=[], code=2)


@pytest.mark.parametrize(
    ("picks", "seeds"),
    [("3", (3,)), ("3, 17,20-22", (3, 17, 20, 21, 22)), ("5 5,4-5", (5, 4)), ("0,", (0,))],
)
def test_picks(picks: str, seeds: tuple[int, ...]) -> None:
    assert _seeds(picks) == seeds


@pytest.mark.parametrize("picks", ["x", "3-1", "-4", "1-99999", ","])
def test_picks_that_are_none(picks: str) -> None:
    said = run("prints", "demo", f"--picks={picks}", overrides=[], code=2)
    assert "is not understood" in said
