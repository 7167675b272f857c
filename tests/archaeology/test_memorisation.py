"""The scale is the archive's own: copies are near copies, other photographs are not."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from merzmory.archaeology import index, memorisation
from merzmory.archaeology.embedders import embedder
from merzmory.archaeology.memorisation import LEVELS, Scale, nearest, read_scale, scaled
from merzmory.errors import FormatError
from merzmory.manifest import do, read_manifest
from tests.archaeology.conftest import texture

BY = embedder("hoglab")


@pytest.fixture
def indexed(dataset, tmp_path):
    return do(index.plan(dataset=dataset, folder=tmp_path / "index", by=BY, dataset_id="d"))


def planned(dataset, indexed, tmp_path, doubles=list):
    return memorisation.plan(
        dataset=dataset, index=indexed, folder=tmp_path / "scale", by=BY, doubles=doubles,
        settings={},
    )  # fmt: skip


def test_copies_are_told_from_other_photographs(dataset, indexed, tmp_path):
    same, copy = tmp_path / "same.png", tmp_path / "copy.jpg"
    texture(50, 300).save(same)
    texture(50, 300).resize((280, 280)).save(copy, quality=70)
    pairs = [(str(same), str(copy)), (str(same), str(tmp_path / "gone.jpg"))]
    folder = do(planned(dataset, indexed, tmp_path, lambda: pairs))
    lines = {line["copy"]: line for line in read_manifest(folder)}
    assert set(lines) == {*memorisation.CHANGES, "double"}
    assert lines["double"]["count"] == 1  # what is gone is left out
    scale = read_scale(folder)
    assert (scale.copies, scale.others) == (5 * 24 + 1, 24)
    assert 0 < scale.near_copy <= scale.echo < 1
    assert scale.recognised >= 0.9
    assert scale.mistaken is not None
    assert scale.mistaken <= 0.05

    data = io.BytesIO()  # a copy that was not among the examples, mirrored
    texture(5, 72).crop((0, 0, 64, 64)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
        data, "JPEG", quality=60
    )
    pictures = np.stack([np.asarray(Image.open(data)), np.asarray(texture(99))])
    assert [scale.level(d) for d in nearest(indexed, BY, pictures)] == ["near copy", "none"]


def test_levels_rise_with_nearness():
    scale = Scale(near_copy=0.1, echo=0.2, copies=1, others=1, recognised=1, mistaken=0)
    assert [scale.level(d) for d in (0.3, 0.2, 0.1, 0.0)] == [
        LEVELS[0], LEVELS[1], LEVELS[2], LEVELS[2],
    ]  # fmt: skip


def test_where_copies_and_others_cannot_be_told_apart_the_scale_says_so():
    rng = np.random.default_rng(0)
    alike = rng.uniform(0, 0.2, 400).astype(np.float32)
    scale = scaled(alike, rng.uniform(0, 0.2, 400).astype(np.float32))
    assert scale.recognised < 0.1  # it calls few a copy rather than many wrongly
    assert scale.mistaken is not None
    assert scale.mistaken <= 0.05
    apart = scaled(alike, np.linspace(0.5, 0.9, 400, dtype=np.float32))
    assert (apart.recognised, apart.mistaken) == (0.95, 0)
    assert apart.near_copy < 0.2 < 0.5 < apart.echo < 0.55


def test_an_archive_of_one_photograph_has_no_others():
    scale = scaled(np.array([0.1, 0.2], np.float32), np.empty(0, np.float32))
    assert scale.mistaken is None
    assert scale.level(0.1) == "near copy"


def test_a_damaged_scale_is_named(tmp_path):
    (tmp_path / memorisation.SCALE).write_text(json.dumps({"format": 1}))
    with pytest.raises(FormatError, match=r"scale\.json is missing or damaged"):
        read_scale(tmp_path)
