"""Lines over the steps of a training, in the look of the sheets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageColor, ImageDraw, ImageFont

from merzmory.sheet import LIGHT, drawable

_WIDTH, _MARGIN = 1400, 64  # pixels
_HEIGHTS = (400, 230)  # of the panels' plots; the last one for all further ones
_LEFT, _RIGHT = 64, 250  # beside a plot, for numbers and for the lines' names
_FINE = 2  # drawn larger and reduced, for smooth lines
_RULE = "#e3dfd6"
_TITLE, _TEXT = 34, 20  # font sizes


@dataclass(frozen=True, slots=True)
class Line:
    """A line: (step, value, standard error) a point, ascending; its name stands at its end."""

    name: str
    points: Sequence[tuple[int, float, float]]
    colour: str
    thin: bool = False  # drawn without a band


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over one scale; `mark` is a step to point at."""

    title: str
    lines: Sequence[Line]
    mark: int | None = None


def chart(panels: Sequence[Panel], *, title: str, note: str, foot: str) -> Image.Image:
    """The panels one below the other over the same logarithmic steps: RGB, 1400 pixels wide."""
    steps = sorted({p[0] for panel in panels for line in panel.lines for p in line.points})
    heights = [_HEIGHTS[min(i, len(_HEIGHTS) - 1)] for i in range(len(panels))]
    head = _MARGIN + round(_TITLE * 1.5) + round(_TEXT * 2.4)
    under = round(_TEXT * 2.6)  # numbers of the steps
    over = round(_TEXT * 2.2)  # a panel's title
    tail = round(_TEXT * 1.6) * (foot.count("\n") + 1) + _MARGIN
    page = _Page(head + sum(heights) + len(panels) * (over + under + _TEXT) + tail)
    page.text((_MARGIN, _MARGIN), title, _TITLE, LIGHT.ink, "lt")
    page.text((_MARGIN, _MARGIN + round(_TITLE * 1.5)), note, _TEXT, LIGHT.ink, "lt")
    top = head
    for panel, height in zip(panels, heights, strict=True):
        page.text((_MARGIN, top), panel.title, _TEXT, LIGHT.quiet, "lt")
        _plot(page, panel, steps, (top + over, top + over + height))
        top += over + height + under + _TEXT
    for number, line in enumerate(foot.split("\n")):
        page.text((_MARGIN, top + round(number * _TEXT * 1.6)), line, _TEXT, LIGHT.quiet, "lt")
    return page.reduced()


def along(step: int, steps: Sequence[int]) -> float:
    """Where a step stands on the axis, 0..1: log(1 + step / s), s the first step above 0."""
    first = next((s for s in steps if s > 0), 1)
    return math.log1p(step / first) / (math.log1p(max(steps[-1], 1) / first))


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` to `high`: at most `most` multiples of 1, 2 or 5 times a power of 10."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / most))
    unit = next(m * power for m in (1, 2, 5, 10, 20) if span / (m * power) <= most)
    return [n * unit for n in range(math.ceil(low / unit - 1e-9), math.floor(high / unit) + 1)]


class _Page:
    """A page that is drawn larger than it is shown; places are in its shown pixels."""

    def __init__(self, height: int) -> None:
        self.image = Image.new("RGB", (_WIDTH * _FINE, height * _FINE), LIGHT.paper)
        self.draw = ImageDraw.Draw(self.image)

    def text(
        self, at: tuple[float, float], text: str, size: int, fill: str, anchor: str = "lm"
    ) -> None:
        font = ImageFont.load_default(size * _FINE)
        self.draw.text(_fine(at), drawable(text), font=font, fill=fill, anchor=anchor)

    def width(self, text: str, size: int) -> float:
        return ImageFont.load_default(size * _FINE).getlength(drawable(text)) / _FINE

    def line(self, places: Sequence[tuple[float, float]], width: float, fill: str) -> None:
        at = [_fine(place) for place in places]
        self.draw.line(at, fill=fill, width=round(width * _FINE), joint="curve")

    def dot(self, at: tuple[float, float], radius: float, fill: str) -> None:
        self.draw.circle(_fine(at), radius * _FINE, fill=fill)

    def band(self, places: Sequence[tuple[float, float]], fill: str) -> None:
        veil = Image.new("L", self.image.size, 0)
        ImageDraw.Draw(veil).polygon([_fine(place) for place in places], fill=38)
        self.image.paste(ImageColor.getrgb(fill), (0, 0, *self.image.size), veil)

    def reduced(self) -> Image.Image:
        return self.image.reduce(_FINE)


def _fine(place: tuple[float, float]) -> tuple[float, float]:
    return place[0] * _FINE, place[1] * _FINE


def _plot(page: _Page, panel: Panel, steps: Sequence[int], between: tuple[int, int]) -> None:
    left, right = _MARGIN + _LEFT, _WIDTH - _MARGIN - _RIGHT
    top, bottom = between
    values = [v + s * e for line in panel.lines for _, v, e in line.points for s in (-1, 1)]
    low, high = min(0.0, *values), max(1e-6, *values)
    low -= 0.04 * (high - low)

    def x(step: int) -> float:
        return left + along(step, steps) * (right - left)

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    for tick in ticks(low, high):
        page.line([(left, y(tick)), (right, y(tick))], 1.5 if abs(tick) < 1e-12 else 1, _RULE)
        page.text((left - 14, y(tick)), f"{tick:.4g}", _TEXT - 3, LIGHT.quiet, "rm")
    free = -math.inf
    for step in [*steps[:1], *reversed(steps[1:])]:  # the first and the last are always named
        said = f"step {step}" if step == steps[0] else str(step)
        half = page.width(said, _TEXT - 3) / 2 + 8
        if step != steps[0] and (x(step) + half > -free or x(step) - half < x(steps[0]) + 40):
            continue
        page.line([(x(step), bottom), (x(step), bottom + 7)], 1, LIGHT.quiet)
        page.text((x(step), bottom + 12), said, _TEXT - 3, LIGHT.quiet, "mt")
        free = free if step == steps[0] else -(x(step) - half)
    if panel.mark is not None:
        for dash in range(top, bottom, 10):
            page.line([(x(panel.mark), dash), (x(panel.mark), dash + 4)], 1.5, LIGHT.quiet)
    for line in panel.lines:
        if not line.thin:
            above = [(x(s), y(v + e)) for s, v, e in line.points]
            below = [(x(s), y(v - e)) for s, v, e in reversed(line.points)]
            page.band([*above, *below], line.colour)
    for line in panel.lines:
        places = [(x(s), y(v)) for s, v, _ in line.points]
        page.line(places, 1.5 if line.thin else 4, line.colour)
        for place in places:
            page.dot(place, 2.5 if line.thin else 5, line.colour)
    names = sorted(panel.lines, key=lambda line: -line.points[-1][1])
    last = -math.inf
    heights = []
    for line in names:  # names that would stand on one another move down
        last = max(y(line.points[-1][1]), last + _TEXT * 1.3)
        heights.append(last)
    room: float = bottom
    for at in reversed(range(len(heights))):  # and up again, as far as they would leave the plot
        heights[at] = min(heights[at], room)
        room = heights[at] - _TEXT * 1.3
    for line, height in zip(names, heights, strict=True):
        size = _TEXT - 3 if line.thin else _TEXT - 1
        page.text((right + 18, height), line.name, size, line.colour, "lm")
