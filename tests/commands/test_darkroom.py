"""The darkroom's commands, on a training of twelve striped photographs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from merzmory import cli
from merzmory.config import load
from merzmory.gan import checkpoint
from merzmory.latent import vectors
from merzmory.manifest import read_settings
from merzmory.pipeline import STEPS
from merzmory.provenance import read_png

KNOBS = [
    "dataset.resolution=16", "dataset.fit=squeeze", "dataset.aspect=3:2", "cull.min_side=16",
    "cull.near_bits=0", "cull.max_blur=1", "train.base=", "train.steps=4", "train.batch=4", "train.threads=1",
    "train.snapshots=[0, 2]", "train.z_dim=8", "train.w_dim=8", "train.mapping_layers=2",
    "train.channel_base=128", "train.channel_max=8", "train.preview_count=1", "train.device=cpu",
]  # fmt: skip


@dataclass(frozen=True)
class Room:
    """The commands, with a config's words behind each."""

    knobs: list[str]

    def told(self, line: str) -> str:
        """What a command says that is done."""
        done = self._done(line)
        assert done.exit_code == 0, done.output
        return done.output

    def refused(self, line: str) -> str:
        """The sentence of one that cannot be done."""
        done = self._done(line)
        assert done.exit_code == 2 and "Traceback" not in done.output
        [sentence] = done.stderr.strip().splitlines()
        return sentence

    def _done(self, line: str) -> Result:
        words = [word for knob in self.knobs for word in ("--set", knob)]
        return CliRunner().invoke(cli.app, [*shlex.split(line), *words])


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A training that is done."""
    folder = tmp_path_factory.mktemp("darkroom")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(5)
    for number in range(12):
        picture = rng.integers(0, 255, (64, 96, 3), np.uint8)
        picture[:, :: 2 + number % 3, number % 3] = 250
        Image.fromarray(picture).save(folder / "photos" / f"{number}.png")
    knobs = [*KNOBS, f"archive.folder={folder / 'photos'}", f"outputs={folder / 'outputs'}"]
    made = load("demo", knobs)
    for name in ("ingest", "cull", "build", "train"):
        STEPS[name](made, made.workspace())
    return Room(knobs)


def test_explore_and_keep(room: Room, tmp_path: Path) -> None:
    here = tmp_path.as_posix()
    said = room.told(f"explore demo --out {here}/grid --origin seed:12 --columns 3 --rows 2")
    assert str(tmp_path / "grid" / "grid.png") in said.replace("\n", "")
    with Image.open(tmp_path / "grid" / "cell_+00_+00.png") as picture:
        assert picture.size == (24, 16)  # squeezed to squares, shown as they were
    record = read_png(tmp_path / "grid" / "cell_-01_-01.png")
    assert (record["origin"], record["step"], record["network"]) == ("seed:12", 4, "ema")
    assert here not in str(record) and record["run"].startswith("run-")
    assert (record["kind"], record["base"], record["may_sell"]) == ("grid", "none", "yes")
    assert len(record["network_sha256"]) == 64 and "seed" not in record

    assert room.told("favourites demo list") == ""
    room.told("favourites demo add 'the glass' --origin seed:12 --cell -1,-1")
    room.told("favourites demo add far --origin seed:12 --go -1,-1 --go 0,1 --cell 2,0")
    said = room.told("favourites demo list")
    assert "seed 12" in said and "cell -1,-1 · cell 0,1 · cell 2,0" in said
    room.told(
        f"explore demo --out {here}/again --origin 'favourite:the glass' --rows 1 --columns 1"
    )
    cells = [tmp_path / "grid" / "cell_-01_-01.png", tmp_path / "again" / "cell_+00_+00.png"]
    assert np.array_equal(*(np.asarray(Image.open(cell)) for cell in cells))

    room.told("favourites demo mix both --of far --fine 'the glass'")
    room.told("favourites demo name far farther")
    room.told(f"favourites demo export {here}/kept.npz")
    names = [one.name for one in vectors.load(tmp_path / "kept.npz")]
    assert names == ["the glass", "farther", "both"]
    room.told("favourites demo remove both")
    room.told(f"favourites demo export {here}/one.json 'the glass'")
    room.told(f"explore demo --origin {here}/one.json --rows 1 --network raw --step 2 --space w")
    room.told(
        f"explore demo --origin {here}/kept.npz@farther --rows 1 --columns 1 --out {here}/one"
    )
    assert read_settings(tmp_path / "one")["settings"]["origin"] == "kept.npz@farther"
    assert "it has the glass, farther, both" in room.refused(
        f"explore demo --origin {here}/kept.npz@x"
    )
    [explored] = load("demo", room.knobs).workspace().results("explore")
    settings = read_settings(explored)["settings"]
    assert (settings["origin"], settings["space"], settings["step"]) == ("one.json", "w", 2)

    assert "there are the glass, farther" in room.refused("explore demo --origin favourite:x")
    assert "names no origin" in room.refused("explore demo --origin x")
    assert "choose one of 0, 2, 4" in room.refused("explore demo --step 3")
    assert "is no cell" in room.refused("favourites demo add x --cell 1")
    assert "choose ema or raw" in room.refused("explore demo --network x")
    assert "holds other things" in room.refused(f"explore demo --out {here}")
    assert "cannot be a name" in room.refused("favourites demo add ' '")


def test_directions_and_sliders(room: Room, tmp_path: Path) -> None:
    here = tmp_path.as_posix()
    room.told(
        f"directions demo --method ganspace --out {here}/found --layers 2-3 --count 2 "
        "--names 'light, age' --rows 2 --columns 3"
    )
    made = sorted(path.name for path in (tmp_path / "found").glob("direction*"))
    assert made == ["direction-01.png", "direction-02.png", "directions.json"]
    sliders = f"--sliders {here}/found/directions.json"
    room.told(f"favourites demo add lighter --slider light=2.5 {sliders}")
    room.told(f"favourites demo export {here}/lighter.json lighter")
    [kept] = vectors.load(tmp_path / "lighter.json")
    assert kept.about["sliders"] == {"light": 2.5} and kept.values.shape == (6, 8)
    assert "sefa or ganspace" in room.refused("directions demo --method x")
    assert "NAME=2.5" in room.refused(f"favourites demo add x --slider light {sliders}")
    assert "--sliders" in room.refused("favourites demo add x --slider light=1")
    assert "from 0 to 5" in room.refused("directions demo --layers 9")


def test_blend(room: Room, tmp_path: Path) -> None:
    here, out = tmp_path.as_posix(), tmp_path / "blend.safetensors"
    room.told(f"blend demo {out.as_posix()} --from 0 --to 4 --curve swap:8")
    assert read_png(out.with_suffix(".png"))["curve"] == "swap:8"
    assert checkpoint.inspect(out)["networks"] == ["G", "G_ema"]
    room.told(f"explore demo --file {out.as_posix()} --rows 1 --columns 1 --out {here}/grid")
    assert read_png(tmp_path / "grid" / "cell_+00_+00.png")["network_file"] == "blend"
    assert "has no base" in room.refused(f"blend demo {here}/x.safetensors")
    assert "choose one of" in room.refused(f"blend demo {here}/x.safetensors --from 3")
    assert "swap:32" in room.refused(f"blend demo {here}/x.safetensors --from 0 --curve x")
    assert not (tmp_path / "x.safetensors").exists()


def test_a_file_alone(tmp_path: Path) -> None:
    """A network is looked at without any archive; without one, the training is asked for."""
    here, base = tmp_path.as_posix(), Path(cli.__file__).parent / "bases"
    room = Room([f"outputs={here}/outputs", "train.threads=1", "train.device=cpu"])
    file = (base / "starter-garments-64.safetensors").as_posix()
    room.told(f"explore demo --file {file} --rows 1 --columns 2 --out {here}/grid")
    with Image.open(tmp_path / "grid" / "cell_-01_+00.png") as picture:
        assert picture.size == (64, 64)
    assert "merzmory" in room.refused("explore demo")
