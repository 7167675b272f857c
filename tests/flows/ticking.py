"""A flow on a schedule that says each time that it ran: `python ticking.py FILE`."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

from prefect import flow


@flow(name="tick")
def tick(file: str) -> None:
    """Add a line to `file`."""
    with Path(file).open("a", encoding="utf-8") as out:
        out.write("tick\n")


if __name__ == "__main__":
    tick.serve(
        name="often",
        interval=datetime.timedelta(seconds=5),
        parameters={"file": sys.argv[1]},
        limit=1,
    )
