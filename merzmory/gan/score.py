"""The discriminator as picture editor: how real each training picture looks to D."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from merzmory.gan.config import EngineError
from merzmory.gan.data import PictureSet
from merzmory.gan.networks import Discriminator


@torch.inference_mode()
def scores(
    discriminator: Discriminator,
    pictures: PictureSet,
    *,
    shuffles: int = 5,
    batch: int = 16,
    seed: int = 0,
) -> npt.NDArray[np.float32]:
    """Mean logit of each picture, float32 [len(pictures)], high for what D takes for real.

    D compares the pictures of a batch (minibatch standard deviation), so each is scored in `shuffles`
    random batches of `batch`; a last, smaller batch is filled up with pictures from the front.

    Raises EngineError where the resolutions differ.
    """
    if discriminator.config.resolution != pictures.resolution:
        raise EngineError(
            f"the discriminator judges {discriminator.config.resolution} px pictures and the "
            f"dataset holds {pictures.resolution} px, take the dataset it was trained on"
        )
    device = next(discriminator.parameters()).device
    count = len(pictures)
    total = np.zeros(count, np.float64)
    for shuffle in range(shuffles):
        order = np.random.default_rng([seed, shuffle]).permutation(count)
        for start in range(0, count, batch):
            wanted = order[start : start + batch]
            filled = np.resize(np.concatenate([wanted, order]), batch)
            x = torch.from_numpy(pictures.pixels(filled)).permute(0, 3, 1, 2).to(device)
            c = pictures.labels(filled)
            label = c.to(device) if c is not None and discriminator.cmap_dim else None
            logits = discriminator(x.float() / 127.5 - 1, label)
            total[wanted] += logits[: len(wanted), 0].double().cpu().numpy()
    return (total / shuffles).astype(np.float32)


def deciles(values: npt.NDArray[np.float32]) -> tuple[list[int], list[int]]:
    """(indices of the lowest tenth, of the highest tenth), most extreme first; at least one each."""
    order = np.argsort(values, kind="stable")
    tenth = max(len(values) // 10, 1)
    return [int(i) for i in order[:tenth]], [int(i) for i in order[::-1][:tenth]]
