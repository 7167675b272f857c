"""Tensor operations of StyleGAN2: FIR resampling, activation with gain, modulated convolution.

Everything here is a composition of differentiable torch operations, so gradients of any order
exist (R1 and path length differentiate twice). Image tensors are [N, C, H, W].

Sources: Karras et al. 2019 (arXiv 1912.04958, "StyleGAN2"), appendix B for modulation; Karras et al.
2020 (arXiv 2006.06676, "ADA") for the wavelet resampling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SQRT2 = math.sqrt(2.0)

# name -> (function, gain that keeps unit variance); lrelu's slope is an argument of bias_act.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "linear": (lambda x: x, 1.0),
    "relu": (F.relu, SQRT2),
    "lrelu": (lambda x: F.leaky_relu(x, 0.2), SQRT2),
    "tanh": (torch.tanh, 1.0),
    "sigmoid": (torch.sigmoid, 1.0),
    "elu": (F.elu, 1.0),
    "selu": (F.selu, 1.0),
    "softplus": (F.softplus, 1.0),
    "swish": (lambda x: x * torch.sigmoid(x), SQRT2),
}


def setup_filter(
    taps: Sequence[float] | Sequence[Sequence[float]] | Tensor | None,
    *,
    normalize: bool = True,
    flip: bool = False,
    gain: float = 1.0,
    separable: bool | None = None,
) -> Tensor:
    """A FIR filter as float32 [K] (separable) or [KH, KW].

    One-dimensional taps become their outer product unless `separable`, whose default is to keep
    filters of 8 taps and more separable (two short passes beat one of K*K). `normalize` makes the sum 1; `gain`
    is the gain of the two-dimensional filter.
    """
    f = torch.as_tensor(1.0 if taps is None else taps, dtype=torch.float32)
    if f.ndim == 0:
        f = f.reshape(1)
    if separable is None:
        separable = f.ndim == 1 and f.numel() >= 8
    if f.ndim == 1 and not separable:
        f = torch.outer(f, f)
    if normalize:
        f = f / f.sum()
    if flip:
        f = f.flip(list(range(f.ndim)))
    out: Tensor = f * gain ** (f.ndim / 2)
    return out


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    """(x, y) of a factor."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _four(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(x0, x1, y0, y1) of a padding given as one, two (x, y) or four numbers."""
    if isinstance(padding, int):
        return (padding, padding, padding, padding)
    if len(padding) == 2:
        px, py = padding
        return (px, px, py, py)
    px0, px1, py0, py1 = padding
    return (px0, px1, py0, py1)


