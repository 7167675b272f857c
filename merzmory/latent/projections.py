"""Projected photographs as a folder: their vectors, their pictures beside them, and what a year has in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from merzmory import provenance
from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint
from merzmory.gan.device import choose_device
from merzmory.latent import vectors
from merzmory.latent.explore import Explorer
from merzmory.latent.perception import Perception
from merzmory.latent.project import Projection, Space
from merzmory.latent.vectors import Vector
from merzmory.latent.walk import day
from merzmory.manifest import Work, lay_out
from merzmory.records import Announce, Progress
from merzmory.sheet import sheet

VECTORS, YEARS = "vectors.npz", "years.npz"
_SAVED_EVERY = 50  # steps that a kill costs at most
_PAIRS, _ROWS = 3, 8  # photographs a row of a sheet, rows a sheet
_OF_A_YEAR = 7  # pictures that stand beside a year's mean
_TILE = 160  # pixels


@dataclass(frozen=True, slots=True)
class Target:
    """A photograph to project: `load` gives the square that the network would have been shown."""

    photo: str  # SHA-256 of its bytes, in hex
    name: str  # of its file
    load: Callable[[], Image.Image]
    taken: str = ""  # ISO 8601, or as much of it as is known
    label: str = ""


def plan(
    *,
    network: Path,
    which: Literal["ema", "raw"],
    perceive: Callable[[torch.device], Perception],
    targets: Sequence[Target],
    space: Space,
    steps: int,
    learning_rate: float,
    batch: int,
    folder: Path,
    device: str,
    settings: Mapping[str, Any],
    labels: Sequence[str] = (),
    shape: Frame = SQUARE,
    birth: Callable[[], Mapping[str, Any]] = dict,
) -> Work:
    """vectors.npz in the order of their dates, 000000.png the picture of each, and sheets of both.

    A shard is a batch, saved every 50 steps. A line: {"file", "photo", "name", "taken", "distance",
    "start"}, the perceived distance of the picture, and of the network's average picture, to the
    photograph. Where photographs are dated, years.npz holds the mean w of each year and years.png
    shows it beside pictures of the year. Pictures show what a square in `shape` shows.

    Raises:
        EngineError: the network or the discriminator cannot be opened (by a shard).
        FormatError: a state or a file of weights is damaged (by a shard).
    """
    batches = [targets[at : at + batch] for at in range(0, len(targets), batch)]
    said = {key: settings[key] for key in ("run", "step") if key in settings} | {"network": which}

    @cache
    def opened() -> tuple[Explorer, Perception, torch.device]:
        where = choose_device(device)
        generator = checkpoint.load_generator(network, which, where)
        return Explorer(generator, labels), perceive(where), where

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        explorer, perception, where = opened()
        some, state = batches[index], part / f"state-{index:06d}.safetensors"
        other = labels[0] if labels else ""
        known = [target.label if target.label in labels else other for target in some]
        work = Projection(
            explorer.generator,
            perception,
            torch.cat([as_input(target.load()) for target in some]).to(where),
            seeds=[int(target.photo[:8], 16) for target in some],
            labels=[labels.index(label) if label else None for label in known],
            space=space,
            steps=steps,
            learning_rate=learning_rate,
        )
        start = work.distance().tolist()
        if state.exists():
            work.load(state)
        else:
            work.seek()
        before = sum(map(len, batches[:index]))
        while work.done < steps:
            now = work.step()
            if work.done % _SAVED_EVERY == 0 and work.done < steps:
                work.save(state)
            if work.done % 10 == 0 or work.done == steps:
                share = before * steps + work.done * len(some)
                note = f"{len(some)} photographs, distance {float(now.mean()):.3f}"
                announce(Progress("project", share, len(targets) * steps, "steps", note))
        lines, found = [], []
        for number, (target, w, first, end) in enumerate(
            zip(some, work.found().cpu(), start, work.distance().tolist(), strict=True), before
        ):
            line = {
                "file": f"{number:06d}.png", "photo": target.photo, "name": target.name,
                "taken": target.taken, "distance": round(end, 5), "start": round(first, 5),
            }  # fmt: skip
            values = w.numpy() if space == "w+" else w[0].numpy()
            about = {**said, "photo": target.photo, "taken": target.taken}
            vector = Vector(
                "w", values, _name(target.name, number), 1.0, known[number - before], about
            )
            picture = shape.shown(Image.fromarray(explorer.picture(vector, 1.0)))
            told = {**settings, **birth(), **line, "kind": "projection"}
            record = {k: v for k, v in told.items() if k not in ("file", "name", "dates")}
            provenance.save_png(picture, part / line["file"], record)
            found.append(vector)
            lines.append(line)
        vectors.save(part / f"batch-{index:06d}.npz", found)
        state.unlink(missing_ok=True)
        return lines

    def join(part: Path, lines: list[dict[str, Any]]) -> None:
        files = [part / f"batch-{index:06d}.npz" for index in range(len(batches))]
        found = [vector for file in files for vector in vectors.load(file)]
        order = sorted(range(len(found)), key=lambda n: (not lines[n]["taken"], lines[n]["taken"]))
        vectors.save(part / VECTORS, [found[n] for n in order])
        _sheets(part, [(targets[n], lines[n]) for n in order], shape, settings)
        _years(part, [(found[n], part / lines[n]["file"]) for n in order])
        for file in files:
            file.unlink()

    def _years(part: Path, dated: Sequence[tuple[Vector, Path]]) -> None:
        of: dict[str, list[tuple[Vector, Path]]] = defaultdict(list)
        for vector, file in dated:
            if year := vector.about["taken"][:4]:
                of[year].append((vector, file))
        if not of:
            return
        means = [mean(year, [vector for vector, _ in some]) for year, some in of.items()]
        vectors.save(part / YEARS, means)
        explorer = opened()[0]
        rows: list[list[Path | Image.Image | None]] = []
        for vector, some in zip(means, of.values(), strict=True):
            middle = shape.shown(Image.fromarray(explorer.picture(vector, 1.0)))
            rows.append([middle, *(file for _, file in some[:_OF_A_YEAR])])
        drawn = sheet(
            rows,
            tile=_TILE,
            ratio=shape.ratio,
            title="Year by year",
            note="Left: the mean of the year's w, as a picture. Right: projected photographs of it.",
            row_labels=[f"{year} · {len(some)}" for year, some in of.items()],
        )
        provenance.save_png(drawn, part / "years.png", dict(settings))

    return lay_out("project", folder, settings, len(batches), make, join=join)


def as_input(square: Image.Image) -> Tensor:
    """A square as the network makes them: float [1, 3, S, S], -1..1."""
    pixels = np.asarray(square.convert("RGB"), np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def mean(year: str, of: Sequence[Vector]) -> Vector:
    """The mean w of vectors of one shape, named by the year."""
    values = np.mean([vector.values.astype(np.float64) for vector in of], axis=0)
    about = {k: v for k, v in of[0].about.items() if k in ("run", "step", "network")}
    about |= {"year": year, "photographs": len(of)}
    return replace(of[0], values=values.astype(np.float32), name=year, about=about)


def _sheets(
    part: Path,
    pairs: Sequence[tuple[Target, Mapping[str, Any]]],
    shape: Frame,
    settings: Mapping[str, Any],
) -> None:
    for page, start in enumerate(range(0, len(pairs), _PAIRS * _ROWS)):
        rows: list[list[Path | Image.Image | None]] = []
        captions: list[list[str]] = []
        for at in range(start, min(start + _PAIRS * _ROWS, len(pairs)), _PAIRS):
            rows.append([])
            captions.append([])
            for target, line in pairs[at : min(at + _PAIRS, start + _PAIRS * _ROWS)]:
                rows[-1] += [shape.shown(target.load()), part / line["file"]]
                fallen = f"{line['start']:.3f} > {line['distance']:.3f}"
                captions[-1] += [day(target.taken) or target.name, fallen]
        drawn = sheet(
            rows,
            tile=_TILE,
            ratio=shape.ratio,
            title="Projected photographs",
            note="Left the photograph, right the nearest that the machine can show; the distance "
            "of its average picture > of this one.",
            captions=captions,
        )
        path = part / f"sheet-{page:02d}.png"
        provenance.save_png(drawn, path, dict(settings), provenance.COMPOSITE)


def _name(name: str, number: int) -> str:
    """A vector's name from a file's."""
    stem = "".join(ch for ch in Path(name).stem if ch.isprintable()).strip()
    return stem[:56].strip() or f"photograph {number}"
