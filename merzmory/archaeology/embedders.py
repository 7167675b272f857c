"""How two pictures are compared: an embedder turns a picture into a row of numbers.

    hoglab          shape and colour; needs nothing else
    discriminator   what the base's D looks at; comes with every base that can be trained
    dinov2          what a picture means (alike: two beaches)
    sscd            what a picture copies (alike: a photograph and its crop)
    inception       what FID is measured with

The last three are networks of others: their files are imported or fetched on your command.
The distance of two pictures is the cosine distance 1 - a·b of their vectors, 0 for equals.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from merzmory.archaeology import dinov2, discriminator, inception, sscd
from merzmory.archaeology.hoglab import HogLab
from merzmory.archaeology.network import Here
from merzmory.errors import ConfigError
from merzmory.frame import SQUARE, Frame

Pictures = npt.NDArray[np.uint8]  # [N, H, W, 3], sRGB
Vectors = npt.NDArray[np.float32]  # [N, F]


@runtime_checkable
class Embedder(Protocol):
    """What made the numbers, how many there are, and the function."""

    kind: str  # "NAME VERSION" and the weights' digits: vectors of one kind can be compared

    @property
    def dimensions(self) -> int:
        """F."""
        ...

    def embed(self, images: Pictures) -> Vectors:
        """uint8 [N, H, W, 3] to float32 [N, dimensions]; equal pictures give equal rows."""
        ...


EMBEDDERS: dict[str, Callable[[Here], Embedder]] = {
    "hoglab": lambda _here: HogLab(),
    "discriminator": discriminator.embedder,
    "dinov2": dinov2.embedder,
    "sscd": sscd.embedder,
    "inception": inception.embedder,
}


def embedder(name: str, here: Here | None = None) -> Embedder:
    """The embedder of that name; its network, if it has one, is opened at the first picture.

    Raises:
        ConfigError: there is none, or this run has no base that it could take; the error says
            which there are.
        WeightsError: its weights are not here; the error names the command that imports them.
    """
    if name not in EMBEDDERS:
        near = difflib.get_close_matches(name, EMBEDDERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(EMBEDDERS))}."
        raise ConfigError(f"There is no embedder {name}: {hint}")
    return EMBEDDERS[name](here or Here())


def unit(vectors: Vectors) -> Vectors:
    """`vectors` [N, F] made of unit length; a row of zeros stays one."""
    length = np.sqrt((vectors**2).sum(axis=1, keepdims=True, dtype=np.float64))
    made: Vectors = (vectors / np.maximum(length, 1e-12)).astype(np.float32)
    return made


def embed_unit(by: Embedder, images: Pictures) -> Vectors:
    """What `by` makes of pictures, for cosine distances: float32 [N, F] of unit length."""
    return unit(by.embed(images))


def embed_files(
    by: Embedder, files: Sequence[Path], *, mirrored: bool = False, shape: Frame = SQUARE
) -> Vectors:
    """The unit vectors of picture files, or of their mirror images: float32 [N, F].

    Files that hold squares are taken as `shape` shows them.

    Raises:
        FormatError: a file cannot be read as a picture.
    """
    pictures = [np.asarray(shape.read_square(file)) for file in files]
    found = [np.empty((0, by.dimensions), np.float32)]
    for _, run in groupby(pictures, key=lambda picture: picture.shape):
        batch = np.stack(list(run))
        turned = np.ascontiguousarray(batch[:, :, ::-1]) if mirrored else batch
        found.append(embed_unit(by, turned))
    return np.concatenate(found)
