"""The local server: started once, shared, named, left; its schedules fire."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows import server
from flows.presence import Presence, left_behind, living, present
from flows.server import environment, find, serving
from merzmory.errors import MerzmoryError

if TYPE_CHECKING:
    from tests.flows.conftest import Workshop

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    pytest.mark.usefixtures("own_environment"),
]


def test_one_server_is_shared_and_a_schedule_fires(workshop: Workshop, tmp_path: Path) -> None:
    started: list[str] = []
    with serving(workshop.home, starting=lambda: started.append("first")):
        url = os.environ["PREFECT_API_URL"]
        assert url == find(workshop.home) and url.startswith("http://127.0.0.1:")
        with serving(workshop.home, starting=lambda: started.append("named")):
            assert os.environ["PREFECT_API_URL"] == url
        del os.environ["PREFECT_API_URL"]  # as another terminal would not have it
        with serving(workshop.home, starting=lambda: started.append("second")):
            assert living(workshop.home) == 2
            assert os.environ["PREFECT_API_URL"] == url
        os.environ["PREFECT_API_URL"] = url
        assert started == ["first"]

        if sys.platform == "linux":
            (pid,) = workshop.servers()
            time.sleep(4)  # it has started up
            before = _cpu_seconds(pid)
            time.sleep(3)
            assert _cpu_seconds(pid) - before < 1.5, (
                "the idle server takes a core from the training"
            )

        ticks = tmp_path / "ticks"
        clock = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("ticking.py"), ticks],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            workshop.wait_for(ticks.exists, 60, "the scheduled run")
        finally:
            os.killpg(clock.pid, signal.SIGTERM)
            clock.wait(30)
    assert "PREFECT_API_URL" not in os.environ
    assert find(workshop.home) is None
    workshop.wait_for(lambda: not workshop.servers(), 5, "the server's end")


def _cpu_seconds(pid: int) -> float:
    """Processor time that a process has used (proc(5): utime and stime, in clock ticks)."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_a_stale_card_is_no_server(tmp_path: Path) -> None:
    card = {"format": 1, "url": "http://127.0.0.1:9/api", "pid": os.getpid(), "id": "00"}
    (tmp_path / "server.json").write_text(json.dumps(card))
    assert find(tmp_path) is None
    (tmp_path / "server.json").write_text("{")
    assert find(tmp_path) is None


def test_a_server_that_cannot_start_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.sys, "executable", "/bin/false")
    with (
        pytest.raises(MerzmoryError, match=r"did not start, .*server\.log says why"),
        serving(tmp_path),
    ):
        pytest.fail("there is no server")


def test_nothing_phones_home() -> None:
    values = environment(Path("home"), "http://127.0.0.1:1/api")
    assert values["DO_NOT_TRACK"] == "1"
    assert values["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert values["PREFECT_SERVER_EPHEMERAL_ENABLED"] == "false"
    assert "127.0.0.1" in values["NO_PROXY"]


def test_presence_is_a_lock_and_not_a_number(tmp_path: Path) -> None:
    with present(tmp_path):
        assert living(tmp_path) == 1
        assert not left_behind(tmp_path)
    assert living(tmp_path) == 0
    assert not list((tmp_path / "users").iterdir())

    gone = Presence(tmp_path)
    gone.enter()
    gone.begin("run-a")
    gone.begin("run-b")
    gone.end("run-a")
    gone.leave()  # with a run open: as the system leaves a killed process
    [trace] = left_behind(tmp_path)
    assert trace.runs == ["run-b"]
    trace.forget()
    assert not list((tmp_path / "users").iterdir())
