"""What a picture gives on paper: its size in millimetres, and how finely it prints.

300 dpi is sharp at reading distance; on a wall, seen from further away, 150 does.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from merzmory.errors import ConfigError

DPI = 300  # dots an inch
_INCH = 25.4  # millimetres

# name: shorter and longer side in millimetres
PAPERS: dict[str, tuple[int, int]] = {
    "10x15": (100, 150),
    "A6": (105, 148),
    "13x18": (130, 180),
    "A5": (148, 210),
    "20x20": (200, 200),
    "20x30": (200, 300),
    "A4": (210, 297),
    "Letter": (216, 279),
    "30x30": (300, 300),
    "A3": (297, 420),
    "30x40": (300, 400),
    "A2": (420, 594),
    "40x60": (400, 600),
    "50x50": (500, 500),
    "50x70": (500, 700),
    "A1": (594, 841),
    "70x100": (700, 1000),
    "A0": (841, 1189),
}

Grade = Literal["sharp", "good", "from a distance", "too small"]


@dataclass(frozen=True, slots=True)
class PrintSize:
    """A picture on one paper, as large as it goes on without being cropped."""

    paper: str
    width_mm: float  # of the picture
    height_mm: float
    dpi: float  # how finely it prints there
    grade: Grade
    enlarge: (
        float  # how many times larger it would have to be for the dpi asked for; 1: large enough
    )


def sizes(width: int, height: int, dpi: int = DPI) -> list[PrintSize]:
    """What a picture of `width` x `height` pixels gives on every paper, smallest paper first.

    The paper is turned to the picture. "sharp" is at least `dpi`, "good" two thirds of it, "from
    a distance" half of it.

    Raises:
        ConfigError: a side or the dpi is not positive.
    """
    _positive(width, height, dpi)
    found = []
    for paper, (shorter, longer) in PAPERS.items():
        across, down = (longer, shorter) if width > height else (shorter, longer)
        per_pixel = min(across / width, down / height)  # millimetres
        fine = _INCH / per_pixel
        found.append(
            PrintSize(
                paper=paper,
                width_mm=round(width * per_pixel, 1),
                height_mm=round(height * per_pixel, 1),
                dpi=round(fine, 1),
                grade=graded(fine / dpi),
                enlarge=round(max(1.0, dpi / fine), 2),
            )
        )
    return found


def largest(width: int, height: int, dpi: int = DPI) -> tuple[float, float]:
    """Width and height in millimetres at which the picture prints at just `dpi`."""
    _positive(width, height, dpi)
    return millimetres(width, dpi), millimetres(height, dpi)


def page_pixels(paper: str, dpi: int = DPI) -> tuple[int, int]:
    """Width and height of an upright page in pixels.

    Raises:
        ConfigError: there is no such paper, or the dpi is not positive.
    """
    paper = _known(paper)
    if paper not in PAPERS:
        near = difflib.get_close_matches(paper, PAPERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PAPERS)}."
        raise ConfigError(f"There is no paper {paper}: {hint}")
    _positive(dpi)
    shorter, longer = PAPERS[paper]
    return pixels(shorter, dpi), pixels(longer, dpi)


def _known(paper: str) -> str:
    """A paper by its name in any case, or with its sides turned: 100x70 is 70x100."""
    shorter, _, longer = paper.lower().partition("x")
    named = {name.lower(): name for name in PAPERS}
    return named.get(paper.lower()) or named.get(f"{longer}x{shorter}", paper)


def pixels(millimetres: float, dpi: int) -> int:
    """So many dots."""
    return round(millimetres / _INCH * dpi)


def millimetres(dots: int, dpi: int) -> float:
    """How long so many dots are, to a tenth."""
    return round(dots / dpi * _INCH, 1)


def graded(share: float) -> Grade:
    """How it looks, by the share of the dpi asked for that the picture has."""
    if share >= 0.995:  # a page of A4 has 2480.3 pixels
        return "sharp"
    if share >= 2 / 3:
        return "good"
    return "from a distance" if share >= 0.5 else "too small"


def _positive(*values: int) -> None:
    if min(values) <= 0:
        raise ConfigError(f"A print of {' x '.join(map(str, values))} is none: give sizes above 0.")
