"""Run a flow in this process, on the local server: what `merzmory run` and the studio call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flows.server import serving

if TYPE_CHECKING:
    from rich.console import Console

    from flows.tasks import Listener

_DRAIN_SECONDS = 2.0  # task runs and log lines travel behind the flow


def run_story(
    config: str,
    overrides: Sequence[str],
    home: Path,
    listener: Listener,
    *,
    console: Console | None = None,
    starting: Callable[[], None] = lambda: None,
) -> None:
    """The flow `merzmory` from here to its end; `console` gets Prefect's log lines.

    Raises:
        MerzmoryError: the config, the photographs, the disk or the server are not fit for it.
        KeyboardInterrupt: the person stopped it; the run is marked as crashed.
    """
    with serving(home, verbose=console is not None, starting=starting) as presence:
        # Prefect reads its settings when it is imported, so not before the server is known.
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        from flows.merzmory import merzmory
        from flows.runs import attended, mark_left_behind

        if console is not None:
            _speak_through(console)
        mark_left_behind(home)
        try:
            with attended(presence, listener):
                merzmory(config=config, overrides=list(overrides))
        finally:
            for worker in (EventsWorker, APILogWorker):  # the server may end behind us
                worker.drain_all(timeout=_DRAIN_SECONDS, at_exit=False)


def _speak_through(console: Console) -> None:
    from prefect.logging.handlers import PrefectConsoleHandler

    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.console = console
