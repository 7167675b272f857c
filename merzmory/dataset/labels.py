"""A label for each square, from which a generator without a base learns its kinds of pictures."""

from __future__ import annotations

from collections.abc import Sequence

from merzmory.errors import ConfigError
from merzmory.records import Photo

KINDS = ("album", "year")
UNKNOWN = "unknown"  # training takes a label for every square or for none


def labels(photos: Sequence[Photo], by: str) -> list[str] | None:
    """The label of each photograph by "album" or "year"; None for "" (no labels).

    A photograph that has none is put with the others that have none, as "unknown".

    Raises:
        ConfigError: there is no such kind, or there are not two labels to tell apart.
    """
    if not by:
        return None
    if by not in KINDS:
        raise ConfigError(
            f"There are no labels by {by!r}: set dataset.labels to {' or '.join(KINDS)}."
        )
    found = [_album(photo) if by == "album" else _year(photo) for photo in photos]
    kinds = set(found)
    if len(kinds) < 2:
        what = "no photograph has one" if kinds <= {UNKNOWN} else f"all have {kinds.pop()}"
        raise ConfigError(
            f"The squares cannot be told apart by {by}, for {what}: leave dataset.labels empty."
        )
    return found


def _album(photo: Photo) -> str:
    return (photo.origin.album if photo.origin else "") or UNKNOWN


def _year(photo: Photo) -> str:
    year = (photo.taken or "")[:4]
    return year if year.isdigit() and len(year) == 4 else UNKNOWN
