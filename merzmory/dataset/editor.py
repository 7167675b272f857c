"""The discriminator as picture editor: which squares it finds least and most like the archive.

It has learned what the archive's pictures have in common. A low score is a question, not a verdict:
what does not belong scores low, and so does what is rare.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from merzmory.frame import SQUARE, Frame
from merzmory.gan import score
from merzmory.gan.checkpoint import load_discriminator
from merzmory.gan.data import PictureSet
from merzmory.gan.device import choose_device
from merzmory.gan.networks import Discriminator
from merzmory.manifest import Work, lay_out, write_aside
from merzmory.records import Announce, Progress
from merzmory.sheet import sheet

SCORES = "scores.jsonl"
SHEETS = {
    "least.png": "What the discriminator finds least like your archive",
    "most.png": "What the discriminator finds most like your archive",
}
_COLUMNS, _TILE = 8, 168  # tiles, pixels
_MOST = 96  # pictures a sheet


def plan(
    *,
    network: Path,
    step: int,
    dataset: Path,
    folder: Path,
    device: str,
    settings: Mapping[str, Any],
    shape: Frame = SQUARE,
) -> Work:
    """Scores of all squares by the D of `network`: scores.jsonl, least.png and most.png.

    A line of scores.jsonl is {"photo", "file", "path", "score", "rank"}, the lowest score first
    (rank 1): the mean logit of five random orders. The sheets show the lowest and the highest
    tenth, as `shape` shows them. The manifest has a line a file. Nothing outside `folder` is written.

    Raises:
        EngineError: the file holds no D, or D judges other pictures (by a shard).
    """

    @cache
    def opened() -> tuple[Discriminator, PictureSet]:
        return load_discriminator(network, choose_device(device)), PictureSet(dataset)

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        discriminator, pictures = opened()
        np.save(part / _piece(index), score.shuffle(discriminator, pictures, index))
        announce(Progress("score", index + 1, score.SHUFFLES, "orders"))
        return [{"file": file} for file in (SCORES, *SHEETS)] if index == 0 else []

    def join(part: Path, _lines: list[dict[str, Any]]) -> None:
        pieces = [part / _piece(index) for index in range(score.SHUFFLES)]
        if not all(piece.exists() for piece in pieces):  # a kill fell behind the whole
            return
        pictures = opened()[1]
        values = np.stack([np.load(piece) for piece in pieces]).mean(axis=0)
        of = {line["file"]: str(line.get("path", line["file"])) for line in pictures.lines}
        ranked = [{**line, "path": of[line["file"]]} for line in score.ranked(pictures, values)]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in ranked)
        write_aside(part / SCORES, text.encode("utf-8", "backslashreplace"))
        tenth = len(score.deciles(values)[0])
        for file, lines in zip(SHEETS, (ranked[:tenth], ranked[::-1][:tenth]), strict=True):
            note = f"{len(lines)} of {len(ranked)}, by the discriminator of step {step}"
            if len(lines) > _MOST:
                note += f"; the first {_MOST} are shown, {SCORES} has all"
            drawn = _drawn(lines[:_MOST], dataset, SHEETS[file], note, shape)
            drawn.save(part / file, optimize=True)
        for piece in pieces:
            piece.unlink()

    return lay_out("scores", folder, settings, score.SHUFFLES, make, join=join)


def _drawn(
    lines: Sequence[Mapping[str, Any]], dataset: Path, title: str, note: str, shape: Frame
) -> Image.Image:
    """The squares, each with its photograph's name and its score."""
    rows = [lines[at : at + _COLUMNS] for at in range(0, len(lines), _COLUMNS)]
    tiles: list[list[Image.Image | None]] = [
        [shape.read_square(dataset / line["file"]) for line in row] for row in rows
    ]
    ratio = tiles[0][0].width / tiles[0][0].height if tiles[0][0] else 1.0
    tiles[0] += [None] * (_COLUMNS - len(tiles[0]))  # room for the title
    return sheet(
        tiles,
        tile=_TILE,
        ratio=ratio,
        title=title,
        note=note,
        captions=[
            [f"{Path(line['path']).name}\nscore {line['score']:+.2f}" for line in row]
            for row in rows
        ],
    )


def _piece(index: int) -> str:
    return f"order-{index}.npy"
