"""Squares that show what their lines say, from originals that are only read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from merzmory.dataset import build
from merzmory.errors import ArchiveError, ConfigError, SettingsDifferError
from merzmory.frame import Frame
from merzmory.manifest import Work, do, read_manifest, read_settings
from merzmory.records import Photo, Progress


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    """Twelve photographs: colours that say where in the picture one is; every third lies sideways."""
    found = []
    for number in range(12):
        width, height = (240, 160) if number % 2 else (160, 240)
        x, y = np.meshgrid(np.linspace(20, 220, width), np.linspace(20, 220, height))
        upright = Image.fromarray(
            np.stack([x, y, np.full_like(x, number * 20)], -1).astype(np.uint8)
        )
        path = tmp_path / "photos" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = 6 if number % 3 == 0 else 1
        stored = upright.transpose(Image.Transpose.ROTATE_90) if number % 3 == 0 else upright
        stored.save(path, quality=95, exif=exif)
        sha = hashlib.sha256(path.read_bytes()).hexdigest()
        place = (1.5, 2.5) if number else None
        found.append(Photo(sha, str(path), width, height, "2020-01-01T00:00:00", place))
    return found


def _plan(photos: list[Photo], folder: Path, **knobs: Any) -> Work:
    how = {key: knobs.pop(key) for key in set(knobs) & set(build.Cutter.__dataclass_fields__)}
    cutter = build.Cutter(**{"resolution": 32, "crop": "centre", **how})
    asked = {"shard_size": 5, "settings": {"photos": "x"}}
    return build.plan(photos=photos, folder=folder, cutter=cutter, **{**asked, **knobs})


def test_a_square_shows_its_box(photos: list[Photo], tmp_path: Path) -> None:
    before = {p.id: Path(p.path).read_bytes() for p in photos}
    heard: list[Progress] = []
    work = _plan(photos, tmp_path / "dataset")
    assert work.shards == 3
    folder = do(work, heard.append)
    assert [p.done for p in heard] == list(range(1, 13)) and heard[-1].total == 12
    lines = read_manifest(folder)
    assert [line["photo"] for line in lines] == [p.id for p in photos]
    assert [line["file"] for line in lines] == [f"images/{n:06d}.png" for n in range(12)]
    assert read_settings(folder)["settings"] == {"photos": "x", "resolution": 32, "crop": "centre"}
    for number, (line, photo) in enumerate(zip(lines, photos, strict=True)):
        assert (line["width"], line["height"]) == (photo.width, photo.height)
        assert line["path"] == photo.path and line["taken"] == photo.taken
        assert line["place"] == (list(photo.place) if photo.place else None)
        assert "upsampled" not in line and line["method"] == "centre"
        with Image.open(folder / line["file"]) as picture:
            assert picture.size == (32, 32) and picture.mode == "RGB"
            pixels = np.asarray(picture, np.float64)
        x0, y0, x1, y1 = line["box"]
        middle_x = 20 + 200 * ((x0 + x1) / 2) / photo.width
        middle_y = 20 + 200 * ((y0 + y1) / 2) / photo.height
        assert pixels.mean((0, 1)) == pytest.approx((middle_x, middle_y, number * 20), abs=4)
        assert pixels[:, -1, 0].mean() > pixels[:, 0, 0].mean() + 90  # not mirrored, not turned
        assert pixels[-1, :, 1].mean() > pixels[0, :, 1].mean() + 90
    assert {p.id: Path(p.path).read_bytes() for p in photos} == before


def test_equal_settings_find_it_and_others_are_refused(photos: list[Photo], tmp_path: Path) -> None:
    folder = do(_plan(photos, tmp_path / "dataset"))
    assert _plan(photos, folder).shards == 0
    with pytest.raises(SettingsDifferError, match="resolution"):
        _plan(photos, folder, resolution=64)


def test_it_is_built_alike_in_any_order(photos: list[Photo], tmp_path: Path) -> None:
    one = do(_plan(photos, tmp_path / "one", crop="face"))
    work = _plan(photos, tmp_path / "two", crop="face", shard_size=1)
    for index in reversed(range(work.shards)):
        work.run_shard(index, lambda _progress: None)
    two = work.finish()
    for line in read_manifest(one):
        assert (one / line["file"]).read_bytes() == (two / line["file"]).read_bytes()
    assert read_manifest(one) == read_manifest(two)


def test_the_face_of_the_catalogue_is_inside(photos: list[Photo], tmp_path: Path) -> None:
    faced = [Photo(p.id, p.path, p.width, p.height, faces=((0, 0, 30, 30),)) for p in photos]
    for line in read_manifest(do(_plan(faced, tmp_path / "dataset", crop="face"))):
        assert line["method"] == "face" and line["box"][:2] == [0, 0]


def test_enlarging_is_said(photos: list[Photo], tmp_path: Path) -> None:
    folder = do(_plan(photos, tmp_path / "dataset", resolution=256))
    assert all(line["upsampled"] is True for line in read_manifest(folder))
    said = json.loads((folder / "readiness.json").read_text())
    assert said["verdict"] == "FIX FIRST" and any("enlarged" in r for r in said["reasons"])


def test_a_large_jpeg_is_reduced_well(tmp_path: Path, photos: list[Photo]) -> None:
    """Decoding at a fraction and filtering comes out as filtering the whole picture does."""
    dice = np.random.default_rng(0)
    coarse = Image.fromarray(dice.integers(0, 256, (40, 60, 3), np.uint8))
    big = coarse.resize((1800, 1200), Image.Resampling.BICUBIC)
    big.save(tmp_path / "big.jpg", quality=95)
    large = Photo("big", str(tmp_path / "big.jpg"), 1800, 1200)
    folder = do(_plan([large, *photos], tmp_path / "dataset", resolution=64))
    wanted = big.crop((300, 0, 1500, 1200)).resize((64, 64), Image.Resampling.LANCZOS)
    with Image.open(folder / "images/000000.png") as picture:
        difference = np.abs(np.asarray(picture, np.int16) - np.asarray(wanted, np.int16))
    assert difference.mean() < 2.5


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_too_few_is_one_sentence(photos: list[Photo], tmp_path: Path, count: int) -> None:
    with pytest.raises(
        ArchiveError, match=rf"{count} pictures? .*at least 10; 500 are recommended"
    ):
        _plan(photos[:count], tmp_path / "dataset")
    assert not (tmp_path / "dataset.part").exists()


@pytest.mark.parametrize("resolution", [-64, 0, 4, 7, 63, 100])
def test_a_resolution_that_is_no_power_of_two(
    photos: list[Photo], tmp_path: Path, resolution: int
) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.resolution to a power of two"):
        _plan(photos, tmp_path / "dataset", resolution=resolution)


def test_a_crop_that_is_unknown(photos: list[Photo], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="aligned, attention, centre, face, random"):
        _plan(photos, tmp_path / "dataset", crop="middle")


@pytest.mark.parametrize("how", ["gone", "another", "damaged"])
def test_an_original_that_changed_is_named(photos: list[Photo], tmp_path: Path, how: str) -> None:
    path = Path(photos[7].path)
    if how == "gone":
        path.unlink()
    elif how == "another":
        Image.new("RGB", (99, 99)).save(path)
    else:
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ArchiveError, match=r"7\.jpg is gone or has changed"):
        do(_plan(photos, tmp_path / "dataset"))
    assert not (tmp_path / "dataset").exists()


def test_squeezed_squares_hold_the_whole_box(photos: list[Photo], tmp_path: Path) -> None:
    folder = do(_plan(photos, tmp_path / "dataset", frame=Frame("3:2")))
    assert read_settings(folder)["settings"]["frame"] == {"aspect": "3:2", "window": [0, 0, 1, 1]}
    for line, photo in zip(read_manifest(folder), photos, strict=True):
        x0, y0, x1, y1 = line["box"]
        assert (x1 - x0, y1 - y0) == ((240, 160) if photo.width > 200 else (160, 107))
        with Image.open(folder / line["file"]) as picture:
            pixels = np.asarray(picture, np.float64)
        assert picture.size == (32, 32)
        # the ramp runs from edge to edge of the box, in both directions
        low, high = 20 + 200 * x0 / photo.width, 20 + 200 * x1 / photo.width
        assert pixels[:, 0, 0].mean() == pytest.approx(low, abs=6)
        assert pixels[:, -1, 0].mean() == pytest.approx(high, abs=6)


def test_letterboxed_squares_have_bars(photos: list[Photo], tmp_path: Path) -> None:
    frame = Frame.letterboxed("2:1", 32)
    folder = do(_plan(photos, tmp_path / "dataset", frame=frame, bars="#ff0080"))
    said = read_settings(folder)["settings"]
    assert said["bars"] == "#ff0080" and Frame.read(said["frame"]) == frame
    with Image.open(folder / "images/000003.png") as picture:
        pixels = np.asarray(picture)
    assert (pixels[:8] == (255, 0, 128)).all() and (pixels[24:] == (255, 0, 128)).all()
    picture = pixels[8:24].astype(int)
    assert np.abs(picture[:, :, 2] - 60).max() <= 3 and picture[:, :, 0].std() > 30


def test_a_box_by_hand_is_cut(photos: list[Photo], tmp_path: Path) -> None:
    boxes = {photos[1].id: (100, 40, 140, 80), photos[2].id: (0, 0, 20, 20)}
    lines = read_manifest(do(_plan(photos, tmp_path / "dataset", boxes=boxes)))
    assert lines[1]["box"] == [100, 40, 140, 80] and lines[1]["method"] == "by hand"
    assert "upsampled" not in lines[1] and lines[2]["upsampled"] is True
    assert [line["method"] for line in lines].count("centre") == 10
    with Image.open(tmp_path / "dataset/images/000001.png") as picture:
        mean = np.asarray(picture, np.float64).mean((0, 1))
    assert mean == pytest.approx((20 + 200 * 120 / 240, 20 + 200 * 60 / 160, 20), abs=3)


def test_a_wide_box_of_an_upright_photograph_has_its_pixels(
    photos: list[Photo], tmp_path: Path
) -> None:
    """A JPEG is decoded at a fraction, but never so far that the box would be enlarged."""
    dice = np.random.default_rng(0)
    coarse = Image.fromarray(dice.integers(0, 256, (40, 40, 3), np.uint8))
    big = coarse.resize((1200, 1800), Image.Resampling.BICUBIC)
    big.save(tmp_path / "big.jpg", quality=95)
    upright = Photo("big", str(tmp_path / "big.jpg"), 1200, 1800)
    folder = do(_plan([upright, *photos], tmp_path / "d", resolution=64, frame=Frame("4:1")))
    x0, y0, x1, y1 = read_manifest(folder)[0]["box"]
    assert (x0, x1, y1 - y0) == (0, 1200, 300)
    wanted = big.crop((x0, y0, x1, y1)).resize((64, 64), Image.Resampling.LANCZOS)
    with Image.open(folder / "images/000000.png") as picture:
        difference = np.abs(np.asarray(picture, np.int16) - np.asarray(wanted, np.int16))
    assert difference.mean() < 3


def test_an_aligned_face_lies_where_all_faces_lie(photos: list[Photo], tmp_path: Path) -> None:
    scene = Image.new("RGB", (900, 600), (200, 190, 180))
    for x, y in ((400, 200), (480, 240)):  # eyes, one lower than the other
        scene.paste("red", (x - 8, y - 8, x + 8, y + 8))
    scene.save(tmp_path / "face.png")
    face = Photo("face", str(tmp_path / "face.png"), 900, 600, faces=((360, 150, 520, 330),))
    points = {"face": [[(400.0, 200.0), (480.0, 240.0), (430, 250), (380, 270), (440, 300)]]}
    folder = do(
        _plan([face, *photos], tmp_path / "d", crop="aligned", resolution=64, points=points)
    )
    first, *others = read_manifest(folder)
    assert first["method"] == "aligned" and len(first["corners"]) == 4
    assert {line["method"] for line in others} <= {"attention", "centre"}
    with Image.open(folder / first["file"]) as picture:
        pixels = np.asarray(picture, int)
    rows, columns = np.nonzero((pixels[:, :, 0] > 200) & (pixels[:, :, 1] < 90))
    left, right = rows[columns < 32], rows[columns > 32]
    assert abs(left.mean() - right.mean()) < 1.5  # the eyes are level now
    assert "points" in read_settings(folder)["settings"]


def test_labels_are_written(photos: list[Photo], tmp_path: Path) -> None:
    dated = [replace(p, taken=f"20{10 + n % 3}-05-01") for n, p in enumerate(photos)]
    dated[4] = replace(dated[4], taken=None)
    folder = do(_plan(dated, tmp_path / "dataset", label="year"))
    assert [line["label"] for line in read_manifest(folder)][:5] == [
        "2010", "2011", "2012", "2010", "unknown",
    ]  # fmt: skip
    assert read_settings(folder)["settings"]["labels"] == "year"
    with pytest.raises(ConfigError, match="cannot be told apart by album"):
        _plan(photos, tmp_path / "other", label="album")
