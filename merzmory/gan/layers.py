"""Layers of StyleGAN2. Parameter and buffer names are those of the published networks.

Equalised learning rate (Karras 2017, section 4.1): weights are stored with unit variance and multiplied by
1 / sqrt(fan in) at run time. lrelu is positively homogeneous, so its gain sqrt(2) is folded into weights,
biases and demodulation, which saves a pass over the activations.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from merzmory.gan import ops

Noise = Literal["const", "random", "none"]
FIR = (1.0, 3.0, 3.0, 1.0)  # low-pass of every resampling


def normalise(x: Tensor) -> Tensor:
    """Second moment of each row to 1: x / sqrt(mean(x^2) + 1e-8)."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class FullyConnected(nn.Module):
    """y = act(x W^T lr/sqrt(in) + b lr); [N, in] -> [N, out]."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        lrelu: bool = False,
        lr: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.lrelu, self.lr = lrelu, lr
        self.weight_gain = lr / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr)
        self.bias = nn.Parameter(torch.full([out_features], bias_init))

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias * self.lr if self.lr != 1.0 else self.bias
        y = torch.addmm(bias, x, (self.weight * self.weight_gain).t())
        return F.leaky_relu(y, 0.2) * ops.SQRT2 if self.lrelu else y


class Conv(nn.Module):
    """Convolution of the discriminator, optionally filtered down by 2, with bias and lrelu.

    [N, in, H, W] -> [N, out, H/down, W/down]; `gain` multiplies the result, the clamp grows with it.
    """

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        bias: bool = True,
        lrelu: bool = True,
        down: int = 1,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.lrelu, self.down, self.clamp, self.padding = lrelu, down, clamp, kernel // 2
        self.act_gain = ops.SQRT2 if lrelu else 1.0
        self.weight_gain = 1 / math.sqrt(in_channels * kernel**2)
        self.register_buffer("resample_filter", ops.setup_filter(FIR))
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        total = self.act_gain * gain
        w = (self.weight * (self.weight_gain * total)).to(x.dtype)
        b = None if self.bias is None else (self.bias * total).to(x.dtype)
        y = ops.conv2d_resample(
            x, w, self.resample_filter, down=self.down, padding=self.padding, bias=b
        )
        if self.lrelu:
            y = F.leaky_relu(y, 0.2)
        if self.clamp is not None:
            y = y.clamp(-self.clamp * gain, self.clamp * gain)
        return y


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, lrelu (StyleGAN2 figure 2c), optionally upsampling by 2.

    x [N, in, H, W], w [N, w_dim] -> [N, out, H*up, W*up].
    """

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        up: int = 1,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up, self.clamp = up, clamp
        self.register_buffer("resample_filter", ops.setup_filter(FIR))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        noise: Noise = "random",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        n = x.shape[0]
        added = (self.bias * ops.SQRT2)[None, :, None, None]  # bias and constant noise in one pass
        extra: Tensor | None = None
        strength = self.noise_strength * ops.SQRT2
        if noise == "const":
            added = added + self.noise_const * strength
        elif noise == "random":
            size = self.noise_const.shape
            draw = torch.randn(n, 1, *size, device=x.device, generator=generator)
            extra = draw * strength
        y = ops.modulated_conv2d(
            x,
            self.weight,
            self.affine(w),
            f=self.resample_filter,
            up=self.up,
            padding=1,
            flip_weight=self.up == 1,
            gain=ops.SQRT2,
            offset=added,
            noise=extra,
        )
        y = F.leaky_relu(y, 0.2)
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution without demodulation; [N, in, H, W], [N, w_dim] -> [N, colours, H, W]."""

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, clamp: float | None = None
    ) -> None:
        super().__init__()
        self.clamp = clamp
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        styles = self.affine(w) * self.weight_gain
        y = ops.modulated_conv2d(
            x, self.weight, styles, demodulate=False, offset=self.bias[None, :, None, None]
        )
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)
