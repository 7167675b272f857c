"""How good the pictures are, in the field's numbers, in a table that can be read.

Of the pictures of a run against its training squares, on the features of an embedder:

    FID        Fréchet distance of Gaussians fitted to both sets (Heusel et al. 2017)
    KID        unbiased squared MMD, kernel (x·y / F + 1)^3 (Bińkowski et al. 2018), with its error
    precision  share of pictures that lie among the photographs; recall, of photographs among the
               pictures: a ball to the 3rd neighbour each (Kynkäänniemi et al. 2019)
    SWD        sliced Wasserstein distance x 1000 of 7 x 7 patches (Karras et al. 2018); no embedder

Columns are the base, G_ema, G, and the archive against itself in two halves: as low as it gets.
For KID, vectors of unit length are multiplied by sqrt(F): their kernel is (cosine + 1)^3.
"""

from __future__ import annotations

import io
import json
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merzmory.errors import ArchiveError
from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint, metrics
from merzmory.gan.data import label_names
from merzmory.gan.device import choose_device
from merzmory.gan.generate import Pixels
from merzmory.latent.curve import kid
from merzmory.latent.labels import pictures as made
from merzmory.manifest import Work, lay_out, read_manifest, write_aside
from merzmory.records import Announce, Progress

Vectors = NDArray[np.float32]
Embed = Callable[[Pixels], Vectors]

MEASURES, TABLE = "measures.json", "measures.txt"
PAPERS = 50_000  # pictures that papers measure FID with
_SHARD = 500  # pictures that a kill costs at most
_BATCH = 32  # pictures in memory at once
_TEXTURE = 512  # pictures whose patches are compared
_MANY, _BLOCK = 4000, 1000  # from so many pictures on, KID is the mean over blocks of these
_LEAST = 8  # training squares: halves of four
_NEIGHBOURS = 3
_WIDTH = 80  # characters
_COLUMNS = {"base": "the base", "ema": "G_ema", "raw": "G", "halves": "two halves"}
_MEANING = {
    "FID": "how unlike your photographs, all together; few pictures raise it",
    "KID": "the same x 1000, whatever the count, ± its error; 0: no difference",
    "Precision": "0 to 1: share of pictures that could be photographs of yours",
    "Recall": "0 to 1: share of your photographs that the pictures reach",
    "SWD": "texture and composition, on the pixels; 0 is the same",
}


def plan(
    *,
    base: Path | None,
    network: Path,
    step: int,
    dataset: Path,
    folder: Path,
    embed: Embed,
    embedder: str,
    count: int,
    psi: float,
    device: str,
    settings: Mapping[str, Any],
    labels: Sequence[str] = (),
    shape: Frame = SQUARE,
) -> Work:
    """measures.json and measures.txt of the snapshot `network` of `step`, against `dataset`.

    `base` is the snapshot of step 0, None where the run began from nothing. `count` pictures of
    each network are made, seeds 0 on, and at most as many squares are taken. A column of
    measures.json is {"network", "pictures", "squares", "fid", "kid", "kid_error", "precision",
    "recall", "swd"}; precision and recall count as many pictures as squares. `embed` is the
    function of `embedder`; features, of pictures as `shape` shows them, may have any length. A
    shard is 500 pictures, whose features lie on the disk until the end.

    Raises:
        ArchiveError: the dataset holds fewer than eight squares.
    """
    lines = read_manifest(dataset)
    if len(lines) < _LEAST:
        raise ArchiveError(
            f"{dataset} holds {len(lines)} squares and measuring needs {_LEAST}: add photographs "
            "and build it again."
        )
    rows = np.random.default_rng(0).permutation(len(lines))[:count]
    classes: list[int | None] = [None] * count
    if labels:
        names = label_names(lines)
        classes = [names.index(str(lines[row]["label"])) for row in np.resize(rows, count)]
    networks: dict[str, tuple[Path, Literal["ema", "raw"]]] = {
        **({"base": (base, "ema")} if base else {}),
        "ema": (network, "ema"),
        "raw": (network, "raw"),
    }
    todo = [("squares", start) for start in range(0, len(rows), _SHARD)]
    todo += [(name, start) for name in networks for start in range(0, count, _SHARD)]

    def pixels(name: str, some: Sequence[int], generator: Any) -> Pixels:
        if name != "squares":
            return made(generator, some, [classes[n] for n in some], psi)
        files = [dataset / lines[rows[n]]["file"] for n in some]
        return np.stack([np.asarray(SQUARE.read_square(file)) for file in files])

    def make(part: Path, number: int, announce: Announce) -> Iterable[dict[str, Any]]:
        name, start = todo[number]
        generator = None
        if name != "squares":
            path, which = networks[name]
            generator = checkpoint.load_generator(path, which, choose_device(device))
        stop = min(start + _SHARD, len(rows) if name == "squares" else count)
        features, kept = [], []
        for at in range(start, stop, _BATCH):
            some = range(at, min(at + _BATCH, stop))
            pictures = pixels(name, some, generator)
            features.append(embed(_shown(pictures, shape)))
            kept += [picture for n, picture in zip(some, pictures, strict=True) if n < _TEXTURE]
            done = sum(_length(*each) for each in todo[:number]) + some.stop - start
            announce(Progress("measure", done, sum(_length(*each) for each in todo), "pictures"))
        data = io.BytesIO()
        np.savez(data, features=np.concatenate(features), pixels=np.asarray(kept, np.uint8))
        write_aside(part / _piece(name, start), data.getvalue())
        return [{"file": MEASURES}, {"file": TABLE}] if number == 0 else []

    def _length(name: str, start: int) -> int:
        return min(_SHARD, (len(rows) if name == "squares" else count) - start)

    def join(part: Path, _lines: list[dict[str, Any]]) -> None:
        pieces = [part / _piece(*each) for each in todo]
        if not all(piece.exists() for piece in pieces):  # a kill fell behind the whole
            return
        real, real_pixels = _gathered(part, "squares", todo)
        columns = []
        for name in networks:
            here, here_pixels = _gathered(part, name, todo)
            columns.append(_column(name, (real, real_pixels), (here, here_pixels)))
        half = len(real) // 2
        columns.append(
            _column("halves", (real[:half], real_pixels[:half]), (real[half:], real_pixels[half:]))
        )
        about = {
            "format": 1, "step": step, "embedder": embedder, "pictures": count,
            "squares": len(rows), "psi": psi, "columns": columns,
        }  # fmt: skip
        write_aside(part / MEASURES, json.dumps(about, indent=1).encode())
        write_aside(part / TABLE, table(about).encode())
        for piece in pieces:
            piece.unlink()

    return lay_out("measures", folder, settings, len(todo), make, join=join)


