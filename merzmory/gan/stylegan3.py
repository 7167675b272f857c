"""Generator of StyleGAN3 (Karras et al. 2021, arXiv 2106.12423), configurations T and R, to make pictures.

Pictures are signals without aliasing: they move (T), and turn too (R), with their content. There is no
noise input. State names equal those of the published networks, so their weights load unchanged.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from merzmory.gan.layers import Noise
from merzmory.gan.networks import StyleGenerator
from merzmory.gan.stylegan3_config import StyleGAN3Config
from merzmory.gan.stylegan3_layers import FilteredLayer, FourierInput


def placement(x: float = 0.0, y: float = 0.0, degrees: float = 0.0) -> Tensor:
    """The `transform` [3, 3] of a picture that is turned clockwise by `degrees` about its centre, and then
    moved by `x` to the right and `y` down, in picture widths."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor(  # where a point of the picture comes from: the inverse
        [[c, s, -c * x - s * y], [-s, c, s * x - c * y], [0.0, 0.0, 1.0]]
    )


class Synthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> picture [N, img_channels, resolution, resolution]."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        self.config = config
        signals = config.signals()
        self.input = FourierInput(signals[0], config.w_dim)
        self.names = config.layer_names()
        for i, name in enumerate(self.names):
            layer = FilteredLayer(
                config,
                signals[max(i - 1, 0)],
                signals[i],
                critical=i >= config.num_layers - config.num_critical,
                colours=i == config.num_layers,
            )
            self.add_module(name, layer)
        fine = config.resolution >> config.num_fp16_res
        self.may_be_half = [s.rate > fine for s in signals]

    def forward(
        self,
        ws: Tensor,
        noise: Noise = "none",
        generator: torch.Generator | None = None,
        half: torch.dtype | None = None,
        transform: Tensor | None = None,
    ) -> Tensor:
        """`noise` and `generator` are those of StyleGAN2 and change nothing; `half` computes the finer layers in
        that type; `transform` ([3, 3] or [N, 3, 3], `placement`) moves and turns the picture."""
        styles = list(ws.unbind(dim=1))
        x = self.input(styles[0], transform)
        for name, w, may in zip(self.names, styles[1:], self.may_be_half, strict=True):
            dtype = half if half is not None and may else torch.float32
            x = getattr(self, name)(x.to(dtype), w)
        picture: Tensor = x.float() * self.config.output_scale
        return picture


class StyleGAN3Generator(StyleGenerator):
    """StyleGAN3 generator: mapping and synthesis."""

    config: StyleGAN3Config

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__(config, Synthesis(config))
