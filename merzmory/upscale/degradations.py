"""How a sharp picture suffers until it is as small and soft as what is to be enlarged.

Twice in a row blur, another size, noise and JPEG, with numbers drawn anew for each picture: the
second-order model of Real-ESRGAN (Wang et al. 2021, 2107.10833, sections 3.2 to 3.4). All ranges are
milder than the paper's: what a generator makes is a little soft and hardly noisy.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.special import j1
from torch.nn import functional as F

from merzmory.upscale.upscaler import Pictures

Pixels = npt.NDArray[np.float32]  # [H, W, 3] in 0..1, between two harms a little beyond

_RADIUS = 6  # pixels of a kernel to either side
_SIZES = ("area", "bilinear", "bicubic")


@dataclass(frozen=True, slots=True)
class Round:
    """One round of suffering: a chance for each harm, and how far it goes."""

    blur: float  # chance
    sigma: tuple[float, float]  # pixels, along each axis of the kernel
    sinc: float  # share of the blurs that are low-pass filters, which ring
    size: tuple[float, float]  # of the round's end, as a share of the sharp picture's sides
    noise: float  # chance
    gaussian: float  # largest standard deviation, of 255
    poisson: float  # largest strength: 1 is the noise of 255 photons in white
    grey: float  # share of the noises that have no colour
    jpeg: float  # chance
    quality: tuple[int, int]


FIRST = Round(
    blur=0.7, sigma=(0.2, 2.2), sinc=0.1, size=(0.5, 1.1),
    noise=0.6, gaussian=8, poisson=0.5, grey=0.4, jpeg=0.5, quality=(70, 98),
)  # fmt: skip
SECOND = Round(
    blur=0.4, sigma=(0.2, 1.0), sinc=0.1, size=(0.3, 0.8),
    noise=0.4, gaussian=4, poisson=0.2, grey=0.4, jpeg=0.4, quality=(80, 98),
)  # fmt: skip
CLEAN = 0.3  # share of the pictures that are made smaller and nothing else
_RINGS = 0.1  # chance of a low-pass filter at the very end


def degraded(picture: Pictures, scale: int, rng: np.random.Generator) -> Pictures:
    """uint8 [H, W, 3] to uint8 [H/scale, W/scale, 3]; equal generators give equal pictures."""
    x: Pixels = np.divide(picture, 255, dtype=np.float32)
    height, width = picture.shape[0] // scale, picture.shape[1] // scale
    if rng.random() < CLEAN:
        return _bytes(_resized(x, height, width, rng))
    for harm in (FIRST, SECOND):
        size = rng.uniform(*harm.size)
        if rng.random() < harm.blur:
            x = _filtered(x, _kernel(harm, rng))
        x = _resized(x, round(picture.shape[0] * size), round(picture.shape[1] * size), rng)
        if rng.random() < harm.noise:
            x = _noisy(x, harm, rng)
        if harm is FIRST and rng.random() < harm.jpeg:
            x = _compressed(x, harm, rng)
    x = _resized(x, height, width, rng)
    rings, first = rng.random() < _RINGS, rng.random() < 0.5  # in either order (section 3.4)
    if rings and first:
        x = _filtered(x, sinc(rng.uniform(np.pi / 2, np.pi)))
    if rng.random() < SECOND.jpeg:
        x = _compressed(x, SECOND, rng)
    if rings and not first:
        x = _filtered(x, sinc(rng.uniform(np.pi / 2, np.pi)))
    return _bytes(x)


def gaussian(sigma_x: float, sigma_y: float, angle: float) -> Pixels:
    """A Gaussian kernel (equations 2 and 3), turned by `angle` (radians): [13, 13], of sum 1."""
    x, y = _grid()
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return _summed(np.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2)))


def sinc(cutoff: float) -> Pixels:
    """A round low-pass filter (equation 7), `cutoff` in radians a pixel: [13, 13], of sum 1."""
    r = np.hypot(*_grid())
    r[_RADIUS, _RADIUS] = 1  # its limit follows
    kernel = cutoff * j1(cutoff * r) / (2 * np.pi * r)
    kernel[_RADIUS, _RADIUS] = cutoff**2 / (4 * np.pi)
    return _summed(kernel)


def _kernel(harm: Round, rng: np.random.Generator) -> Pixels:
    if rng.random() < harm.sinc:
        return sinc(rng.uniform(np.pi / 3, np.pi))
    sigma_x = rng.uniform(*harm.sigma)
    sigma_y = sigma_x if rng.random() < 0.5 else rng.uniform(*harm.sigma)
    return gaussian(sigma_x, sigma_y, rng.uniform(0, np.pi))


def _grid() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    y, x = np.mgrid[-_RADIUS : _RADIUS + 1, -_RADIUS : _RADIUS + 1].astype(np.float64)
    return x, y


def _summed(kernel: npt.NDArray[np.float64]) -> Pixels:
    out: Pixels = (kernel / kernel.sum()).astype(np.float32)
    return out


def _filtered(x: Pixels, kernel: Pixels) -> Pixels:
    return np.asarray(cv2.filter2D(x, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _resized(x: Pixels, height: int, width: int, rng: np.random.Generator) -> Pixels:
    mode = _SIZES[rng.integers(len(_SIZES))]
    smooth = {"align_corners": False, "antialias": True} if mode != "area" else {}
    channels = torch.from_numpy(x).permute(2, 0, 1)[None]
    out = F.interpolate(channels, (height, width), mode=mode, **smooth)
    return np.ascontiguousarray(out[0].permute(1, 2, 0).numpy())


def _noisy(x: Pixels, harm: Round, rng: np.random.Generator) -> Pixels:
    shape = (*x.shape[:2], 1) if rng.random() < harm.grey else x.shape
    if rng.random() < 0.5:
        spread = np.full((1, 1, 1), rng.uniform(0, harm.gaussian) / 255, np.float32)
    else:  # shot noise: its variance is the light (section 3.3)
        light = x.clip(0, 1).mean(-1, keepdims=True) if shape[-1] == 1 else x.clip(0, 1)
        spread = np.sqrt(light / 255) * np.float32(rng.uniform(0, harm.poisson))
    return np.asarray(x + spread * rng.standard_normal(shape, np.float32), np.float32)


def _compressed(x: Pixels, harm: Round, rng: np.random.Generator) -> Pixels:
    quality = int(rng.integers(harm.quality[0], harm.quality[1] + 1))
    swapped = np.ascontiguousarray(_bytes(x)[..., ::-1])  # OpenCV's channels are BGR
    _, data = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    found: Pixels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float32)[..., ::-1]
    return np.ascontiguousarray(found / 255)


def _bytes(x: Pixels) -> Pictures:
    return np.asarray(np.rint(x.clip(0, 1) * 255), np.uint8)
