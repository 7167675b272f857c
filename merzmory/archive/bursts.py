"""Bursts: frames of one camera, taken within moments, that show nearly the same.

Their frames differ more than duplicates do: somebody moved. A photographer looks at them together
and takes the sharpest; a generator may learn from all of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from merzmory.archive.assets import Asset
from merzmory.archive.duplicates import better

_SECONDS = 2.0  # from one frame to the next; cameras write whole seconds
_BITS = 12  # of 64, to the burst's best frame: a chain of small steps is no burst


@dataclass(frozen=True, slots=True)
class Burst:
    """Frames by sha256, the proposed one first: those that were picked, then the sharpest."""

    frames: tuple[str, ...]


def bursts(assets: Sequence[Asset], *, picked: Collection[str] = ()) -> list[Burst]:
    """The bursts of two frames or more among `assets`, by their best frame."""
    dated = [(when, a) for a in assets if a.camera and a.phash64 and (when := _when(a.taken))]
    dated.sort(key=lambda pair: (pair[1].camera or "", pair[0], pair[1].sha256))
    found: list[Burst] = []
    for _camera, group in groupby(dated, key=lambda pair: pair[1].camera):
        for run in _runs(list(group)):
            left = sorted(run, key=lambda asset: (asset.sha256 not in picked, better(asset)))
            while left:
                best = left[0]
                near = [asset.sha256 for asset in left if _bits(best, asset) <= _BITS]
                left = [asset for asset in left if _bits(best, asset) > _BITS]
                if len(near) > 1:
                    found.append(Burst(tuple(near)))
    return sorted(found, key=lambda burst: burst.frames)


def _runs(dated: list[tuple[datetime.datetime, Asset]]) -> Iterator[list[Asset]]:
    """Frames in time, parted where the next one took `_SECONDS` or longer."""
    run: list[Asset] = []
    last = None
    for when, asset in dated:
        if last is not None and (when - last).total_seconds() >= _SECONDS:
            yield run
            run = []
        run.append(asset)
        last = when
    yield run


def _when(taken: str | None) -> datetime.datetime | None:
    """A moment of the camera's own clock; None of a day, month or year."""
    if taken is None or len(taken) < len("2019-08-01T12:00:00"):
        return None
    try:
        return datetime.datetime.fromisoformat(taken).replace(tzinfo=None)
    except ValueError:
        return None


def _bits(one: Asset, other: Asset) -> int:
    return (int(one.phash64, 16) ^ int(other.phash64, 16)).bit_count()
