"""A service that asks to wait holds no worker: the run is scheduled for then, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.server import serving

if TYPE_CHECKING:
    from tests.flows.conftest import Workshop

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    pytest.mark.usefixtures("own_environment"),
]


def test_a_run_that_waits_comes_back_by_itself(workshop: Workshop, tmp_path: Path) -> None:
    script = Path(__file__).with_name("waiting.py")
    states = "select state_name, run_count from flow_run where name like 'waits%'"
    with serving(workshop.home):
        served = subprocess.Popen(
            [sys.executable, script, tmp_path],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(script.parents[2])},
        )  # fmt: skip
        try:
            deployed = (
                "select deployment.name from deployment join flow on flow.id = flow_id "
                "where flow.name = 'waits'"
            )
            workshop.wait_for(lambda: bool(workshop.rows(deployed)), 60, "the deployment")
            asked = subprocess.run(
                [sys.executable, "-m", "prefect", "deployment", "run", "waits/often"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert asked.returncode == 0, asked.stdout + asked.stderr
            workshop.wait_for((tmp_path / "asked").exists, 60, "the first run")
            workshop.wait_for(
                lambda: workshop.rows(states) == [("AwaitingRetry", 1)], 20, "the waiting"
            )
            workshop.wait_for((tmp_path / "done").exists, 90, "the coming back")
            workshop.wait_for(
                lambda: workshop.rows(states) == [("Completed", 2)], 20, "the run's end"
            )
        finally:
            os.killpg(served.pid, signal.SIGTERM)
            served.wait(30)
    first, second = map(float, (tmp_path / "asked").read_text("utf-8").split())
    assert second - first >= 8.0
