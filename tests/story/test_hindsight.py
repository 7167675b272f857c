"""What follows a training, through its steps: match, meter, measure, dig."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from merzmory import config, pipeline, provenance
from merzmory.archaeology.memorisation import SCALE
from merzmory.archive.looking import People
from merzmory.errors import ArchiveError, ConfigError, WeightsError
from merzmory.manifest import read_manifest
from merzmory.story import hindsight, lineage
from merzmory.workspace import Workspace

SMALL = [
    "archive.sample_photos=100", "dataset.resolution=16", "train.base=", "train.steps=4",
    "train.batch=4", "train.threads=1", "train.snapshots=[0, 2]", "train.z_dim=8", "train.w_dim=8",
    "train.mapping_layers=2", "train.channel_base=128", "train.channel_max=8",
    "train.preview_count=1", "sample.count=4", "meter.pictures=8", "measure.count=16",
]  # fmt: skip


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hindsight") / "outputs"
    for step in ("ingest", "cull", "build", "train", "sample", "match"):
        pipeline.STEPS[step](*loaded(folder))
    return folder


def loaded(outputs: Path, *overrides: str) -> tuple[config.Config, Workspace]:
    made = config.load("demo", [*SMALL, f"outputs={outputs}", *overrides])
    return made, made.workspace()


def test_matches_have_a_level_and_a_camera(outputs: Path) -> None:
    lines = read_manifest(lineage.matches(*loaded(outputs)).finished())
    assert {line["level"] for line in lines} <= {"none", "echo", "near copy"}
    assert "MERZmory Sample camera" in {line["camera"] for line in lines}
    scale = lineage.scale(*loaded(outputs)).finished()
    kinds = {line["copy"] for line in read_manifest(scale)}
    assert "double" in kinds  # the catalogue's doubles calibrate it, too
    assert json.loads((scale / SCALE).read_text())["recognised"] > 0.5


def test_the_meter_and_the_measures(outputs: Path) -> None:
    points = read_manifest(hindsight.METER(*loaded(outputs)))
    assert {point["step"] for point in points} == {0, 2, 4}
    folder = hindsight.MEASURE(*loaded(outputs))
    columns = json.loads((folder / "measures.json").read_text())["columns"]
    assert [c["network"] for c in columns] == ["ema", "raw", "halves"]  # from scratch: no base
    assert hindsight.MEASURE.plan(*loaded(outputs)).shards == 0


def test_digging_both_ways(outputs: Path) -> None:
    made, workspace = loaded(outputs)
    folder = hindsight.dig(seed=2)(made, workspace)
    for name in ("dig.png", "wipe.png"):
        record, source = provenance.told(folder / name)
        assert (record["kind"], record["seed"], record["base"]) == ("dig", 2, "none")
        assert source == provenance.COMPOSITE
    told = json.loads((folder / "dig.json").read_text())["matches"]
    assert {match["sample"] for match in told} == {"seed000002.png"}
    assert {match["part"] for match in told} == {"whole", "colour", "texture", "patch"}
    photo = Path(told[0]["path"])
    before = photo.read_bytes()
    turned = hindsight.dig(photo=photo)(made, workspace)
    assert len(json.loads((turned / "dig.json").read_text())["matches"]) == 4
    assert photo.read_bytes() == before
    with pytest.raises(ArchiveError, match=r"none\.jpg cannot be read .*: check the path"):
        hindsight.dig(photo=photo.with_name("none.jpg")).plan(made, workspace)


def test_digging_shows_nobody_who_is_left_out(
    outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photograph that was not trained on lies on the disk as it is: with everybody on it."""
    made, workspace = loaded(outputs)
    stranger = tmp_path / "stranger.png"
    Image.new("RGB", (64, 64), "red").save(stranger)
    assert hindsight.dig(photo=stranger).plan(made, workspace).shards
    monkeypatch.setattr(People, "chosen", lambda _self: True)  # and everybody was looked at
    monkeypatch.setattr(People, "unseen", lambda _self, _by: [])
    with pytest.raises(ConfigError, match="somebody is left out or blurred, whom it might show"):
        hindsight.dig(photo=stranger).plan(made, workspace)
    [line, *_] = read_manifest(lineage.dataset(made, workspace).finished())
    hindsight.dig(photo=Path(line["path"])).plan(made, workspace)


def test_another_embedder_makes_other_results_or_says_what_is_missing(outputs: Path) -> None:
    with pytest.raises(ConfigError, match="trained from scratch"):
        pipeline.STEPS["match"].plan(*loaded(outputs, "match.embedder=discriminator"))
    with pytest.raises(WeightsError, match="weights import dinov2-s FILE"):
        pipeline.STEPS["match"].plan(*loaded(outputs, "match.embedder=dinov2"))
    with pytest.raises(WeightsError, match="weights import inception-pytorch-fid FILE"):
        hindsight.MEASURE.plan(*loaded(outputs, "measure.embedder=inception"))
    settings = lineage.index(*loaded(outputs)).settings
    assert settings["embedder"] == "hoglab 1"
