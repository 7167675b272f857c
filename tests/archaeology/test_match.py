"""The nearest photographs: found through noise and mirrors, one square a photograph, on a sheet."""

from __future__ import annotations

from dataclasses import fields

import pytest
from PIL import Image

from merzmory.archaeology import index, match, memorisation
from merzmory.archaeology.embedders import embedder
from merzmory.errors import FormatError
from merzmory.manifest import do, read_manifest
from merzmory.records import Match

BY = embedder("hoglab")


@pytest.fixture
def indexed(dataset, tmp_path):
    return do(index.plan(dataset=dataset, folder=tmp_path / "index", by=BY, dataset_id="d"))


@pytest.fixture
def scale(dataset, indexed, tmp_path):
    return do(
        memorisation.plan(
            dataset=dataset, index=indexed, folder=tmp_path / "scale", by=BY, doubles=list,
            settings={},
        )
    )  # fmt: skip


def planned(samples, dataset, indexed, tmp_path, **changes):
    knobs = {"settings": {"samples": "s"}, **changes}
    return match.plan(
        samples=samples, dataset=dataset, index=indexed, scale=tmp_path / "scale", by=BY,
        folder=tmp_path / "matches", **knobs,
    )  # fmt: skip


pytestmark = pytest.mark.usefixtures("scale")


def test_nearest(samples, dataset, indexed, tmp_path):
    heard = []
    taken_with = {"photo03": "Some camera"}
    work = planned(samples, dataset, indexed, tmp_path, shard_size=2, cameras=lambda: taken_with)
    folder = do(work, heard.append)
    lines = read_manifest(folder)
    assert [(line["sample"], line["rank"]) for line in lines] == [
        (f"{n}.png", rank) for n in range(3) for rank in (1, 2, 3)
    ]
    names = {field.name for field in fields(Match)} | {"percentile", "level", "camera"}
    assert names == set(lines[0])
    first, mirrored, unknown = lines[0], lines[3], lines[6]
    assert (first["photo"], first["mirrored"]) == ("photo03", False)
    assert (first["taken"], first["place"]) == ("2019-06-04T10:00:00", [48.1, 11.5])
    assert first["file"] == "images/0006.png"
    assert first["percentile"] == 0
    assert (first["camera"], mirrored["camera"]) == ("Some camera", None)
    assert [line["level"] for line in (first, mirrored, unknown)] == [
        "near copy", "near copy", "none",
    ]  # fmt: skip
    assert (mirrored["photo"], mirrored["mirrored"]) == ("photo07", True)
    assert mirrored["distance"] == pytest.approx(0, abs=1e-3)
    assert unknown["distance"] > first["distance"]
    assert unknown["percentile"] > 0
    for n in range(3):
        of_one = lines[3 * n : 3 * n + 3]
        assert len({line["photo"] for line in of_one}) == 3
        assert [line["distance"] for line in of_one] == sorted(m["distance"] for m in of_one)
    assert [(p.step, p.done, p.total) for p in heard] == [("match", 2, 3), ("match", 3, 3)]
    assert planned(samples, dataset, indexed, tmp_path).shards == 0


def test_sheet(samples, dataset, indexed, tmp_path, monkeypatch):
    monkeypatch.setattr(match, "_ROWS", 2)
    folder = do(planned(samples, dataset, indexed, tmp_path))
    pages = sorted((folder / match.SHEETS).iterdir())
    assert [page.name for page in pages] == ["sheet-00.png", "sheet-01.png"]
    with Image.open(pages[0]) as page, Image.open(pages[1]) as last:
        assert page.width == last.width > 4 * 224
        assert page.height > last.height > 224


def test_more_than_there_are(samples, dataset, indexed, tmp_path):
    lines = read_manifest(do(planned(samples, dataset, indexed, tmp_path, nearest=50)))
    assert len(lines) == 3 * 12


def test_an_index_of_something_else_is_refused(samples, dataset, indexed, tmp_path):
    (indexed / "manifest.jsonl").write_text('{"file": "x.png", "photo": "p"}\n')
    with pytest.raises(FormatError, match="another dataset"):
        do(planned(samples, dataset, indexed, tmp_path))


def test_captions_say_when_where_and_what_with():
    line = {
        "distance": 0.123, "percentile": 4.0, "level": "echo", "taken": "2014-05-03T10:00:00",
        "place": [48.137, -11.575], "camera": "Leica M6", "mirrored": True,
    }  # fmt: skip
    assert match.caption(line).split("\n") == [
        "distance 0.12 · 4 % · echo", "2014-05-03 · mirrored", "48.14 N 11.57 W", "Leica M6",
    ]  # fmt: skip
    bare = {**line, "level": "none", "taken": None, "place": None, "camera": None}
    assert match.caption({**bare, "mirrored": False}) == "distance 0.12 · 4 %\nno date"
