"""The embedder `inception`: the network that FID is measured with, and its quirks.

Inception-v3 (Szegedy et al. 2016) as Heusel et al. 2017 took it from TensorFlow: pictures of
299 px, bilinear without antialiasing, -1..1; averages over 3 x 3 leave the padding out; the last
block takes the maximum instead; 2,048 features, the mean over the last 8 x 8. Tensors are named
as torchvision and pytorch-fid name them.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merzmory.archaeology.network import Here, NetworkEmbedder, fill
from merzmory.tensors import read_tensors

WEIGHTS = "inception-pytorch-fid"
FEATURES = 2048
_SIDE = 299  # pixels
_BATCH = 16


class _Conv(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, cin: int, cout: int, kernel: int | tuple[int, int], stride: int = 1) -> None:
        super().__init__()
        k = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (0, 0) if stride == 2 else (k[0] // 2, k[1] // 2)
        self.conv = nn.Conv2d(cin, cout, k, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Bare(_Conv):
    """A `_Conv` of the stem, without padding."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1) -> None:
        super().__init__(cin, cout, kernel, stride)
        self.conv.padding = (0, 0)


def _mean3(x: Tensor) -> Tensor:
    """3 x 3 averages of what is there: the padding does not count."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _A(nn.Module):
    """35 x 35: 1x1, 5x5, two 3x3, pool."""

    def __init__(self, cin: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(cin, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = _Conv(cin, 48, 1), _Conv(48, 64, 5)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = _Conv(cin, 64, 1), _Conv(64, 96, 3)
        self.branch3x3dbl_3 = _Conv(96, 96, 3)
        self.branch_pool = _Conv(cin, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch5x5_2(self.branch5x5_1(x)),
                self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
                self.branch_pool(_mean3(x)),
            ],
            dim=1,
        )


class _B(nn.Module):
    """35 x 35 to 17 x 17."""

    def __init__(self, cin: int) -> None:
        super().__init__()
        self.branch3x3 = _Conv(cin, 384, 3, stride=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = _Conv(cin, 64, 1), _Conv(64, 96, 3)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], dim=1)


class _C(nn.Module):
    """17 x 17: 7 x 7 as 1 x 7 and 7 x 1."""

    def __init__(self, mid: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(768, 192, 1)
        self.branch7x7_1 = _Conv(768, mid, 1)
        self.branch7x7_2 = _Conv(mid, mid, (1, 7))
        self.branch7x7_3 = _Conv(mid, 192, (7, 1))
        self.branch7x7dbl_1 = _Conv(768, mid, 1)
        self.branch7x7dbl_2 = _Conv(mid, mid, (7, 1))
        self.branch7x7dbl_3 = _Conv(mid, mid, (1, 7))
        self.branch7x7dbl_4 = _Conv(mid, mid, (7, 1))
        self.branch7x7dbl_5 = _Conv(mid, 192, (1, 7))
        self.branch_pool = _Conv(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
                self.branch7x7dbl_5(self.branch7x7dbl_4(double)),
                self.branch_pool(_mean3(x)),
            ],
            dim=1,
        )


class _D(nn.Module):
    """17 x 17 to 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = _Conv(768, 192, 1), _Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1, self.branch7x7x3_2 = _Conv(768, 192, 1), _Conv(192, 192, (1, 7))
        self.branch7x7x3_3 = _Conv(192, 192, (7, 1))
        self.branch7x7x3_4 = _Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat(
            [
                self.branch3x3_2(self.branch3x3_1(x)),
                self.branch7x7x3_4(seven),
                F.max_pool2d(x, 3, stride=2),
            ],
            dim=1,
        )


class _E(nn.Module):
    """8 x 8, spread out; the last of the two pools by its maximum."""

    def __init__(self, cin: int, last: bool) -> None:
        super().__init__()
        self.last = last
        self.branch1x1 = _Conv(cin, 320, 1)
        self.branch3x3_1 = _Conv(cin, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = _Conv(384, 384, (1, 3)), _Conv(384, 384, (3, 1))
        self.branch3x3dbl_1, self.branch3x3dbl_2 = _Conv(cin, 448, 1), _Conv(448, 384, 3)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = (
            _Conv(384, 384, (1, 3)),
            _Conv(384, 384, (3, 1)),
        )
        self.branch_pool = _Conv(cin, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.last else _mean3(x)
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(three),
                self.branch3x3_2b(three),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(pooled),
            ],
            dim=1,
        )


class InceptionFid(nn.Module):
    """float [N, 3, H, W], 0..255, to [N, 2048]: pool3 of FID."""

    features = FEATURES

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Bare(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Bare(32, 32, 3)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Bare(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _A(192, 32), _A(256, 64), _A(288, 64)
        self.Mixed_6a = _B(288)
        self.Mixed_6b, self.Mixed_6c = _C(128), _C(160)
        self.Mixed_6d, self.Mixed_6e = _C(160), _C(192)
        self.Mixed_7a = _D()
        self.Mixed_7b, self.Mixed_7c = _E(1280, last=False), _E(2048, last=True)

    def forward(self, pictures: Tensor) -> Tensor:
        x = F.interpolate(pictures / 255, (_SIDE, _SIDE), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(2 * x - 1)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, stride=2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, stride=2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return cast(Tensor, x.mean(dim=(2, 3)))


def embedder(here: Here) -> NetworkEmbedder:
    """The embedder, from the state dict that pytorch-fid publishes."""
    file, digits = here.weights(WEIGHTS)
    return NetworkEmbedder(
        f"inception 1 {digits}", lambda: load(file), device=here.device, batch=_BATCH
    )


def load(file: Path) -> nn.Module:
    """The network with the weights of a file."""
    return fill(InceptionFid(), read_tensors(file), file, "FID's Inception-v3")
