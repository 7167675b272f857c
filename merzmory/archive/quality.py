"""How sharp, how well exposed: measured at about 1000 pixels, kept as numbers, judged later.

Plain variance of the Laplacian sees defocus but not motion; the re-blur measure sees both but
takes a soft background for blur. A frame is called blurred only where the two agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

_WINDOW = 9  # pixels of the re-blur's box, as in the paper
_TILES = 4  # a side
_BLACK, _WHITE = 5, 250  # at or beyond these, of 0..255, a pixel is clipped


@dataclass(frozen=True, slots=True)
class Quality:
    """The measures of a photograph; thresholds are culling's."""

    blur: float  # 0 sharp .. 1 blurred (re-blur)
    detail: float  # variance of the Laplacian in the sharpest tile, squared grey levels
    dark: float  # share of pixels clipped to black
    light: float  # share of pixels clipped to white


def measure(grey: Grey) -> Quality:
    """The quality of a photograph from its grey pixels [H, W], reduced to about 1000 pixels."""
    return Quality(
        blur=round(reblur(grey), 4),
        detail=round(sharpest_tile(grey), 2),
        dark=round(float(np.mean(grey <= _BLACK)), 4),
        light=round(float(np.mean(grey >= _WHITE)), 4),
    )


def reblur(grey: Grey) -> float:
    """0 (sharp) to 1 (blurred): what a second blur still takes away.

    Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric", 2007.
    """
    if min(grey.shape) < 2:
        return 1.0
    picture = grey.astype(np.float32)
    scores = []
    for axis, kernel in ((0, (1, _WINDOW)), (1, (_WINDOW, 1))):
        again = np.asarray(cv2.blur(picture, kernel), np.float32)
        steps = np.abs(np.diff(picture, axis=axis))  # D_F
        softer = np.abs(np.diff(again, axis=axis))  # D_B
        total = float(steps.sum(dtype=np.float64))
        lost = float(np.maximum(steps - softer, 0).sum(dtype=np.float64))  # V = max(0, D_F - D_B)
        scores.append(1.0 if total == 0 else (total - lost) / total)
    return max(scores)


def sharpest_tile(grey: Grey) -> float:
    """Variance of the Laplacian in the sharpest of 4 x 4 tiles, so that bokeh passes."""
    edges = np.asarray(cv2.Laplacian(grey, cv2.CV_32F), np.float32)
    rows = np.array_split(edges, min(_TILES, grey.shape[0]), axis=0)
    tiles = [t for row in rows for t in np.array_split(row, min(_TILES, grey.shape[1]), axis=1)]
    return max(float(tile.var(dtype=np.float64)) for tile in tiles)
