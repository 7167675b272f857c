"""Is this enough to train on? A verdict with its reasons, and what the training will cost.

The limits come from people's results on small sets of photographs: 500 pictures are recommended by
most, a few were pleased with 300; text mirrors and melts; what is there twice is learnt twice.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

LEAST = 10  # photographs: below, the network learns them by heart within minutes
PLEASED = 300  # the least with which results pleased
RECOMMENDED = 500

ALIKE_BITS = 10  # of 64 pHash bits: nearer photographs show nearly the same
MOST_ALIKE = 0.10  # share of the photographs that may have a near twin
MOST_WRITING = 0.10  # share of the photographs that may be full of writing
WRITING = 0.25  # share of a photograph's area from which it is full of writing
ONE_TIME = 0.5  # share of one day, or of one outing, that is worth a word
MIXED = 0.1  # share of black and white, or of colour, from which the two mix
COLOUR = 0.04  # below, a photograph is black and white
LONGEST = 3 * 86400  # seconds that a training may take before something else is advised
_PAUSE = datetime.timedelta(hours=2)  # without a photograph: a new outing
_BURST = datetime.timedelta(seconds=2)
_ROWS = 512  # hashes compared at once
_PROBES = 4096  # of more photographs, so many are asked for their twins

Verdict = Literal["GO", "FIX FIRST", "STOP"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured of a photograph that is kept."""

    taken: str | None = None  # ISO 8601
    hash: str = ""  # hex of a 64-bit perceptual hash
    faces: int = 0
    colour: float = 0.0  # 0 black and white .. 1 saturated
    text: float = 0.0  # share that looks like writing


@dataclass(frozen=True, slots=True)
class Cost:
    """What a training takes on this machine."""

    steps: int
    seconds: float
    bytes: int
    how: str  # how the seconds were estimated


@dataclass(frozen=True, slots=True)
class Readiness:
    """A verdict, a sentence for each reason, remarks that change no verdict, and the numbers."""

    verdict: Verdict
    reasons: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    costs: tuple[Cost, ...] = ()

    def __str__(self) -> str:
        return f"{self.verdict}: {' '.join(self.reasons)}"


def readiness(
    count: int,
    resolution: int,
    *,
    upsampled: int = 0,
    seen: Sequence[Seen] = (),
    set_aside: Mapping[str, int] | None = None,
    costs: Sequence[Cost] = (),
    steps: int = 0,
    free: int | None = None,
) -> Readiness:
    """Whether `count` squares at `resolution` pixels will do, `upsampled` of them enlarged.

    `seen` is what was measured of the photographs they are cut from, `set_aside` how many files
    were left out and why, `costs` what trainings of some lengths take, of which the one of `steps`
    is planned, and `free` the bytes that the disk has left.
    """
    numbers: dict[str, float] = {"photographs": count, "enlarged": upsampled}
    numbers |= {f"set_aside_{why}": n for why, n in (set_aside or {}).items()}
    if count < LEAST:
        return Readiness(
            "STOP",
            (
                f"{count} picture{'' if count == 1 else 's'} can be trained on, and it takes at "
                f"least {LEAST}; {RECOMMENDED} are recommended: add photographs, or loosen the "
                "thresholds under [cull].",
            ),
            numbers=numbers,
            costs=tuple(costs),
        )
    reasons, remarks = [], []
    if count < PLEASED:
        reasons.append(
            f"{count} photographs are few: the machine will soon repeat them; {PLEASED} are the "
            f"least that pleased, {RECOMMENDED} are recommended."
        )
    if upsampled:
        reasons.append(
            f"{upsampled} of {count} squares are smaller than {resolution} pixels and were "
            "enlarged: they teach blur; raise cull.min_side to leave them out."
        )
    planned = next((cost for cost in costs if cost.steps == steps), None)
    if planned and free is not None and planned.bytes > free:
        reasons.append(
            f"{steps} steps take about {planned.bytes / 1e9:.1f} GB, and the disk has "
            f"{free / 1e9:.1f} GB left: free some space, or set train.keep_checkpoints=1."
        )
    if planned and planned.seconds > LONGEST:
        reasons.append(
            f"{steps} steps take about {planned.seconds / 86400:.0f} days on this machine: train on "
            "one with a GPU, choose a smaller base, or set fewer train.steps."
        )
    if seen:
        numbers |= measured(seen)
        reasons += _faults(numbers, count)
        remarks += _remarks(numbers, seen)
    if reasons:
        return Readiness(
            "FIX FIRST", tuple(reasons), tuple(remarks), numbers=numbers, costs=tuple(costs)
        )
    enough = "" if count >= RECOMMENDED else f" {RECOMMENDED} are recommended."
    said = f"{count} photographs are enough.{enough} First runs are drafts."
    return Readiness("GO", (said,), tuple(remarks), numbers=numbers, costs=tuple(costs))


