"""A picture that a run made is made again from its file alone, to the bit."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from merzmory import cli, provenance
from merzmory.commands import inside
from merzmory.errors import ConfigError, FormatError, WeightsError
from merzmory.frame import Frame
from merzmory.gan.config import TrainConfig
from merzmory.gan.run import snapshot_path
from merzmory.gan.training import train
from merzmory.latent import sample
from merzmory.manifest import do
from merzmory.story import again
from merzmory.upscale import upscale

RUN = "run-0123abcd"


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs with a tiny run, three pictures of it, and these enlarged."""
    folder = tmp_path_factory.mktemp("again")
    dataset = folder / "dataset"
    (dataset / "images").mkdir(parents=True)
    rng, lines = np.random.default_rng(2), []
    for number in range(8):
        file = f"images/{number:06d}.png"
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(dataset / file)
        lines.append(json.dumps({"file": file, "photo": f"p{number}", "path": "x.jpg"}) + "\n")
    (dataset / "manifest.jsonl").write_text("".join(lines), "utf-8")
    settings = {"format": 1, "kind": "dataset", "settings": {"resolution": 16}}
    (dataset / "settings.json").write_text(json.dumps(settings), "utf-8")
    recipe = TrainConfig(
        base="", steps=2, batch=4, snapshots=(0, 2), ada="off", preview_count=1, z_dim=8, w_dim=8,
        mapping_layers=2, channel_base=128, channel_max=8, device="cpu",
    )  # fmt: skip
    run = folder / "outputs" / "trip" / RUN
    run.parent.mkdir(parents=True)
    train(run, dataset=dataset, config=recipe, base=None)
    network = snapshot_path(run, 2)
    born = {
        "run": RUN, "step": 2, "base": "none", "licence": "May be sold.", "may_sell": "yes",
        "network_sha256": hashlib.sha256(network.read_bytes()).hexdigest(),
    }  # fmt: skip
    plan = partial(
        sample.plan, network=network, step=2, first_seed=0, count=3, device="cpu",
        settings={"run": RUN, "step": 2}, birth=lambda: born,
    )  # fmt: skip
    place = run.parent
    do(plan(folder=place / "samples", which="ema", psi=0.6, noise="const"))
    do(plan(folder=place / "wide", which="raw", psi=1.1, noise="random", shape=Frame("3:2")))
    do(
        upscale.plan(
            pictures=place / "samples", folder=place / "large", engine="lanczos", scale=2,
            settings={}, nearest=lambda: {"seed000001.png": ["aa11", "bb22"]},
        )
    )  # fmt: skip
    return folder / "outputs"


def pixels(file: Path) -> np.ndarray[Any, Any]:
    with Image.open(file) as picture:
        return np.asarray(picture)


def show(*words: str | Path) -> Any:
    return CliRunner().invoke(cli.app, ["show", *map(str, words)])


@pytest.mark.parametrize("folder", ["samples", "wide"])
def test_it_is_the_same_to_the_bit(outputs: Path, tmp_path: Path, folder: str) -> None:
    file = outputs / "trip" / folder / "seed000001.png"
    done = show(file, "--again", tmp_path / "again.png", "--outputs", outputs)
    assert done.exit_code == 0, done.output
    assert "equal to the bit" in " ".join(done.output.split())
    assert "Seed 1, psi (truncation)" in done.output
    np.testing.assert_array_equal(pixels(file), pixels(tmp_path / "again.png"))
    assert provenance.read(tmp_path / "again.png") == provenance.read(file)


def test_an_enlarged_picture_is_made_in_its_first_size(outputs: Path, tmp_path: Path) -> None:
    file = outputs / "trip" / "large" / "seed000001.png"
    record = provenance.read(file)
    assert (record["kind"], record["base"], record["nearest"]) == (
        "upscaled", "none", ["aa11", "bb22"],
    )  # fmt: skip
    assert again.make(file, tmp_path / "small.png", outputs) is None
    first = outputs / "trip" / "samples" / "seed000001.png"
    np.testing.assert_array_equal(pixels(first), pixels(tmp_path / "small.png"))
    said = list(inside.words(file, record, provenance.TRAINED))
    assert said[0] == "An enlarged picture: made by a trained network, not by a camera."
    assert "Enlarged 2 times by lanczos." in said
    assert "aa11, bb22" in said[-1]


