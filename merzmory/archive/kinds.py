"""What kind of picture a file is: colour or black and white, writing, a caption, a drawn screen.

Nothing here knows what a picture shows; each measure is a number from 0 to 1 that culling judges.
Writing is dark or light strokes on an even ground, in lines; a screen is drawn, so it has even areas
and edges that run exactly across or down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Colour = npt.NDArray[np.uint8]

_TONED = 96  # pixels of the longer side at which colour is measured
_FULL = 32.0  # grey levels of spread about the tone from which a picture counts as saturated

_FINE, _COARSE = 667, 333  # pixels of the longer side at which small and large writing is sought
_LEAST_SIDE = 320  # pixels of the shorter side: in less, nothing can be told from writing
_STROKE = 11  # pixels: strokes of writing are thinner
_CONTRAST = 40  # grey levels between a stroke and its ground
_REACH = 13  # pixels between letters of a line
_THIN = 4  # one column of so many is enough to find runs of _REACH pixels
_LINE = (4, 90)  # pixels of height of a line of writing
_LONG = 2.5  # how many times longer than high a line is at least
_INKED = (0.08, 0.62)  # share of a line that its strokes cover
_EVEN = 12.0  # grey levels by which the ground between the strokes is uneven (root mean square)
_CLEAR = 6.0  # how many times more the strokes stand out
_FULL_BOX = 0.4  # share of its box that a line fills: a slanting edge does not
_LEAST_TURNS = 6
_TURNS = 0.05  # changes between stroke and ground for each pixel along a line: letters are many
_ROOM = 400  # pixels of the shorter side: in less there is no room for large letters
_BLACK, _WHITE = 70, 215  # grey levels
_BOTH, _MOST = 0.2, 0.6  # shares of an outlined letter: black and white each, and together
_CAPTION = 0.025  # of the height: captions are at least as high
_LEAST_BAR, _MOST_BAR = 0.06, 0.6  # of the height: a page is no bar
_BAR_TONE = 14  # grey levels: a bar is as even
_BAR_SPOTS = 0.02  # share of a row of a bar that may be of another tone

_BLOCK = 8  # pixels
_FLAT = 2  # grey levels: a block that differs by no more is even
_EDGE = 24  # gradient, grey levels a pixel
_SQUARE = 0.06  # tangent: an edge that leans less runs exactly across or down
_LOOK = (
    (0.15, 0.45),
    (0.12, 0.25),
)  # shares of even blocks and of square edges: none .. all of a sign

_NAMED, _SIZED, _DRAWN, _WRITTEN = 0.5, 0.3, 0.4, 0.25  # what the signs of a screenshot weigh
_SOME_TEXT = (0.01, 0.05)  # of the picture: no sign .. all of one
_NAMES = re.compile(
    r"screen ?-?_?shot|screen ?capture|bildschirmfoto|captura de|capture d.[ée]cran|"
    r"schermata|schermafbeelding|sk[äa]rmavbild|zrzut ekranu|ekran görüntüsü|снимок экрана|"
    r"スクリーンショット|스크린샷|截屏|屏幕截图"
)
_SCREENS = frozenset(  # (longer, shorter) side of phones, tablets and monitors, in pixels
    {
        (960, 640), (1136, 640), (1334, 750), (1792, 828), (2208, 1242), (2340, 1080),
        (2436, 1125), (2532, 1170), (2556, 1179), (2622, 1206), (2688, 1242), (2778, 1284),
        (2796, 1290), (2868, 1320), (1280, 720), (1600, 720), (1520, 720), (1560, 720),
        (1920, 1080), (2160, 1080), (2220, 1080), (2240, 1080), (2246, 1080), (2280, 1080),
        (2310, 1080), (2312, 1080), (2316, 1080), (2376, 1080), (2388, 1080), (2400, 1080),
        (2408, 1080), (2412, 1080), (2424, 1080), (2460, 1080), (2520, 1080), (2560, 1440),
        (2880, 1440), (2960, 1440), (3040, 1440), (3088, 1440), (3120, 1440), (3200, 1440),
        (3216, 1440), (2048, 1536), (2224, 1668), (2266, 1488), (2360, 1640), (2388, 1668),
        (2420, 1668), (2732, 2048), (2752, 2064), (1024, 768), (1280, 800), (1280, 1024),
        (1366, 768), (1440, 900), (1600, 900), (1680, 1050), (1920, 1200), (2560, 1600),
        (2880, 1800), (3024, 1964), (3456, 2234), (3440, 1440), (3840, 2160), (5120, 2880),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A line of writing: x0, y0, x1, y1 in pixels, and whether it is white, bordered by black."""

    box: tuple[int, int, int, int]
    outlined: bool

    @property
    def height(self) -> int:
        """In pixels."""
        return self.box[3] - self.box[1]

    @property
    def area(self) -> int:
        """In pixels."""
        return (self.box[2] - self.box[0]) * self.height


