"""Pictures seen through an affine map: mirrored at their borders, free of aliasing, of fixed shape.

Source: Karras et al. 2020 (arXiv 2006.06676, "ADA"), appendix B.1.
"""

from __future__ import annotations

import functools
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from merzmory.gan import ops

# Daubechies' least asymmetric wavelet with 6 vanishing moments, low-pass, sum sqrt(2)
# (Daubechies 1992, table 6.3).
SYM6: Final = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
# Samples of the doubled grid that 12 taps reach beyond the two samples of a pixel.
_REACH: Final = 5
# Pixels of margin beyond half a picture: 3 for the up-sampling filter, 1 for the neighbour.
_EDGE: Final = 4


def wavelet() -> Tensor:
    """SYM6 as fp32 taps [12] that sum to 1."""
    taps = torch.tensor(SYM6, dtype=torch.float64)
    return (taps / taps.sum()).float()


def warp(images: Tensor, inverse: Tensor, taps: Tensor) -> Tensor:
    """Images [N, C, H, W] (H, W at least 2 px) after an affine map, the same shape.

    `inverse` [N, 3, 3] takes output to input pixels with the origin at the picture's centre;
    `taps` [12] are those of `wavelet`. The picture is mirrored without end, up-sampled by 2, looked
    up bilinearly and down-sampled. The mirrored plane repeats every 2 (side - 1) pixels, so that a
    margin of half a picture holds a whole period and no shape depends on the map.
    """
    h, w = images.shape[2:]
    my, mx = h // 2 + _EDGE, w // 2 + _EDGE
    plane = mirror(mirror(images, 2, my), 3, mx)
    half = len(taps) // 2
    plane = ops.upfirdn2d(plane, taps, up=2, padding=(half, half - 1, half, half - 1), gain=4.0)
    # The wavelet's centre of gravity is tap 5.1 of 0..11: sample j of the doubled grid is px j/2.
    x = (torch.arange(2 * w + 2 * _REACH, device=images.device) - _REACH + 1 - w) / 2
    y = (torch.arange(2 * h + 2 * _REACH, device=images.device) - _REACH + 1 - h) / 2
    a = inverse[:, :2, :, None, None]  # [N, 2, 3, 1, 1]
    source = a[:, :, 0] * x + a[:, :, 1] * y[:, None] + a[:, :, 2]  # [N, 2, 2H+10, 2W+10] px
    sx = _wrap(2 * source[:, 0], 4 * (w - 1))
    sy = _wrap(2 * source[:, 1], 4 * (h - 1))
    seen = _bilinear(plane, sx, sy)
    return ops.upfirdn2d(seen, taps, down=2, flip_filter=True)


def mirror(x: Tensor, dim: int, margin: int) -> Tensor:
    """`x` reflected about its ends, as often as needed to add `margin` samples to each."""
    while margin > 0:
        side = x.shape[dim]
        m = min(margin, side - 1)
        before = x.narrow(dim, 1, m).flip(dim)
        after = x.narrow(dim, side - 1 - m, m).flip(dim)
        x = torch.cat([before, x, after], dim)
        margin -= m
    return x


def _wrap(position: Tensor, period: int) -> Tensor:
    """Into the period around the picture's centre; exact near it, where rounding would be seen."""
    return position - period * torch.round(position / period)


def _bilinear(plane: Tensor, sx: Tensor, sy: Tensor) -> Tensor:
    """Values [N, C, h, w] of `plane` [N, C, H, W] at sx, sy [N, h, w], in samples from its sample
    (W/2 - 1, H/2 - 1)."""
    if not grid_sample_is_twice_differentiable(plane.device.type):
        return bilinear_by_gather(plane, sx, sy)
    h, w = plane.shape[2:]
    grid = torch.stack([(sx - 0.5) * (2 / (w - 1)), (sy - 0.5) * (2 / (h - 1))], dim=3)
    return F.grid_sample(plane, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def bilinear_by_gather(plane: Tensor, sx: Tensor, sy: Tensor) -> Tensor:
    """The same by four gathers, differentiable any number of times in every version of torch."""
    n, c, h, w = plane.shape
    flat = plane.reshape(n, c, h * w)
    x0, y0 = sx.floor(), sy.floor()
    fx, fy = (sx - x0)[:, None], (sy - y0)[:, None]
    ix, iy = x0.long() + (w // 2 - 1), y0.long() + (h // 2 - 1)

    def at(dx: int, dy: int) -> Tensor:
        index = (iy + dy).clamp(0, h - 1) * w + (ix + dx).clamp(0, w - 1)
        index = index.reshape(n, 1, -1).expand(n, c, -1)
        return flat.gather(2, index).reshape(n, c, *sx.shape[1:])

    top = at(0, 0) * (1 - fx) + at(1, 0) * fx
    bottom = at(0, 1) * (1 - fx) + at(1, 1) * fx
    return top * (1 - fy) + bottom * fy


@functools.cache
def grid_sample_is_twice_differentiable(device_type: str) -> bool:
    """Whether this torch differentiates grid_sample's gradient again, which R1 needs."""
    try:
        with torch.enable_grad():
            x = torch.ones(1, 1, 2, 2, device=device_type, requires_grad=True)
            v = torch.ones(1, 1, 1, 1, device=device_type, requires_grad=True)
            y = F.grid_sample(x, torch.zeros(1, 1, 1, 2, device=device_type), align_corners=True)
            (g,) = torch.autograd.grad(y, x, v, create_graph=True)
            torch.autograd.grad(g.sum(), v)
    except RuntimeError:
        return False
    return True


def _matrix(rows: list[list[Tensor]]) -> Tensor:
    """[N, R, C] from rows of [N] tensors."""
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def scale(sx: Tensor, sy: Tensor) -> Tensor:
    """[N, 3, 3] from factors [N]."""
    o, i = torch.zeros_like(sx), torch.ones_like(sx)
    return _matrix([[sx, o, o], [o, sy, o], [o, o, i]])


def translation(tx: Tensor, ty: Tensor) -> Tensor:
    """[N, 3, 3] from shifts [N] in pixels."""
    o, i = torch.zeros_like(tx), torch.ones_like(tx)
    return _matrix([[i, o, tx], [o, i, ty], [o, o, i]])


def rotation(angle: Tensor) -> Tensor:
    """[N, 3, 3] from angles [N] in radians, from the x axis towards the y axis."""
    o, i = torch.zeros_like(angle), torch.ones_like(angle)
    c, s = angle.cos(), angle.sin()
    return _matrix([[c, -s, o], [s, c, o], [o, o, i]])
