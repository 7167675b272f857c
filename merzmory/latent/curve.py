"""The curve of forgetting: how far the pictures of each snapshot lie from the base and the archive.

For G_ema and G at each step t, from the vectors of an embedder (unit length, so a·b is a cosine):

    same_seed    mean of 1 - a·b over pairs: the picture of a seed at t, and at step 0; 0 at step 0
    to_base      KID of the pictures at t and pictures of other seeds at step 0; about 0 at step 0
    to_archive   KID of the pictures at t and training squares

KID is the unbiased squared maximum mean discrepancy under the kernel (a·b + 1)^3 (Bińkowski et al.
2018, with vectors scaled to their root mean square). It may fall a little below 0 for sets that
cannot be told apart. Errors are one standard error: of the mean, or by the delete-half jackknife.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merzmory import provenance
from merzmory.errors import ArchiveError, FormatError
from merzmory.gan import checkpoint, metrics
from merzmory.gan.data import label_names
from merzmory.gan.device import choose_device
from merzmory.gan.generate import Pixels
from merzmory.latent.chart import Line, Panel, chart
from merzmory.latent.labels import pictures
from merzmory.latent.strip import NETWORKS
from merzmory.manifest import Work, lay_out, read_manifest, write_aside
from merzmory.records import Announce, Progress
from merzmory.sheet import LIGHT

Vectors = NDArray[np.float32]
Embed = Callable[[Pixels], Vectors]

CURVE = "curve.json"
_REFERENCE = "reference.npz"
_HALVES = 12  # halves that say how sure a KID is
_BATCH = 32  # pictures in memory at once
_LEAST = 4  # training squares: halves of two
_BASE, _ARCHIVE = "#b4522a", "#28608f"
_WORDS = {
    "same_seed": "mean cosine distance of a seed's picture to its own at step 0",
    "to_base": "KID to pictures of other seeds at step 0: unbiased squared MMD, kernel (cos + 1)^3",
    "to_archive": "KID to training squares: unbiased squared MMD, kernel (cos + 1)^3",
    "errors": "one standard error: of the mean; of KID by the delete-half jackknife",
}


def plan(
    *,
    snapshots: Mapping[int, Path],
    dataset: Path,
    folder: Path,
    embed: Embed,
    embedder: str,
    pictures: int,
    psi: float,
    device: str,
    settings: Mapping[str, Any],
    labels: Sequence[str] = (),
) -> Work:
    """curve.json and curve.png; a shard is a snapshot, a line of the manifest a network's point:
    {"step", "network", "same_seed", "same_seed_error", "to_base", ..., "to_archive", ...}.

    `embed` is the function of `embedder`; `pictures` seeds are compared, and as many squares where
    there are as many. A network that knows `labels` gets those of the squares it is compared with.
    Memory holds a batch of pictures and the vectors.

    Raises:
        ArchiveError: the dataset holds fewer than four squares.
    """
    steps = sorted(snapshots)
    lines = read_manifest(dataset)
    if len(lines) < _LEAST:
        raise ArchiveError(
            f"{dataset} holds {len(lines)} squares and the curve of forgetting needs {_LEAST}: add "
            "photographs and build it again."
        )
    chosen = sorted(np.random.default_rng(0).permutation(len(lines))[:pictures].tolist())
    classes: list[int | None] = [None] * pictures
    if labels:
        names = label_names(lines)
        classes = [names.index(str(lines[row]["label"])) for row in np.resize(chosen, pictures)]

    def vectors(step: int, which: Any, first: int) -> Vectors:
        generator = checkpoint.load_generator(snapshots[step], which, choose_device(device))
        found = []
        for start in range(0, pictures, _BATCH):
            some = range(start, min(start + _BATCH, pictures))
            seeds = [first + seed for seed in some]
            found.append(embed(_made(generator, seeds, [classes[n] for n in some], psi)))
        return np.concatenate(found)

    def reference(part: Path) -> dict[str, Vectors]:
        """Vectors of the base, for the same and for other seeds, and of the archive."""
        path = part / _REFERENCE
        if not path.exists():
            squares = [
                embed(np.stack([_read(dataset / lines[row]["file"]) for row in some]))
                for some in (chosen[at : at + _BATCH] for at in range(0, len(chosen), _BATCH))
            ]
            data = io.BytesIO()
            np.savez(
                data,
                base=vectors(steps[0], "ema", 0),
                other=vectors(steps[0], "ema", pictures),
                archive=np.concatenate(squares),
            )
            write_aside(path, data.getvalue())
        with np.load(path) as opened:
            return dict(opened)

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        known, points = reference(part), []
        for which in NETWORKS:
            here = vectors(steps[index], which, 0)
            point: dict[str, Any] = {"step": steps[index], "network": which}
            moved = 1 - (here * known["base"]).sum(axis=1, dtype=np.float64)
            found = {
                "same_seed": (float(moved.mean()), float(moved.std() / math.sqrt(pictures))),
                "to_base": kid(known["other"], here),
                "to_archive": kid(known["archive"], here[: len(chosen)]),
            }
            for name, (value, error) in found.items():
                point |= {name: round(value, 6) + 0.0, f"{name}_error": round(error, 6)}  # no -0.0
            points.append(point)
            done = len(NETWORKS) * index + len(points)
            announce(Progress("curve", done, len(NETWORKS) * len(steps), "points"))
        return points

    def join(part: Path, points: list[dict[str, Any]]) -> None:
        about: dict[str, Any] = {
            "format": 1,
            "embedder": embedder,
            "pictures": pictures,
            "squares": len(chosen),
            "psi": psi,
            "definitions": _WORDS,
            "nearer_to_archive_from": {which: crossing(points, which) for which in NETWORKS},
            "points": points,
        }
        write_aside(part / CURVE, json.dumps(about, indent=1).encode())
        provenance.save_png(drawn(about), part / "curve.png", dict(settings), provenance.DATA)
        (part / _REFERENCE).unlink(missing_ok=True)

    return lay_out("curve", folder, settings, len(steps), make, join=join)


def kid(real: Vectors, made: Vectors) -> tuple[float, float]:
    """(KID of unit vectors [N, D], its standard error by random halves of both).

    The kernel of `metrics.kid` is (x·y / D + 1)^3; vectors times sqrt(D) make it (cos + 1)^3.
    """
    both = np.concatenate([real, made]).astype(np.float64)
    if len(both) < both.shape[1]:  # the same inner products in fewer coordinates: G = V L V^T
        values, basis = np.linalg.eigh(both @ both.T)
        both = basis * np.sqrt(values.clip(0))
    x, y = np.split(both * math.sqrt(both.shape[1]), [len(real)])
    whole = metrics.kid(x, y, subsets=1, subset_size=len(y))
    # delete-d jackknife (Shao and Wu 1989) with d = N/2: its factor (N - d) / d is 1
    halves = [
        metrics.kid(x, y, subsets=1, subset_size=len(y) // 2, seed=seed) for seed in range(_HALVES)
    ]
    return whole, math.sqrt(sum((half - whole) ** 2 for half in halves) / _HALVES)


def crossing(points: Sequence[Mapping[str, Any]], which: str) -> int | None:
    """The first step from which on a network's pictures lie nearer to the archive than to the base."""
    found = None
    for point in sorted((p for p in points if p["network"] == which), key=lambda p: int(p["step"])):
        if point["to_archive"] >= point["to_base"]:
            found = None
        elif found is None:
            found = int(point["step"])
    return found


