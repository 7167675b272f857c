"""Faces found in a photograph, without a download: OpenCV's Haar cascade.

Viola and Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", 2001;
of the cascades that come with OpenCV 4, alt2 gives the fewest false alarms.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

_CASCADE = "haarcascade_frontalface_alt2.xml"
_LOOK_AT = 512  # pixels of the longer side: faces below about 26 pixels of it are not looked for
_SMALLEST = 26  # pixels at that size
_STEP = 1.1  # factor between the sizes looked for
_NEIGHBOURS = 4  # detections that must agree

_own = threading.local()  # a classifier holds state, so each thread has its own


def can_find_faces() -> bool:
    """Whether this OpenCV has the detector and its cascade (OpenCV 5 has neither)."""
    return _detector() is not None


def faces(grey: npt.NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
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
