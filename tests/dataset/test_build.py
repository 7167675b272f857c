"""Squares that show what their lines say, from originals that are only read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from merzmory.dataset import build
from merzmory.dataset.readiness import readiness
from merzmory.errors import ArchiveError, ConfigError, SettingsDifferError
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
    asked = {"resolution": 32, "crop": "centre", "shard_size": 5, "settings": {"photos": "x"}}
    return build.plan(photos=photos, folder=folder, **{**asked, **knobs})


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
    with pytest.raises(ConfigError, match="attention, centre, face"):
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


def test_readiness_has_its_steps() -> None:
    verdicts = {n: readiness(n, 64).verdict for n in (0, 9, 10, 299, 300, 499, 500, 10_000)}
    assert verdicts == {
        0: "STOP", 9: "STOP", 10: "FIX FIRST", 299: "FIX FIRST", 300: "GO", 499: "GO", 500: "GO",
        10_000: "GO",
    }  # fmt: skip
    assert "500 are recommended" in str(readiness(300, 64))
    assert "500 are recommended" not in str(readiness(500, 64))
    assert readiness(500, 64, upsampled=1).verdict == "FIX FIRST"
