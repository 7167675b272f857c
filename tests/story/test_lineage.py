"""What names a result: equal settings one folder, other settings another, growing steps the same run."""

from __future__ import annotations

from pathlib import Path

import pytest

from merzmory import config, pipeline
from merzmory.errors import ConfigError, MerzmoryError, WeightsError
from merzmory.story import archives, lineage
from merzmory.workspace import Workspace


def made(outputs: Path, *overrides: str) -> tuple[config.Config, Workspace]:
    loaded = config.load("demo", [f"outputs={outputs}", "archive.sample_photos=100", *overrides])
    return loaded, loaded.workspace()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lineage") / "outputs"
    for step in ("ingest", "cull", "build"):
        pipeline.STEPS[step](*made(folder))
    return folder


def test_more_steps_continue_the_run(outputs: Path) -> None:
    short = lineage.training(*made(outputs, "train.steps=500"))
    assert short == lineage.training(*made(outputs, "train.steps=4000", "train.threads=2"))
    assert short != lineage.training(*made(outputs, "train.seed=1"))


def test_another_knob_downstream_keeps_what_lies_upstream(outputs: Path) -> None:
    plain, other = made(outputs), made(outputs, "sample.psi=0.9")
    assert lineage.dataset(*plain).folder == lineage.dataset(*other).folder
    assert lineage.strip(*plain).folder == lineage.strip(*other).folder
    assert lineage.samples(*plain).folder != lineage.samples(*other).folder
    assert lineage.gallery(*plain).folder != lineage.gallery(*other).folder


def test_another_crop_changes_everything_behind_it(outputs: Path) -> None:
    plain, other = made(outputs), made(outputs, "dataset.crop=centre")
    assert lineage.dataset(*plain).folder != lineage.dataset(*other).folder
    assert lineage.training(*plain) != lineage.training(*other)


def test_what_is_not_made_yet_names_its_step(outputs: Path) -> None:
    with pytest.raises(MerzmoryError, match="step train is not finished"):
        lineage.snapshot(*made(outputs))
    with pytest.raises(MerzmoryError, match="step upscale is not finished"):
        pipeline.STEPS["film"].plan(*made(outputs))


def test_a_resolution_that_does_not_fit_is_refused_early(outputs: Path) -> None:
    with pytest.raises(ConfigError, match="64 x 64"):
        pipeline.STEPS["ingest"].plan(*made(outputs, "dataset.resolution=128"))
    with pytest.raises(ConfigError, match=r"dataset\.resolution=64"):
        pipeline.STEPS["ingest"].plan(*made(outputs, "train.base="))


def test_a_base_that_cannot_be_trained_is_refused_early(outputs: Path, shared: Path) -> None:
    file = shared / "refvec" / "pkl" / "sg3t-tiny-32.pkl"
    with pytest.raises(WeightsError, match=r"cannot be trained \(StyleGAN3 makes pictures"):
        pipeline.STEPS["ingest"].plan(*made(outputs, f"train.base={file}"))


def test_a_generator_of_the_ledger_is_no_base(outputs: Path) -> None:
    """Said before anybody downloads it."""
    with pytest.raises(WeightsError, match="of the kind generator, which is not trained further"):
        pipeline.STEPS["ingest"].plan(*made(outputs, "train.base=stylegan3-t-ffhq-1024"))


def test_every_photograph_is_accounted_for(outputs: Path) -> None:
    rows = pipeline.photographs(*made(outputs))
    files = (outputs / "archives").glob("sample-photographs-*/photographs/**/*")
    assert len(rows) == len([p for p in files if p.is_file()])
    kept = [row for row in rows if row.verdict == "kept"]
    assert len(kept) == len(archives.keepers(*made(outputs)))
