"""How loud a sound is, and how it becomes as loud as wanted without clipping.

Loudness by ITU-R BS.1770-5 (K-weighting, blocks of 400 ms, two gates), which EBU R 128 measures
in LUFS; true peak by its annex 2, four times oversampled. Everything works on blocks, so that an
hour of sound takes no more memory than a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

Sound = NDArray[np.float32]  # [N, channels], -1 .. 1

LOUDNESS = -16.0  # LUFS: what players and platforms level music to, give or take two
CEILING = -1.5  # dBTP before AAC, whose overshoot then stays below -1
_MOST = 24.0  # dB: what is quieter is left quiet, or its hiss becomes the music
_REACH = 0.02  # seconds that the limiter looks ahead, and takes to let go
_OVER = 4  # oversampling of the true peak
_SIDE = 32  # samples on either side that the interpolation sees


@dataclass(frozen=True, slots=True)
class Measured:
    """Integrated loudness in LUFS (-inf for silence) and true peak in dBTP."""

    lufs: float
    true_peak: float


def weighting(rate: int) -> NDArray[np.float64]:
    """The K-weighting of BS.1770 for any sampling rate: two second-order sections [2, 6].

    The standard gives coefficients for 48 kHz; these are the analogue filters behind them, through
    the bilinear transform.
    """
    k, q = math.tan(math.pi * 1681.974450955533 / rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0,
    ]  # fmt: skip
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    a0 = 1 + k / q + k * k
    pass_ = [1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, pass_])


class Meter:
    """Measures a sound that comes block by block: `hear` each, then read `measured`."""

    def __init__(self, rate: int) -> None:
        self._filter, self._hop = weighting(rate), rate // 10
        self._state: NDArray[np.float64] | None = None
        self._rest = np.zeros(0)
        self._energies: list[float] = []  # of 100 ms, summed over the channels
        self._edge: Sound | None = None
        self._peak = 0.0

    def hear(self, block: Sound) -> None:
        """Measure `block` [N, channels] behind what was heard before."""
        if self._state is None or self._edge is None:
            self._state = np.zeros((2, 2, block.shape[1]))
            self._edge = np.zeros((2 * _SIDE, block.shape[1]), np.float32)
        heard, self._state = signal.sosfilt(self._filter, block, axis=0, zi=self._state)
        power = np.concatenate([self._rest, np.square(heard).sum(axis=1)])
        count = len(power) // self._hop
        whole = power[: count * self._hop].reshape(count, self._hop)
        self._energies += whole.mean(axis=1).tolist()
        self._rest = power[count * self._hop :]
        joined = np.concatenate([self._edge, block])
        self._edge = joined[-2 * _SIDE :]
        self._peak = max(self._peak, _highest(joined, self._peak))

    @property
    def measured(self) -> Measured:
        """Of everything that was heard."""
        peak = 20 * math.log10(self._peak) if self._peak > 0 else -math.inf
        return Measured(_gated(np.array(self._energies)), peak)


def measure(blocks: Iterable[Sound], rate: int) -> Measured:
    """The loudness and the true peak of a sound."""
    meter = Meter(rate)
    for block in blocks:
        meter.hear(block)
    return meter.measured


def gain(measured: Measured, target: float) -> float:
    """The factor that brings a sound to `target` LUFS; 1 for silence, at most 24 dB up."""
    if not math.isfinite(measured.lufs):
        return 1.0
    return float(10 ** (min(target - measured.lufs, _MOST) / 20))


def limited(blocks: Iterable[Sound], rate: int, factor: float) -> Iterator[Sound]:
    """`factor` times the sound, turned down wherever its true peak would pass -1.5 dBTP.

    The gain is the smallest that is needed within 20 ms, smoothed over as much: it is never above
    what a peak needs, and never jumps.
    """
    reach = round(_REACH * rate)
    side = 2 * reach + _SIDE  # what a sample's gain depends on, either way
    kernel = np.hanning(2 * reach + 3)[1:-1]
    kernel /= kernel.sum()
    ceiling = 10 ** (CEILING / 20)

    def turned(window: Sound) -> Sound:
        """The samples of `window` but for `side` at either end."""
        loud = np.asarray(window * np.float32(factor))
        inner = loud[side:-side]
        if float(np.abs(loud).max(initial=0.0)) < 0.5 * ceiling:
            return inner
        wanted = np.minimum(1.0, ceiling / np.maximum(_peaks(loud), 1e-9))
        least = ndimage.minimum_filter1d(wanted, 2 * reach + 1, mode="nearest")
        smooth = signal.fftconvolve(least, kernel, "same")[side:-side]
        return np.asarray(inner * smooth[:, None], dtype=np.float32)

    window: Sound | None = None
    for block in blocks:
        if window is None:
            window = np.zeros((side, block.shape[1]), np.float32)
        window = np.concatenate([window, block])
        if len(window) > 2 * side:
            yield turned(window)
            window = window[-2 * side :]
    if window is not None:
        window = np.concatenate([window, np.zeros((side, window.shape[1]), np.float32)])
        if len(window) > 2 * side:
            yield turned(window)


def _gated(energies: NDArray[np.float64]) -> float:
    """LUFS of 100 ms energies: blocks of four, gated at -70 LUFS and at 10 LU below their mean."""
    if len(energies) < 4:
        blocks = energies.mean(keepdims=True) if len(energies) else np.zeros(0)
    else:
        blocks = np.convolve(energies, np.full(4, 0.25), "valid")
    blocks = blocks[_lufs(blocks) > -70]
    if len(blocks):
        blocks = blocks[_lufs(blocks) > _lufs(blocks.mean()) - 10]
    return float(_lufs(blocks.mean())) if len(blocks) else -math.inf


def _lufs(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(energy, 1e-12)))


def _highest(sound: Sound, known: float) -> float:
    """The true peak of `sound`; 0 where it is surely below `known`."""
    plain = float(np.abs(sound).max(initial=0.0))
    inside = _peaks(sound)[_SIDE:-_SIDE] if plain > 0.5 * known else np.zeros(0)
    return float(inside.max(initial=0.0))  # at a block's ends, interpolation sees too little


def _peaks(sound: Sound) -> NDArray[np.float64]:
    """The largest absolute value around each sample [N], of all channels, between samples too."""
    finer = np.abs(signal.resample_poly(sound, _OVER, 1, axis=0)).max(axis=1)
    around = ndimage.maximum_filter1d(finer, 2 * _OVER + 1, mode="nearest")
    return np.asarray(around[::_OVER], dtype=np.float64)