def drawn(about: Mapping[str, Any]) -> Image.Image:
    """The picture of curve.json: two panels over one axis of steps."""
    points = sorted(about["points"], key=lambda point: int(point["step"]))

    def line(measure: str, which: str, words: str, colour: str) -> Line:
        name = {"ema": "G_ema", "raw": "G"}[which]
        own = [p for p in points if p["network"] == which]
        values = [(p["step"], p[measure], p[f"{measure}_error"]) for p in own]
        return Line(f"{words} · {name}", values, colour, thin=which == "raw")

    whole = [
        line(f"to_{end}", which, words, colour)
        for end, words, colour in (
            ("base", "to the base", _BASE),
            ("archive", "to your archive", _ARCHIVE),
        )
        for which in NETWORKS
    ]
    single = [line("same_seed", which, "to itself at step 0", LIGHT.ink) for which in NETWORKS]
    n, step = about["pictures"], about["nearer_to_archive_from"]["ema"]
    note = "The pictures do not lie nearer to your archive than to the base yet"
    if step is not None:
        note = f"From step {step} on the pictures lie nearer to your archive than to the base"
    return chart(
        [
            Panel(f"All {n} pictures together: distance of the two sets (KID)", whole, step),
            Panel("Each picture alone: how far it has come from where it began (cosine)", single),
        ],
        title="The curve of forgetting",
        note=f"{note} (G_ema, the running average).",
        foot=(
            "High: the pictures look unlike the base, or unlike your photographs. Low: they look "
            "like them. At 0 this measure cannot tell the two apart.\n"
            f"Bands: one standard error of {n} pictures a step and {about['squares']} of your "
            f"photographs. Measured with {about['embedder']}."
        ),
    )


_made = pictures  # `plan` has a knob of that name


def _read(file: Path) -> Pixels:
    try:
        with Image.open(file) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise FormatError(
            f"{file} cannot be read as a picture: move its folder away and run the command again."
        ) from error
