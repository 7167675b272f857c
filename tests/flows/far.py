"""The ingest step as a flow: `python far.py OUTPUTS FOLDER RUNNER`."""

from __future__ import annotations

import sys
from pathlib import Path

from flows.server import serving
from merzmory import config as configs

if __name__ == "__main__":
    outputs, folder, runner = sys.argv[1:]
    words = [f"outputs={outputs}", f"archive.folder={folder}", "archive.shard=4"]
    made = configs.load("demo", [*words, f"studio.runner={runner}"])
    with serving(Path(outputs) / "prefect"):
        from prefect import flow

        from flows.tasks import carry_out

        @flow(name="far", persist_result=False)
        def far() -> str:
            """Read the folder."""
            return str(carry_out("ingest", made, made.workspace()))

        print(far())
