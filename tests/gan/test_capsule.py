"""A run travels in one ZIP, is trained elsewhere, comes back, and is equal to the bit."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from merzmory.gan import run as runs
from merzmory.gan.capsule import pack, unpack
from merzmory.gan.checkpoint import save_network
from merzmory.gan.config import EngineError, NetworkConfig, TrainConfig
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.training import resume, train

MakeDataset = Callable[..., Path]

RECIPE = TrainConfig(
    steps=8, batch=4, seed=3, ada_initial=0.3, tick_steps=2, preview_count=4, snapshots=(0, 3),
    checkpoint_every_seconds=1e9, checkpoint_gb=0, z_dim=8, w_dim=8, mapping_layers=2,
    channel_base=64, channel_max=8, device="cpu", threads=1,
)  # fmt: skip


def _until(step: int) -> Callable[[], bool]:
    asked = iter([False] * (step - 1) + [True])
    return lambda: next(asked)


def _contents(run: Path) -> dict[str, bytes]:
    newest = runs.checkpoints(run)[-1][1]
    files = [*run.glob("snapshots/*"), *run.glob("previews/*"), *newest.glob("*.safetensors")]
    return {str(f.relative_to(run)): f.read_bytes() for f in [*files, run / runs.STATS]}


@pytest.fixture
def data(tmp_path: Path, dataset: MakeDataset) -> Path:
    """Squares whose manifest tells what nobody else should read."""
    folder = dataset(tmp_path / "d", count=10)
    manifest = folder / "manifest.jsonl"
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    told = {"path": "/home/anna/secret.jpg", "place": [48.85, 2.35], "taken": "1989-11-09"}
    manifest.write_text("".join(json.dumps(line | told) + "\n" for line in lines))
    return folder


def test_trained_elsewhere_and_brought_back_to_the_bit(tmp_path: Path, data: Path) -> None:
    """The borrowed machine has the ZIP alone: its engine trains, is interrupted, and packs again."""
    whole = train(tmp_path / "whole", dataset=data, config=RECIPE, base=None)
    home = tmp_path / "home" / "run"
    train(home, dataset=data, config=RECIPE, base=None, should_stop=_until(2))
    packed = pack(home, tmp_path / "there.zip")
    away = tmp_path / "notebook"
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(away)
    hidden = data.rename(tmp_path / "hidden")  # the notebook has no other dataset
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": ""}

    def there(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "merzmory.gan", *arguments]
        return subprocess.run(
            command, cwd=away, env=environment, capture_output=True, text=True, check=True
        )

    where = "import merzmory.gan.capsule as c; print(c.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=away, env=environment, capture_output=True, text=True
    )
    assert found.stdout.startswith(str(away))
    there("train", "run", "--set", "checkpoint_every_steps=1")
    there("pack", "run", "back.zip")
    hidden.rename(data)
    unpack(away / "back.zip", home)
    assert runs.is_finished(home)
    assert Path(runs.read_run(home)["dataset"]) == data
    assert _contents(home) == _contents(whole)
    longer = dataclasses.replace(RECIPE, steps=10)
    for run in (home, whole):
        train(run, dataset=data, config=longer, base=None)
    assert _contents(home) == _contents(whole)


def test_nothing_private_travels(tmp_path: Path, data: Path) -> None:
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None, should_stop=_until(1))
    with zipfile.ZipFile(pack(run, tmp_path / "a.zip")) as archive:
        texts = [archive.read(n) for n in archive.namelist() if not n.endswith((".png", ".py"))]
        assert not [n for n in archive.namelist() if n.endswith((".part", ".lock"))]
    for secret in (b"anna", b"48.85", b"1989", str(tmp_path).encode()):
        assert not [text for text in texts if secret in text]


def test_the_base_travels_until_there_is_a_checkpoint(tmp_path: Path, data: Path) -> None:
    config = NetworkConfig(8, z_dim=6, w_dim=10, mapping_layers=3, channel_base=32, channel_max=4)
    base = tmp_path / "base.safetensors"
    save_network(base, {"G_ema": Generator(config), "D": Discriminator(config)}, config)
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=base, should_stop=_until(1))
    assert "run/base.safetensors" not in zipfile.ZipFile(pack(run, tmp_path / "b.zip")).namelist()
    shutil.rmtree(run / "checkpoints")
    packed = pack(run, tmp_path / "a.zip")
    away = unpack(packed, tmp_path / "away")
    base.unlink()
    assert runs.is_finished(resume(away))
    with pytest.raises(EngineError, match="is gone and the run has no checkpoint yet"):
        pack(run, tmp_path / "c.zip")
    assert not list(tmp_path.glob("c.zip*"))


def test_another_run_or_an_older_one_changes_nothing(tmp_path: Path, data: Path) -> None:
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None, should_stop=_until(2))
    early = pack(run, tmp_path / "early.zip")
    resume(run)
    before = _contents(run)
    with pytest.raises(EngineError, match=r"is at step 8 and .*early.zip at step 2: nothing was"):
        unpack(early, run)
    other = dataclasses.replace(RECIPE, seed=4)
    train(tmp_path / "other", dataset=data, config=other, base=None)
    with pytest.raises(EngineError, match=r"holds another run .*seed differ"):
        unpack(pack(tmp_path / "other", tmp_path / "o.zip"), run)
    assert _contents(run) == before


@pytest.mark.parametrize(
    "name", ["run/../../evil", "run/evil.py", "run/dataset/../../x", "run/a\\b"]
)
def test_hostile_names_are_refused(tmp_path: Path, data: Path, name: str) -> None:
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None, should_stop=_until(1))
    packed = pack(run, tmp_path / "a.zip")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(EngineError, match="which no packed run does"):
        unpack(packed, tmp_path / "away")
    assert not (tmp_path / "away").exists()
    assert not list(tmp_path.rglob("evil*"))


def test_damage_ends_in_a_sentence(tmp_path: Path, data: Path) -> None:
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None, should_stop=_until(1))
    packed = pack(run, tmp_path / "a.zip")
    whole = packed.read_bytes()
    at = whole.index(b"run/snapshots") + 2000
    for bad in (
        b"",
        b"<html>",
        whole[: len(whole) // 2],
        whole[:at] + b"\xff" * 9 + whole[at + 9 :],
    ):
        packed.write_bytes(bad)
        with pytest.raises(EngineError, match="is damaged or no packed run"):
            unpack(packed, tmp_path / "away")
        assert not (tmp_path / "away").exists()
    with pytest.raises(EngineError, match="does not exist"):
        unpack(tmp_path / "no.zip", tmp_path / "away")


def test_the_commands_say_what_a_photographer_needs(tmp_path: Path, data: Path) -> None:
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None, should_stop=_until(2))
    packed = tmp_path / "a.zip"

    def merzmory(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from merzmory.cli import main; main()", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = merzmory("pack", run, packed)
    assert done.returncode == 0, done.stderr
    assert "holds the training squares of your photographs" in done.stdout
    back = merzmory("unpack", run, packed)
    assert back.stdout.strip() == "The training is at step 2 of 8."
    packed.write_bytes(b"<html>")
    bad = merzmory("unpack", run, packed)
    assert bad.returncode == 2
    assert "is damaged or no packed run" in bad.stderr and "Traceback" not in bad.stderr
