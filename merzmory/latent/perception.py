"""How alike two pictures look: distances through networks, differentiable, for projection.

discriminator   features of all blocks of a StyleGAN2 discriminator, each place of unit length over its
                channels, beside the pixels at 16 x 16; comes with every run
lpips           learned perceptual distance (Zhang et al. 2018, arXiv 1801.03924) over VGG16 (Simonyan and
                Zisserman 2014); reads torchvision's VGG16 and the published linear weights, imported by you

Pictures are float [N, 3, S, S], -1..1. The two scales cannot be compared with each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merzmory.errors import FormatError
from merzmory.gan import checkpoint
from merzmory.gan.networks import Discriminator
from merzmory.tensors import read_tensors

VGG, LINEAR = "vgg16", "lpips-vgg"  # names of the ledger
_LARGEST = (
    256  # pixels at which LPIPS looks: larger pictures are averaged down (StyleGAN2, appendix D)
)
_COARSE = 16  # pixels at which colours are compared
_EPS = 1e-10


class Perception(Protocol):
    """A distance in two parts: what of a picture is compared, and the comparison."""

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What is compared, [N, C, H, W] each."""
        ...

    def distance(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """[N], 0 for equals."""
        ...


class Discriminating:
    """The distance through a discriminator."""

    def __init__(self, network: Discriminator) -> None:
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def open(cls, file: Path, device: torch.device) -> Discriminating:
        """From a network file that holds D; raises EngineError as `checkpoint.load_discriminator`."""
        return cls(checkpoint.load_discriminator(file, device))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Blocks from fine to coarse, and last the pixels at 16 x 16."""
        x, found = pictures, list[Tensor]()
        for number, r in enumerate(self.network.resolutions):
            x = getattr(self.network, f"b{r}")(x, x if number == 0 else None)
            found.append(_unit(x))
        side = min(_COARSE, pictures.shape[-1])
        return [*found, F.adaptive_avg_pool2d(pictures, side)]

    def distance(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """The mean over the blocks, of squared lengths averaged over places, and of squared colours."""
        parts = [(x - y).square().sum(dim=1).mean(dim=(1, 2)) for x, y in zip(a, b, strict=True)]
        return torch.stack(parts).mean(dim=0)


class LPIPS(nn.Module):
    """LPIPS with VGG16, version 0.1, and its distance."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, self.read = 3, []
        for width, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            if layers:
                layers.append(nn.MaxPool2d(2))
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            self.read.append(len(layers) - 1)  # relu1_2, relu2_2, relu3_3, relu4_3, relu5_3
        self.features_ = nn.Sequential(*layers)
        for number, width in enumerate((64, 128, 256, 512, 512)):
            self.register_buffer(f"lin{number}", torch.zeros(1, width, 1, 1))
        # of -1..1, to ImageNet's mean and deviation
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1))

    @classmethod
    def open(cls, vgg: Path, linear: Path, device: torch.device) -> LPIPS:
        """From torchvision's state dict of VGG16, and LPIPS' linear weights for it.

        Raises:
            FormatError: a file is damaged or of another network; nothing in it is run.
        """
        made = cls()
        own, lines = read_tensors(vgg), read_tensors(linear)
        for name, tensor in made.features_.state_dict().items():
            tensor.copy_(_of(own, f"features.{name}", tensor, vgg))
        for number in range(len(made.read)):
            tensor = getattr(made, f"lin{number}")
            tensor.copy_(_of(lines, f"lin{number}.model.1.weight", tensor, linear))
        return made.eval().requires_grad_(False).to(device)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The five layers, weighted by the square roots of the linear weights."""
        if pictures.shape[-1] > _LARGEST:
            pictures = F.interpolate(pictures, (_LARGEST, _LARGEST), mode="area")
        x, found = (pictures - self.shift) / self.scale, list[Tensor]()
        for number, layer in enumerate(self.features_):
            x = layer(x)
            if number in self.read:
                weight = getattr(self, f"lin{len(found)}").clamp_min(0)
                found.append(_unit(x) * weight.sqrt())
        return found

    def distance(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """The sum over the layers of squared lengths averaged over places."""
        parts = [(x - y).square().sum(dim=1).mean(dim=(1, 2)) for x, y in zip(a, b, strict=True)]
        return torch.stack(parts).sum(dim=0)


def _of(tensors: Mapping[str, Tensor], name: str, like: Tensor, file: Path) -> Tensor:
    found = tensors.get(name)
    if found is None or found.shape != like.shape or not found.isfinite().all():
        raise FormatError(
            f"{file} lacks {name} of {tuple(like.shape)} finite numbers: give the file that the ledger "
            "names (`merzmory weights list`)."
        )
    return found


def _unit(x: Tensor) -> Tensor:
    """[N, C, H, W] of unit length over C at each place."""
    return x / (x.square().sum(dim=1, keepdim=True) + _EPS).sqrt()