def measured(seen: Sequence[Seen]) -> dict[str, float]:
    """Shares (0..1) and counts of the photographs; what was measured of none of them is left out."""
    count = len(seen)
    found: dict[str, float] = {"with_faces": sum(photo.faces > 0 for photo in seen) / count}
    hashes = [photo.hash for photo in seen if photo.hash]
    if hashes:
        found["alike"] = float(twins(hashes).mean())
    if any(photo.colour > 0 for photo in seen):
        found["black_and_white"] = sum(photo.colour < COLOUR for photo in seen) / count
    if any(photo.text > 0 for photo in seen):
        found["writing"] = sum(photo.text >= WRITING for photo in seen) / count
    times = sorted(time for photo in seen if (time := _time(photo.taken)) is not None)
    if times:
        found["dated"] = len(times) / count
        outings = np.diff([0, *_breaks(times, _PAUSE), len(times)])
        found["outings"] = len(outings)
        found["largest_outing"] = float(outings.max()) / count
        bursts = np.diff([0, *_breaks(times, _BURST), len(times)])
        found["in_bursts"] = float(bursts[bursts > 1].sum()) / count
        found["largest_day"] = Counter(time.date() for time in times).most_common(1)[0][1] / count
    return found


def twins(hashes: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether hashes (64 bits, hex) have another one within ALIKE_BITS: bool [N].

    Of more than some thousands, so many are asked, evenly spread.
    """
    bits = np.array([int(text, 16) for text in hashes], np.uint64)
    asked = np.unique(np.linspace(0, len(bits) - 1, min(len(bits), _PROBES)).astype(np.int64))
    found = np.zeros(len(asked), bool)
    for start in range(0, len(asked), _ROWS):
        rows = asked[start : start + _ROWS]
        near = np.bitwise_count(bits[rows][:, None] ^ bits[None, :]) <= ALIKE_BITS
        found[start : start + _ROWS] = near.sum(1) > 1  # itself is one
    return found


def _faults(numbers: Mapping[str, float], count: int) -> list[str]:
    faults = []
    if (share := numbers.get("alike", 0.0)) > MOST_ALIKE:
        faults.append(
            f"{round(share * count)} of {count} photographs have a near twin: the machine learns "
            "them twice; raise cull.confirm_bits to set more of them aside."
        )
    if (share := numbers.get("writing", 0.0)) > MOST_WRITING:
        faults.append(
            f"{round(share * count)} of {count} pictures are full of writing, such as screenshots "
            "or pages: it melts into signs that nobody reads; set them aside."
        )
    return faults


def _remarks(numbers: Mapping[str, float], seen: Sequence[Seen]) -> list[str]:
    said = []
    share = numbers.get("largest_day", 0.0)
    outing = numbers.get("largest_outing", 0.0)
    if share > ONE_TIME:
        days = Counter((photo.taken or "")[:10] for photo in seen if photo.taken)
        said.append(
            f"{share:.0%} are of one day ({days.most_common(1)[0][0]}): the machine will remember "
            "that day before all others."
        )
    elif outing > ONE_TIME:
        said.append(f"{outing:.0%} are of one outing: the machine will remember it before others.")
    share = numbers.get("black_and_white", 0.0)
    if MIXED <= share <= 1 - MIXED:
        said.append(
            f"{share:.0%} are black and white: the machine will mix the two; train them apart if "
            "you want one of them pure."
        )
    return said


def _breaks(times: Sequence[datetime.datetime], pause: datetime.timedelta) -> list[int]:
    """Where a gap of more than `pause` lies before one of the ascending times."""
    return [i for i in range(1, len(times)) if times[i] - times[i - 1] > pause]


def _time(taken: str | None) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(taken or "").replace(tzinfo=None)
    except ValueError:
        return None
