"""What a person sees while the story runs: a live bar in a terminal, plain lines elsewhere.

Finished steps stay as quiet lines with their time; below them one bar shows the step that runs.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from merzmory.records import Progress

PLAIN_SECONDS = 5.0  # between two lines of a step where there is no terminal
_TITLE_WIDTH = 32
_BAR_WIDTH = 10


def human_time(seconds: float) -> str:
    """3.2 s (3 s where whole seconds are given), 1 min 58 s, 2 h 10 min."""
    if isinstance(seconds, float) and seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def human_size(size: int) -> str:
    """712 bytes, 3.4 MB (powers of ten, as disks are sold)."""
    if size < 1000:
        return f"{size} bytes"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.{0 if value >= 100 else 1}f} {unit}"
    return f"{value / 1000:.1f} TB"


@dataclass(slots=True)
class _Running:
    title: str
    since: float
    progress: Progress | None = None
    heard: float = 0.0  # when `progress` was announced
    first: tuple[float, int] | None = None  # time and `done` of the first announcement
    note: str = ""
    said: float = 0.0
    line: str = ""  # the last one in a log

    def hear(self, progress: Progress, now: float) -> None:
        if self.first is None or progress.done < self.first[1]:
            self.first = (now, progress.done)
        self.progress, self.heard = progress, now
        note = progress.note if " " in progress.note else ""  # one word is for machines
        self.note = note or (self.note if progress.total else "")

    def count(self) -> str:
        """87/200 steps"""
        if self.progress is None or self.progress.total <= 0:
            return ""
        return f"{self.progress.done}/{self.progress.total} {self.progress.unit}".rstrip()

    def pace(self) -> str:
        """2.3 photographs a second, augmentation 12 % (where the step says so)"""
        details = self.progress.details if self.progress else {}
        parts = []
        if (speed := details.get("img_s", 0.0)) and math.isfinite(speed):
            parts.append(f"{speed:.1f} photographs a second")
        if (strength := details.get("ada_p", 0.0)) and math.isfinite(strength):
            parts.append(f"augmentation {strength:.0%}")
        return ", ".join(parts)

    def left(self, now: float) -> str:
        """1 min 58 s left; the step's own estimate, or the pace so far."""
        if self.progress is None or self.first is None or self.progress.total <= 0:
            return ""
        eta = self.progress.eta_seconds
        if eta is None:
            began, done = self.first
            if self.progress.done <= done or self.heard - began < 1:
                return ""
            pace = (self.heard - began) / (self.progress.done - done)
            eta = pace * (self.progress.total - self.progress.done)
        if not eta or not math.isfinite(eta):
            return ""
        return f"{human_time(max(1, round(eta - (now - self.heard))))} left"


class Board:
    """The story on a screen: `begin`, `announce`, `end` for each step. A context manager."""

    def __init__(self, file: TextIO | None = None, *, console: Console | None = None) -> None:
        self.console = console or Console(file=file, highlight=False, soft_wrap=False)
        self._alive = self.console.is_terminal and not self.console.is_dumb_terminal
        self._running: _Running | None = None
        self._live: Live | None = None
        utf8 = "utf" in (self.console.encoding or "").lower()
        self._mark = "✓" if utf8 else "*"

    def __enter__(self) -> Board:
        if self._alive:
            self._live = Live(
                self, console=self.console, refresh_per_second=5, transient=True,
                vertical_overflow="crop",
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running = None
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """A quiet line that stays."""
        self.console.print(Text(f"  {text}", style="dim", no_wrap=not self._alive))

    def begin(self, name: str, title: str) -> None:
        """The step `name` begins; its title is what is shown."""
        now = time.monotonic()
        self._running = _Running(title, now, said=now)

    def announce(self, progress: Progress) -> None:
        """How far it is."""
        running, now = self._running, time.monotonic()
        if running is None:
            return
        running.hear(progress, now)
        waiting = running.note and not progress.total
        if not self._alive and (now - running.said >= PLAIN_SECONDS or waiting):
            parts = [running.count(), running.left(now), running.note]
            line = f"{running.title}: {', '.join(p for p in parts if p)}"
            if line != running.line:
                self._plain(line)
                running.said, running.line = now, line

    def end(self, *, found: bool) -> None:
        """It is finished; `found`: it was finished before."""
        running, self._running = self._running, None
        if running is None:
            return
        count = ""
        if running.progress is not None and running.progress.total > 0:
            count = f"{running.progress.total} {running.progress.unit}".rstrip()
        took = human_time(time.monotonic() - running.since)
        if not self._alive:
            said = "found, nothing to do" if found else ", ".join(filter(None, [count, took]))
            self._plain(f"{running.title}: {said}")
            return
        line = _row()
        marks, words = ("dim", "dim") if found else ("green", "")
        facts = [Text(text, "dim") for text in (("", "found") if found else (count, took))]
        line.add_row(Text(self._mark, marks), Text(running.title, words), *facts)
        self.console.print(line)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        running, now = self._running, time.monotonic()
        if running is None:
            return
        progress = running.progress
        known = progress is not None and progress.total > 0
        bar = ProgressBar(
            total=progress.total if progress and known else None,
            completed=progress.done if progress and known else 0,
            width=_BAR_WIDTH, pulse=not known, animation_time=now,
            style="bright_black", complete_style="white", finished_style="white",
        )  # fmt: skip
        facts = Table.grid(padding=(0, 1))
        facts.add_row(bar, running.count())
        waited = now - running.since
        right = running.left(now) or (human_time(round(waited)) if waited >= 3 else "")
        line = _row()
        line.add_row(Text("›", "bold"), Text(running.title, "bold"), facts, Text(right, "dim"))
        yield line
        said = " · ".join(filter(None, [running.pace(), running.note]))
        if said:
            yield Text(f"    {said}", style="dim", no_wrap=True, overflow="ellipsis")

    def _plain(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=True)
        self.console.file.flush()


def _row() -> Table:
    table = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(width=3, justify="right")
    table.add_column(width=_TITLE_WIDTH, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, min_width=_BAR_WIDTH)
    table.add_column(no_wrap=True)
    return table
