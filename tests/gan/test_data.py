"""The dataset folder: what is read, in which order, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from merzmory.gan.config import EngineError
from merzmory.gan.data import PictureSet, coins, order

MakeDataset = Callable[..., Path]


def write_settings(folder: Path, values: dict[str, object]) -> None:
    (folder / "settings.json").write_text(json.dumps(values), encoding="utf-8")


def test_pictures_and_mirror(tmp_path: Path, dataset: MakeDataset) -> None:
    pictures = PictureSet(dataset(tmp_path / "d"))
    assert (len(pictures), pictures.resolution, pictures.classes) == (5, 8, [])
    x, c = pictures.batch(0, 0, 16)
    assert c is None
    assert x.shape == (16, 3, 8, 8)
    assert -1 <= float(x.min()) < float(x.max()) <= 1
    y, _ = pictures.batch(0, 0, 16, mirror=True)
    flips = coins(0, 0, 16)
    assert 0 < flips.sum() < 16
    for i in range(16):
        assert y[i].equal(x[i].flip(2) if flips[i] else x[i])


def test_disk_and_memory_give_the_same(tmp_path: Path, dataset: MakeDataset) -> None:
    folder = dataset(tmp_path / "d")
    held, read = PictureSet(folder), PictureSet(folder, memory_limit=0)
    assert held.batch(1, 3, 7)[0].equal(read.batch(1, 3, 7)[0])
    assert held.identity == read.identity


def test_labels_are_one_hot(tmp_path: Path, dataset: MakeDataset) -> None:
    pictures = PictureSet(dataset(tmp_path / "d", labels=True))
    assert pictures.classes == ["album 0", "album 1"]
    _, c = pictures.batch(0, 0, 5)
    assert c is not None
    assert c.sum(0).tolist() == [3, 2]
    drawn = pictures.random_labels(np.random.default_rng(0), 9)
    assert drawn is not None
    assert drawn.sum(1).tolist() == [1] * 9


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 40), seed=st.integers(0, 2**31), at=st.integers(0, 200),
    sizes=st.lists(st.integers(1, 17), min_size=1, max_size=6),
)  # fmt: skip
def test_order_is_a_function_of_the_position(
    count: int, seed: int, at: int, sizes: list[int]
) -> None:
    """Cut anywhere, the order is the same; every epoch shows every picture once."""
    whole = order(count, seed, at, sum(sizes))
    parts, position = [], at
    for size in sizes:
        parts.append(order(count, seed, position, size))
        position += size
    assert np.concatenate(parts).tolist() == whole.tolist()
    epoch = order(count, seed, (at // count) * count, count)
    assert sorted(epoch.tolist()) == list(range(count))


def test_refusals_name_the_thing(tmp_path: Path, dataset: MakeDataset) -> None:
    with pytest.raises(EngineError, match="not a dataset folder"):
        PictureSet(tmp_path)

    folder = dataset(tmp_path / "newer")
    write_settings(folder, {"format": 2, "kind": "dataset", "settings": {}})
    with pytest.raises(EngineError, match="format 2"):
        PictureSet(folder)
    write_settings(folder, {"format": 1, "kind": "gallery", "settings": {}})
    with pytest.raises(EngineError, match="gallery"):
        PictureSet(folder)

    folder = dataset(tmp_path / "empty")
    (folder / "manifest.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(EngineError, match="no pictures"):
        PictureSet(folder)

    folder = dataset(tmp_path / "oblong")
    Image.new("RGB", (8, 9)).save(folder / "images" / "000002.png")
    with pytest.raises(EngineError, match=r"000002\.png is 8 x 9 px"):
        PictureSet(folder)
    Image.new("RGB", (16, 16)).save(folder / "images" / "000002.png")
    with pytest.raises(EngineError, match=r"000002\.png is 16 px wide, the dataset is 8 px"):
        PictureSet(folder)
    (folder / "images" / "000002.png").write_bytes(b"no picture")
    with pytest.raises(EngineError, match=r"000002\.png is not a picture"):
        PictureSet(folder)

    folder = dataset(tmp_path / "half", labels=True)
    lines = (
        (folder / "manifest.jsonl")
        .read_text(encoding="utf-8")
        .replace(', "label": "album 1"', "", 1)
    )
    (folder / "manifest.jsonl").write_text(lines, encoding="utf-8")
    with pytest.raises(EngineError, match="1 of 5 pictures"):
        PictureSet(folder)
