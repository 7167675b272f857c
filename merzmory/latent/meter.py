"""The memorisation meter: how many pictures of each snapshot come near to a single photograph.

Beside the curve of forgetting, which compares whole sets, this looks at every picture alone: how
far is the nearest photograph, and is that an echo or a near copy? Step 0 has seen none of the
photographs: what it shows is chance.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merzmory import provenance
from merzmory.gan import checkpoint
from merzmory.gan.device import choose_device
from merzmory.gan.generate import Pixels
from merzmory.latent.chart import Line, Panel, chart
from merzmory.latent.labels import in_turn
from merzmory.latent.labels import pictures as made
from merzmory.latent.strip import NETWORKS
from merzmory.manifest import Work, lay_out, write_aside
from merzmory.records import Announce, Progress
from merzmory.sheet import LIGHT

Nearest = Callable[[Pixels], NDArray[np.float32]]

METER = "meter.json"
_BATCH = 32  # pictures in memory at once
_ECHO, _COPY = "#b4522a", "#7d1f3a"


def plan(
    *,
    snapshots: Mapping[int, Path],
    folder: Path,
    nearest: Nearest,
    level: Callable[[float], str],
    about: Callable[[], Mapping[str, Any]],
    pictures: int,
    psi: float,
    device: str,
    settings: Mapping[str, Any],
    labels: Sequence[str] = (),
) -> Work:
    """meter.json and meter.png; a shard is a snapshot, a line of the manifest a network's point:
    {"step", "network", "echo", "near_copy", "nearest", "median"}.

    `echo` and `near_copy` are shares of `pictures` seeds whose nearest photograph is an echo or a
    near copy; `nearest` is the smallest distance and `median` the middle one. `nearest` gives the
    distance of the nearest photograph to each of uint8 [N, S, S, 3]; `level` names a distance none,
    echo or near copy; `about` gives the "embedder" and the "scale" that it does so by, with the
    shares "recognised" and "mistaken". They are asked for when the shards run.
    """
    steps = sorted(snapshots)
    classes = (in_turn(labels, "", "") * pictures)[:pictures]

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        points = []
        for which in NETWORKS:
            path = snapshots[steps[index]]
            generator = checkpoint.load_generator(path, which, choose_device(device))
            found = []
            for start in range(0, pictures, _BATCH):
                seeds = list(range(start, min(start + _BATCH, pictures)))
                found.append(nearest(made(generator, seeds, [classes[n] for n in seeds], psi)))
            near = np.concatenate(found)
            levels = Counter(level(float(distance)) for distance in near)
            points.append(
                {
                    "step": steps[index],
                    "network": which,
                    "echo": round(levels["echo"] / pictures, 4),
                    "near_copy": round(levels["near copy"] / pictures, 4),
                    "nearest": round(float(near.min()), 4),
                    "median": round(float(np.median(near)), 4),
                }
            )
            done = len(NETWORKS) * index + len(points)
            announce(Progress("meter", done, len(NETWORKS) * len(steps), "points"))
        return points

    def join(part: Path, points: list[dict[str, Any]]) -> None:
        whole = {"format": 1, "pictures": pictures, "psi": psi, **about(), "points": points}
        write_aside(part / METER, json.dumps(whole, indent=1).encode())
        provenance.save_png(drawn(whole), part / "meter.png", dict(settings), provenance.DATA)

    return lay_out("meter", folder, settings, len(steps), make, join=join)


def drawn(about: Mapping[str, Any]) -> Image.Image:
    """The picture of meter.json: two panels over one axis of steps."""
    points = sorted(about["points"], key=lambda point: int(point["step"]))
    count = about["pictures"]

    def line(measure: str, which: str, words: str, colour: str, *, share: bool) -> Line:
        name = {"ema": "G_ema", "raw": "G"}[which]
        values = []
        for point in (p for p in points if p["network"] == which):
            value = point[measure]
            error = math.sqrt(value * (1 - value) / count) if share else 0.0  # binomial
            scale = 100 if share else 1
            values.append((point["step"], scale * value, scale * error))
        return Line(f"{words} · {name}", values, colour, thin=which == "raw")

    shares = [
        line(measure, which, words, colour, share=True)
        for measure, words, colour in (
            ("near_copy", "near copies", _COPY),
            ("echo", "echoes", _ECHO),
        )
        for which in NETWORKS
    ]
    if points and about["scale"]["others"]:
        ends = [(points[0]["step"], 10.0, 0.0), (points[-1]["step"], 10.0, 0.0)]
        shares.append(Line("echoes among your own", ends, LIGHT.quiet, thin=True))
    distances = [
        line("median", which, "in the middle", LIGHT.ink, share=False) for which in NETWORKS
    ]
    distances.append(line("nearest", "ema", "the nearest of all", _COPY, share=False))
    last = [p for p in points if p["network"] == "ema"][-1]
    note = (
        f"At step {last['step']}, {_counted(last['near_copy'], count)} a near copy of a photograph "
        f"and {_counted(last['echo'], count)} an echo (G_ema)."
    )
    scale = about["scale"]
    sure = f"Of changed copies of your photographs it calls {scale['recognised']:.0%} a near copy"
    if scale["mistaken"] is not None:
        sure += f", of different photographs {scale['mistaken']:.0%}"
    return chart(
        [
            Panel(
                f"Of 100 pictures, how many come so near to one photograph ({count} seen)", shares
            ),
            Panel("How far the nearest photograph lies (cosine distance)", distances),
        ],
        title="The memorisation meter",
        note=note,
        foot=(
            "Step 0 has seen none of your photographs: what it shows is chance. Of 100 of your own, "
            "ten are echoes of another one.\n"
            f"{sure} ({about['embedder']}).\n"
            "Nearest is not source: the numbers say where to look, the pictures say what it is."
        ),
    )


def _counted(share: float, count: int) -> str:
    number = round(share * count)
    return f"{number} of {count} pictures {'is' if number == 1 else 'are'}"
