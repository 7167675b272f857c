"""What exports write beside their pictures: JSON of any content, times since 1970, places."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from typing import Any

from merzmory.archive.sources.source import Found
from merzmory.originals import access as originals

MAX_NOTE = 64 * 2**20  # bytes of a JSON file; 20,000 posts take about 20 MB


class BrokenNoteError(ValueError):
    """A JSON file that cannot be read."""


def json_of(found: Found) -> Any:
    """The content of a JSON file.

    Raises:
        BrokenNoteError: it is damaged, is no JSON, or is longer than MAX_NOTE.
    """
    try:
        return json.loads(originals.read(found.path, MAX_NOTE))
    except (OSError, ValueError, RecursionError) as error:
        raise BrokenNoteError(found.path) from error


def utc(seconds: Any) -> str | None:
    """Seconds since 1970, as a number or as digits, in ISO 8601; None where they are no date."""
    try:
        date = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)
    return date.isoformat() if date.timestamp() and date <= tomorrow else None


def place_of(said: Any) -> tuple[float, float] | None:
    """(latitude, longitude) in degrees of {"latitude", "longitude"}; None for 0, 0 and nonsense."""
    if not isinstance(said, Mapping):
        return None
    try:
        latitude, longitude = float(said["latitude"]), float(said["longitude"])
    except (KeyError, TypeError, ValueError):
        return None
    if not (math.isfinite(latitude) and math.isfinite(longitude)) or (latitude, longitude) == (
        0,
        0,
    ):
        return None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None
