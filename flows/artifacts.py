"""What Prefect's pages show of a step: a progress bar and a contact sheet."""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from PIL import Image
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.context import TaskRunContext
from prefect.exceptions import PrefectException

from merzmory.manifest import read_manifest
from merzmory.records import Progress
from merzmory.sheet import sheet

EVERY_SECONDS = 2.0  # an update costs 12 ms
_LARGEST = 290_000  # characters of a picture inside a page
_WIDTHS = (1600, 1200, 900, 640, 400)  # pixels, tried from left to right
_SHEETS = {
    "strip": "strip-ema.png", "curve": "curve.png", "score": "least.png", "sample": None,
    "match": "sheets/sheet-00.png",
}  # fmt: skip

_UNREACHABLE = (PrefectException, httpx.HTTPError, OSError)  # a bar is no reason to end a training


class ProgressBar:
    """The progress artifact of the task run that it is called in, written every two seconds."""

    def __init__(self, step: str, title: str) -> None:
        self._step, self._title = step, title
        self._at: dict[UUID, UUID] = {}  # task run: its artifact
        self._next = time.monotonic() + EVERY_SECONDS

    def __call__(self, progress: Progress) -> None:
        """Write `progress`, unless the last one was written just now."""
        now = time.monotonic()
        context = TaskRunContext.get()
        if now < self._next or context is None or progress.total <= 0:
            return
        self._next = now + EVERY_SECONDS
        percent = 100 * progress.done / progress.total
        said = f"{self._title}: {progress.done}/{progress.total} {progress.unit}"
        if progress.note:
            said += f" · {progress.note}"
        try:
            known = self._at.get(context.task_run.id)
            if known is None:
                made: Any = create_progress_artifact(
                    progress=percent, key=f"{self._step}-progress", description=said
                )
                self._at[context.task_run.id] = made
            else:
                update_progress_artifact(artifact_id=known, progress=percent, description=said)
        except _UNREACHABLE:
            self._next = now + 30 * EVERY_SECONDS


def show_sheet(step: str, title: str, folder: Path) -> None:
    """Lay the step's contact sheet, if it makes one, into a markdown artifact under 300 kB."""
    if step not in _SHEETS:
        return
    named = _SHEETS[step]
    path = folder / named if named else None
    try:
        if path is None:
            picture = _grid(folder)
        elif path.is_file():
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
        else:
            return
        markdown = f"## {title}\n\n![{title}]({inline(picture)})\n\n`{folder}`"
        create_markdown_artifact(markdown=markdown, key=f"{step}-sheet", description=title)
    except _UNREACHABLE:
        return


def inline(picture: Image.Image) -> str:
    """`picture` as a data: address of at most 290 000 characters."""
    for width in _WIDTHS:
        small = picture.copy()
        small.thumbnail((width, 4 * width))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=82, optimize=True)
        text = base64.b64encode(out.getvalue()).decode()
        if len(text) <= _LARGEST:
            break
    return f"data:image/jpeg;base64,{text}"


def _grid(folder: Path, across: int = 8, down: int = 4, tile: int = 128) -> Image.Image:
    files = [folder / line["file"] for line in read_manifest(folder)[: across * down]]
    return sheet([files[i : i + across] for i in range(0, len(files), across)], tile=tile)
