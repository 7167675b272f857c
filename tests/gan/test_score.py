"""Scores of a run's pictures by its newest D, with and without labels, through the engine's door."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from merzmory.gan import score
from merzmory.gan.__main__ import main
from merzmory.gan.checkpoint import load_discriminator
from merzmory.gan.config import EngineError, TrainConfig
from merzmory.gan.data import PictureSet
from merzmory.gan.training import train

MakeDataset = Callable[..., Path]
RECIPE = TrainConfig(
    base="", steps=3, batch=4, checkpoint_every_steps=1, ada="off", preview_count=1, z_dim=8,
    w_dim=8, mapping_layers=2, channel_base=64, channel_max=8, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, dataset: MakeDataset) -> tuple[Path, Path]:
    """(run, dataset) without labels."""
    folder = tmp_path_factory.mktemp("plain")
    data = dataset(folder / "d", count=11)
    return train(folder / "run", dataset=data, config=RECIPE, base=None), data


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory, dataset: MakeDataset) -> tuple[Path, Path]:
    """(run, dataset) with two labels."""
    folder = tmp_path_factory.mktemp("labelled")
    data = dataset(folder / "d", count=11, labels=True)
    return train(folder / "run", dataset=data, config=RECIPE, base=None), data


@pytest.mark.parametrize("kind", ["plain", "labelled"])
def test_the_door_writes_every_picture_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run, data = request.getfixturevalue(kind)
    out = tmp_path / "scores.jsonl"
    assert main(["score", str(run), str(out), "--device", "cpu"]) == 0
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [line["rank"] for line in lines] == list(range(1, 12))
    assert {line["photo"] for line in lines} == {f"p{i}" for i in range(11)}
    assert [line["score"] for line in lines] == sorted(line["score"] for line in lines)
    newest = load_discriminator(run / "checkpoints" / "step-000003" / "networks.safetensors")
    values = score.scores(newest, PictureSet(data))
    assert lines[0]["photo"] == f"p{int(values.argmin())}"
    assert lines[0]["score"] == pytest.approx(float(values.min()), abs=1e-5)


def test_scores_are_means_of_shuffles(plain: tuple[Path, Path]) -> None:
    run, data = plain
    D, pictures = load_discriminator(score.newest(run)[1]), PictureSet(data)
    parts = [score.shuffle(D, pictures, n, batch=4) for n in range(3)]
    assert (parts[0] != parts[1]).any()  # D compares the pictures of a batch
    mean = score.scores(D, pictures, shuffles=3, batch=4)
    np.testing.assert_allclose(mean, np.mean(parts, axis=0), rtol=1e-5)


def test_a_label_changes_the_score(labelled: tuple[Path, Path], dataset: MakeDataset) -> None:
    run, data = labelled
    D, pictures = load_discriminator(score.newest(run)[1]), PictureSet(data)
    before = score.shuffle(D, pictures, 0)
    assert pictures._classes is not None
    pictures._classes = 1 - pictures._classes
    assert (score.shuffle(D, pictures, 0) != before).any()


def test_other_pictures_are_refused(
    labelled: tuple[Path, Path], plain: tuple[Path, Path], tmp_path: Path, dataset: MakeDataset
) -> None:
    with pytest.raises(EngineError, match="knows 2 labels and the dataset holds 0"):
        score.score_run(labelled[0], plain[1], device="cpu")
    with pytest.raises(EngineError, match="8 px pictures and the dataset holds 16 px"):
        score.score_run(plain[0], dataset(tmp_path / "d", size=16), device="cpu")
    with pytest.raises(EngineError, match="no checkpoint yet"):
        score.newest(tmp_path)
