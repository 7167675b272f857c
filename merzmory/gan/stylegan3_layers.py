"""Layers of StyleGAN3. Parameter and buffer names are those of the published networks.

Karras et al. 2021 (arXiv 2106.12423): signals are band-limited, and every nonlinearity is evaluated on a
finer grid between two low-pass filters, so that it makes no frequencies that the samples cannot hold.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from merzmory.gan import ops
from merzmory.gan.layers import FullyConnected
from merzmory.gan.stylegan3_config import Signal, StyleGAN3Config


def lowpass(
    taps: int, cutoff: float, half_width: float, rate: float, *, radial: bool = False
) -> Tensor:
    """A low-pass filter, float32 [taps], or [taps, taps] where `radial`; its sum is 1.

    The ideal response under a Kaiser window: sinc(2 f_c x), or jinc(2 f_c |x|) for radial symmetry.
    `cutoff` f_c and `half_width` f_h of the transition band in the unit of `rate`, the samples a picture
    width. Kaiser 1974: attenuation A = 2.285 (taps - 1) pi df + 7.95 dB with df = 2 f_h / (rate / 2),
    and from A the window's beta.
    """
    attenuation = 2.285 * (taps - 1) * math.pi * (4 * half_width / rate) + 7.95
    above = attenuation - 21
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        beta = 0.5842 * above**0.4 + 0.07886 * above if above > 0 else 0.0
    window = np.kaiser(taps, beta)
    x = (np.arange(taps) - (taps - 1) / 2) / rate
    if radial:
        r = np.maximum(np.hypot(x[:, None], x), 1e-9)  # the limit at 0
        bessel = torch.special.bessel_j1(torch.from_numpy(2 * math.pi * cutoff * r)).numpy()
        f = bessel / r * np.outer(window, window)
    else:
        f = np.sinc(2 * cutoff * x) * window
    return torch.from_numpy((f / f.sum()).astype(np.float32))


class FourierInput(nn.Module):
    """Fourier features, placed by w; w [N, w_dim] -> [N, channels, size, size].

    Positions p of the samples are in picture widths from the centre. A feature is
    sin(2 pi (f . M p + phase)), where M turns and moves: by w, and then by `transform`.
    """

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, signal: Signal, w_dim: int) -> None:
        super().__init__()
        self.signal = signal
        channels = signal.channels
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = FullyConnected(w_dim, 4)  # cos, sin, x, y
        nn.init.zeros_(self.affine.weight)
        self.affine.bias.data = torch.eye(4)[0]
        # frequencies evenly distributed over the disc of the band
        radius, angle = torch.rand(channels).sqrt() * signal.cutoff, torch.rand(channels) * math.tau
        freqs = torch.stack([angle.cos() * radius, angle.sin() * radius], dim=1)
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", freqs)
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def placement(self, w: Tensor) -> Tensor:
        """[N, 3, 3]: turned by the angle of (cos, sin), after moving by -(x, y)."""
        t: Tensor = self.affine(w)
        c, s, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        zero, one = torch.zeros_like(c), torch.ones_like(c)
        rows = [c, -s, s * y - c * x, s, c, -s * x - c * y, zero, zero, one]
        return torch.stack(rows, dim=1).reshape(-1, 3, 3)

    def forward(self, w: Tensor, transform: Tensor | None = None) -> Tensor:
        size, rate = self.signal.size, self.signal.rate
        m = self.placement(w) @ (self.transform if transform is None else transform)
        freqs = self.freqs @ m[:, :2, :2]  # [N, channels, 2]; f . (A p + b) = (f A) . p + f . b
        phases = self.phases + (self.freqs @ m[:, :2, 2:])[:, :, 0]  # [N, channels]
        # what a transform shrinks out of the band fades out towards the Nyquist limit
        beyond = (freqs.norm(dim=2) - self.signal.cutoff) / (rate / 2 - self.signal.cutoff)
        amplitude = (1 - beyond).clamp(0, 1)
        p = (torch.arange(size, device=w.device) + (0.5 - size / 2)) / rate
        x = freqs[:, :, 0, None] * p  # [N, channels, size]
        y = freqs[:, :, 1, None] * p + phases[:, :, None]
        waves = torch.sin(math.tau * (y[:, :, :, None] + x[:, :, None, :]))
        mixing = amplitude[:, None, :] * (self.weight / math.sqrt(len(self.weight)))
        return torch.einsum("noc,nchw->nohw", mixing, waves)


class FilteredLayer(nn.Module):
    """Modulated convolution and filtered lrelu between two signals; the last layer makes colours.

    x [N, in, H, W], w [N, w_dim] -> [N, out, H', W'].
    """

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(
        self,
        config: StyleGAN3Config,
        before: Signal,
        after: Signal,
        *,
        critical: bool = False,
        colours: bool = False,
    ) -> None:
        super().__init__()
        self.colours, self.clamp = colours, config.conv_clamp
        kernel = 1 if colours else config.conv_kernel
        rate = max(before.rate, after.rate) * (1 if colours else config.lrelu_upsampling)
        self.up, self.down = rate // before.rate, rate // after.rate
        up_taps = config.filter_size * self.up if self.up > 1 else 1
        down_taps = config.filter_size * self.down if self.down > 1 else 1
        # The centre of the picture stays in the centre; a convolution pads by kernel - 1.
        total = (after.size - 1) * self.down + 1 - (before.size + kernel - 1) * self.up
        total += up_taps + down_taps - 2
        low = (total + self.up) // 2
        self.padding = [low, total - low, low, total - low]
        self.weight_gain = 1 / math.sqrt(before.channels * kernel**2)
        self.weight = nn.Parameter(torch.randn(after.channels, before.channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after.channels))
        self.affine = FullyConnected(config.w_dim, before.channels, bias_init=1.0)
        up = lowpass(up_taps, before.cutoff, before.half_width, rate) if up_taps > 1 else None
        radial = config.radial and not critical
        down = (
            lowpass(down_taps, after.cutoff, after.half_width, rate, radial=radial)
            if down_taps > 1
            else None
        )
        self.register_buffer("magnitude_ema", torch.ones([]))  # mean square of x in training
        self.register_buffer("up_filter", up)
        self.register_buffer("down_filter", down)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        gain = 1.0 if self.colours else ops.SQRT2  # lrelu is homogeneous: its gain goes before it
        styles = self.affine(w)
        y = ops.modulated_conv2d(
            x,
            self.weight,
            styles * self.weight_gain if self.colours else styles,
            demodulate=not self.colours,
            padding=self.weight.shape[2] - 1,
        )
        scale = (self.magnitude_ema.rsqrt() * gain).to(y.dtype)
        y = torch.addcmul((self.bias * gain).to(y.dtype)[:, None, None], y, scale)
        if self.colours:
            return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)
        y = ops.upfirdn2d(y, self.up_filter, up=self.up, padding=self.padding, gain=self.up**2)
        if self.clamp is not None:  # of lrelu's result, whose slope below 0 is 0.2
            y = y.clamp_(-5 * self.clamp, self.clamp)
        y = F.leaky_relu(y, 0.2, inplace=True)
        return ops.upfirdn2d(y, self.down_filter, down=self.down)