def _pad(x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """Zero padding; negative numbers crop."""
    return F.pad(x, padding) if any(padding) else x


def _fir(
    x: Tensor,
    taps: Tensor,
    up: tuple[int, int],
    down: tuple[int, int],
    pad: tuple[int, int, int, int],
) -> Tensor:
    """One FIR pass as a depthwise strided or transposed convolution; `taps` [KH, KW] in convolution order.

    Equal to zero insertion, padding, full convolution and slicing, without the multiplications by zero.
    """
    channels = x.shape[1]
    kh, kw = taps.shape
    kernel = taps.to(x.dtype)
    if up == (1, 1):
        weight = kernel.flip([0, 1]).expand(channels, 1, kh, kw)  # torch correlates
        if down != (1, 1) and x.dtype == torch.bfloat16 and x.device.type == "cpu":
            # The CPU has no fast backward of a strided depthwise convolution in bfloat16.
            return _fir(x, taps, up, (1, 1), pad)[:, :, :: down[1], :: down[0]]
        px0, px1, py0, py1 = pad
        if px0 == px1 >= 0 and py0 == py1 >= 0:
            return F.conv2d(x, weight, stride=down[::-1], padding=(py0, px0), groups=channels)
        return F.conv2d(_pad(x, pad), weight, stride=down[::-1], groups=channels)
    # The transposed convolution yields index m + K - 1 - pad0 of the padded, zero-inserted signal at m.
    weight = kernel.expand(channels, 1, kh, kw)
    crop = (kw - 1 - pad[0], kw - up[0] - pad[1], kh - 1 - pad[2], kh - up[1] - pad[3])
    if crop[0] == crop[1] >= 0 and crop[2] == crop[3] >= 0:
        y = F.conv_transpose2d(
            x, weight, stride=up[::-1], padding=(crop[2], crop[0]), groups=channels
        )
    else:
        y = F.conv_transpose2d(x, weight, stride=up[::-1], groups=channels)
        y = _pad(y, (-crop[0], -crop[1], -crop[2], -crop[3]))
    return y if down == (1, 1) else y[:, :, :: down[1], :: down[0]]


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    *,
    up: int | Sequence[int] = 1,
    down: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Insert up-1 zeros after each sample, pad, convolve with `f`, keep every down-th sample.

    `x` [N, C, H, W]; `f` [KH, KW], separable [K], or None for no filter. `padding` is (x0, x1, y0, y1) on the
    zero-inserted grid; negative numbers crop. `flip_filter` correlates instead of convolving. Returns
    [N, C, (H*up + y0 + y1 - KH) // down + 1, ...].
    """
    ux, uy = _pair(up)
    dx, dy = _pair(down)
    px0, px1, py0, py1 = _four(padding)
    if f is None:
        f = torch.ones([1, 1], dtype=torch.float32, device=x.device)
    taps = f.flip(list(range(f.ndim))) if flip_filter else f
    if f.ndim == 1:
        taps = taps * math.sqrt(gain)
        x = _fir(x, taps[None, :], (ux, 1), (dx, 1), (px0, px1, 0, 0))
        return _fir(x, taps[:, None], (1, uy), (1, dy), (0, 0, py0, py1))
    return _fir(x, taps * gain, (ux, uy), (dx, dy), (px0, px1, py0, py1))


def _filter_size(f: Tensor | None) -> tuple[int, int]:
    """(width, height) in taps."""
    if f is None:
        return (1, 1)
    return (int(f.shape[-1]), int(f.shape[0]))


def upsample2d(x: Tensor, f: Tensor | None, up: int = 2, gain: float = 1.0) -> Tensor:
    """[N, C, H, W] -> [N, C, H*up, W*up], filtered, brightness kept."""
    fw, fh = _filter_size(f)
    padding = ((fw + up - 1) // 2, (fw - up) // 2, (fh + up - 1) // 2, (fh - up) // 2)
    return upfirdn2d(x, f, up=up, padding=padding, gain=gain * up * up)


def downsample2d(x: Tensor, f: Tensor | None, down: int = 2, gain: float = 1.0) -> Tensor:
    """[N, C, H, W] -> [N, C, H/down, W/down], filtered before decimation."""
    fw, fh = _filter_size(f)
    padding = ((fw - down + 1) // 2, (fw - down) // 2, (fh - down + 1) // 2, (fh - down) // 2)
    return upfirdn2d(x, f, down=down, padding=padding, gain=gain)


def filter2d(x: Tensor, f: Tensor | None, gain: float = 1.0) -> Tensor:
    """[N, C, H, W] -> the same shape, filtered."""
    fw, fh = _filter_size(f)
    padding = (fw // 2, (fw - 1) // 2, fh // 2, (fh - 1) // 2)
    return upfirdn2d(x, f, padding=padding, gain=gain)


def bias_act(
    x: Tensor,
    b: Tensor | None = None,
    *,
    dim: int = 1,
    act: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    """clamp(gain * act(x + b)).

    `b` [x.shape[dim]]; `alpha` is lrelu's slope (0.2); `gain` None is the activation's own.
    """
    function, default_gain = ACTIVATIONS[act]
    gain = default_gain if gain is None else gain
    if b is not None:
        shape = [1] * x.ndim
        shape[dim] = -1
        x = x + b.to(x.dtype).reshape(shape)
    x = F.leaky_relu(x, alpha) if act == "lrelu" and alpha is not None else function(x)
    if gain != 1.0:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def conv2d_resample(
    x: Tensor,
    w: Tensor,
    f: Tensor | None = None,
    *,
    up: int = 1,
    down: int = 1,
    padding: int | Sequence[int] = 0,
    flip_weight: bool = True,
    bias: Tensor | None = None,
) -> Tensor:
    """Filtered upsampling, convolution with `w` [O, I, KH, KW], filtered downsampling.

    The order is the cheapest. `padding` is on the upsampled grid, next to the FIR's own.
    `flip_weight` True correlates with `w` (as torch does), False convolves. `bias` [O] is added by the
    convolution, so only where up == 1.
    """
    kh, kw = int(w.shape[2]), int(w.shape[3])
    fw, fh = _filter_size(f)
    px0, px1, py0, py1 = _four(padding)
    if up > 1:
        px0, px1 = px0 + (fw + up - 1) // 2, px1 + (fw - up) // 2
        py0, py1 = py0 + (fh + up - 1) // 2, py1 + (fh - up) // 2
    if down > 1:
        px0, px1 = px0 + (fw - down + 1) // 2, px1 + (fw - down) // 2
        py0, py1 = py0 + (fh - down + 1) // 2, py1 + (fh - down) // 2
    plain = w if flip_weight else w.flip([2, 3])

    if up == 1 and down == 1:
        if px0 == px1 >= 0 and py0 == py1 >= 0:
            return F.conv2d(x, plain, bias, padding=(py0, px0))
        return F.conv2d(_pad(x, (px0, px1, py0, py1)), plain, bias)
    if up == 1 and kh == kw == 1:  # 1x1 commutes with the filter: decimate first
        return F.conv2d(upfirdn2d(x, f, down=down, padding=(px0, px1, py0, py1)), plain, bias)
    if up == 1:
        return F.conv2d(upfirdn2d(x, f, padding=(px0, px1, py0, py1)), plain, bias, stride=down)
    if down == 1 and kh == kw == 1:  # 1x1 on the small grid
        return upfirdn2d(F.conv2d(x, plain), f, up=up, padding=(px0, px1, py0, py1), gain=up * up)
    # Transposed convolution is zero insertion padded by (K - 1, K - up) and convolved with w.
    transposed = (w.flip([2, 3]) if flip_weight else w).transpose(0, 1)
    y = F.conv_transpose2d(x, transposed, stride=up)
    rest = (px0 - kw + 1, px1 - kw + up, py0 - kh + 1, py1 - kh + up)
    if down == 1:
        return upfirdn2d(y, f, padding=rest, gain=up * up)
    return upfirdn2d(upfirdn2d(y, f, padding=rest, gain=up * up), f, down=down)


def demodulation(w: Tensor, styles: Tensor) -> Tensor:
    """StyleGAN2 equation 3 for activations: 1 / sqrt(sum_ikl (s_i w_oikl)^2 + 1e-8), [N, O]."""
    energy = w.square().sum(dim=[2, 3])  # [O, I]
    return (styles.square() @ energy.t() + 1e-8).rsqrt()


def modulated_conv2d(
    x: Tensor,
    w: Tensor,
    styles: Tensor,
    *,
    noise: Tensor | None = None,
    offset: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: int | Sequence[int] = 0,
    f: Tensor | None = None,
    demodulate: bool = True,
    flip_weight: bool = True,
    gain: float = 1.0,
) -> Tensor:
    """Convolution modulated by `styles` [N, I] and demodulated, StyleGAN2 equations 1 and 3.

    Modulation scales the input and demodulation the output, so one plain convolution serves the
    whole batch. `gain` multiplies the convolution only; `offset` (bias, constant noise) and `noise`,
    both broadcastable to the output, are added after it. float16 first divides weights and styles
    by their largest magnitudes, which demodulation cancels.
    """
    if x.dtype == torch.float16 and demodulate:
        fan_in = w.shape[1] * w.shape[2] * w.shape[3]
        w = w / (math.sqrt(fan_in) * w.abs().amax(dim=[1, 2, 3], keepdim=True))
        styles = styles / styles.abs().amax(dim=1, keepdim=True)
    y = x * styles.to(x.dtype)[:, :, None, None]
    y = conv2d_resample(
        y, w.to(x.dtype), f, up=up, down=down, padding=padding, flip_weight=flip_weight
    )
    if demodulate:
        scale = (demodulation(w, styles) * gain).to(x.dtype)[:, :, None, None]
        y = y * scale if offset is None else torch.addcmul(offset.to(x.dtype), y, scale)
    else:
        y = y if gain == 1.0 else y * gain
        y = y if offset is None else y + offset.to(x.dtype)
    return y if noise is None else y + noise.to(x.dtype)


def minibatch_std(x: Tensor, group_size: int | None, num_channels: int = 1) -> Tensor:
    """Standard deviation over groups of the batch as `num_channels` extra channels (Karras 2017, section 3).

    [N, C, H, W] -> [N, C + num_channels, H, W]; a group is the largest divisor of N up to `group_size`.
    """
    n, c, h, w = x.shape
    group = n if group_size is None else min(group_size, n)
    while n % group:
        group -= 1
    y = x.reshape(group, n // group, num_channels, c // num_channels, h, w)
    y = (y - y.mean(dim=0)).square().mean(dim=0)  # [N/G, F, C/F, H, W]
    y = (y + 1e-8).sqrt().mean(dim=[2, 3, 4])  # [N/G, F]
    y = y.reshape(n // group, num_channels, 1, 1).repeat(group, 1, h, w)
    return torch.cat([x, y], dim=1)
