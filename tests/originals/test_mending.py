"""A JPEG that ends too soon gives what is left of it, and says how much is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from merzmory.originals import decode


def _jpeg(**knobs: bool) -> bytes:
    dice = np.random.default_rng(3)
    coarse = Image.fromarray(dice.integers(0, 256, (30, 40, 3), np.uint8))
    data = io.BytesIO()
    coarse.resize((800, 600)).save(data, "JPEG", quality=90, **knobs)
    return data.getvalue()


@pytest.mark.parametrize("filled", [b"", bytes(5000), b"\xff" * 5000])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_share_that_is_lost(share: float, filled: bytes) -> None:
    whole = _jpeg()
    kept = whole[: int(len(whole) * share)]
    sound = np.asarray(decode.upright_srgb(io.BytesIO(whole), longest=400), np.int16)
    with decode.opened(io.BytesIO(kept + filled)) as picture:
        image, size = decode.developed(picture, longest=400, mend=True)
        lost = picture.info["lost"]
    assert size == (800, 600) and lost == pytest.approx(1 - share, abs=0.05)
    rows = round((1 - lost) * 300) - 16  # the last one is torn
    assert np.abs(np.asarray(image, np.int16)[:rows] - sound[:rows]).max() <= 2


@pytest.mark.parametrize("size", [(801, 599), (1000, 333), (333, 1001), (515, 777)])
@pytest.mark.parametrize("longest", [None, 500, 300, 100])
def test_sides_of_any_length_at_any_scale(size: tuple[int, int], longest: int | None) -> None:
    data = io.BytesIO()
    with Image.open(io.BytesIO(_jpeg())) as picture:
        picture.resize(size).save(data, "JPEG")
    cut = data.getvalue()[: len(data.getvalue()) // 2]
    with decode.opened(io.BytesIO(cut)) as picture:
        image, full = decode.developed(picture, longest=longest, mend=True)
        assert picture.info["lost"] == pytest.approx(0.5, abs=0.1)
    assert full == size and max(image.size) == min(longest or 9999, max(size))


def test_the_last_bytes_are_no_matter_and_sound_files_lose_nothing() -> None:
    with decode.opened(io.BytesIO(_jpeg()[:-2])) as picture:
        decode.developed(picture, mend=True)
        assert 0 < picture.info["lost"] < 0.01
    for data in (
        _jpeg(),
        _jpeg() + bytes(9000),
        _jpeg() + b"trailer" * 40,
        _jpeg(progressive=True),
    ):
        with decode.opened(io.BytesIO(data)) as picture:
            decode.developed(picture, mend=True)
            assert picture.info["lost"] == 0


def test_a_flat_border_of_a_sound_picture_is_not_lost() -> None:
    picture = Image.new("RGB", (400, 300), (128, 128, 128))
    picture.paste("red", (0, 0, 400, 100))
    data = io.BytesIO()
    picture.save(data, "JPEG")
    with decode.opened(io.BytesIO(data.getvalue())) as opened:
        decode.developed(opened, mend=True)
        assert opened.info["lost"] == 0


def test_nothing_left_is_cut_off_and_without_asking_nothing_is_mended() -> None:
    whole = _jpeg()
    head = whole.index(b"\xff\xda") + 40
    with (
        pytest.raises(decode.PictureError, match="cut off"),
        decode.opened(io.BytesIO(whole[:head])) as picture,
    ):
        decode.developed(picture, mend=True)
    with pytest.raises(decode.PictureError, match="cut off"):
        decode.upright_srgb(io.BytesIO(whole[:-2]))
