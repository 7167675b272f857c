"""What all flows have in common: the name of a run, that it is accounted for, and its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Flow, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound, Pause
from prefect.runtime import deployment
from prefect.runtime import flow_run as this_run
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import AwaitingRetry, Crashed

from flows.presence import Presence, left_behind
from flows.tasks import Listener, carry_out, listening
from merzmory import config as configs
from merzmory.errors import WaitingError

_UNFINISHED = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
_presence: ContextVar[Presence | None] = ContextVar("presence", default=None)


def run_name() -> str:
    """`FLOW-EXPERIMENT`, such as merzmory-demo."""
    flow = str(this_run.flow_name).removeprefix("merzmory-")
    return f"{flow}-{Path(str(this_run.parameters.get('config'))).stem}"


def note_begin(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A hook: the run is open in this process."""
    here = _presence.get()
    if here is not None:
        here.begin(str(flow_run.id))


def note_end(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A hook: the run has its last state."""
    here = _presence.get()
    if here is not None:
        here.end(str(flow_run.id))


OPTIONS: dict[str, Any] = {
    "flow_run_name": run_name,
    "persist_result": False,
    "on_running": [note_begin],
    "on_completion": [note_end],
    "on_failure": [note_end],
    "on_crashed": [note_end],
    "on_cancellation": [note_end],
}


def tell(steps: Sequence[str], config: str, overrides: Sequence[str]) -> str:
    """Carry the steps out one after the other; the last one's folder.

    Raises:
        MerzmoryError: the config, the photographs or the disk are not fit for it.
        Pause: a service asked to wait, and the run is scheduled for then.
    """
    made = configs.load(config, overrides)
    workspace = made.workspace()
    folder = ""
    if made.archive.is_fetched and "ingest" in steps:
        steps = ["fetch", *steps]
    try:
        for name in steps:
            folder = str(carry_out(name, made, workspace))
    except WaitingError as error:
        _come_back(error)
        raise
    return folder


def _come_back(error: WaitingError) -> None:
    """Leave the worker free, and have it take this run up again when the service allows.

    A run without a deployment has nobody who would take it up: the person runs the command again.

    Raises:
        Pause: what ends the run's process without ending the run.
    """
    if deployment.id is None:
        return
    state: State[None] = AwaitingRetry(scheduled_time=error.until, message=str(error))
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(str(this_run.id)), state, force=True)
    raise Pause(state=state)


@contextmanager
def attended(presence: Presence, listener: Listener) -> Iterator[None]:
    """Flows that are called inside the block are accounted for here and tell `listener`."""
    token = _presence.set(presence)
    try:
        # A heartbeat's thread holds the end of every run up by a second; presence.py does its work.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), listening(listener):
            yield
    finally:
        _presence.reset(token)


def mark_left_behind(home: Path) -> int:
    """Mark the runs as Crashed that a kill -9 or a power cut left open; how many they were."""
    marked = 0
    for trace in left_behind(home):
        for run in trace.runs:
            marked += _mark_crashed(run)
        trace.forget()
    return marked


def _mark_crashed(run: str) -> int:
    said = "The process ended without a word; running the same command again goes on."
    with get_client(sync_client=True) as client:
        one = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
        found = client.read_flow_runs(flow_run_filter=one)
        if not found or (found[0].state is not None and found[0].state.is_final()):
            return 0
        tasks = client.read_task_runs(
            flow_run_filter=one,
            task_run_filter=TaskRunFilter(
                state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_UNFINISHED))
            ),
        )
        try:
            for each in tasks:
                client.set_task_run_state(each.id, Crashed(message=said), force=True)
            client.set_flow_run_state(found[0].id, Crashed(message=said), force=True)
        except ObjectNotFound:  # deleted in Prefect's pages meanwhile
            return 0
    return 1
