"""How a walk moves: the curve through its keyframes, and the clock that says when it is where."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from merzmory.errors import ConfigError

Doubles = NDArray[np.float64]
Curve = Literal["circle", "line", "spline"]


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a walk of `frames` through `keyframes` stands: 1.25 is a quarter behind the second.

    It stands still for `hold` frames at each keyframe. Between two, `ease` 0 goes evenly and 1 sets
    off and arrives softly (smoothstep). A loop returns to its first keyframe: the frame behind the
    last one would be the first.

    Raises:
        ConfigError: there is no time left to move in.
    """

    keyframes: int
    frames: int
    hold: float = 0.0
    ease: float = 1.0
    loop: bool = True

    def __post_init__(self) -> None:
        if self.legs and self.period <= self.hold:
            raise ConfigError(
                f"A walk of {self.frames} frames has no time to move between {self.keyframes} "
                f"keyframes that stand still for {self.hold:g} frames each: give it more "
                "walk.seconds, or a shorter walk.hold."
            )

    @property
    def legs(self) -> int:
        """How many stretches between keyframes are walked."""
        return self.keyframes if self.loop else self.keyframes - 1

    @property
    def period(self) -> float:
        """Frames from a keyframe to the next; 0 where there is no next."""
        if not self.legs:
            return 0.0
        if self.loop:
            return self.frames / self.legs
        return (self.frames - 1 - self.hold) / self.legs  # a hold more than there are legs

    def at(self, frame: int) -> float:
        """Where frame 0 .. frames - 1 stands, 0 .. legs."""
        if not self.legs:
            return 0.0
        leg = min(int(frame / self.period), self.legs)
        behind = frame - leg * self.period - self.hold
        t = min(max(behind / (self.period - self.hold), 0.0), 1.0)
        eased = (1 - self.ease) * t + self.ease * t * t * (3 - 2 * t)
        return min(leg + eased, float(self.legs))


def through(points: Doubles, curve: Curve, *, loop: bool) -> Callable[[float], Doubles]:
    """From a position 0 .. legs to a point [...] of the curve through `points` [K, ...].

    "circle" goes along great circles, "line" straight, "spline" along the cubic spline that has
    no corner at a keyframe: periodic in a loop, else with ends that are not bent.
    """
    count = len(points)
    if curve == "spline" and count > 1:
        closed = np.concatenate([points, points[:1]]) if loop else points
        spline = CubicSpline(
            np.arange(len(closed)), closed, bc_type="periodic" if loop else "natural"
        )
        return lambda position: np.asarray(spline(position), np.float64)
    between = slerp if curve == "circle" else lerp

    def point(position: float) -> Doubles:
        leg = int(position)
        return between(points[leg % count], points[(leg + 1) % count], position - leg)

    return point


def lerp(a: Doubles, b: Doubles, t: float) -> Doubles:
    """The point `t` (0..1) of the way from `a` to `b`."""
    return np.asarray((1 - t) * a + t * b)


def slerp(a: Doubles, b: Doubles, t: float) -> Doubles:
    """The point `t` (0..1) of the way from `a` to `b` along the great circle (Shoemake 1985).

    Lengths go linearly from |a| to |b|; directions that are parallel, or none, fall back to the chord.
    """
    length_a, length_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    both = length_a * length_b
    angle = math.acos(float(np.clip(a @ b / both, -1.0, 1.0))) if both else 0.0
    if angle < 1e-4 or math.pi - angle < 1e-4:
        return lerp(a, b, t)
    length = (1 - t) * length_a + t * length_b
    direction = (
        math.sin((1 - t) * angle) * a / length_a + math.sin(t * angle) * b / length_b
    ) / math.sin(angle)
    return np.asarray(length * direction)


def ring(centre: Doubles, a: Doubles, b: Doubles, radius: float) -> Callable[[float], Doubles]:
    """From a turn 0..1 to a point of a circle in z around sqrt(1 - radius^2) `centre`.

        z(t) = sqrt(1 - r^2) centre + r (a cos 2 pi t + b sin 2 pi t)

    Of three standard normal z, each point of it is standard normal again, whatever the radius 0..1.
    """
    still = math.sqrt(1 - radius**2) * centre

    def point(turn: float) -> Doubles:
        angle = 2 * math.pi * turn
        return np.asarray(still + radius * (math.cos(angle) * a + math.sin(angle) * b))

    return point
