"""The curve of forgetting: nothing is forgotten at step 0, more the further the weights move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from merzmory import provenance
from merzmory.archaeology.embedders import embedder
from merzmory.errors import ArchiveError
from merzmory.gan import checkpoint
from merzmory.latent import chart, curve
from merzmory.manifest import do, read_manifest


def made(trained: Any, folder: Path, **changes: Any) -> dict[str, Any]:
    knobs: dict[str, Any] = {
        "snapshots": trained.snapshots, "dataset": trained.dataset, "pictures": 24, "psi": 1.0,
        "embed": embedder("hoglab").embed, "embedder": "hoglab", "device": "cpu", "settings": {},
    }  # fmt: skip
    do(curve.plan(folder=folder, **knobs | changes))
    about: dict[str, Any] = json.loads((folder / curve.CURVE).read_text("utf-8"))
    return about


def moved_snapshots(trained: Any, folder: Path) -> dict[int, Path]:
    """The base, and networks whose weights lie further and further from it."""
    folder.mkdir()
    generator = checkpoint.load_generator(trained.snapshots[0])
    state = {k: v.clone() for k, v in generator.state_dict().items()}
    torch.manual_seed(2)
    push = {k: torch.randn_like(v) * v.std(correction=0) for k, v in state.items()}
    found = {}
    for step, far in ((0, 0.0), (10, 0.1), (20, 0.3), (40, 0.9)):
        generator.load_state_dict({k: v + far * push[k] for k, v in state.items()})
        found[step] = folder / f"step-{step:06d}.safetensors"
        checkpoint.save_network(found[step], {"G_ema": generator}, generator.config)
    return found


def test_the_base_is_where_it_begins_and_distance_grows(trained: Any, tmp_path: Path) -> None:
    moved = moved_snapshots(trained, tmp_path / "moved")
    about = made(trained, tmp_path / "curve", snapshots=moved)
    own = [p for p in about["points"] if p["network"] == "ema"]
    assert [p["step"] for p in own] == [0, 10, 20, 40]
    assert own[0]["same_seed"] == pytest.approx(0, abs=1e-6)
    assert abs(own[0]["to_base"]) < 3 * own[0]["to_base_error"]
    for measure in ("same_seed", "to_base"):
        values = [p[measure] for p in own]
        assert values == sorted(values), measure
        assert values[-1] > 3 * own[-1][f"{measure}_error"]
    assert own[0]["to_archive"] > own[0]["to_base"]


def test_a_curve_is_numbers_and_a_picture(trained: Any, tmp_path: Path) -> None:
    folder = tmp_path / "curve"
    about = made(trained, folder)
    assert {p.name for p in folder.iterdir()} == {
        "curve.json", "curve.png", "settings.json", "manifest.jsonl",
    }  # fmt: skip
    assert (about["pictures"], about["squares"], about["embedder"]) == (24, 12, "hoglab")
    assert about["points"] == read_manifest(folder)
    assert {(p["step"], p["network"]) for p in about["points"]} == {
        (step, which) for step in (0, 4, 8) for which in ("ema", "raw")
    }
    with Image.open(folder / "curve.png") as picture:
        seen = {colour for _, colour in picture.convert("RGB").getcolors(2**24)}
    assert {(0xB4, 0x52, 0x2A), (0x28, 0x60, 0x8F)} <= seen  # both lines are there
    assert provenance.told(folder / "curve.png")[1] == provenance.DATA


def test_a_killed_curve_goes_on_and_ends_the_same(trained: Any, tmp_path: Path) -> None:
    whole = made(trained, tmp_path / "whole")
    knobs: dict[str, Any] = {
        "snapshots": trained.snapshots, "dataset": trained.dataset, "pictures": 24, "psi": 1.0,
        "embed": embedder("hoglab").embed, "embedder": "hoglab", "device": "cpu", "settings": {},
    }  # fmt: skip
    curve.plan(folder=tmp_path / "cut", **knobs).run_shard(2, lambda _: None)
    assert made(trained, tmp_path / "cut") == whole


def test_labels_are_those_of_the_archive(labelled: Any, tmp_path: Path) -> None:
    about = made(labelled, tmp_path / "curve", labels=["cold", "warm"])
    assert len(about["points"]) == 6


def test_too_few_squares_are_refused(trained: Any, tmp_path: Path) -> None:
    dataset = tmp_path / "few"
    dataset.mkdir()
    lines = (trained.dataset / "manifest.jsonl").read_text("utf-8").splitlines(keepends=True)
    (dataset / "manifest.jsonl").write_text("".join(lines[:3]), "utf-8")
    with pytest.raises(ArchiveError, match="3 squares"):
        made(trained, tmp_path / "curve", dataset=dataset)


def test_kid_is_that_of_cosines() -> None:
    """Against the definition, written out."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 10, 64)) + np.array([0.0, 0.4])[:, None, None]
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
    off = ~np.eye(10, dtype=bool)
    within = ((x @ x.T + 1) ** 3)[off].mean() + ((y @ y.T + 1) ** 3)[off].mean()
    found, error = curve.kid(x.astype(np.float32), y.astype(np.float32))
    assert found == pytest.approx(within - 2 * ((x @ y.T + 1) ** 3).mean(), rel=1e-4)
    assert 0 < error < found
    wide = [np.concatenate([v] * 8) for v in (x, y)]  # more vectors than coordinates
    assert curve.kid(*wide)[1] > 0


def test_the_crossing_is_the_last_one() -> None:
    distances = [(0, 0.0, 1.0), (1, 0.9, 0.8), (2, 0.5, 0.7), (5, 0.9, 0.6), (10, 1.0, 0.5)]
    points = [
        {"step": s, "network": "ema", "to_base": base, "to_archive": archive}
        for s, base, archive in distances
    ]
    assert curve.crossing(points, "ema") == 5
    assert curve.crossing(points[:3], "ema") is None


@pytest.mark.parametrize(("low", "high"), [(0, 1.2), (-0.04, 0.003), (0, 1e-6), (0, 700)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    found = chart.ticks(low, high)
    assert 2 <= len(found) <= 6
    assert low - 1e-9 <= min(found) and max(found) <= high + 1e-9
    assert any(tick == 0 for tick in found)


def test_steps_stand_in_order_on_the_axis() -> None:
    steps = [0, 10, 20, 50, 500, 4000]
    at = [chart.along(step, steps) for step in steps]
    assert (at[0], at[-1]) == (0, 1)
    assert at == sorted(set(at))
    assert chart.along(0, [0]) == 0