def table(about: Mapping[str, Any]) -> str:
    """measures.json in words and columns, 80 characters wide."""
    columns = about["columns"]
    head = "".join(f"{_COLUMNS[column['network']]:>14}" for column in columns)
    values = {
        "FID": [f"{column['fid']:.3g}" for column in columns],
        "KID": [f"{1000 * c['kid']:.3g} ± {1000 * c['kid_error']:.2g}" for c in columns],
        "Precision": [f"{column['precision']:.2f}" for column in columns],
        "Recall": [f"{column['recall']:.2f}" for column in columns],
        "SWD": [f"{column['swd']:.0f}" for column in columns],
    }
    said = [
        f"Step {about['step']}: {about['pictures']} pictures of each network (psi "
        f"{about['psi']:g}) and {about['squares']} of your photographs, by {about['embedder']}.",
        "Two halves: one half of your photographs against the other, as low as it gets.",
        "Low is not the aim: a machine that copied your photographs would have the best numbers.",
    ]
    if about["embedder"].startswith("inception") and about["pictures"] >= PAPERS:
        said.append("FID was measured as in papers and can be compared with theirs.")
    else:
        said.append(
            "FID can be compared with that of papers only with inception and 50,000 pictures; here "
            "compare columns, and tables of the same embedder and count."
        )
    lines = [f"{'':<11}{head}"]
    lines += [f"{name:<11}" + "".join(f"{v:>14}" for v in row) for name, row in values.items()]
    lines += ["", *(f"{name:<11}{words}" for name, words in _MEANING.items()), ""]
    for sentence in said:
        lines += textwrap.wrap(sentence, _WIDTH)
    return "\n".join(lines) + "\n"


def _column(
    name: str, real: tuple[Vectors, Pixels], here: tuple[Vectors, Pixels]
) -> dict[str, Any]:
    """The measures of features and pixels against those of photographs."""
    x, y = real[0], here[0]
    few = min(len(x), len(y))
    value, error = _kid(_scaled(x), _scaled(y))
    precision, recall = metrics.precision_recall(x[:few], y[:few], neighbours=_NEIGHBOURS)
    return {
        "network": name,
        "pictures": len(y),
        "squares": len(x),
        "fid": round(metrics.fid(*_narrowed(x, y)), 4),
        "kid": round(value, 7),
        "kid_error": round(error, 7),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "swd": round(metrics.sliced_wasserstein(real[1], here[1])["mean"], 2),
    }


def _kid(real: Vectors, here: Vectors) -> tuple[float, float]:
    """(KID, its standard error): of the whole, or of blocks of a thousand where there are many."""
    count = min(len(real), len(here))
    narrow = math.sqrt(real.shape[1])  # `kid` has the kernel (x·y + 1)^3
    if count < _MANY:
        return kid(real / narrow, here / narrow)
    x, y = (np.random.default_rng(0).permutation(each)[:count] for each in (real, here))
    blocks = [
        metrics.kid(x[at : at + _BLOCK], y[at : at + _BLOCK], subsets=1)
        for at in range(0, count - _BLOCK + 1, _BLOCK)
    ]
    return float(np.mean(blocks)), float(np.std(blocks, ddof=1) / math.sqrt(len(blocks)))


def _scaled(features: Vectors) -> Vectors:
    lengths = np.linalg.norm(features, axis=1)
    is_unit = bool(np.abs(lengths - 1).max() < 1e-3)
    return features * np.float32(math.sqrt(features.shape[1])) if is_unit else features


def _narrowed(real: Vectors, here: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features in as many coordinates as there are pictures, where that is fewer: equal distances."""
    both = np.concatenate([real, here]).astype(np.float64)
    if len(both) < both.shape[1]:  # G = V L V^T
        values, basis = np.linalg.eigh(both @ both.T)
        both = basis * np.sqrt(values.clip(0))
    return both[: len(real)], both[len(real) :]


def _gathered(part: Path, name: str, todo: Sequence[tuple[str, int]]) -> tuple[Vectors, Pixels]:
    features, pixels = [], []
    for each, start in todo:
        if each == name:
            with np.load(part / _piece(each, start)) as piece:
                features.append(piece["features"])
                pixels.append(piece["pixels"])
    return np.concatenate(features), np.concatenate([p for p in pixels if p.size])


def _shown(pictures: Pixels, shape: Frame) -> Pixels:
    if shape.is_plain:
        return pictures
    return np.stack([np.asarray(shape.shown(Image.fromarray(picture))) for picture in pictures])


def _piece(name: str, start: int) -> str:
    return f"{name}-{start:06d}.npz"
