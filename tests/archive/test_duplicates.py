"""Exact search, Instagram's cuts and borders, stacks that a pick leads, bursts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from merzmory.archive import crops, hashes, near
from merzmory.archive.assets import Asset
from merzmory.archive.bursts import bursts
from merzmory.archive.duplicates import Pairs, doubles, pairs
from merzmory.originals import decode

CLOSE = {"near_bits": 8, "confirm_bits": 40}


def measured(name: str, picture: Image.Image, **more: Any) -> Asset:
    tiny = hashes.reduced(np.asarray(picture.convert("L")))
    return Asset(
        name, 1, width=picture.width, height=picture.height, crops=crops.crops(tiny),
        phash64=hashes.perceptual(tiny, 8), phash256=hashes.perceptual(tiny, 16), **more,
    )  # fmt: skip


def again(picture: Image.Image, quality: int = 75) -> Image.Image:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return Image.open(data)


def cut(picture: Image.Image, aspect: float) -> Image.Image:
    size = min(picture.width, picture.height * aspect), min(picture.height, picture.width / aspect)
    return again(ImageOps.fit(picture, (round(size[0]), round(size[1]))))


@given(st.integers(0, 2**32), st.integers(0, 13), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_the_search_is_exact(seed: int, radius: int, count: int, others: int) -> None:
    dice = np.random.default_rng(seed)
    centres = dice.integers(0, 2**64, 4, np.uint64)

    def some(number: int) -> near.Hashes:
        noise = np.packbits(dice.random((number, 64)) < 0.12, axis=1).view(">u8").ravel()
        return dice.choice(centres, number) ^ noise.astype(np.uint64)

    left, right = some(count), some(others)
    far = np.bitwise_count(left[:, None] ^ left[None, :])
    found = [(int(i), int(j)) for one, two in near.within(left, radius) for i, j in zip(one, two)]  # noqa: B905
    assert len(set(found)) == len(found)  # each once
    assert set(found) == {(i, j) for i in range(count) for j in range(i + 1, count)
                          if far[i, j] <= radius}  # fmt: skip
    far = np.bitwise_count(left[:, None] ^ right[None, :])
    found = [(int(i), int(j)) for a, b in near.between(left, right, radius) for i, j in zip(a, b)]  # noqa: B905
    assert len(set(found)) == len(found)
    assert set(found) == {(i, j) for i in range(count) for j in range(others)
                          if far[i, j] <= radius}  # fmt: skip


def test_portions_hide_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_AT_ONCE", 7)
    alike = np.full(40, 77, np.uint64)
    found = [(int(i), int(j)) for one, two in near.within(alike, 8) for i, j in zip(one, two)]  # noqa: B905
    assert sorted(found) == [(i, j) for i in range(40) for j in range(i + 1, 40)]


@pytest.mark.parametrize("name", crops.ASPECTS)
def test_instagrams_cuts_are_found(pictures: Callable[[int], Image.Image], name: str) -> None:
    whole = pictures(3).resize((480, 320))
    copy = cut(whole, crops.ASPECTS[name])
    unlike = [measured(f"other {n}", pictures(n).resize((480, 320))) for n in range(10, 20)]
    every = [measured("whole", whole), measured("copy", copy), *unlike]
    found = doubles(every, **CLOSE)
    assert [(d.sha256, d.kept, d.but_for) for d in found] == [("copy", "whole", name)]


@pytest.mark.parametrize("colour", ["white", "black"])
def test_borders_are_looked_through(pictures: Callable[[int], Image.Image], colour: str) -> None:
    whole = pictures(4).resize((480, 320))
    framed = again(ImageOps.expand(whole, 24, colour))
    square = again(ImageOps.pad(whole, (480, 480), color=colour))
    every = [measured("whole", whole), measured("framed", framed), measured("square", square)]
    found = pairs(every, **CLOSE)
    assert {(int(a), int(b)) for a, b in zip(found.one, found.other, strict=True)} == {
        (0, 1), (0, 2), (1, 2),
    }  # fmt: skip
    assert {found.difference(index) for index in range(len(found))} == {"border"}


def test_a_picture_of_one_tone_has_no_inside() -> None:
    for size in ((300, 200), (1, 1), (1, 500)):
        flat = measured("flat", Image.new("L", size, 255))
        assert crops.prints([flat.crops]).aspect.tolist() == [0]


def test_cuts_of_real_photographs_are_found(shared: Path) -> None:
    folder = shared / "photos"
    files = sorted((folder / "conch").glob("*.jpg"))[:5]
    files += sorted((folder / "produce-camera").glob("*.jpg"))[:4]
    files += sorted((folder / "aerial").glob("*"))[::6]
    whole = [decode.upright_srgb(file, longest=1000) for file in files]
    every = [measured(f"{n}", picture) for n, picture in enumerate(whole)]
    alike = _set(pairs(every, **CLOSE))
    for aspect in crops.ASPECTS.values():
        copies = [measured(f"{n}+", cut(picture, aspect)) for n, picture in enumerate(whole)]
        found = _set(pairs([*every, *copies], **CLOSE))
        count = len(whole)
        again_found = sum((n, n + count) in found for n in range(count))
        assert again_found >= 0.9 * count
        wrong = {(a, b) for a, b in found if a % count != b % count}
        assert not {tuple(sorted((a % count, b % count))) for a, b in wrong} - alike


def test_photographs_of_one_kind_are_not_the_same(shared: Path) -> None:
    with zipfile.ZipFile(shared / "garments" / "garments-128.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][:500]
        every = [measured(name, Image.open(archive.open(name))) for name in names]
    wide = [measured(f"{a.sha256}+", _opened(shared, a.sha256, 1.91)) for a in every[:60]]
    assert _set(pairs(every, **CLOSE)) == set()
    found = _set(pairs([*every, *wide], **CLOSE))
    assert len([b for _a, b in found if b >= 500]) >= 0.9 * 60
    assert not {(a, b) for a, b in found if b < 500 or a != b - 500}


def _opened(shared: Path, name: str, aspect: float) -> Image.Image:
    with zipfile.ZipFile(shared / "garments" / "garments-128.zip") as archive:
        return cut(Image.open(archive.open(name)), aspect)


def _set(found: Pairs) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in zip(found.one, found.other, strict=True)}


def test_a_pick_leads_its_stack_and_two_picks_both_stay() -> None:
    same = {"phash64": "0" * 16, "phash256": "0" * 64, "height": 100}
    frames = [Asset(name, 1, width=width, **same) for name, width in
              (("large", 900), ("small", 100), ("tiny", 50))]  # type: ignore[arg-type]  # fmt: skip

    def twice(*picked: str) -> dict[str, str]:
        return {d.sha256: d.kept for d in doubles(frames, **CLOSE, picked=picked)}

    assert twice() == {"small": "large", "tiny": "large"}
    assert twice("small") == {"large": "small", "tiny": "small"}
    assert twice("small", "large") == {"tiny": "large"}
    assert twice("small", "large", "tiny") == {}


def test_many_equal_frames_make_one_stack() -> None:
    same = {"phash64": "f" * 16, "phash256": "f" * 64, "width": 10, "height": 10}
    frames = [Asset(f"{n:05d}", 1, **same) for n in range(20_000)]  # type: ignore[arg-type]
    found = doubles(frames, **CLOSE)  # 200 million pairs, were they all looked at
    assert len(found) == 19_999 and {d.kept for d in found} == {"00000"}


def _frame(name: str, second: float, bits: int = 0, **more: Any) -> Asset:
    taken = f"2019-08-01T12:00:{int(second):02d}"
    values: dict[str, Any] = {
        "taken": taken, "camera": "Leica M6", "width": 10, "height": 10, "blur": 0.3,
        "phash64": f"{(1 << bits) - 1:016x}", "phash256": "0" * 64,
    }  # fmt: skip
    return Asset(name, 1, **{**values, **more})


def test_a_burst_is_one_camera_and_moments_apart() -> None:
    frames = [
        _frame("a", 1), _frame("b", 2, blur=0.1), _frame("c", 3),
        _frame("later", 5), _frame("other", 2, camera="Nikon F3"), _frame("none", 2, camera=None),
        _frame("undated", 2, taken=None), _frame("day", 2, taken="2019-08-01"),
        _frame("unlike", 3, bits=30),
    ]  # fmt: skip
    (burst,) = bursts(frames)
    assert burst.frames[0] == "b" and set(burst.frames) == {"a", "b", "c"}
    (burst,) = bursts(frames, picked={"c"})
    assert burst.frames[0] == "c"
    assert bursts(frames[::-1]) == bursts(frames)


def test_a_burst_does_not_chain_through_small_steps() -> None:
    frames = [_frame(f"{n}", n, bits=8 * n, blur=0.1 + 0.05 * n) for n in range(6)]
    found = {frame: burst.frames[0] for burst in bursts(frames) for frame in burst.frames}
    for name, best in found.items():
        assert abs(int(name) - int(best)) * 8 <= 12
