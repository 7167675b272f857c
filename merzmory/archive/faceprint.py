"""What makes two faces alike, as numbers: a plain print of the shape, or SFace's.

The plain print needs no download and is weak: it knows the same photograph of a face again in
another size, light or format, and often the next frame of it; another day's face it seldom knows.
SFace (Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", 2021)
was trained to know people.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from merzmory.archive.faces import Face
from merzmory.errors import WeightsError

Picture = npt.NDArray[np.uint8]
Prints = npt.NDArray[np.float32]

_SIDE, _CELL, _BLOCK, _BINS = 48, 8, 16, 9  # pixels, pixels, pixels, directions
_BEFORE_SFACE = 15  # numbers of a detection: box, five points, score


class Printer(Protocol):
    """Makes prints of faces. `alike` is the cosine from which two are one person's."""

    name: str
    alike: float

    def prints(self, picture: Picture, faces: Sequence[Face]) -> Prints:
        """A print of each face of a picture ([H, W, 3], RGB): [faces, D], of length 1."""
        ...


class Shape:
    """Histograms of gradients of the face (Dalal and Triggs, 2005), evened out in light."""

    name = "shape"
    alike = 0.68  # 1 of 5,000 pairs of different people is nearer (100 faces of LFW)

    def __init__(self) -> None:
        self._even = cv2.createCLAHE(2.0, (4, 4))
        self._gradients = cv2.HOGDescriptor(
            (_SIDE, _SIDE), (_BLOCK, _BLOCK), (_CELL, _CELL), (_CELL, _CELL), _BINS
        )

    def prints(self, picture: Picture, faces: Sequence[Face]) -> Prints:
        """A print of each face: [faces, 900]."""
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        return _unit([self._one(np.asarray(grey, np.uint8), face) for face in faces])

    def _one(self, grey: Picture, face: Face) -> npt.NDArray[np.float32]:
        x0, y0, x1, y1 = face.box
        part = grey[max(0, y0) : max(y1, y0 + 1), max(0, x0) : max(x1, x0 + 1)]
        how = cv2.INTER_AREA if min(part.shape) > _SIDE else cv2.INTER_CUBIC
        small = self._even.apply(cv2.resize(part, (_SIDE, _SIDE), interpolation=how))
        found = np.asarray(self._gradients.compute(np.asarray(small, np.uint8)), np.float32).ravel()
        centred: npt.NDArray[np.float32] = found - found.mean()
        return centred


class SFace:
    """SFace by the file of its weights (the ledger's `sface`); it needs faces with five points."""

    name = "sface"
    alike = 0.363  # its authors' limit, of 99.6 % on LFW

    def __init__(self, weights: Path) -> None:
        """Read the network.

        Raises:
            WeightsError: the file is not one that OpenCV can use.
        """
        try:
            self._network: Any = cv2.FaceRecognizerSF.create(str(weights), "")
        except (cv2.error, AttributeError) as error:
            raise WeightsError(
                f"{weights} cannot be used to tell faces apart: remove it, and import the file "
                "again with `merzmory weights import sface FILE`."
            ) from error

    def prints(self, picture: Picture, faces: Sequence[Face]) -> Prints:
        """A print of each face: [faces, 128]."""
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        found = []
        for face in faces:
            x0, y0, x1, y1 = face.box
            row = np.zeros((1, _BEFORE_SFACE), np.float32)
            row[0, :4] = x0, y0, x1 - x0, y1 - y0
            row[0, 4:14] = np.ravel(face.points)
            upright = self._network.alignCrop(bgr, row)
            found.append(np.array(self._network.feature(upright), np.float32).ravel())
        return _unit(found)


def _unit(rows: Sequence[npt.NDArray[np.float32]]) -> Prints:
    if not rows:
        return np.zeros((0, 0), np.float32)
    found = np.stack(rows)
    length = np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return np.asarray(found / length, np.float32)
