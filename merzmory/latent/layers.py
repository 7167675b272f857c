"""Style vectors layer by layer: which layers shape what, and pictures mixed from several.

Karras et al. 2018 (arXiv 1812.04948, section 3.1) mix styles at coarse (4 to 8 px), middle (16 to 32 px) and fine
(64 px and above) resolutions. Networks whose layers do not stand for these resolutions (StyleGAN3, and
pictures below 64 px) are cut into thirds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from merzmory.errors import ConfigError
from merzmory.gan.networks import Generator, StyleGenerator
from merzmory.latent.explore import Explorer
from merzmory.latent.vectors import Vector

PARTS = ("coarse", "middle", "fine")
Range = tuple[int, int]  # the first layer, and the one behind the last


def parts(generator: StyleGenerator) -> dict[str, Range]:
    """The layers of coarse, middle and fine."""
    n = generator.num_ws
    if isinstance(generator, Generator) and generator.resolution >= 64:
        first, second = 4, 8  # two layers a resolution, with 4 px sharing its colours with 8 px
    else:
        first, second = round(n / 3), round(2 * n / 3)
    return dict(zip(PARTS, [(0, first), (first, second), (second, n)], strict=True))


def parse(text: str, generator: StyleGenerator) -> Range:
    """The layers that "all", "coarse", "middle", "fine", "3" or "4-7" names.

    Raises:
        ConfigError: it names none, or layers that the network has not.
    """
    n = generator.num_ws
    named = {"all": (0, n), **parts(generator)}
    if text in named:
        return named[text]
    found = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
    if not 0 <= first <= last < n:
        raise ConfigError(
            f"{text!r} names no layers of this network: say all, coarse, middle, fine, or a range "
            f"from 0 to {n - 1}, such as 4-7."
        )
    return first, last + 1


def mix(explorer: Explorer, base: Vector, others: Mapping[str, Vector], name: str = "") -> Vector:
    """`base` as W+ with the layers that `others` names taken from them, one after the other.

    Truncation stays open: the w are those before it. `base` gives psi and label.

    Raises:
        ConfigError: a key of `others` names no layers.
        FormatError: a vector does not belong to the network.
    """
    values = np.array(_ws(explorer, base))
    for text, other in others.items():
        first, behind = parse(text, explorer.generator)
        values[first:behind] = _ws(explorer, other)[first:behind]
    about = {"mixed": {"base": base.name, **{text: other.name for text, other in others.items()}}}
    return replace(base, space="w", values=values, name=name, about=about)


def _ws(explorer: Explorer, vector: Vector) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """W+ [num_ws, w_dim] of a vector, before truncation."""
    w = explorer.in_w(vector).values
    return np.broadcast_to(w, (explorer.generator.num_ws, w.shape[-1]))
