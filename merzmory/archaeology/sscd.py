"""The embedder `sscd`: what a picture copies (Pizzi et al. 2022, disc mixup, 512 numbers).

A ResNet-50 (He et al. 2016, the stride in the 3 x 3), generalised mean pooling with p = 3
(Radenović et al. 2018), a linear layer, unit length. The published file is TorchScript: only its
numbers are read. Two namings of the tensors are known, torchvision's and Classy Vision's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from merzmory.archaeology.network import Here, NetworkEmbedder, fill, imagenet
from merzmory.tensors import read_tensors

WEIGHTS = "sscd"
FEATURES = 512
_SIDE = 288  # pixels, as it was evaluated
_LAYERS = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # width, blocks, stride
_GROW = 4
_POWER, _LEAST = 3.0, 1e-6  # generalised mean: (mean of x^p)^(1/p), x clamped from below
_BATCH = 8


class _Bottleneck(nn.Module):
    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        cout = width * _GROW
        self.conv1, self.bn1 = nn.Conv2d(cin, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, cout, 1, bias=False), nn.BatchNorm2d(cout)
        if cin != cout:
            self.downsample = nn.Sequential(
                nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)
            )
        self.narrow = cin != cout

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + (self.downsample(x) if self.narrow else x))


class _ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        cin = 64
        for number, (width, blocks, stride) in enumerate(_LAYERS, 1):
            layer = [_Bottleneck(cin, width, stride)]
            cin = width * _GROW
            layer += [_Bottleneck(cin, width, 1) for _ in range(blocks - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*layer))
        self.fc = nn.Linear(cin, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        for number in range(1, len(_LAYERS) + 1):
            x = getattr(self, f"layer{number}")(x)
        pooled = x.clamp(min=_LEAST).pow(_POWER).mean(dim=(2, 3)).pow(1 / _POWER)
        return cast(Tensor, self.fc(pooled))


class Sscd(nn.Module):
    """float [N, 3, H, W], 0..255, to [N, 512] of unit length."""

    features = FEATURES

    def __init__(self) -> None:
        super().__init__()
        self.backbone = _ResNet50()

    def forward(self, pictures: Tensor) -> Tensor:
        return F.normalize(self.backbone(imagenet(pictures, _SIDE, "bilinear")))


# Classy Vision's parts of a block: convolutional_block is conv, bn, ReLU, conv, bn, ReLU, conv
_CLASSY = {
    "convolutional_block.0": "conv1", "convolutional_block.1": "bn1",
    "convolutional_block.3": "conv2", "convolutional_block.4": "bn2",
    "convolutional_block.6": "conv3", "bn": "bn3",
    "downsample.0": "downsample.0", "downsample.1": "downsample.1",
}  # fmt: skip
_STEM = {
    "backbone.initial_block._module.0": "backbone.conv1",
    "backbone.initial_block._module.1": "backbone.bn1",
    "embeddings.1": "backbone.fc",
}
_BLOCK = re.compile(r"backbone\.blocks\.(\d)\.(?:block\d-)?(\d)\.(?:_module\.)?(.+)")


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under torchvision's names, whichever of the two namings they have."""
    found = {}
    for name, tensor in tensors.items():
        module, _, kind = name.removeprefix("model.").rpartition(".")
        block = _BLOCK.fullmatch(module)
        if block and block[3] in _CLASSY:
            module = f"backbone.layer{int(block[1]) + 1}.{block[2]}.{_CLASSY[block[3]]}"
        found[f"{_STEM.get(module, module)}.{kind}"] = tensor
    return found


def embedder(here: Here) -> NetworkEmbedder:
    """The embedder, from the published TorchScript file or a state dict."""
    file, digits = here.weights(WEIGHTS)
    return NetworkEmbedder(f"sscd 1 {digits}", lambda: load(file), device=here.device, batch=_BATCH)


def load(file: Path) -> nn.Module:
    """The network with the weights of a file."""
    return fill(Sscd(), renamed(read_tensors(file)), file, "SSCD's ResNet-50")
