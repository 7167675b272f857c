"""The engine's own command line: contracts, exit codes, one sentence on bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from merzmory.gan import checkpoint, generate
from merzmory.gan.__main__ import main, parse_seeds
from merzmory.gan.config import EngineError, NetworkConfig
from merzmory.gan.networks import Discriminator, Generator

CONFIG = NetworkConfig(8, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64, channel_max=8)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    networks = {"G_ema": Generator(CONFIG), "D": Discriminator(CONFIG)}
    checkpoint.save_network(path, networks, CONFIG)
    return path


def test_sample(network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["sample", "--network", str(network), "--seeds", "0-2,7", "--psi", "0.7"]
    assert main([*command, "--noise", "const", "--out", str(out), "--device", "cpu"]) == 0
    assert sorted(p.name for p in out.iterdir()) == [f"seed000{i}.png" for i in (0, 1, 2, 7)]
    wanted = generate.images(checkpoint.load_generator(network), [7], 0.7)[0]
    assert np.abs(np.asarray(Image.open(out / "seed0007.png")).astype(int) - wanted).max() <= 1


def test_inspect(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(network)]) == 0
    assert json.loads(capsys.readouterr().out)["resolution"] == 8


def test_train_and_export(
    network: Path, tmp_path: Path, dataset: object, capsys: pytest.CaptureFixture[str]
) -> None:
    data = dataset(tmp_path / "d")  # type: ignore[operator]
    run, out = tmp_path / "run", tmp_path / "base.safetensors"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "x"\n[train]\nsteps = 3\nbatch = 4\ndevice = "cpu"\n', "utf-8")
    command = ["train", str(run), "--dataset", str(data), "--base", str(network)]
    assert main([*command, "--config", str(recipe), "--set", "ada=off", "--set", "steps=2"]) == 0
    assert "step 2/2" in capsys.readouterr().out
    assert main(["train", str(run), "--set", "steps=3"]) == 0
    assert main(["export", str(run), str(out), "--half", "--note", "licence=CC0-1.0"]) == 0
    found = checkpoint.inspect(out)
    assert found["networks"] == ["G_ema", "D"]
    assert found["notes"]["step"] == "3"
    assert found["dtypes"] == ["F16"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["inspect", "{tmp}/none.safetensors"], "does not exist"),
        (["train", "{tmp}/run"], "--dataset"),
        (["train", "{tmp}/run", "--dataset", "{tmp}"], "not a dataset folder"),
        (["train", "{tmp}/run", "--dataset", "{tmp}", "--set", "steps"], "KEY=VALUE"),
        (["train", "{tmp}/run", "--dataset", "{tmp}", "--set", "stepz=3"], "stepz"),
        (["train", "{tmp}/run", "--dataset", "{tmp}", "--config", "{tmp}/none"], "TOML"),
        (["export", "{tmp}/run", "{tmp}/x.safetensors"], "does not exist"),
        (["sample", "--network", "{tmp}/n", "--seeds", "x", "--out", "{tmp}"], "not seeds"),
    ],
)
def test_bad_input_is_one_sentence(
    command: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([part.format(tmp=tmp_path) for part in command]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert said.endswith(".\n")


def test_seeds() -> None:
    assert parse_seeds("0-3") == [0, 1, 2, 3]
    assert parse_seeds("1, 5,7-9") == [1, 5, 7, 8, 9]
    for wrong in ("", "a", "-1", "1-", "1-2-3"):
        with pytest.raises(EngineError, match="not seeds"):
            parse_seeds(wrong)
