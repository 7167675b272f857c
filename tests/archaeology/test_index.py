"""The index is exact, is taken up where it was stopped, and knows how near its own photos lie."""

from __future__ import annotations

import numpy as np
import pytest

from merzmory.archaeology import index
from merzmory.archaeology.embedders import embed_files, embedder
from merzmory.errors import ArchiveError, FormatError, SettingsDifferError
from merzmory.manifest import do, lay_out, read_manifest


def planned(dataset, tmp_path, **changes):
    knobs = {"by": embedder("hoglab"), "dataset_id": "d1", "shard_size": 7, **changes}
    return index.plan(dataset=dataset, folder=tmp_path / "index", **knobs)


def test_rows_are_the_squares_and_search_is_exact(dataset, tmp_path):
    folder = do(planned(dataset, tmp_path))
    lines = read_manifest(folder)
    assert [line["file"] for line in lines] == [line["file"] for line in read_manifest(dataset)]
    assert sorted(p.name for p in folder.iterdir()) == [
        "manifest.jsonl", "settings.json", "vectors.npy", "within.npy",
    ]  # fmt: skip
    vectors = embed_files(embedder("hoglab"), [dataset / line["file"] for line in lines])
    rows, distances = index.search(folder, vectors, 3)
    assert (rows[:, 0] == np.arange(len(lines))).all()
    assert distances[:, 0].max() < 1e-3
    assert (np.diff(distances, axis=1) >= 0).all()
    rows, _ = index.search(folder, vectors, 10_000)
    assert rows.shape == (24, 24)


def test_search_in_blocks_equals_brute_force(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 8)).astype(np.float16)
    vectors[30] = vectors[3]  # equally near: the earlier row comes first
    np.save(tmp_path / index.VECTORS, vectors)
    queries = vectors[[3, 17]].astype(np.float32)
    expected = np.argsort(np.maximum(1 - queries @ vectors.astype(np.float32).T, 0), kind="stable")
    monkeypatch.setattr(index, "_ROWS", 7)
    rows, _ = index.search(tmp_path, queries, 5)
    np.testing.assert_array_equal(rows, expected[:, :5])


def test_a_stopped_index_goes_on_behind_its_last_shard(dataset, tmp_path, monkeypatch):
    work = planned(dataset, tmp_path)
    assert work.shards == 4
    work.run_shard(0, lambda _: None)
    work.run_shard(1, lambda _: None)
    asked = []
    real = index.embed_files
    monkeypatch.setattr(
        index, "embed_files", lambda by, files, **k: asked.extend(files) or real(by, files, **k)
    )
    folder = do(planned(dataset, tmp_path))
    assert len(asked) == 10 + 24  # the last two shards, and the mirror images for `within`
    assert np.load(folder / index.VECTORS).shape[0] == 24
    assert planned(dataset, tmp_path).shards == 0
    with pytest.raises(SettingsDifferError, match="dataset"):
        planned(dataset, tmp_path, dataset_id="d2")


def test_within_leaves_the_photograph_itself_out(dataset, tmp_path):
    folder = do(planned(dataset, tmp_path))
    within = np.load(folder / index.WITHIN)
    assert len(within) == 24
    assert (np.diff(within) >= 0).all()
    assert within.min() > 0.05  # the moved square of the same photograph would be nearer
    assert index.percentile(folder, 0.0) == 0
    assert index.percentile(folder, 2.0) == 100
    middle = index.percentile(folder, float(np.median(within)))
    assert middle is not None
    assert 30 < middle < 60


def test_an_archive_of_one_photograph_has_no_percentile(dataset, tmp_path):
    lines = [line for line in read_manifest(dataset) if line["photo"] == "photo00"]
    alone = do(lay_out("dataset", dataset.with_name("alone"), {}, 1, lambda *_: lines))
    (alone / "images").symlink_to(dataset / "images")
    folder = do(planned(alone, tmp_path))
    assert index.percentile(folder, 0.5) is None


def test_what_cannot_be_indexed_or_searched_is_said(dataset, tmp_path):
    empty = do(lay_out("dataset", tmp_path / "empty", {}, 1, lambda *_: []))
    with pytest.raises(ArchiveError, match="no squares"):
        planned(empty, tmp_path)
    folder = do(planned(dataset, tmp_path))
    with pytest.raises(FormatError, match="same embedder"):
        index.search(folder, np.zeros((1, 5), np.float32), 1)
    (folder / index.VECTORS).write_bytes(b"no")
    with pytest.raises(FormatError, match="damaged"):
        index.search(folder, np.zeros((1, 5), np.float32), 1)
