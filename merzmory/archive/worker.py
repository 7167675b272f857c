"""A program that looks into photographs for `workers.py`: `python -m merzmory.archive.worker`.

A request is a line of JSON, {"path", "skip"}, and is answered by {"place": a Location or null}. Where
the place has a hash, {"measure": true or false} comes next, and {"asset": an Asset or null} answers.
It ends with its input, at once, whatever it does.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TextIO

import cv2

from merzmory.archive.photograph import hold, measure


def _limit_memory(limit: int) -> None:
    """Let this process address no more than `limit` bytes, where the system can say so."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _limit_work(seconds: int) -> None:
    """Let this process compute for `seconds` more; then the system ends it (SIGXCPU)."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + seconds, hard))


def _requests(lines: TextIO) -> queue.SimpleQueue[str]:
    """The lines as they come; at their end the process ends."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            waiting.put(line)
        os._exit(0)  # whoever asked is gone: a decoder that hangs is left where it is

    threading.Thread(target=read, daemon=True).start()
    return waiting


def main(seconds: int, memory: int) -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    waiting = _requests(sys.stdin)
    cv2.setNumThreads(1)
    _limit_memory(memory)

    def say(**line: Any) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    say(ready=True)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  (decoders print their warnings)
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    while True:
        request = json.loads(waiting.get())
        _limit_work(seconds)
        held = hold(request["path"], request["skip"])
        say(place=asdict(held.location) if held else None)
        if held and held.location.sha256:
            wanted = json.loads(waiting.get())["measure"]
            say(asset=asdict(measure(held)) if wanted else None)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
