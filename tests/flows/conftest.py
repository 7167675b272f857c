"""The command line in a folder of its own; its server's database is made once for all tests."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.server import environment

STORY = Path(__file__).with_name("story.py")
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Workshop:
    """The command line with the small pipeline, in a folder of its own."""

    outputs: Path
    temporary: Path

    @property
    def home(self) -> Path:
        return self.outputs / "prefect"

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """A command in a process group of its own, as a terminal would start it."""
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.temporary),  # the device's lock is the test's own
            **environment,
        }
        return subprocess.Popen(
            [sys.executable, STORY, *words, "--set", f"outputs={self.outputs}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment, start_new_session=True, preexec_fn=_like_a_terminal,
        )  # fmt: skip

    def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command."""
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def start_and_stop(self, sent: signal.Signals, *, group: bool) -> tuple[float, int, str]:
        """Start the story, send a signal in the middle of its training; seconds, code, stderr."""
        mark = self.temporary / "training"
        mark.unlink(missing_ok=True)
        process = self.start("run", "demo", STORY_SECONDS="600", STORY_MARK=str(mark))
        self.wait_for(mark.exists, 90, "the training's begin")
        time.sleep(2.5)  # Prefect sends the first task's events behind it
        began = time.monotonic()
        if group:
            os.killpg(process.pid, sent)
        else:
            process.send_signal(sent)
        _, err = process.communicate(timeout=60)
        return time.monotonic() - began, process.returncode, err

    def rows(self, query: str) -> list[tuple[str, ...]]:
        """What the server's database says."""
        with sqlite3.connect(self.home / "prefect.db") as base:
            return list(base.execute(query))

    @staticmethod
    def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Poll until `condition` holds, or fail the test naming `what`."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"{what} did not happen within {seconds} s"
            time.sleep(0.1)

    def servers(self) -> list[int]:
        """The process ids of the Prefect servers (Linux)."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"flows.server" in words and str(self.home).encode() in words:
                found.append(int(entry.parent.name))
        return found


def _like_a_terminal() -> None:
    """A shell's background job hands SIGINT down ignored; a terminal does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("story") / "outputs", tmp_path_factory.mktemp("tmp"))


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the settings that another server's block left in the environment."""
    for name in [*environment(Path()), "PREFECT_API_URL"]:
        monkeypatch.setenv(name, "")  # so that monkeypatch brings back what was
        monkeypatch.delenv(name)
