"""Dates, places and cameras; nonsense is missing, never an error."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from merzmory.archive import metadata
from merzmory.originals import decode


def _read(tags: dict[int, Any]) -> metadata.Metadata:
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "JPEG", exif=exif)
    data.seek(0)
    with decode.opened(data) as picture:
        return metadata.read(picture)


def test_the_surest_date_is_taken() -> None:
    taken = {0x9003: "2012:03:04 05:06:07", 0x9004: "2013:01:01 00:00:00"}
    found = _read({0x0132: "2020:01:01 00:00:00", 0x8769: taken})
    assert found.taken == "2012-03-04T05:06:07"
    assert _read({0x8769: {**taken, 0x9011: "+02:00"}}).taken == "2012-03-04T05:06:07+02:00"
    saved = {0x0132: "2020:01:01 00:00:00"}
    assert _read({0x010F: "Canon", **saved}).taken == "2020-01-01T00:00:00"


def test_the_day_of_a_scan_or_of_saving_is_not_the_photograph_s() -> None:
    saved = {0x0132: "2020:01:01 00:00:00"}
    assert _read(saved).taken is None  # no camera: a program saved it
    assert _read({**saved, 0x8769: {0x9004: "2020:01:01 00:00:00"}}).taken is None
    scanner = {0x010F: "EPSON", 0x0110: "Perfection V700", **saved}
    scanned = {0x9003: "2020:01:01 09:00:00", 0x9004: "2020:01:01 09:00:00"}
    assert _read({**scanner, 0x8769: scanned}).taken is None
    by_a_person = {0x9003: "1962:07:14 00:00:00", 0x9004: "2020:01:01 09:00:00"}
    assert _read({**scanner, 0x8769: by_a_person}).taken == "1962-07-14T00:00:00"
    assert _read({0x8769: by_a_person}).taken == "1962-07-14T00:00:00"


@pytest.mark.parametrize(
    "date", ["0000:00:00 00:00:00", "2199:01:01 00:00:00", "1800:01:01 00:00:00", "    ", "junk",
             "2012:13:41 99:00:00", "2012", ""],
)  # fmt: skip
def test_nonsense_dates_are_missing(date: str) -> None:
    assert _read({0x010F: "Canon", 0x0132: date}).taken is None


def test_places_have_their_sign() -> None:
    south_west = {1: "S", 2: (33.0, 30.0, 36.0), 3: "W", 4: (70.0, 15.0, 0.0)}
    assert _read({0x8825: south_west}).place == (-33.51, -70.25)
    nowhere = {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}
    assert _read({0x8825: nowhere}).place is None
    beyond = {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)}
    assert _read({0x8825: beyond}).place is None
    assert _read({0x8825: {1: "N", 2: (9.0, 0.0, 0.0)}}).place is None


def test_the_camera_is_named_once() -> None:
    assert _read({0x010F: "Canon", 0x0110: "Canon EOS 40D"}).camera == "Canon EOS 40D"
    assert _read({0x010F: "Apple", 0x0110: "iPhone 6"}).camera == "Apple iPhone 6"
    assert _read({}).camera is None


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_exif_of_any_bytes_is_no_error(junk: bytes) -> None:
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "JPEG", exif=b"Exif\0\0" + junk)
    data.seek(0)
    with decode.opened(data) as picture:
        metadata.read(picture)
        assert decode.orientation(picture) in range(1, 9)


def test_real_cameras(shared: Path) -> None:
    folder = shared / "photos" / "exif-samples" / "jpg"

    def read(name: str) -> metadata.Metadata:
        with decode.opened(folder / name) as picture:
            return metadata.read(picture)

    assert read("gps/DSCN0010.jpg") == metadata.Metadata(
        "2008-10-22T16:28:39", (43.467448, 11.885127), "NIKON COOLPIX P6000"
    )
    kenya = read("Kodak_CX7530.jpg")
    assert kenya.place == (-0.3713, 36.056417) and kenya.taken == "2005-08-13T09:47:23"
