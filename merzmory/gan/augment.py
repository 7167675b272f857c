"""Adaptive discriminator augmentation: pictures disturbed before D sees them, as much as D allows.

Source: Karras et al. 2020 (arXiv 2006.06676, "ADA"): appendix B for the pipeline, its order and its
constants, section 2.1 for the controller. Everything is differentiable any number of times, and
nothing reads a value back from the device.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merzmory.gan.config import EngineError
from merzmory.gan.warp import mirror, rotation, scale, translation, warp, wavelet

# Appendix B. Standard deviations are of log2 factors, of fractions of the side, or of intensity.
XINT_MAX: Final = 0.125
SCALE_STD: Final = 0.2
ANISO_STD: Final = 0.2
XFRAC_STD: Final = 0.125
BRIGHTNESS_STD: Final = 0.2
CONTRAST_STD: Final = 0.5
SATURATION_STD: Final = 1.0
FILTER_STD: Final = 1.0
NOISE_STD: Final = 0.1
CUTOUT_SIDE: Final = 0.5
# Expected power of natural pictures in the four octaves, 1/f (appendix B.3).
BAND_POWER: Final = (10 / 13, 1 / 13, 1 / 13, 1 / 13)

_GROUPS: Final = {"b": "blit", "g": "geom", "c": "color", "f": "filter", "n": "noise"}
_R3: Final = math.sqrt(3)
# Daubechies' wavelet of 4 taps in closed form.
_SYM2: Final = tuple(t / (4 * math.sqrt(2)) for t in (1 - _R3, 3 - _R3, 3 + _R3, 1 + _R3))


def parse_groups(letters: str) -> frozenset[str]:
    """Names of the groups in "bgc", "bgcfnc" and the like: blit, geom, color, filter, noise; the
    second c is cutout; "" is none.

    Raises:
        EngineError: another letter, or one given too often.
    """
    names: list[str] = []
    for letter in letters:
        name = "cutout" if letter == "c" and "color" in names else _GROUPS.get(letter)
        if name is None or name in names:
            raise EngineError(
                f'the augmentation "{letters}" is not known at "{letter}": '
                'use letters of "bgcfnc" in this order, such as "bgc"'
            )
        names.append(name)
    return frozenset(names)


class Draws:
    """Where the pipeline's random numbers come from: a generator, or one percentile of everything.

    Tensors are fp32 on `device`.
    """

    def __init__(
        self,
        device: torch.device,
        generator: torch.Generator | None = None,
        percentile: float | None = None,
    ) -> None:
        self.device = device
        self.generator = generator
        self.percentile = percentile

    def rand(self, *shape: int) -> Tensor:
        """U[0, 1), always random."""
        return torch.rand(shape, generator=self.generator, device=self.device)

    def randn(self, *shape: int) -> Tensor:
        """N(0, 1), always random."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        """U[0, 1), or the percentile."""
        if self.percentile is None:
            return self.rand(*shape)
        return torch.full(shape, self.percentile, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        """N(0, 1); at a percentile q erfinv(2q - 1), the scale of the published test values."""
        if self.percentile is None:
            return self.randn(*shape)
        return torch.erfinv(torch.full(shape, 2 * self.percentile - 1, device=self.device))

    def half_normal(self, *shape: int) -> Tensor:
        """|N(0, 1)|; at a percentile q erfinv(q)."""
        if self.percentile is None:
            return self.randn(*shape).abs()
        return torch.erfinv(torch.full(shape, self.percentile, device=self.device))

    def gate(self, value: Tensor, chance: Tensor, identity: float) -> Tensor:
        """Each picture's value with probability `chance`, else the identity; at a percentile the
        value."""
        if self.percentile is not None:
            return value
        shape = (value.shape[0],) + (1,) * (value.ndim - 1)
        return torch.where(self.rand(*shape) < chance, value, torch.full_like(value, identity))


class AugmentPipe(nn.Module):
    """The pipeline of appendix B for the groups "", "b", "bg", "bgc", "bgcf", "bgcfn" or "bgcfnc".

    Buffer `p` is the probability of each transformation, a scalar in 0..1 that the trainer sets.

    Raises:
        EngineError: a group that is not known.
    """

    p: Tensor
    taps: Tensor
    bands: Tensor

    def __init__(self, groups: str = "bgc") -> None:
        super().__init__()
        self.groups = parse_groups(groups)
        self.register_buffer("p", torch.ones([]))
        self.register_buffer("taps", wavelet(), persistent=False)
        self.register_buffer("bands", filter_bank().float(), persistent=False)

    def forward(
        self,
        images: Tensor,
        *,
        generator: torch.Generator | None = None,
        percentile: float | None = None,
    ) -> Tensor:
        """Images [N, C, H, W] (C 1 or 3 for colour, H and W at least 2, nominally -1..1) disturbed,
        fp32, the same shape. `percentile` puts that percentile in place of every random choice.

        Raises:
            EngineError: a number of channels that has no colours.
        """
        return self.apply_draws(images, Draws(images.device, generator, percentile))

    def apply_draws(self, images: Tensor, draws: Draws) -> Tensor:
        """`forward` with a given source of random numbers."""
        y = images.float()
        if self.groups & {"blit", "geom"}:
            y = warp(y, self._inverse_map(y, draws), self.taps)
        if "color" in self.groups:
            y = self._colour(y, draws)
        if "filter" in self.groups:
            y = self._filter(y, draws)
        if "noise" in self.groups:
            sigma = draws.half_normal(y.shape[0], 1, 1, 1) * NOISE_STD
            sigma = draws.gate(sigma, self.p, 0.0)
            y = y + draws.randn(*y.shape) * sigma
        if "cutout" in self.groups:
            y = y * self._cutout_mask(y, draws)
        return y

    def _inverse_map(self, y: Tensor, draws: Draws) -> Tensor:
        """[N, 3, 3], output pixel to input pixel: the steps' inverses in the order of the steps."""
        n, _, h, w = y.shape
        p = self.p
        g = torch.eye(3, device=y.device).expand(n, 3, 3)
        if "blit" in self.groups:
            flip = draws.gate((draws.uniform(n) * 2).floor(), p, 0.0)
            g = g @ scale(1 - 2 * flip, torch.ones_like(flip))
            turns = draws.gate((draws.uniform(n) * 4).floor(), p, 0.0)
            g = g @ rotation(turns * (math.pi / 2))
            t = draws.gate((draws.uniform(n, 2) * 2 - 1) * XINT_MAX, p, 0.0)
            g = g @ translation(-(t[:, 0] * w).round(), -(t[:, 1] * h).round())
        if "geom" in self.groups:
            s = draws.gate(torch.exp2(draws.normal(n) * SCALE_STD), p, 1.0)
            g = g @ scale(1 / s, 1 / s)
            p_turn = 1 - (1 - p).clamp(0, 1).sqrt()  # P(turned before or after) = p
            turn = draws.gate((draws.uniform(n) * 2 - 1) * math.pi, p_turn, 0.0)
            g = g @ rotation(turn)
            s = draws.gate(torch.exp2(draws.normal(n) * ANISO_STD), p, 1.0)
            g = g @ scale(1 / s, s)
            turn = draws.gate((draws.uniform(n) * 2 - 1) * math.pi, p_turn, 0.0)
            if draws.percentile is None:  # a percentile turns once, before
                g = g @ rotation(turn)
            t = draws.gate(draws.normal(n, 2) * XFRAC_STD, p, 0.0)
            g = g @ translation(-t[:, 0] * w, -t[:, 1] * h)
        return g

    def _colour(self, y: Tensor, draws: Draws) -> Tensor:
        """One homogeneous 4x4 matrix a picture; a grey one takes the mean of its colour rows."""
        n, channels, h, w = y.shape
        if channels not in (1, 3):
            raise EngineError(
                f"colour augmentation needs 1 or 3 channels, these pictures have {channels}: "
                "leave c out of the augmentation"
            )
        p = self.p
        eye = torch.eye(4, device=y.device)
        luma = torch.zeros(4, 4, device=y.device)
        luma[:3, :3] = 1 / 3  # v v^T of the grey axis v = (1, 1, 1, 0) / sqrt 3
        b = draws.gate(draws.normal(n) * BRIGHTNESS_STD, p, 0.0)
        m = eye.repeat(n, 1, 1)
        m[:, :3, 3] = b[:, None]
        s = draws.gate(torch.exp2(draws.normal(n) * CONTRAST_STD), p, 1.0)
        m = torch.diag_embed(torch.stack([s, s, s, torch.ones_like(s)], dim=1)) @ m
        flip = draws.gate((draws.uniform(n, 1, 1) * 2).floor(), p, 0.0)
        m = (eye - 2 * luma * flip) @ m
        if channels == 1:  # hue and saturation keep the mean of the channels
            row = m[:, :3].mean(dim=1)[:, :, None, None]  # [N, 4, 1, 1]
            return y * row[:, :3].sum(dim=1, keepdim=True) + row[:, 3:]
        turn = draws.gate((draws.uniform(n) * 2 - 1) * math.pi, p, 0.0)
        m = _hue_rotation(turn) @ m
        s = draws.gate(torch.exp2(draws.normal(n, 1, 1) * SATURATION_STD), p, 1.0)
        m = (luma + (eye - luma) * s) @ m
        return (m[:, :3, :3] @ y.reshape(n, 3, h * w) + m[:, :3, 3:]).reshape(n, 3, h, w)

    def _filter(self, y: Tensor, draws: Draws) -> Tensor:
        """Four octaves amplified at random, the expected power kept (appendix B.3)."""
        n, c, h, w = y.shape
        power = torch.tensor(BAND_POWER, device=y.device)
        gains = torch.ones(n, len(BAND_POWER), device=y.device)
        for i in range(len(BAND_POWER)):
            t = torch.ones_like(gains)
            t[:, i] = draws.gate(torch.exp2(draws.normal(n) * FILTER_STD), self.p, 1.0)
            gains = gains * t / (power * t.square()).sum(dim=1, keepdim=True).sqrt()
        taps = (gains @ self.bands).repeat_interleave(c, dim=0)  # [N*C, 43]
        m = taps.shape[1] // 2
        y = mirror(mirror(y, 2, m), 3, m).reshape(1, n * c, h + 2 * m, w + 2 * m)
        y = F.conv2d(y, taps[:, None, None, :], groups=n * c)
        y = F.conv2d(y, taps[:, None, :, None], groups=n * c)
        return y.reshape(n, c, h, w)

    def _cutout_mask(self, y: Tensor, draws: Draws) -> Tensor:
        """[N, 1, H, W], zero in a rectangle of half the sides around a uniform centre."""
        n, _, h, w = y.shape
        side = torch.full((n, 1, 1, 1, 1), CUTOUT_SIDE, device=y.device)
        side = draws.gate(side, self.p, 0.0)[:, 0]
        centre = draws.uniform(n, 2, 1, 1, 1)
        u = ((torch.arange(w, device=y.device) + 0.5) / w).reshape(1, 1, 1, w)
        v = ((torch.arange(h, device=y.device) + 0.5) / h).reshape(1, 1, h, 1)
        beside = (u - centre[:, 0]).abs() >= side / 2
        above = (v - centre[:, 1]).abs() >= side / 2
        return torch.logical_or(beside, above).to(y.dtype)


