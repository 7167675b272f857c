"""Which label a picture gets, from a network that knows labels (albums, years)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merzmory.errors import ConfigError
from merzmory.gan import generate
from merzmory.gan.generate import Pixels
from merzmory.gan.networks import StyleGenerator

_NAMED = 12  # labels that an error lists


def in_turn(names: Sequence[str], wanted: str, knob: str) -> list[int | None]:
    """The classes that pictures take in turn: all of `names`, the `wanted` one; [None] without labels.

    Raises:
        ConfigError: `wanted` is none of `names`; the error names `knob` and the labels there are.
    """
    if not wanted:
        return list(range(len(names))) or [None]
    if not names:
        raise ConfigError(f"This network has no labels, so none is {wanted}: leave {knob} empty.")
    if wanted not in names:
        known = ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
        raise ConfigError(
            f"There is no label {wanted}: set {knob} to one of {known}, or leave it empty."
        )
    return [names.index(wanted)]


def pictures(
    generator: StyleGenerator, seeds: Sequence[int], classes: Sequence[int | None], psi: float
) -> Pixels:
    """The picture of each seed with its class, uint8 [N, H, W, C]; constant noise."""
    made: dict[int, Pixels] = {}
    for label in dict.fromkeys(classes):
        rows = [row for row, each in enumerate(classes) if each == label]
        some = generate.images(generator, [seeds[row] for row in rows], psi, label=label)
        made |= zip(rows, some, strict=True)
    return np.stack([made[row] for row in range(len(seeds))])
