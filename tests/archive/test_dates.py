"""Dates from names: what people write, what phones write, and what is only a number."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from merzmory.archive import ingest
from merzmory.archive.dates import guess
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.sources.folder import FolderSource
from merzmory.manifest import do

TODAY = datetime.date(2026, 11, 21)


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("IMG_20190704_101112", "2019-07-04T10:11:12"),
        ("PXL_20190704_101112345.MP", "2019-07-04T10:11:12"),
        ("20190704101112", "2019-07-04T10:11:12"),
        ("WhatsApp Image 2019-07-04 at 10.11.12 (1)", "2019-07-04T10:11:12"),
        ("Screenshot_2019-07-04-10-11-12-123", "2019-07-04T10:11:12"),
        ("IMG-20190704-WA0001", "2019-07-04"),
        ("Rom 12.08.1974", "1974-08-12"),
        ("31-08-1974", "1974-08-31"), ("8-31-1974", "1974-08-31"), ("12-08-1974", "1974"),
        ("14. Juli 1962", "1962-07-14"), ("July 14, 1962", "1962-07-14"),
        ("14 de julio de 1962", "1962-07-14"), ("1er mai 1968", "1968-05-01"),
        ("14 juillet 1962", "1962-07-14"), ("août 1962", "1962-08"), ("1962 August Rom", "1962-08"),
        ("März 1962", "1962-03"), ("Ma\u0308rz 1962", "1962-03"), ("Dez. 2003", "2003-12"),
        ("2003-07 Bretagne", "2003-07"), ("07.2003", "2003-07"), ("Summer 1962", "1962"),
        ("Oma 1962", "1962"), ("2003_07_14 Rom", "2003-07-14"),
    ],
)  # fmt: skip
def test_dates_in_names(name: str, date: str) -> None:
    found = guess("x.jpg", [name], TODAY)
    assert found == (date, "folder name")
    assert guess(f"{name}.jpg", [], TODAY) == (date, "file name")


@pytest.mark.parametrize(
    "name",
    ["IMG_1962", "1962", "DSC01974", "Scan 1974", "00001974", "1562230000000",
     "IMG_1962 (2)", "1920x1080", "1960-1965", "1960s", "20301231", "2019070410111299999", "1825",
     "Foto 1813", "٢٠١٩-٠٧-٠٤", ""],
)  # fmt: skip
def test_counters_and_impossible_days_are_no_dates(name: str) -> None:
    assert guess(f"{name}.jpg", [], TODAY) is None


def test_the_nearest_name_speaks_and_copies_do_not() -> None:
    assert guess("a.jpg", ["1962", "Rom"], TODAY) == ("1962", "folder name")
    assert guess("a.jpg", ["2003", "2003-07"], TODAY) == ("2003-07", "folder name")
    assert guess("Scan 1.4.1961.jpg", ["1970"], TODAY) == ("1961-04-01", "file name")
    assert guess("a.jpg", ["Backup 2024-05-01"], TODAY) is None
    assert guess("a.jpg", ["1974", "Scans 2019-05-01"], TODAY) == ("1974", "folder name")


_PIECES = st.sampled_from(
    [
        "2019",
        "1825",
        "2099",
        "07",
        "31",
        "-",
        "_",
        ".",
        " ",
        "juli",
        "May",
        "14",
        "de ",
        "IMG",
        "at ",
    ]
)


@given(st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=60))
@settings(max_examples=400, deadline=None)
def test_whatever_a_name_says_the_guess_is_a_day_that_was(name: str) -> None:
    found = guess(name, [name], TODAY)
    if found is not None:
        date = datetime.date.fromisoformat(f"{found.taken[:10]}-01-01"[:10])
        assert datetime.date(1826, 1, 1) <= date <= TODAY
        if "T" in found.taken:
            datetime.datetime.fromisoformat(found.taken)
        assert found.taken.isascii()


def test_a_long_name_takes_no_time() -> None:
    assert guess("1" * 250 + "!", ["a_1" * 80, "14 de " * 40], TODAY) is None


def test_an_undated_photograph_is_dated_by_its_folder_and_says_so(
    tmp_path: Path, pictures: Callable[[int], Image.Image]
) -> None:
    folder = tmp_path / "Familie"
    (folder / "1962-07 Bretagne").mkdir(parents=True)
    pictures(1).save(folder / "1962-07 Bretagne" / "scan1.jpg")
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    exif[0x8769] = {0x9003: "2012:03:04 05:06:07"}
    pictures(2).save(folder / "1962-07 Bretagne" / "scan2.jpg", exif=exif)
    pictures(3).save(folder / "x.jpg")
    do(ingest.plan(source=FolderSource(folder), archive=tmp_path / "archive", shard_size=4))
    rows = {Path(row.path).name: row for row in catalogue_of(tmp_path / "archive").rows()}
    guessed = rows["scan1.jpg"]
    assert (guessed.taken, guessed.uncertain) == ("1962-07", True)
    assert guessed.origin is not None and guessed.origin.taken_from == "folder name"
    assert (rows["scan2.jpg"].taken, rows["scan2.jpg"].uncertain) == ("2012-03-04T05:06:07", False)
    assert rows["x.jpg"].taken is None  # not from the time of the file
