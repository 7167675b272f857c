"""Hours and gigabytes before a training, held against one that was run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merzmory.dataset import cost
from merzmory.gan import run as runs
from merzmory.gan.config import TrainConfig
from merzmory.gan.training import train

_TINY = TrainConfig(
    steps=40, batch=2, threads=1, device="cpu", z_dim=16, w_dim=16, mapping_layers=2,
    channel_base=256, channel_max=32, tick_steps=10, snapshots=(0,), mbstd_group=2, metric_pictures=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cost")
    folder = place / "dataset"
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"images/{number}.png")
        lines.append(json.dumps({"file": f"images/{number}.png", "label": "ab"[number % 2]}))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    settings = {"format": 1, "kind": "dataset", "settings": {"resolution": 16}}
    (folder / "settings.json").write_text(json.dumps(settings))
    return train(place / "run-1", dataset=folder, config=_TINY, base=None)


def test_the_disk_is_what_a_run_takes(run: Path) -> None:
    (found,) = cost.costs(
        resolution=16, labels=2, config=_TINY, base=None, earlier=[run], steps=[40]
    )
    states = [path.stat().st_size for path in (run / "checkpoints").rglob("*.safetensors")]
    slim = [path.stat().st_size for path in (run / "snapshots").iterdir()]
    assert len(slim) == len(_TINY.snapshot_steps())
    kept = len(runs.checkpoints(run))
    whole = sum(states) / kept * (_TINY.keep_checkpoints + 1) + sum(slim)
    assert found.bytes == pytest.approx(
        whole, rel=0.25
    )  # names and shapes weigh much in so small a net


def test_an_earlier_run_of_the_same_kind_says_the_pace(run: Path) -> None:
    lines = runs.read_lines(run / runs.TIMINGS)
    speeds = [line["images_per_second"] for line in lines if line["step"] > 16]
    assert len(lines) > len(speeds) >= 2
    (found,) = cost.costs(
        resolution=16, labels=2, config=_TINY, base=None, earlier=[run], steps=[100]
    )
    assert found.how == "as run-1 took" and found.steps == 100
    assert found.seconds == pytest.approx(100 * 2 / np.median(speeds))


@pytest.mark.parametrize("other", [{"batch": 4}, {"r1_interval": 8}, {"channel_max": 16}])
def test_another_kind_of_run_is_measured(run: Path, other: dict[str, int]) -> None:
    few, many = cost.costs(
        resolution=16, labels=2, config=replace(_TINY, **other), base=None, earlier=[run, run / "x"]
    )
    assert few.how == "measured on steps of noise"
    assert (few.steps, many.steps) == (500, 4000)
    assert many.seconds == pytest.approx(8 * few.seconds) and 0 < few.seconds < 500 * 60
    assert many.bytes >= few.bytes > 0


def test_more_steps_take_more_disk() -> None:
    """By hand: a state is 4 (4 * 10 + 3 * 5) = 220 kB, a snapshot 80 kB; three states and two."""
    config = TrainConfig(steps=500, snapshots=(0, 500), checkpoint_gb=0.001)
    assert cost.disk(10_000, 5_000, config, 60.0) == 3 * 220_000 + 2 * 80_000
    assert cost.disk(10_000, 5_000, config, 600.0) == (4 + 1) * 220_000 + 2 * 80_000
    longer = replace(config, snapshots=None, steps=4000)  # 0, 1, 2, 5 ... 2000, 4000
    assert cost.disk(10_000, 5_000, longer, 60.0) == 3 * 220_000 + 13 * 80_000
