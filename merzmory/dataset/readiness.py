"""Is this enough to train on? Numbers from people's results on small sets of photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEAST = 10  # photographs: below, the network learns them by heart within minutes
PLEASED = 300  # the least with which results pleased
RECOMMENDED = 500


@dataclass(frozen=True, slots=True)
class Readiness:
    """A verdict, and a sentence for each reason."""

    verdict: Literal["GO", "FIX FIRST", "STOP"]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.verdict}: {' '.join(self.reasons)}"


def readiness(count: int, resolution: int, *, upsampled: int = 0) -> Readiness:
    """Whether `count` squares at `resolution` pixels will do, `upsampled` of them enlarged."""
    if count < LEAST:
        return Readiness(
            "STOP",
            (
                f"{count} picture{'' if count == 1 else 's'} can be trained on, and it takes at "
                f"least {LEAST}; {RECOMMENDED} are recommended: add photographs, or loosen the "
                "thresholds under [cull].",
            ),
        )
    reasons = []
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
    if reasons:
        return Readiness("FIX FIRST", tuple(reasons))
    enough = "" if count >= RECOMMENDED else f" {RECOMMENDED} are recommended."
    return Readiness("GO", (f"{count} photographs are enough.{enough} First runs are drafts.",))
