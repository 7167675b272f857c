"""The sample archive is a real archive: dated, sideways, with copies and odd files."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merzmory.archive import metadata
from merzmory.archive.sources.sample import SampleSource
from merzmory.errors import ConfigError
from merzmory.manifest import read_manifest
from merzmory.originals import decode


def test_snapshots_are_many_small_dated_and_some_sideways(sample: SampleSource) -> None:
    lines = read_manifest(sample.folder)
    cuts = Counter(line["cut"] for line in lines if "cut" in line)
    assert sum(cuts.values()) == 140 and max(cuts.values()) <= 30 and len(cuts) == 5
    turns: Counter[int] = Counter()
    places = 0
    for line in lines:
        if "cut" not in line:
            continue
        with decode.opened(sample.folder / "photographs" / line["file"]) as picture:
            found = metadata.read(picture)
            turns[decode.orientation(picture)] += 1
            size = decode.developed(picture)[1]
        x0, y0, x1, y1 = line["box"]
        assert size == (x1 - x0, y1 - y0)
        assert min(size) >= 160 and max(size) <= 320
        assert found.taken and found.taken[:4] == line["file"][:4]
        places += found.place is not None
    assert turns[1] > 80 and all(turns[turn] >= 5 for turn in (3, 6, 8))
    assert places >= 10


def test_sideways_snapshots_show_what_was_cut(sample: SampleSource) -> None:
    import skimage

    scenes = Path(skimage.__file__).parent / "data"
    checked = 0
    for line in read_manifest(sample.folder):
        path = sample.folder / "photographs" / line["file"]
        if "cut" not in line or checked == 12:
            continue
        with Image.open(path) as stored:
            if decode.orientation(stored) == 1:
                continue
        with Image.open(scenes / line["cut"]) as scene:
            wanted = scene.convert("RGB").crop(line["box"])
        upright = decode.upright_srgb(path)
        difference = np.abs(np.asarray(upright, np.int16) - np.asarray(wanted, np.int16))
        assert difference.mean() < 8
        checked += 1
    assert checked == 12


def test_it_is_untidy(sample: SampleSource) -> None:
    photographs = sample.folder / "photographs"
    lines = read_manifest(sample.folder)
    assert sum("copy_of" in line for line in lines) == 10
    assert sum("blurred" in line for line in lines) == 6
    with Image.open(photographs / "Odd" / "greyscale.jpg") as grey:
        assert grey.mode == "L"
    with Image.open(photographs / "Odd" / "for-the-printer.jpg") as cmyk:
        assert cmyk.mode == "CMYK"
    with pytest.raises(decode.PictureError, match="cut off"):
        decode.upright_srgb(photographs / "Odd" / "cut-off.jpg")
    assert {line["file"] for line in lines} == {
        p.relative_to(photographs).as_posix() for p in photographs.rglob("*") if p.is_file()
    }


def test_it_is_cut_alike_every_time(tmp_path: Path) -> None:
    states = []
    for into in ("one", "two"):
        source = SampleSource(tmp_path / into, photos=10)
        states.append(
            [
                (
                    Path(f.path).name,
                    f.mtime_ns,
                    hashlib.sha256(Path(f.path).read_bytes()).hexdigest(),
                )
                for f in source.files()
            ]
        )
    assert states[0] == states[1]
    other = SampleSource(tmp_path / "one", photos=10, seed=2)
    assert other.folder != SampleSource(tmp_path / "one", photos=10).folder


def test_it_gives_no_more_than_the_photographs_hold(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"5 to 150 snapshots.*archive\.sample_photos"):
        SampleSource(tmp_path, photos=151)
