"""A face upright in the middle of its square: eyes level, at the same height in every picture.

The square follows from the eyes and the mouth (Karras et al., "Progressive Growing of GANs", 2018,
appendix C), which is how the bases of faces saw their photographs. With e0, e1 the eyes and m the
middle of the mouth, y pointing down:

    across = e1 - e0        e = (e0 + e1) / 2        down = m - e
    c = e + 0.1 down        s = max(4 |across|, 3.6 |down|)        x = across + down turned to it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Point = tuple[float, float]
Points = Sequence[
    Point
]  # the person's right and left eye, nose, right and left corner of the mouth

_SPARE = 2  # the warp is done at twice the size and averaged, against jagged edges


@dataclass(frozen=True, slots=True)
class Turned:
    """A square that may lie turned in the photograph: its centre, its side, and its x axis."""

    centre: Point
    side: float  # pixels
    axis: Point  # unit vector along its upper edge

    @property
    def corners(self) -> npt.NDArray[np.float64]:
        """Upper left, upper right, lower right, lower left: [4, 2] in the photograph's pixels."""
        x = np.array(self.axis) * self.side / 2
        y = np.array([-x[1], x[0]])
        return np.asarray(self.centre + np.array([-x - y, x - y, x + y, y - x]))

    def beyond(self, width: int, height: int) -> float:
        """How far it reaches out of the photograph, as a share of its side."""
        corners = self.corners
        over = np.maximum(-corners, corners - np.array([width, height]))
        return max(0.0, float(over.max()) / self.side)


def aligned(points: Points) -> Turned | None:
    """The square around a face with these five points; None where they do not make a face."""
    eyes, mouth = np.array(points[:2], np.float64), np.array(points[3:5], np.float64)
    if eyes.shape != (2, 2) or mouth.shape != (2, 2):
        return None
    across, between = eyes[1] - eyes[0], eyes.mean(0)
    down = mouth.mean(0) - between
    side = max(4.0 * float(np.hypot(*across)), 3.6 * float(np.hypot(*down)))
    x = across + np.array([down[1], -down[0]])
    length = float(np.hypot(*x))
    if not np.isfinite(side) or side < 1 or length < 1e-3 * side:
        return None
    centre = between + 0.1 * down
    x = x / length
    return Turned((float(centre[0]), float(centre[1])), side, (float(x[0]), float(x[1])))


def warped(image: Image.Image, turned: Turned, side: int, scale: float = 1.0) -> Image.Image:
    """The square upright at `side` pixels; `image` is the photograph at `scale` of its size.

    What lies beyond the photograph's edge is the photograph, mirrored.
    """
    corners = turned.corners * scale
    over = _SPARE * side
    reach = turned.side * scale
    low = np.floor(corners.min(0) - reach / 8).astype(int).clip(0)
    high = np.ceil(corners.max(0) + reach / 8).astype(int)
    part = image.convert("RGB").crop(
        (int(low[0]), int(low[1]), min(int(high[0]), image.width), min(int(high[1]), image.height))
    )
    shrink = max(1, int(reach // over))
    pixels = np.asarray(part.reduce(shrink))
    # between centres of pixels: x_part = (x_photo - low) / shrink - 1/2, x_out = x - 1/2
    source = ((corners[:3] - low) / shrink - 0.5).astype(np.float32)
    target = np.array([[0, 0], [over, 0], [over, over]], np.float32) - 0.5
    matrix = cv2.getAffineTransform(source, target)
    turned_up = cv2.warpAffine(
        pixels, matrix, (over, over), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return Image.fromarray(np.asarray(turned_up, np.uint8)).resize(
        (side, side), Image.Resampling.BOX
    )