@dataclass(frozen=True, slots=True)
class Kind:
    """The measures of a picture's kind; thresholds are culling's."""

    colour: float  # 0 black and white, also toned .. 1 saturated
    text: float  # share of the picture that lines of writing cover
    caption: float  # share that even bars above and below hold, where writing stands in them
    screen: float  # 0 a camera's picture .. 1 a screenshot


def measure(
    grey: Grey, colour: Colour, *, size: tuple[int, int], camera: str | None, name: str
) -> Kind:
    """The kind of a picture from its grey pixels [H, W], about 1000 of them, and colours [h, w, 3].

    `size` is its full width and height, `camera` what its EXIF says, `name` its file's name.
    """
    lines = writing(grey)
    text = min(1.0, sum(line.area for line in lines) / grey.size)
    return Kind(
        colour=round(saturation(colour), 4),
        text=round(text, 4),
        caption=round(captioned(grey, lines), 4),
        screen=round(screenshot(grey, size=size, camera=camera, name=name, text=text), 4),
    )


def saturation(colour: Colour) -> float:
    """How far the colours spread about one tone, 0 .. 1, so that sepia counts as black and white.

    Of the opponent colours R - G and (R + G) / 2 - B (Hasler and Suesstrunk, 2003) the part is left
    out that follows from lightness, its square and its cube.
    """
    scale = min(1.0, _TONED / max(colour.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in colour.shape[:2])
    small = cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA)
    red, green, blue = np.asarray(small, np.float64).reshape(-1, 3).T
    light = (red + green + blue) / 765
    basis = np.stack([np.ones_like(light), light, light**2, light**3], axis=1)
    opponent = np.stack([red - green, (red + green) / 2 - blue], axis=1)
    toned = basis @ np.linalg.lstsq(basis.T @ basis, basis.T @ opponent, rcond=None)[0]
    spread = float(np.sqrt(np.mean((opponent - toned) ** 2, axis=0).sum()))
    return min(1.0, spread / _FULL)


def writing(grey: Grey) -> list[Line]:
    """What looks like lines of writing, dark on light and light on dark, small and large."""
    if min(grey.shape) < _LEAST_SIDE:
        return []
    scale = min(1.0, _FINE / max(grey.shape))
    fine = _reduced(grey, scale, cv2.INTER_LINEAR)
    found = _written(fine, scale)
    if min(grey.shape) < _ROOM:
        return found
    coarse = _COARSE / max(grey.shape)
    large = _written(_reduced(fine, coarse / scale, cv2.INTER_AREA), coarse)
    return found + [line for line in large if not any(_covered(line, other) for other in found)]


def _reduced(grey: Grey, scale: float, way: int) -> Grey:
    """`grey` at `scale`; down to two thirds, linear interpolation is as good as area's mean."""
    if scale >= 1:
        return grey
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=way)
    return np.asarray(small, np.uint8)


def _written(grey: Grey, scale: float) -> list[Line]:
    """Lines of one size of writing in a picture that is reduced by `scale`; boxes are the whole one's."""
    found = []
    for way in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT):
        above = cv2.morphologyEx(grey, way, np.ones((_STROKE, _STROKE), np.uint8))
        for line in _lines(grey, np.asarray(above, np.uint8)):
            x0, y0, x1, y1 = (round(edge / scale) for edge in line.box)
            found.append(Line((x0, y0, x1, y1), line.outlined))
    return found


