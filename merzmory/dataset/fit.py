"""How photographs that are not square become squares: cut, squeezed, or laid between bars."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from merzmory.errors import ConfigError
from merzmory.frame import WHOLE, Frame, ratio_of

FITS = ("square", "squeeze", "letterbox")
_SHAPES = ("1:1", "5:4", "4:3", "3:2", "16:9")  # of cameras and films, lying


def frame(
    fit: str,
    aspect: str,
    *,
    sizes: Iterable[tuple[int, int]],
    resolution: int,
    base: Frame | None = None,
) -> Frame:
    """What the squares of a dataset stand for.

    `fit` is one of FITS; "" follows the base: between bars where it made its pictures so, else cut.
    `aspect` "" is the base's, or else the shape that most of the photographs (`sizes`: width and
    height) have; one shape holds for the whole dataset.

    Raises:
        ConfigError: `fit` is unknown, or `aspect` is no shape, or is given for squares that are cut.
    """
    if fit not in ("", *FITS):
        raise ConfigError(f"There is no fit {fit!r}: set dataset.fit to one of {', '.join(FITS)}.")
    barred = base is not None and base.window != WHOLE
    fit = fit or ("letterbox" if barred else "square")
    if fit == "square":
        if aspect and ratio_of(aspect) != 1:
            raise ConfigError(
                f"dataset.aspect is {aspect}, but squares are cut: set dataset.fit to squeeze or "
                "letterbox, or leave dataset.aspect out."
            )
        return Frame()
    if base is not None and barred and fit == "letterbox" and aspect in ("", base.aspect):
        return base
    aspect = aspect or (base.aspect if base is not None else majority(sizes))
    return Frame(aspect) if fit == "squeeze" else Frame.letterboxed(aspect, resolution)


def majority(sizes: Iterable[tuple[int, int]]) -> str:
    """The shape that most of the photographs have, lying or upright; of equals the squarer one."""
    shapes = [*_SHAPES, *(":".join(reversed(shape.split(":"))) for shape in _SHAPES[1:])]
    logs = [math.log(ratio_of(shape)) for shape in shapes]
    counted: Counter[int] = Counter()
    for width, height in sizes:
        ratio = math.log(width / height)
        counted[min(range(len(logs)), key=lambda i: abs(logs[i] - ratio))] += 1
    best = max(counted, key=lambda i: (counted[i], -i), default=0)
    return shapes[best]
