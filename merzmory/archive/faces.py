"""Faces found in a photograph: without a download by OpenCV's Haar cascade, or by YuNet.

Viola and Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", 2001; of the
cascades that come with OpenCV 4, alt2 gives the fewest false alarms. It sees faces from the front.
YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) sees more of them, and says
where eyes, nose and mouth are.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from merzmory.errors import WeightsError

Box = tuple[int, int, int, int]
Point = tuple[float, float]

_CASCADE = "haarcascade_frontalface_alt2.xml"
_LOOK_AT = 512  # pixels of the longer side: faces below about 26 pixels of it are not looked for
_SMALLEST = 26  # pixels at that size
_STEP = 1.1  # factor between the sizes looked for
_NEIGHBOURS = 4  # detections that must agree

_SURE = 0.8  # of 1: YuNet's detections below are left out
_SAME = 0.3  # intersection over union from which two of its detections are one face
_MOST = 200  # faces of a picture

_own = threading.local()  # a classifier holds state, so each thread has its own


@dataclass(frozen=True, slots=True)
class Face:
    """A face: x0, y0, x1, y1, and right and left eye, nose, right and left corner of the mouth.

    `points` is empty where the detector does not find them; right and left are the person's.
    """

    box: Box
    points: tuple[Point, ...] = ()

    def scaled(self, scale: float, size: tuple[int, int]) -> Face:
        """The same face in a picture `scale` times as large, of `size` (width, height)."""
        x0, y0, x1, y1 = (round(edge * scale) for edge in self.box)
        box = max(0, x0), max(0, y0), min(size[0], x1), min(size[1], y1)
        return Face(box, tuple((round(x * scale, 1), round(y * scale, 1)) for x, y in self.points))


def overlap(a: Sequence[int], b: Sequence[int]) -> float:
    """Intersection over union of two boxes."""
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


class YuNet:
    """YuNet by the file of its weights (the ledger's `yunet`)."""

    name = "yunet"

    def __init__(self, weights: Path) -> None:
        """Read the network.

        Raises:
            WeightsError: the file is not one that OpenCV can use.
        """
        try:
            self._network: Any = cv2.FaceDetectorYN.create(
                str(weights), "", (64, 64), _SURE, _SAME, _MOST
            )
        except (cv2.error, AttributeError) as error:
            raise WeightsError(
                f"{weights} cannot be used to find faces: remove it, and import the file again "
                "with `merzmory weights import yunet FILE`."
            ) from error

    def find(self, picture: npt.NDArray[np.uint8]) -> list[Face]:
        """The faces of a picture ([H, W, 3], RGB), from left to right."""
        height, width = picture.shape[:2]
        self._network.setInputSize((width, height))
        _count, found = self._network.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        faces = []
        for row in np.zeros((0, 15)) if found is None else np.asarray(found, np.float64):
            x, y, across, down = row[:4]
            points = tuple((float(px), float(py)) for px, py in row[4:14].reshape(5, 2))
            box = round(x), round(y), round(x + across), round(y + down)
            faces.append(Face(box, points).scaled(1.0, (width, height)))
        return sorted(faces, key=lambda face: face.box)


def can_find_faces() -> bool:
    """Whether this OpenCV has the detector and its cascade (OpenCV 5 has neither)."""
    return _detector() is not None


def faces(grey: npt.NDArray[np.uint8]) -> list[Box]:
    """Boxes x0, y0, x1, y1 in pixels of `grey` ([H, W]), sorted; none where none can be found."""
    detector = _detector()
    if detector is None or min(grey.shape) < _SMALLEST:
        return []
    scale = min(1.0, _LOOK_AT / max(grey.shape))
    if scale < 1.0:
        grey = np.asarray(
            cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    found = detector.detectMultiScale(
        grey, scaleFactor=_STEP, minNeighbors=_NEIGHBOURS, minSize=(_SMALLEST, _SMALLEST)
    )
    return sorted(
        (round(x / scale), round(y / scale), round((x + w) / scale), round((y + h) / scale))
        for x, y, w, h in (map(int, box) for box in found)
    )


def _detector() -> Any:
    if not hasattr(_own, "detector"):
        _own.detector = None
        kind = getattr(cv2, "CascadeClassifier", None)
        folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
        if kind is not None and folder is not None and (Path(folder) / _CASCADE).is_file():
            _own.detector = kind(str(Path(folder) / _CASCADE))
    return _own.detector
