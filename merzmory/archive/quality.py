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
_REACH = _WINDOW // 2
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
        dark=round(np.count_nonzero(grey <= _BLACK) / grey.size, 4),
        light=round(np.count_nonzero(grey >= _WHITE) / grey.size, 4),
    )


def reblur(grey: Grey) -> float:
    """0 (sharp) to 1 (blurred): what a second blur still takes away.

    Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric", 2007.
    """
    if min(grey.shape) < 2:
        return 1.0
    return max(_regained(*pixels) for pixels in (_down(grey), _across(grey)))


def _down(grey: Grey) -> tuple[Grey, Grey, Grey, Grey]:
    """Neighbours below each other, and the ends of the blurred neighbours' boxes."""
    wide = np.asarray(
        cv2.copyMakeBorder(grey, _REACH, _REACH, 0, 0, cv2.BORDER_REFLECT_101), np.uint8
    )
    return grey[1:], grey[:-1], wide[_WINDOW:], wide[:-_WINDOW]


def _across(grey: Grey) -> tuple[Grey, Grey, Grey, Grey]:
    """Neighbours beside each other, and the ends of the blurred neighbours' boxes."""
    wide = np.asarray(
        cv2.copyMakeBorder(grey, 0, 0, _REACH, _REACH, cv2.BORDER_REFLECT_101), np.uint8
    )
    return grey[:, 1:], grey[:, :-1], wide[:, _WINDOW:], wide[:, :-_WINDOW]


def _regained(after: Grey, before: Grey, last: Grey, first: Grey) -> float:
    """The share of the steps that the blur leaves, in whole numbers.

    Of two neighbouring boxes of 9 pixels all but the ends is the same: 9 D_B is |last - first|.
    """
    steps = cv2.absdiff(after, before)  # D_F
    softer = cv2.absdiff(last, first).astype(np.uint16)  # 9 D_B
    nine = steps.astype(np.uint16)
    nine *= _WINDOW
    total = cv2.sumElems(nine)[0]
    lost = cv2.sumElems(cv2.subtract(nine, softer))[0]  # 9 V, V = max(0, D_F - D_B)
    return 1.0 if total == 0 else (total - lost) / total


def sharpest_tile(grey: Grey) -> float:
    """Variance of the Laplacian in the sharpest of 4 x 4 tiles, so that bokeh passes."""
    edges = np.asarray(cv2.Laplacian(grey, cv2.CV_16S), np.int16)
    rows = np.array_split(edges, min(_TILES, grey.shape[0]), axis=0)
    tiles = [t for row in rows for t in np.array_split(row, min(_TILES, grey.shape[1]), axis=1)]
    return max(float(cv2.meanStdDev(tile)[1][0, 0]) ** 2 for tile in tiles)
