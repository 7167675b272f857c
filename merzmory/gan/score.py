"""The discriminator as picture editor: how real each training picture looks to D."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from merzmory.gan import run as runs
from merzmory.gan.checkpoint import load_discriminator
from merzmory.gan.config import EngineError
from merzmory.gan.data import PictureSet
from merzmory.gan.device import choose_device
from merzmory.gan.networks import Discriminator

SHUFFLES = 5  # random orders whose scores are averaged

Scores = npt.NDArray[np.float32]


def score_run(
    run: Path, dataset: Path | None = None, *, device: str = "auto"
) -> list[dict[str, Any]]:
    """The pictures of a run's dataset by the newest D of the run, as `ranked`.

    Raises EngineError: no run, no checkpoint yet, or a dataset that D cannot judge.
    """
    folder = dataset if dataset is not None else Path(runs.read_run(run)["dataset"])
    discriminator = load_discriminator(newest(run)[1], choose_device(device))
    pictures = PictureSet(folder)
    return ranked(pictures, scores(discriminator, pictures))


def newest(run: Path) -> tuple[int, Path]:
    """(step, network file) of the newest D of a run; EngineError where it has none yet."""
    found = runs.checkpoints(run)
    if not found:
        raise EngineError(f"{run} has no checkpoint yet, train it first")
    step, folder = found[-1]
    return step, folder / "networks.safetensors"


def scores(
    discriminator: Discriminator,
    pictures: PictureSet,
    *,
    shuffles: int = SHUFFLES,
    batch: int = 16,
    seed: int = 0,
) -> Scores:
    """Mean logit of each picture, float32 [len(pictures)], high for what D takes for real.

    D compares the pictures of a batch (minibatch standard deviation), so each is scored in `shuffles`
    random batches of `batch`.

    Raises EngineError where D judges pictures of another size, or other labels.
    """
    total = np.zeros(len(pictures), np.float64)
    for number in range(shuffles):
        total += shuffle(discriminator, pictures, number, batch=batch, seed=seed)
    return (total / shuffles).astype(np.float32)


@torch.inference_mode()
def shuffle(
    discriminator: Discriminator,
    pictures: PictureSet,
    number: int,
    *,
    batch: int = 16,
    seed: int = 0,
) -> Scores:
    """Logit of each picture in random batches, float32 [len(pictures)]: one part of `scores`' mean.

    A last, smaller batch is filled up with pictures from the front.
    """
    _check_fit(discriminator, pictures)
    device = next(discriminator.parameters()).device
    count = len(pictures)
    found = np.empty(count, np.float32)
    order = np.random.default_rng([seed, number]).permutation(count)
    for start in range(0, count, batch):
        wanted = order[start : start + batch]
        filled = np.resize(np.concatenate([wanted, order]), batch)
        x = torch.from_numpy(pictures.pixels(filled)).permute(0, 3, 1, 2).to(device)
        c = pictures.labels(filled) if discriminator.cmap_dim else None
        logits = discriminator(x.float() / 127.5 - 1, None if c is None else c.to(device))
        found[wanted] = logits[: len(wanted), 0].float().cpu().numpy()
    return found


def ranked(pictures: PictureSet, values: Scores) -> list[dict[str, Any]]:
    """A line a picture, lowest score first: {"photo", "file", "score", "rank"}, rank 1 the lowest."""
    order = np.argsort(values, kind="stable")
    return [
        {
            "photo": pictures.lines[row].get("photo"),
            "file": pictures.lines[row]["file"],
            "score": round(float(values[row]), 5),
            "rank": rank,
        }
        for rank, row in enumerate(order.tolist(), 1)
    ]


def deciles(values: Scores) -> tuple[list[int], list[int]]:
    """(indices of the lowest tenth, of the highest tenth), most extreme first; at least one each."""
    order = np.argsort(values, kind="stable")
    tenth = max(len(values) // 10, 1)
    return [int(i) for i in order[:tenth]], [int(i) for i in order[::-1][:tenth]]


def _check_fit(discriminator: Discriminator, pictures: PictureSet) -> None:
    config = discriminator.config
    if config.resolution != pictures.resolution:
        raise EngineError(
            f"the discriminator judges {config.resolution} px pictures and the "
            f"dataset holds {pictures.resolution} px, take the dataset it was trained on"
        )
    if config.c_dim and config.c_dim != len(pictures.classes):
        raise EngineError(
            f"the discriminator knows {config.c_dim} labels and the dataset holds "
            f"{len(pictures.classes)}, take the dataset it was trained on"
        )
