"""Projected photographs: what the folder holds, in which order, and that a kill costs little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from merzmory import provenance
from merzmory.gan import score
from merzmory.latent import projections, vectors
from merzmory.latent.perception import Discriminating
from merzmory.latent.project import Projection
from merzmory.latent.projections import YEARS, Target
from merzmory.manifest import Work, do, read_manifest

TAKEN = ["2011-03-02T10:00:00", "2009-05-14T12:00:00", "", "2009"]


def targets(dataset: Path) -> list[Target]:
    files = sorted((dataset / "images").iterdir())

    def loads(number: int) -> Any:
        return lambda: Image.open(files[number])

    return [
        Target(f"{n + 1:08x}" * 8, f"IMG_{n}.jpg", loads(n), taken, "cold" if n % 2 else "warm")
        for n, taken in enumerate(TAKEN)
    ]


def plan(trained: Any, folder: Path, **changes: Any) -> Work:
    critic = score.newest(trained.run)[1]
    knobs: dict[str, Any] = {
        "network": trained.snapshots[8], "which": "ema", "targets": targets(trained.dataset),
        "perceive": lambda device: Discriminating.open(critic, device), "space": "w", "steps": 60,
        "learning_rate": 0.1, "batch": 3, "device": "cpu", "settings": {"run": "run-1", "step": 8},
    }  # fmt: skip
    return projections.plan(folder=folder, **knobs | changes)


def test_photographs_lie_in_the_order_of_their_dates(trained: Any, tmp_path: Path) -> None:
    folder = do(plan(trained, tmp_path / "projected-1"))
    lines = read_manifest(folder)
    assert [line["taken"] for line in lines] == TAKEN
    assert all(0 < line["distance"] < line["start"] for line in lines)
    for line in lines:
        with Image.open(folder / line["file"]) as picture:
            assert picture.size == (16, 16)
    found = vectors.load(folder / projections.VECTORS)
    assert [v.about["taken"] for v in found] == ["2009", TAKEN[1], TAKEN[0], ""]
    assert {(v.space, v.values.shape, v.about["step"]) for v in found} == {("w", (8,), 8)}
    years = vectors.load(folder / YEARS)
    assert [(y.name, y.about["photographs"]) for y in years] == [("2009", 2), ("2011", 1)]
    np.testing.assert_allclose(
        years[0].values, np.mean([v.values for v in found[:2]], axis=0), rtol=1e-5
    )
    assert provenance.told(folder / "sheet-00.png")[1] == provenance.COMPOSITE
    for sheet in ("sheet-00.png", "years.png"):
        with Image.open(folder / sheet) as drawn:
            assert min(drawn.size) > 300
    assert not list(folder.glob("state-*")) + list(folder.glob("batch-*"))


def test_a_killed_projection_goes_on_with_the_same_bits(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = do(plan(trained, tmp_path / "projected-1"))
    step, count = Projection.step, [0]

    def killed(self: Projection) -> Any:
        count[0] += 1
        if count[0] == 56:
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(Projection, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        do(plan(trained, tmp_path / "projected-2"))
    again = do(plan(trained, tmp_path / "projected-2"))
    assert count[0] == 56 + 10 + 60  # from step 50 of the first batch, and the second
    for name in (projections.VECTORS, YEARS, "000000.png", "manifest.jsonl"):
        assert (again / name).read_bytes() == (whole / name).read_bytes()


def test_labels_and_layers_are_kept(labelled: Any, tmp_path: Path) -> None:
    work = plan(
        labelled, tmp_path / "projected-1", space="w+", steps=2, labels=["cold", "warm"]
    )  # fmt: skip
    found = vectors.load(do(work) / projections.VECTORS)
    assert {v.label for v in found} == {"cold", "warm"}
    assert {v.values.ndim for v in found} == {2}


def test_without_dates_there_are_no_years(trained: Any, tmp_path: Path) -> None:
    undated = [
        Target(t.photo, t.name, t.load) for t in targets(trained.dataset)[:2]
    ]  # fmt: skip
    folder = do(plan(trained, tmp_path / "projected-1", targets=undated, steps=1))
    assert not (folder / YEARS).exists()
