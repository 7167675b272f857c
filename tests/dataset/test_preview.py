"""Sheets of crops show what would be cut, and change nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merzmory.dataset.build import Cutter
from merzmory.dataset.preview import chosen, plan
from merzmory.errors import ArchiveError
from merzmory.manifest import do, read_manifest
from merzmory.records import Photo

_POINTS = [(110.0, 40.0), (150.0, 40.0), (130.0, 60.0), (118.0, 72.0), (142.0, 72.0)]


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    """Twenty photographs, grey outside and green where the faces are."""
    found = []
    for number in range(20):
        picture = Image.new("RGB", (300, 150), (120, 120, 120))
        picture.paste((0, 200, 0), (60, 0, 210, 150))
        path = tmp_path / f"{number:02d}.png"
        picture.save(path)
        sha = hashlib.sha256(f"{number}".encode()).hexdigest()
        found.append(Photo(sha, str(path), 300, 150, faces=((100, 30, 160, 90),)))
    return found


def test_photographs_are_evenly_chosen(photos: list[Photo]) -> None:
    assert chosen(photos, 30) == photos and chosen(photos, 1) == photos[:1]
    picked = [photos.index(photo) for photo in chosen(photos, 5)]
    assert picked == [0, 4, 9, 14, 19]


def test_the_box_is_drawn_and_the_square_beside_it(photos: list[Photo], tmp_path: Path) -> None:
    cutter = Cutter(32, boxes={photos[0].id: (60, 0, 210, 150)})
    folder = do(plan(photos=photos, folder=tmp_path / "c", cutter=cutter, count=20, settings={}))
    lines = read_manifest(folder)
    assert [len(line["photos"]) for line in lines] == [18, 2]
    shown = [photo for line in lines for photo in line["photos"]]
    assert shown == [photo.id for photo in photos]
    with Image.open(folder / lines[0]["file"]) as sheet:
        pixels = np.asarray(sheet.convert("RGB"), int)
    green = np.abs(pixels - (0, 200, 0)).max(2) < 12
    dark = np.abs(pixels - (42, 42, 42)).max(2) < 6  # what is left outside, at 0.35 of its light
    # of 18 photographs: 100 x 100 green in the photograph, and a green square of 200 x 200
    assert green.sum() == pytest.approx(18 * (100 * 100 + 200 * 200), rel=0.1)
    assert dark.sum() == pytest.approx(18 * 100 * 100, rel=0.1)


def test_every_method_side_by_side(photos: list[Photo], tmp_path: Path) -> None:
    cutter = Cutter(32, points={photo.id: [_POINTS] for photo in photos})
    methods = ["centre", "random", "aligned"]
    folder = do(
        plan(
            photos=photos,
            folder=tmp_path / "c",
            cutter=cutter,
            count=7,
            methods=methods,
            settings={},
        )
    )
    lines = read_manifest(folder)
    assert [len(line["photos"]) for line in lines] == [6, 1]
    with Image.open(folder / "crops-01.png") as one, Image.open(folder / "crops-00.png") as six:
        assert one.width == six.width > 4 * 200 and six.height > 5 * one.height // 2


def test_no_photographs(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="nothing to crop"):
        plan(photos=[], folder=tmp_path / "c", cutter=Cutter(32), count=3, settings={})
