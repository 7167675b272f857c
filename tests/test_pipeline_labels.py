"""What is made of a training, from a network with labels, through the steps of the story."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from merzmory import config, pipeline
from merzmory.errors import ConfigError
from merzmory.manifest import read_manifest
from merzmory.workspace import Workspace

SMALL = [
    "archive.sample_photos=100", "dataset.resolution=16", "train.base=", "train.steps=4",
    "train.batch=4", "train.threads=1", "train.snapshots=[0, 2]", "train.z_dim=8", "train.w_dim=8",
    "train.mapping_layers=2", "train.channel_base=128", "train.channel_max=8",
    "train.preview_count=1", "strip.seeds=2", "timelapse.seeds=2", "timelapse.seconds=1",
    "timelapse.size=90", "curve.pictures=12", "sample.count=4", "walk.seconds=0.5", "walk.size=64",
]  # fmt: skip


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A story told up to the training, on squares of two labels."""
    folder = tmp_path_factory.mktemp("labels") / "outputs"
    for name in ("ingest", "cull", "build"):
        made = pipeline.STEPS[name](*loaded(folder))
    lines = read_manifest(made)
    labelled = [{**line, "label": str(2019 + n % 2)} for n, line in enumerate(lines)]
    text = "".join(json.dumps(line) + "\n" for line in labelled)
    (made / "manifest.jsonl").write_text(text, "utf-8")
    pipeline.STEPS["train"](*loaded(folder))
    return folder


def loaded(outputs: Path, *overrides: str) -> tuple[config.Config, Workspace]:
    made = config.load("demo", [*SMALL, f"outputs={outputs}", *overrides])
    return made, made.workspace()


def done(outputs: Path, step: str, *overrides: str) -> Path:
    return pipeline.STEPS[step](*loaded(outputs, *overrides))


def test_the_training_is_filmed(outputs: Path) -> None:
    folder = done(outputs, "timelapse")
    film = cv2.VideoCapture(str(folder / "film.mp4"))
    frames = []
    while (read := film.read())[0]:
        frames.append(np.asarray(read[1])[:, :, ::-1])
    shown = np.stack(frames).astype(int)
    assert shown.shape == (12, 90, 160, 3)
    assert np.abs(shown[0, :2, :2] - 18).max() <= 6  # dark around the pictures
    assert shown[0, 20:60, 20:140].std() > 10
    # ADA off or on, four steps move the weights: the last frame is no longer the first
    assert np.abs(shown[-1] - shown[0]).mean() > 0.05
    assert read_manifest(folder)[0]["source"] == "timelapse"


def test_the_curve_is_measured(outputs: Path) -> None:
    folder = done(outputs, "curve")
    about = json.loads((folder / "curve.json").read_text("utf-8"))
    assert [p["step"] for p in about["points"]] == [0, 0, 2, 2, 4, 4]
    own = [p["same_seed"] for p in about["points"] if p["network"] == "raw"]
    assert own[0] == pytest.approx(0, abs=1e-6) and own[0] < own[1] < own[2]


def test_the_discriminator_is_asked(outputs: Path) -> None:
    config_, workspace = loaded(outputs)
    before = [row.verdict for row in pipeline.photographs(config_, workspace)]
    folder = done(outputs, "score")
    lines = [json.loads(s) for s in (folder / "scores.jsonl").read_text("utf-8").splitlines()]
    names = {Path(row.path).name for row in pipeline.photographs(config_, workspace)}
    assert {Path(line["path"]).name for line in lines} <= names
    assert len(lines) == before.count("kept")
    assert [row.verdict for row in pipeline.photographs(config_, workspace)] == before
    with Image.open(folder / "least.png") as sheet:
        assert sheet.width > 1000


def test_scores_are_of_the_newest_discriminator(outputs: Path) -> None:
    """A run that went on has no older D: asked for fewer steps, the scores say which they are."""
    longer = ("train.steps=5",)
    done(outputs, "train", *longer)
    assert done(outputs, "score") == done(outputs, "score", *longer)
    settings = json.loads((done(outputs, "score") / "settings.json").read_text("utf-8"))
    assert settings["settings"]["step"] == 5


def test_labels_are_taken_in_turn_or_chosen(outputs: Path) -> None:
    assert [p["label"] for p in read_manifest(done(outputs, "sample"))] == ["2019", "2020"] * 2
    one = done(outputs, "sample", "sample.label=2020")
    assert {line["label"] for line in read_manifest(one)} == {"2020"}
    assert done(outputs, "strip") != done(outputs, "strip", "strip.label=2020")
    assert done(outputs, "walk") != done(outputs, "walk", "walk.label=2020")


@pytest.mark.parametrize("step", ["sample", "strip", "walk", "timelapse"])
def test_a_label_that_is_not_there_is_one_sentence(outputs: Path, step: str) -> None:
    knob = {"timelapse": "strip"}.get(step, step)
    with pytest.raises(ConfigError, match=f"set {knob}.label to one of 2019, 2020"):
        pipeline.STEPS[step].plan(*loaded(outputs, f"{knob}.label=1999"))


def test_the_ending_shows_them(outputs: Path) -> None:
    for step in ("strip", "timelapse", "curve", "score"):
        done(outputs, step)
    shown = [title for title, _ in pipeline.summary(*loaded(outputs))]
    assert shown[:6] == [
        "Film strip (G_ema)", "Film strip (G)", "Film of the training", "Curve of forgetting",
        "Least like your archive", "Most like your archive",
    ]  # fmt: skip
