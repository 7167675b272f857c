"""A real flow on a real local server: told, stopped, killed, taken up, found again.

The tests are a story themselves and run in their order: each goes on where the one before stopped.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.flows.conftest import Workshop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

STATES = "select state_name from flow_run order by created"


def test_ctrl_c_ends_a_run_as_crashed_and_leaves_nothing(workshop: Workshop) -> None:
    seconds, code, err = workshop.start_and_stop(signal.SIGINT, group=True)
    assert code == 130
    assert "the same command goes on" in err and "merzmory run demo" in err
    assert "Traceback" not in err
    assert workshop.rows(STATES) == [("Crashed",)]
    workshop.wait_for(lambda: not workshop.servers(), 5, "the server's end")
    assert not (workshop.home / "server.json").exists()
    # 3 s are what a person is promised; a machine that also runs other tests gets more
    assert seconds < 9
    tasks = dict(workshop.rows("select name, state_name from task_run"))
    assert tasks["ingest-000"] == "Completed" and tasks["train-000"] == "Crashed"


def test_a_killed_run_is_marked_at_the_next_start(workshop: Workshop) -> None:
    _, code, _ = workshop.start_and_stop(signal.SIGKILL, group=False)
    assert code == -signal.SIGKILL
    workshop.wait_for(lambda: not workshop.servers(), 10, "the lonely server's end")
    assert workshop.rows(STATES) == [("Crashed",), ("Running",)]

    code, out, err = workshop.run("run", "demo")
    assert code == 0, err
    assert "Reading the photographs: found, nothing to do" in out
    assert "Training the generator: 3 pictures" in out
    assert workshop.rows(STATES) == [("Crashed",), ("Crashed",), ("Completed",)]
    assert not list((workshop.home / "users").iterdir())


def test_prefect_shows_tasks_sheets_and_logs(workshop: Workshop) -> None:
    names = [name for (name,) in workshop.rows("select name from flow_run")]
    assert set(names) == {"merzmory-demo"}
    tasks = workshop.rows("select name from task_run where state_name = 'Completed'")
    assert {"build-000", "train-000", "sample-000"} <= {name for (name,) in tasks}
    assert len(tasks) < 20  # three hundred shards of the squares are not three hundred tasks
    sheets = workshop.rows("select key, data from artifact where type = 'markdown'")
    assert [key for key, _ in sheets] == ["sample-sheet"]
    assert "data:image/jpeg;base64," in sheets[0][1] and len(sheets[0][1]) < 300_000
    logs = " ".join(said for (said,) in workshop.rows("select message from log"))
    assert "Training the generator: finished" in logs


def test_a_finished_story_is_found(workshop: Workshop) -> None:
    tasks = workshop.rows("select count(*) from task_run")
    code, out, err = workshop.run("run", "demo", "-v")
    assert code == 0, err
    assert out.count("found, nothing to do") >= 5
    assert "Done in" in out and "archive.folder=~/Pictures" in out
    assert "Beginning flow run" in out + err  # -v
    assert workshop.rows("select count(*) from task_run") == tasks


def test_a_refused_story_is_one_sentence_and_starts_no_server(workshop: Workshop) -> None:
    runs = workshop.rows(STATES)
    code, _, err = workshop.run("run", "demo", "--set", "archive.folder=/nowhere")
    assert code == 2
    assert err.strip() == "/nowhere holds no photographs: choose another."
    assert workshop.rows(STATES) == runs


def test_a_step_that_breaks_leaves_its_traceback_in_the_log(workshop: Workshop) -> None:
    code, _, err = workshop.run("run", "demo", STORY_FAILS="sample")
    log = workshop.outputs / "demo" / "merzmory.log"
    assert code == 1
    assert "a screw came loose" in err and str(log) in err
    assert "Traceback" not in err and len(err.strip().splitlines()) == 1
    assert "Traceback" in log.read_text("utf-8")
    assert workshop.rows(STATES)[-1] == ("Failed",)


def test_a_dead_server_that_was_named_is_one_sentence(workshop: Workshop) -> None:
    code, _, err = workshop.run("run", "demo", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert code == 2
    assert "http://127.0.0.1:9/api" in err and "unset PREFECT_API_URL" in err
    assert len(err.strip().splitlines()) == 1
