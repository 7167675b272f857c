"""A label for every square, or for none."""

from __future__ import annotations

import pytest

from merzmory.dataset.labels import labels
from merzmory.errors import ConfigError
from merzmory.records import Origin, Photo


def _photo(taken: str | None = None, album: str = "") -> Photo:
    return Photo("id", "p.jpg", 3, 2, taken, origin=Origin("takeout", album=album))


def test_by_album_and_by_year() -> None:
    photos = [_photo("2014-05-06T07:08:09", "Rome"), _photo("2015-01-01"), _photo(None, "Oslo")]
    assert labels(photos, "album") == ["Rome", "unknown", "Oslo"]
    assert labels(photos, "year") == ["2014", "2015", "unknown"]
    assert labels(photos, "") is None
    assert labels([Photo("a", "a", 1, 1), *photos], "album") == [
        "unknown",
        "Rome",
        "unknown",
        "Oslo",
    ]


def test_one_label_tells_nothing() -> None:
    with pytest.raises(ConfigError, match="no photograph has one: leave"):
        labels([_photo(), _photo()], "album")
    with pytest.raises(ConfigError, match="all have 2014"):
        labels([_photo("2014-01-01"), _photo("2014-05-05")], "year")
    with pytest.raises(ConfigError, match="album or year"):
        labels([_photo()], "colour")