def _lines(grey: Grey, above: Grey) -> Iterator[Line]:
    """Lines of strokes, of which `above` says how far each pixel stands out from its ground."""
    strokes = (above >= _CONTRAST).view(np.uint8)
    joined = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((1, _REACH), np.uint8))
    joined = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((1, _REACH), np.uint8))
    # runs of _REACH pixels leave less than 2^16 pieces; this way takes a third of the default's time
    _count, _labels, stats, _centres = cv2.connectedComponentsWithStatsWithAlgorithm(
        np.ascontiguousarray(joined[:, ::_THIN]), 8, cv2.CV_16U, cv2.CCL_SPAGHETTI
    )
    pieces = stats[1:] * (_THIN, 1, _THIN, 1, _THIN)
    width, height, area = pieces[:, 2], pieces[:, 3], pieces[:, 4]
    fits = (height >= _LINE[0]) & (height <= _LINE[1]) & (width >= _LONG * height)
    fits &= area >= _FULL_BOX * width * height
    for x0, y0, across, down in pieces[fits, :4].tolist():
        part = np.s_[y0 : y0 + down, x0 : x0 + across]
        pixels, ink = grey[part], strokes[part]
        if not _INKED[0] <= cv2.countNonZero(ink) / ink.size <= _INKED[1]:
            continue
        turns = np.count_nonzero(ink[:, 1:] != ink[:, :-1], axis=1)
        if np.sort(turns)[down * 2 // 3] < max(_LEAST_TURNS, _TURNS * across):
            continue
        ground = above[part][cv2.dilate(ink, np.ones((3, 3), np.uint8)) == 0]
        rough = float(cv2.norm(ground)) / max(1, ground.size) ** 0.5
        outlined = _is_outlined(pixels, ink)
        if outlined or rough <= min(_EVEN, cv2.mean(above[part], ink)[0] / _CLEAR):
            yield Line((x0, y0, min(x0 + across, grey.shape[1]), y0 + down), outlined)


def _is_outlined(pixels: Grey, strokes: Grey) -> bool:
    """Whether white strokes have black borders, on a ground of neither, as captions of pictures."""
    if pixels.max() < _WHITE or pixels.min() > _BLACK:
        return False
    near = cv2.dilate(strokes, np.ones((3, 3), np.uint8)) > 0
    beyond = pixels[cv2.dilate(strokes, np.ones((7, 7), np.uint8)) == 0]
    white, black = float(np.mean(pixels[near] >= _WHITE)), float(np.mean(pixels[near] <= _BLACK))
    between = float(np.mean((beyond > _BLACK) & (beyond < _WHITE))) if beyond.size else 0.0
    return min(white, black) >= _BOTH and white + black >= _MOST and between >= _BOTH


def _covered(line: Line, other: Line) -> bool:
    """Whether half of `line` lies in `other`, or of `other` in `line`."""
    a, b = line.box, other.box
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return across > 0 and down > 0 and 2 * across * down > min(line.area, other.area)


def captioned(grey: Grey, lines: Sequence[Line]) -> float:
    """Share of the height that captions take: even bars above and below, and outlined writing."""
    height = len(grey)
    large = [line for line in lines if line.height >= _CAPTION * height]
    if not large:
        return 0.0
    taken = np.zeros(height, bool)
    blank = np.full_like(grey, 255)
    for line in lines:
        x0, y0, x1, y1 = line.box
        blank[max(0, y0 - 4) : y1 + 4, max(0, x0 - 4) : x1 + 4] = 0
        if line.outlined and line in large:
            taken[y0:y1] = True
    for turned in (False, True):
        bar = _bar(grey[::-1] if turned else grey, blank[::-1] if turned else blank)
        if not _LEAST_BAR * height <= bar <= _MOST_BAR * height:
            continue
        first, last = (height - bar, height) if turned else (0, bar)
        if any(first <= line.box[1] and line.box[3] <= last for line in large):
            taken[first:last] = True
    return float(taken.mean())


def _bar(grey: Grey, blank: Grey) -> int:
    """How many rows from the first are of one tone where nothing is written."""
    tone = int(np.median(grey[: max(1, len(grey) // 50)]))
    even = cv2.inRange(grey, np.array(tone - _BAR_TONE), np.array(tone + _BAR_TONE))
    ends = np.flatnonzero(np.mean((even == 0) & (blank > 0), axis=1) > _BAR_SPOTS)
    return int(ends[0]) if len(ends) else len(grey)


def screenshot(
    grey: Grey, *, size: tuple[int, int], camera: str | None, name: str, text: float
) -> float:
    """0 (a camera's picture) to 1 (a screenshot).

    The signs are its name, a screen's exact size, a drawn look, and writing; none is enough alone.
    """
    if camera:
        return 0.0
    named = _NAMES.search(name.lower()) is not None
    sized = (max(size), min(size)) in _SCREENS
    look = _DRAWN * drawn(grey) + _WRITTEN * _sign(text, *_SOME_TEXT)
    return float(min(1.0, _NAMED * named + _SIZED * sized + look))


def drawn(grey: Grey) -> float:
    """How much a picture is even areas and edges exactly across or down: 0 .. 1."""
    rows, columns = (side // _BLOCK * _BLOCK for side in grey.shape)
    if not rows or not columns:
        return 0.0
    kernel = np.ones((_BLOCK, _BLOCK), np.uint8)
    centres = np.s_[_BLOCK // 2 : rows : _BLOCK, _BLOCK // 2 : columns : _BLOCK]
    spread = cv2.dilate(grey, kernel)[centres] - cv2.erode(grey, kernel)[centres]
    even = _sign(float(np.mean(spread <= _FLAT)), *_LOOK[0])
    if not even:
        return 0.0
    across = np.abs(cv2.Sobel(grey, cv2.CV_16S, 1, 0, ksize=3))
    down = np.abs(cv2.Sobel(grey, cv2.CV_16S, 0, 1, ksize=3))
    strong = np.maximum(across, down) >= 4 * _EDGE
    edges = int(np.count_nonzero(strong))
    exact = np.minimum(across, down) <= _SQUARE * np.maximum(across, down)
    square = np.count_nonzero(strong & exact) / max(1, edges)
    return even * _sign(square, *_LOOK[1])


def _sign(value: float, none: float, whole: float) -> float:
    return min(1.0, max(0.0, (value - none) / (whole - none)))
