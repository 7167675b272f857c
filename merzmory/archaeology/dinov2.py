"""The embedder `dinov2`: what a picture means (Oquab et al. 2023, ViT-S/14; class token).

A vision transformer (Dosovitskiy et al. 2020) with LayerScale (Touvron et al. 2021), trained
without labels. Pictures of 224 px are 16 x 16 patches; the positions, learned for 37 x 37, are
interpolated as they were for training. Tensors are named as the published state dict names them.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merzmory.archaeology.network import Here, NetworkEmbedder, fill, imagenet
from merzmory.tensors import read_tensors

WEIGHTS = "dinov2-s"
FEATURES = 384
_DEPTH, _HEADS = 12, 6
_PATCH, _GRID = 14, 37  # pixels a patch; patches a side that positions were learned for
_SIDE = 224  # pixels
_BATCH = 16


class _Scale(nn.Module):
    """LayerScale: a factor for each feature."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(FEATURES, 3 * FEATURES)
        self.proj = nn.Linear(FEATURES, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, _HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)  # [N, heads, tokens, features / heads]
        return cast(Tensor, self.proj(mixed.transpose(1, 2).flatten(2)))


class _Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(FEATURES, 4 * FEATURES), nn.Linear(4 * FEATURES, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.fc2(F.gelu(self.fc1(x))))


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(FEATURES, eps=1e-6) for _ in range(2))
        self.attn, self.mlp = _Attention(), _Mlp()
        self.ls1, self.ls2 = _Scale(), _Scale()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + cast(Tensor, self.ls2(self.mlp(self.norm2(x))))


class _Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, FEATURES, _PATCH, _PATCH)


class DinoV2(nn.Module):
    """float [N, 3, H, W], 0..255, to [N, 384]: the normalised class token."""

    features = FEATURES

    def __init__(self, side: int = _SIDE) -> None:
        super().__init__()
        self.side = side
        self.cls_token = nn.Parameter(torch.zeros(1, 1, FEATURES))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _GRID**2, FEATURES))
        self.patch_embed = _Patches()
        self.blocks = nn.ModuleList(_Block() for _ in range(_DEPTH))
        self.norm = nn.LayerNorm(FEATURES, eps=1e-6)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.patch_embed.proj(imagenet(pictures, self.side, "bicubic")).flatten(2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x.transpose(1, 2)], dim=1)
        x = x + self._positions()
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.norm(x)[:, 0])

    def _positions(self) -> Tensor:
        patches = self.side // _PATCH
        if patches == _GRID:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].view(1, _GRID, _GRID, FEATURES).permute(0, 3, 1, 2)
        by = (patches + 0.1) / _GRID  # the 0.1 of its training, which shifts the grid a little
        near = F.interpolate(grid, scale_factor=(by, by), mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], near.flatten(2).transpose(1, 2)], dim=1)


def embedder(here: Here) -> NetworkEmbedder:
    """The embedder, from the published state dict."""
    file, digits = here.weights(WEIGHTS)
    return NetworkEmbedder(
        f"dinov2 1 {digits}", lambda: load(file), device=here.device, batch=_BATCH
    )


def load(file: Path) -> nn.Module:
    """The network with the weights of a file."""
    return fill(DinoV2(), read_tensors(file), file, "DINOv2 ViT-S/14")
