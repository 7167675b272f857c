"""How two pictures are compared: an embedder turns a picture into a unit vector.

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

from merzmory.archaeology.hoglab import HogLab
from merzmory.errors import ConfigError
from merzmory.frame import SQUARE, Frame

Pictures = npt.NDArray[np.uint8]  # [N, H, W, 3], sRGB
Vectors = npt.NDArray[np.float32]  # [N, D], unit length


@runtime_checkable
class Embedder(Protocol):
    """A name, the vectors' length, and the function. Equal pictures give equal vectors."""

    name: str
    dimensions: int

    def embed(self, images: Pictures) -> Vectors:
        """uint8 [N, H, W, 3] to float32 [N, dimensions] of unit length."""
        ...


EMBEDDERS: dict[str, Callable[[], Embedder]] = {"hoglab": HogLab}


def embedder(name: str) -> Embedder:
    """The embedder of that name.

    Raises:
        ConfigError: there is none; the error lists those that there are.
    """
    if name not in EMBEDDERS:
        near = difflib.get_close_matches(name, EMBEDDERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(EMBEDDERS))}."
        raise ConfigError(f"There is no embedder {name}: {hint}")
    return EMBEDDERS[name]()


def embed_files(
    by: Embedder, files: Sequence[Path], *, mirrored: bool = False, shape: Frame = SQUARE
) -> Vectors:
    """The vectors of picture files, or of their mirror images: float32 [N, D].

    Files that hold squares are taken as `shape` shows them.

    Raises:
        FormatError: a file cannot be read as a picture.
    """
    pictures = [np.asarray(shape.read_square(file)) for file in files]
    found = [np.empty((0, by.dimensions), np.float32)]
    for _, run in groupby(pictures, key=lambda picture: picture.shape):
        batch = np.stack(list(run))
        found.append(by.embed(np.ascontiguousarray(batch[:, :, ::-1]) if mirrored else batch))
    return np.concatenate(found)
