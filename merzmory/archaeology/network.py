"""What embedders that are networks have in common: weights read safely, batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merzmory.errors import FormatError
from merzmory.gan.device import choose_device
from merzmory.weights import ledger

# mean and standard deviation of ImageNet's pixels, 0..1 (He et al. 2016's preprocessing)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Here:
    """What an embedder may be made from."""

    cache: Path = Path("weights")  # where imported weights lie
    base: Path | None = None  # the network that the run began from
    device: str = "auto"

    def weights(self, name: str) -> tuple[Path, str]:
        """(file, twelve digits of its SHA-256) of an entry of the ledger.

        Raises:
            WeightsError: it is not here.
        """
        return ledger.find(name, self.cache), (ledger.entries()[name].sha256 or "")[:12]


class NetworkEmbedder:
    """An embedder around a network, which is opened at the first picture.

    `open_network` gives a module from float [N, 3, H, W], 0..255, to float [N, F], which says its
    F as `features`.
    """

    def __init__(
        self, kind: str, open_network: Callable[[], nn.Module], *, device: str, batch: int
    ) -> None:
        self.kind = kind
        self._open, self._device, self._batch = open_network, device, batch

    @property
    def dimensions(self) -> int:
        """How many numbers a picture has."""
        return int(self._network[0].features)  # type: ignore[arg-type]

    @cached_property
    def _network(self) -> tuple[nn.Module, torch.device]:
        device = choose_device(self._device)
        return self._open().eval().requires_grad_(False).to(device), device

    def embed(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """uint8 [N, H, W, 3] sRGB to float32 [N, dimensions]; memory is bounded by a batch.

        Raises:
            FormatError: the weights' file is damaged, or of another network.
        """
        found = [np.empty((0, self.dimensions), np.float32)]
        for start in range(0, len(images), self._batch):
            network, device = self._network
            some = torch.from_numpy(np.ascontiguousarray(images[start : start + self._batch]))
            with torch.inference_mode():
                made = network(some.permute(0, 3, 1, 2).to(device).float())
            found.append(made.float().cpu().numpy())
        return np.concatenate(found)


def imagenet(pictures: Tensor, side: int, mode: str) -> Tensor:
    """[N, 3, H, W], 0..255, as ImageNet's networks take them: `side` px, mean 0, deviation 1."""
    if pictures.shape[-2:] != (side, side):
        pictures = F.interpolate(pictures, (side, side), mode=mode, antialias=True).clamp(0, 255)
    mean, std = (pictures.new_tensor(three).view(3, 1, 1) for three in (_MEAN, _STD))
    return (pictures / 255 - mean) / std


def fill(network: nn.Module, tensors: Mapping[str, Tensor], file: Path, title: str) -> nn.Module:
    """`network` with `tensors`: every one that it has, by name and shape; more are left alone.

    Raises:
        FormatError: one is missing or of another shape; the error names it.
    """
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name.endswith("num_batches_tracked"):
            continue
        found = tensors.get(name)
        if found is None or found.shape != tensor.shape:
            what = "misses" if found is None else f"has {tuple(found.shape)} numbers for"
            raise FormatError(
                f"{file} {what} {name} of {title}, {tuple(tensor.shape)}: give the file that the "
                "ledger names (`merzmory weights list`)."
            )
        if not found.isfinite().all():
            raise FormatError(f"{file} holds {name} with infinite numbers: import it again.")
        tensor.copy_(found)
    return network