@dataclass(frozen=True, slots=True)
class AdaController:
    """The strength p from how often D is right about real pictures, r_t = E[sign D(real)].

    p rises while r_t is above the target and falls below it, so fast that it crosses 0..1 in `kimg`
    thousand real pictures (section 2.1), and stays in 0..limit. The state is p alone.
    """

    target: float = 0.6  # r_t to aim at
    kimg: float = 500.0  # thousand real pictures in which p can move by 1; 100 when fine-tuning
    interval: int = 4  # steps between two changes
    limit: float | None = 0.85  # p is never above; None = unlimited

    def due(self, step: int) -> bool:
        """Whether p changes after this many steps."""
        return step > 0 and step % self.interval == 0

    def next(self, p: Tensor, mean_sign: Tensor, batch: int) -> Tensor:
        """p after `interval` steps of `batch` pictures, a scalar tensor; a mean sign that is not a
        number leaves p."""
        by = batch * self.interval / (self.kimg * 1000)
        direction = (mean_sign - self.target).sign().nan_to_num(0.0)
        return (p + direction * by).clamp(0.0, self.limit)


def filter_bank() -> Tensor:
    """[4, 43] fp64: filters for the octaves up to pi/8, pi/4, pi/2 and pi; their sum is an impulse.

    With the 4-tap wavelet H, H(z) H(1/z) / 2 keeps the lower half of the band, the same at -z the
    upper half, and z -> z^2 moves both an octave down (appendix B.3).
    """
    h = torch.tensor(_SYM2, dtype=torch.float64)
    g = h * torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    low = _convolve(h, h.flip(0)) / 2
    high = _convolve(g, g.flip(0)) / 2
    octaves = [
        functools.reduce(_convolve, (low, _stretch(low, 2), _stretch(low, 4))),
        functools.reduce(_convolve, (low, _stretch(low, 2), _stretch(high, 4))),
        _convolve(low, _stretch(high, 2)),
        high,
    ]
    width = len(octaves[0])
    return torch.stack([F.pad(f, [(width - len(f)) // 2] * 2) for f in octaves])


def _convolve(a: Tensor, b: Tensor) -> Tensor:
    return F.conv1d(a[None, None], b.flip(0)[None, None], padding=len(b) - 1)[0, 0]


def _stretch(f: Tensor, step: int) -> Tensor:
    """f(z) -> f(z^step)."""
    out = f.new_zeros((len(f) - 1) * step + 1)
    out[::step] = f
    return out


def _hue_rotation(angle: Tensor) -> Tensor:
    """[N, 4, 4]: turn about the grey axis by angles [N] in radians (Rodrigues' formula)."""
    o, i = torch.zeros_like(angle), torch.ones_like(angle)
    c, s = angle.cos(), angle.sin() / _R3
    k = (1 - c) / 3
    rows = [
        [c + k, k - s, k + s, o],
        [k + s, c + k, k - s, o],
        [k - s, k + s, c + k, o],
        [o, o, o, i],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
