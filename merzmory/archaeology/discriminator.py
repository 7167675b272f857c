"""The embedder `discriminator`: what the base's discriminator looks at; no download.

It is the D of the network that a run began from, frozen: the one that was trained on your
photographs has seen them, and what it knows of them would colour what it finds alike.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merzmory.archaeology.network import Here, NetworkEmbedder
from merzmory.errors import ConfigError
from merzmory.gan import checkpoint
from merzmory.gan.networks import Discriminator
from merzmory.manifest import sha256_of

_BATCH = 16
_FROM = 64  # pixels: blocks whose input is as large or smaller are read out ...
_GRID = 3  # ... over 3 x 3 places


class _Layers(nn.Module):
    """float [N, 3, H, W], 0..255, to [N, F]: D's coarse layers, each with equal weight."""

    def __init__(self, network: Discriminator) -> None:
        super().__init__()
        self.network = network
        read = [r for r in network.resolutions if self._is_read(r)]
        self.features = sum(network.config.d_channels(r // 2) for r in read) * _GRID**2

    def _is_read(self, resolution: int) -> bool:
        return resolution <= max(_FROM, min(self.network.resolutions))

    def forward(self, pictures: Tensor) -> Tensor:
        side = self.network.config.resolution
        if pictures.shape[-2:] != (side, side):
            pictures = F.interpolate(pictures, (side, side), mode="bilinear", antialias=True)
        x, found = pictures / 127.5 - 1, []
        for r in self.network.resolutions:
            x = getattr(self.network, f"b{r}")(x, x if r == side else None)
            if self._is_read(r):
                found.append(_read_out(x))
        return torch.cat(found, dim=1) / math.sqrt(len(found))


def _read_out(x: Tensor) -> Tensor:
    """[N, C, H, W] to [N, C * 9] of unit length, each channel around its mean over the picture.

    Around the mean, a change of the light or the colours matters less: measured on changed
    squares, the right one came first 93 times in 100 with it, 85 times without.
    """
    grid = F.adaptive_avg_pool2d(x, _GRID)
    return F.normalize((grid - grid.mean(dim=(2, 3), keepdim=True)).flatten(1))


def embedder(here: Here) -> NetworkEmbedder:
    """The embedder of the base.

    Raises:
        ConfigError: the run was trained from scratch.
    """
    if here.base is None:
        raise ConfigError(
            "The embedder discriminator is the base's, and this run was trained from scratch: set "
            "the embedder to hoglab."
        )
    file, about = here.base, here.base.stat()
    return NetworkEmbedder(
        f"discriminator 1 {_digits(file, about.st_size, about.st_mtime_ns)}",
        lambda: _Layers(checkpoint.load_discriminator(file)),
        device=here.device,
        batch=_BATCH,
    )


@lru_cache
def _digits(file: Path, _size: int, _changed: int) -> str:
    return sha256_of(file)[:12]
