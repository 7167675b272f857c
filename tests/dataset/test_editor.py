"""The picture editor: every square once, the lowest first, on two sheets; the archive untouched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from merzmory.dataset import editor
from merzmory.gan import score
from merzmory.gan.checkpoint import load_discriminator, save_network
from merzmory.gan.config import NetworkConfig
from merzmory.gan.data import PictureSet
from merzmory.gan.networks import Discriminator
from merzmory.manifest import Work, do, read_manifest


@pytest.fixture
def network(tmp_path: Path) -> Path:
    config = NetworkConfig(16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8)
    torch.manual_seed(1)
    path = tmp_path / "d.safetensors"
    save_network(path, {"D": Discriminator(config)}, config)
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(4)
    with (folder / "manifest.jsonl").open("w", encoding="utf-8") as out:
        for number in range(30):
            file = f"images/{number:06d}.png"
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / file)
            path = f"/pictures/Füße {number}.jpg"
            out.write(json.dumps({"file": file, "photo": f"p{number}", "path": path}) + "\n")
    settings = {"format": 1, "kind": "dataset", "settings": {"resolution": 16}}
    (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
    return folder


def plan(network: Path, dataset: Path, folder: Path) -> Work:
    return editor.plan(
        network=network, step=7, dataset=dataset, folder=folder, device="cpu", settings={"step": 7}
    )


def test_scores_and_sheets(network: Path, dataset: Path, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in dataset.rglob("*") if p.is_file()}
    folder = do(plan(network, dataset, tmp_path / "scores"))
    assert {p: p.read_bytes() for p in dataset.rglob("*") if p.is_file()} == before
    assert {line["file"] for line in read_manifest(folder)} == {
        "scores.jsonl", "least.png", "most.png",
    }  # fmt: skip
    assert {p.name for p in folder.iterdir()} == {
        "scores.jsonl", "least.png", "most.png", "settings.json", "manifest.jsonl",
    }  # fmt: skip
    text = (folder / "scores.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["rank"] for line in lines] == list(range(1, 31))
    assert len({line["photo"] for line in lines}) == 30
    values = score.scores(load_discriminator(network), PictureSet(dataset))
    for line in lines:
        number = int(line["photo"][1:])
        assert line["score"] == pytest.approx(values[number], abs=1e-4)
        assert line["path"].endswith(f"Füße {number}.jpg")
    assert [line["score"] for line in lines] == sorted(line["score"] for line in lines)
    for name, first in (("least.png", lines[0]), ("most.png", lines[-1])):
        with Image.open(folder / name) as sheet, Image.open(dataset / first["file"]) as square:
            tile = square.resize((editor._TILE,) * 2, Image.Resampling.LANCZOS)
            page = np.asarray(sheet)
            assert _holds(page, np.asarray(tile)), name


def _holds(page: np.ndarray, tile: np.ndarray) -> bool:  # type: ignore[type-arg]
    """Whether `tile` stands in the first column of `page`."""
    side = tile.shape[0]
    places = np.argwhere((page[: -side + 1, : side // 2] == tile[0, 0]).all(axis=2))
    return any((page[y : y + side, x : x + side] == tile).all() for y, x in places)


def test_a_killed_editor_goes_on(network: Path, dataset: Path, tmp_path: Path) -> None:
    whole = do(plan(network, dataset, tmp_path / "whole"))
    for index in (3, 0):
        plan(network, dataset, tmp_path / "cut").run_shard(index, lambda _: None)
    cut = do(plan(network, dataset, tmp_path / "cut"))
    for name in ("scores.jsonl", "least.png", "most.png"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes()
