"""RAW files give their preview where it is large enough, and are developed where it is not."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merzmory.archive import metadata
from merzmory.originals import decode, raw
from tests.cameras import dng

pytestmark = pytest.mark.skipif(not raw.reads_raw(), reason="needs rawpy")


def _jpeg(width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), (255, 160, 0)).save(data, "JPEG")
    return data.getvalue()


@pytest.mark.parametrize(("turn", "size"), [(1, (96, 64)), (6, (64, 96)), (8, (64, 96))])
def test_without_a_preview_it_is_developed_and_upright(turn: int, size: tuple[int, int]) -> None:
    with decode.opened(io.BytesIO(dng(turn=turn))) as picture:
        found = metadata.read(picture)
        image, full = decode.developed(picture)
    assert found.taken == "2019-07-04T10:11:12" and found.camera == "Ricoh GR"
    assert full == image.size == size and image.mode == "RGB"
    red = np.asarray(image, np.int16)[..., 0]
    warm, cold = {1: (red[:, -9:], red[:, :9]), 6: (red[-9:], red[:9]), 8: (red[:9], red[-9:])}[
        turn
    ]
    assert warm.mean() > cold.mean() + 20


def test_a_large_preview_is_what_is_read() -> None:
    data = dng(1700, 1134, preview=_jpeg(1620, 1080), size=(1620, 1080), turn=6)
    with decode.opened(io.BytesIO(data)) as picture:
        found = metadata.read(picture)
        image, full = decode.developed(picture, longest=405)
    assert full == (1080, 1620) and image.size == (270, 405)  # decoded at a quarter
    assert np.abs(np.asarray(image).mean((0, 1)) - (255, 160, 0)).max() < 3
    assert found.taken == "2019-07-04T10:11:12" and found.camera == "Ricoh GR"


def test_a_small_preview_is_not() -> None:
    data = dng(320, 240, preview=_jpeg(160, 120), size=(160, 120))
    assert decode.upright_srgb(io.BytesIO(data)).size == (320, 240)


def test_one_that_is_damaged_is_one_sentence() -> None:
    for data in (b"II*\0\x10\0\0\0CR\2\0" + bytes(200), b"FUJIFILMCCD-RAW 0201" + bytes(200)):
        with pytest.raises(decode.PictureError, match="newer than LibRaw"):
            decode.upright_srgb(io.BytesIO(data))
    for share in (0.1, 0.5, 0.99):
        with pytest.raises(decode.PictureError):
            decode.upright_srgb(io.BytesIO(dng()[: int(len(dng()) * share)]))


def test_an_ordinary_tiff_is_not_taken_for_one() -> None:
    data = io.BytesIO()
    Image.new("RGB", (32, 24), "red").save(data, "TIFF")
    with decode.opened(io.BytesIO(data.getvalue())) as picture:
        assert picture.format == "TIFF"


def test_without_rawpy_it_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(raw, "reads_raw", lambda: False)
    for data in (b"II*\0\x10\0\0\0CR\2\0" + bytes(200), dng(preview=_jpeg(8, 8), size=(8, 8))):
        with pytest.raises(decode.PictureError, match=r"merzmory\[raw\]") as caught:
            decode.upright_srgb(io.BytesIO(data))
        assert caught.value.verdict == "skipped"
    assert not decode.waits_no_more(decode.lacks("raw"))
    monkeypatch.undo()
    assert decode.waits_no_more(decode.lacks("raw"))
    raw.reads_raw.cache_clear()
    monkeypatch.setitem(sys.modules, "rawpy", None)
    assert not raw.reads_raw()
    raw.reads_raw.cache_clear()
