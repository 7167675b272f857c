"""The local Prefect server: started, found, shared and stopped by the application itself.

Nobody sets anything up. `serving(home)` finds the server that lives, or starts one in a session
of its own (so that Ctrl-C reaches the flow and not the server), and leaves it again. The server
is this module run as a program: it ends by itself when nobody uses it any more, so not even a
`kill -9` of the application leaves one behind. A server that `PREFECT_API_URL` names is used as
it is.

    HOME/server.lock   held by whoever starts or ends a server
    HOME/server.json   url, pid and start id of the one that lives; the id is in all its answers
    HOME/server.log    what it said
    HOME/users/        flows/presence.py
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from flows.presence import Presence, living, present
from merzmory.errors import MerzmoryError, StorageError, storage_errors
from merzmory.manifest import write_aside

START_SECONDS = 120.0  # a cold start takes 9 s, on a busy machine it has taken 20
STOP_SECONDS = 4.0
LINGER_SECONDS = 0.7  # task runs reach the database as events, written every half second
_ROOM = 2**24  # bytes: less than that, and a server that does not start wants space
_POLL_SECONDS = 0.1
_ID_HEADER = "x-merzmory-server"


def environment(home: Path, url: str | None = None, *, verbose: bool = False) -> dict[str, str]:
    """The Prefect settings of this application, as environment variables."""
    values = {
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "results"),
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "merzmory",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        # whole seconds: 3.8.8 cuts 0.5 to 0 and the idle server takes a whole core
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "NO_PROXY": ",".join({*os.environ.get("NO_PROXY", "").split(","), "127.0.0.1"} - {""}),
    }
    if url:
        values["PREFECT_API_URL"] = url
    return values


@contextmanager
def serving(
    home: Path, *, verbose: bool = False, starting: Callable[[], None] = lambda: None
) -> Iterator[Presence]:
    """Prefect in this process speaks to a living server inside the block; the block must import it.

    `starting` is called where a server has to be started first, which takes some seconds.

    Raises:
        MerzmoryError: no server answers, or none can be started.
    """
    home = home.absolute()
    with storage_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    process, given = None, os.environ.get("PREFECT_API_URL")
    try:
        with present(home) as presence:
            url = given
            if given and not _answers(given):
                raise MerzmoryError(
                    f"PREFECT_API_URL is {given}, but no Prefect server answers there: start it, "
                    "or unset PREFECT_API_URL and MERZmory starts its own."
                )
            if not given:
                with FileLock(home / "server.lock", timeout=START_SECONDS):
                    url = find(home)
                    if url is None:
                        starting()
                        process, url = _start(home)
            os.environ.update(environment(home, url, verbose=verbose))
            _reread_settings()
            yield presence
    finally:
        if not given:
            os.environ.pop("PREFECT_API_URL", None)
        _reread_settings()
        if process is not None and not living(home):
            _await_end(process)


def find(home: Path) -> str | None:
    """The API address of the server of `home` that lives, or None."""
    about = _about(home)
    return about["url"] if about and _answers(about["url"], about["id"]) else None


def _about(home: Path) -> dict[str, str] | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((home / "server.json").read_text("utf-8"))
        return {"url": str(found["url"]), "id": str(found["id"])}
    return None


def _answers(url: str, ident: str | None = None) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError, ValueError), opener.open(f"{url.rstrip('/')}/health", timeout=5) as said:
        return ident is None or said.headers.get(_ID_HEADER) == ident
    return False


def _start(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    ident = secrets.token_hex(8)
    log = home / "server.log"
    code_at = str(Path(__file__).resolve().parents[1])
    paths = [code_at, *filter(None, [os.environ.get("PYTHONPATH")])]
    own_session: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        own_session = {"creationflags": flags}
    with storage_errors(home), log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.server", str(home), ident],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=home,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, **own_session,
        )  # fmt: skip
    try:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and process.poll() is None:
            url = find(home)
            if url is not None:
                return process, url
            time.sleep(_POLL_SECONDS)
    except BaseException:  # Ctrl-C while it starts: nobody else waits for it, server.lock is ours
        _end(process)
        raise
    _end(process)
    if shutil.disk_usage(home).free < _ROOM:
        raise StorageError(
            f"The disk that holds {home} is full: free some space and run the same command again; "
            "what is finished is kept."
        )
    raise MerzmoryError(
        f"The local Prefect server did not start, {log} says why: run the command again, or go "
        "step by step (merzmory ingest, merzmory cull, ...), which needs no server."
    )


def _await_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(LINGER_SECONDS + STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _reread_settings() -> None:
    """Prefect reads the environment when it is imported; a second server needs it read again."""
    if "prefect.context" in sys.modules:
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def _serve(home: Path, ident: str) -> None:
    """Be the server, until nobody is present."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    os.environ.update(environment(home, url))
    os.environ["PREFECT_SERVER_API_HOST"] = "127.0.0.1"
    os.environ["PREFECT_SERVER_API_PORT"] = str(port)  # the UI's pages ask there
    import uvicorn
    from prefect.server.api.server import create_app

    server = uvicorn.Server(
        uvicorn.Config(
            create_app(final=True),
            log_level="warning",
            headers=[(_ID_HEADER, ident)],
            timeout_graceful_shutdown=1,
        )
    )
    about = {"format": 1, "url": url, "pid": os.getpid(), "id": ident}
    write_aside(home / "server.json", json.dumps(about).encode())

    def watch() -> None:
        lonely_since: float | None = None
        while not server.should_exit:
            time.sleep(_POLL_SECONDS)
            if living(home):
                lonely_since = None
            elif lonely_since is None:
                lonely_since = time.monotonic()
            elif time.monotonic() - lonely_since > LINGER_SECONDS and _resign(home, ident):
                server.should_exit = True
        time.sleep(STOP_SECONDS)
        os._exit(0)  # a connection that will not close

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listening])
    _resign(home, ident, force=True)
    os._exit(0)  # Prefect's threads would be joined for seconds


def _resign(home: Path, ident: str, *, force: bool = False) -> bool:
    """Take the server's name off the door, unless somebody came in; whether it is off."""
    try:
        with FileLock(home / "server.lock", timeout=0):
            if living(home) and not force:
                return False
            about = _about(home)
            if about and about["id"] == ident:
                (home / "server.json").unlink(missing_ok=True)
            return True
    except (Timeout, OSError):
        return False


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2])
