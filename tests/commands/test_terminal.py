"""What a person reads while the story runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from merzmory.commands import terminal
from merzmory.commands.terminal import Board, human_size, human_time
from merzmory.records import Progress


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"), (3.21, "3.2 s"), (3, "3 s"), (9.97, "10 s"), (59, "59 s"),
        (60.0, "1 min"), (118, "1 min 58 s"), (7800.0, "2 h 10 min"),
    ],
)  # fmt: skip
def test_times(seconds: float, said: str) -> None:
    assert human_time(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [(712, "712 bytes"), (3_400_000, "3.4 MB"), (412_000_000, "412 MB"), (2 * 10**12, "2.0 TB")],
)
def test_sizes(size: int, said: str) -> None:
    assert human_size(size) == said


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(terminal.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_pipe_gets_a_line_every_five_seconds(clock: Clock) -> None:
    out = io.StringIO()
    with Board(out) as board:
        board.begin("ingest", "Reading the photographs")
        for done in range(1, 13):
            clock.now += 1
            board.announce(Progress("ingest", done, 12, "photos"))
        board.end(found=False)
        board.begin("cull", "Choosing")
        board.end(found=True)
    lines = out.getvalue().splitlines()
    assert lines == [
        "Reading the photographs: 5/12 photos, 7 s left",
        "Reading the photographs: 10/12 photos, 2 s left",
        "Reading the photographs: 12 photos, 12 s",
        "Choosing: found, nothing to do",
    ]


def test_waiting_for_another_training_is_said_once(clock: Clock) -> None:
    out = io.StringIO()
    with Board(out) as board:
        board.begin("train", "Training")
        for _ in range(30):
            clock.now += 1
            board.announce(Progress("train", 0, 0, note="another training is using the cpu"))
    assert out.getvalue().count("another training") == 1


def frame(board: Board) -> str:
    with board.console.capture() as captured:
        board.console.print(board)
    return captured.get()


def test_a_terminal_shows_one_bar(clock: Clock) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=96, color_system=None)
    board = Board(console=console)
    board.begin("train", "Training the generator")
    assert "Training the generator" in frame(board)
    details = {"img_s": 8.24, "ada_p": 0.12}
    board.announce(Progress("train", 87, 200, "steps", "preview", 113.0, details))
    shown = frame(board)
    assert "87/200 steps" in shown and "1 min 53 s left" in shown
    assert "8.2 photographs a second, augmentation 12%" in shown
    assert "preview" not in shown  # a word for machines
    clock.now += 13
    assert "1 min 40 s left" in frame(board)


@pytest.mark.parametrize("unknown", [float("nan"), float("inf"), 0.0])
def test_an_estimate_that_nobody_has_is_not_shown(clock: Clock, unknown: float) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=96, color_system=None)
    board = Board(console=console)
    board.begin("train", "Training the generator")
    board.announce(Progress("train", 0, 200, "steps", eta_seconds=unknown))
    shown = frame(board)
    assert "0/200 steps" in shown and "left" not in shown


def test_a_terminal_without_unicode_is_spared() -> None:
    raw = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=raw, force_terminal=True, width=96, color_system=None)
    with Board(console=console) as board:
        board.begin("cull", "Choosing")
        board.end(found=True)
    raw.flush()
    assert b"* Choosing" in raw.buffer.getvalue()  # type: ignore[attr-defined]