def test_a_run_that_was_renamed_is_found_by_its_digest(outputs: Path, tmp_path: Path) -> None:
    moved = tmp_path / "outputs"
    shutil.copytree(outputs / "trip" / RUN, moved / "other" / "run-99999999")
    file = outputs / "trip" / "samples" / "seed000000.png"
    assert again.make(file, tmp_path / "a.png", moved) is True


def test_a_network_that_is_gone_or_was_trained_on_is_named(outputs: Path, tmp_path: Path) -> None:
    file = outputs / "trip" / "samples" / "seed000000.png"
    with pytest.raises(WeightsError, match=r"run-0123abcd at step 2\) does not lie below"):
        again.make(file, tmp_path / "a.png", tmp_path)
    copy = tmp_path / "outputs" / "trip" / RUN
    shutil.copytree(outputs / "trip" / RUN, copy)
    shutil.copyfile(snapshot_path(copy, 0), snapshot_path(copy, 2))
    with pytest.raises(WeightsError, match="does not lie below"):
        again.make(file, tmp_path / "a.png", tmp_path / "outputs")
    assert not (tmp_path / "a.png").exists()


def test_nothing_is_written_over(outputs: Path, tmp_path: Path) -> None:
    file = outputs / "trip" / "samples" / "seed000000.png"
    before = file.read_bytes()
    with pytest.raises(ConfigError, match=r"is there already: choose another name"):
        again.make(file, file, outputs)
    assert file.read_bytes() == before
    with pytest.raises(ConfigError, match=r"is no \.png"):
        again.make(file, tmp_path / "a.jpg", outputs)


GOOD: dict[str, Any] = {
    "run": RUN, "step": 2, "network": "ema", "seed": 1, "psi": 0.7, "noise": "const", "class": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"run": "../../etc"}, {"run": "run-*"}, {"run": "/run-0123abcd"}, {"step": -1},
        {"step": "x"}, {"network": "D"}, {"seed": -4}, {"seed": 2**32}, {"psi": float("nan")},
        {"psi": "1e999"}, {"noise": "loud"}, {"class": []}, {"frame": {"aspect": "x"}},
        {"step": None}, {"seed": 1e400}, {"frame": {"aspect": "3:2", "window": [0, 1]}},
    ],
)  # fmt: skip
def test_what_a_stranger_wrote_is_checked(change: dict[str, Any]) -> None:
    assert again.Recipe.read(GOOD, "x.png").seed == 1
    with pytest.raises(FormatError, match=r"x\.png does not say how one picture"):
        again.Recipe.read(GOOD | change, "x.png")


def test_a_film_is_not_made_again_from_its_file(outputs: Path, tmp_path: Path) -> None:
    provenance.save_png(Image.new("RGB", (8, 8)), tmp_path / "s.png", {"kind": "strip", "run": RUN})
    done = show(tmp_path / "s.png", "--again", tmp_path / "a.png", "--outputs", outputs)
    assert done.exit_code == 2
    assert "does not say how one picture of a seed was made" in " ".join(done.output.split())


def test_words_are_short_and_printable() -> None:
    record = {"seed": "\x1b[2J\nevil", "licence": "x" * 5000, "kind": ["odd"], "nearest": "no"}
    said = list(inside.words(Path("a.png"), record, ""))
    assert all(line.isprintable() and len(line) <= 300 for line in said)
    [nothing] = inside.words(Path("a.png"), {}, "")
    assert nothing == "a.png says nothing about how it was made."


def test_json_is_for_programs(outputs: Path) -> None:
    done = show(outputs / "trip" / "samples" / "seed000002.png", "--json")
    found = json.loads(done.output)
    assert (found["seed"], found["digital_source_type"]) == (2, "trainedAlgorithmicMedia")
    assert "/" not in json.dumps(found)  # no path
