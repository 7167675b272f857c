"""The measures are the field's, at the ends where the answer is known, and in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merzmory.archaeology.embedders import embedder
from merzmory.errors import ArchiveError
from merzmory.gan import metrics
from merzmory.latent import measure
from merzmory.manifest import do, lay_out, read_manifest

HOGLAB = embedder("hoglab")


def planned(trained: Any, folder: Path, **changes: Any) -> Any:
    knobs: dict[str, Any] = {
        "base": trained.snapshots[0], "network": trained.snapshots[8], "step": 8,
        "dataset": trained.dataset, "folder": folder, "embed": HOGLAB.embed,
        "embedder": HOGLAB.kind, "count": 24, "psi": 1.0, "device": "cpu", "settings": {},
    }  # fmt: skip
    return measure.plan(**knobs | changes)


def about(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / measure.MEASURES).read_text("utf-8"))
    return found


def test_columns_and_a_table(trained: Any, tmp_path: Path) -> None:
    folder = do(planned(trained, tmp_path / "measures"))
    assert [line["file"] for line in read_manifest(folder)] == [measure.MEASURES, measure.TABLE]
    assert {p.name for p in folder.iterdir()} == {
        measure.MEASURES, measure.TABLE, "settings.json", "manifest.jsonl",
    }  # fmt: skip
    columns = {column["network"]: column for column in about(folder)["columns"]}
    assert set(columns) == {"base", "ema", "raw", "halves"}
    assert (columns["ema"]["pictures"], columns["ema"]["squares"]) == (24, 12)
    for column in columns.values():
        assert 0 <= column["precision"] <= 1
        assert 0 <= column["recall"] <= 1
        assert column["fid"] >= 0
        assert column["kid_error"] > 0
    assert columns["halves"]["kid"] < columns["ema"]["kid"]  # the archive is nearest to itself
    text = (folder / measure.TABLE).read_text("utf-8")
    assert max(map(len, text.splitlines())) <= 80
    for word in ("the base", "G_ema", "hoglab 1", "24 pictures", "12 of your photographs"):
        assert word in text
    assert "only with inception and 50,000 pictures" in " ".join(text.split())


def test_papers_are_named_where_it_is_measured_like_them() -> None:
    column = {"network": "ema", "fid": 12.3, "kid": 0.004, "kid_error": 0.0001,
              "precision": 0.6, "recall": 0.4, "swd": 12.0}  # fmt: skip
    like = {"step": 500, "pictures": 50_000, "squares": 300, "psi": 1.0, "columns": [column]}
    assert "as in papers" in measure.table({**like, "embedder": "inception 1 6726825d0af5"})
    assert "as in papers" not in measure.table({**like, "embedder": "dinov2 1 b938bf1bc15c"})


def test_the_numbers_are_those_of_the_references(shared: Path) -> None:
    """Of NVIDIA's implementation, on 200 and 180 features of 16 numbers."""
    with np.load(shared / "refvec" / "metrics_misc.npz") as known:
        real, made = known["real"], known["gen"]
        empty = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
        column = measure._column("ema", (real, empty), (made, empty))
        assert column["fid"] == pytest.approx(float(known["fid"]), rel=1e-4)
        near = float(known["kid_subsets10_max60_seed3"])
        assert abs(column["kid"] - near) < 3 * column["kid_error"]  # random subsets, there
    precision, recall = metrics.precision_recall(real[:180], made)
    assert (column["precision"], column["recall"]) == (
        pytest.approx(precision, abs=1e-4), pytest.approx(recall, abs=1e-4),
    )  # fmt: skip


def test_many_pictures_are_taken_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    real, made = (rng.normal(size=(600, 8)).astype(np.float32) for _ in range(2))
    whole, error = measure._kid(real, made + 0.3)
    monkeypatch.setattr(measure, "_MANY", 500)
    monkeypatch.setattr(measure, "_BLOCK", 100)
    blocks, other = measure._kid(real, made + 0.3)
    assert blocks == pytest.approx(whole, abs=3 * max(error, other))
    assert blocks > 3 * other > 0


def test_fewer_coordinates_keep_the_distances() -> None:
    rng = np.random.default_rng(0)
    real, made = (rng.normal(size=(7, 50)).astype(np.float32) + shift for shift in (0, 1))
    narrow = measure._narrowed(real, made)
    assert narrow[0].shape == (7, 14)
    assert metrics.fid(*narrow) == pytest.approx(metrics.fid(real, made), rel=1e-5)


def test_a_killed_measure_goes_on(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "_SHARD", 10)
    whole = about(do(planned(trained, tmp_path / "whole")))
    work = planned(trained, tmp_path / "again")
    assert work.shards == 2 + 3 * 3
    heard: list[Any] = []
    for index in (0, 4, 2):
        work.run_shard(index, heard.append)
    assert (heard[0].done, heard[0].total, heard[0].unit) == (10, 12 + 3 * 24, "pictures")
    assert about(do(planned(trained, tmp_path / "again"))) == whole


def test_labels_and_too_few_squares(labelled: Any, tmp_path: Path) -> None:
    knobs = {"network": labelled.snapshots[8], "base": None, "dataset": labelled.dataset}
    folder = do(planned(labelled, tmp_path / "m", labels=["cold", "warm"], **knobs))
    assert [c["network"] for c in about(folder)["columns"]] == ["ema", "raw", "halves"]
    few = do(lay_out("dataset", tmp_path / "few", {}, 1, lambda *_: [{"file": "x.png"}] * 7))
    with pytest.raises(ArchiveError, match="7 squares and measuring needs 8"):
        planned(labelled, tmp_path / "n", **knobs | {"dataset": few})
