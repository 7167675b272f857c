"""Pictures from a generator: seeds, latents, style vectors, pixels.

Conventions of the field, so that a seed shows the same picture here as elsewhere: z of a seed is
`RandomState(seed).randn(z_dim)`, a pixel is trunc(x * 127.5 + 128) clamped to 0..255.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from merzmory.gan.config import EngineError
from merzmory.gan.layers import Noise
from merzmory.gan.networks import StyleGenerator

Pixels = npt.NDArray[np.uint8]


def latents(seeds: Sequence[int], z_dim: int) -> Tensor:
    """z of each seed (0 .. 2^32 - 1), float32 [len(seeds), z_dim], standard normal."""
    for seed in seeds:
        if not 0 <= seed < 2**32:
            raise EngineError(f"seed {seed} is out of range, a seed lies between 0 and {2**32 - 1}")
    rows = [np.random.RandomState(seed).randn(1, z_dim) for seed in seeds]
    return torch.from_numpy(np.concatenate(rows) if rows else np.zeros([0, z_dim])).float()


def one_hot(generator: StyleGenerator, label: int | None, count: int) -> Tensor | None:
    """Labels [count, c_dim] of class `label`; None where the network has none.

    Raises EngineError for a conditional network without label and for a class it does not have.
    """
    if not generator.c_dim:
        return None
    if label is None or not 0 <= label < generator.c_dim:
        raise EngineError(
            f"label {label} is not one of this network's, give one from 0 to {generator.c_dim - 1}"
        )
    device = next(generator.parameters()).device
    return torch.eye(generator.c_dim, device=device)[label].expand(count, -1)


@torch.inference_mode()
def mapping(
    generator: StyleGenerator,
    z: Tensor,
    psi: float = 1.0,
    *,
    cutoff: int | None = None,
    label: int | None = None,
) -> Tensor:
    """z [N, z_dim] -> style vectors [N, num_ws, w_dim], truncated by `psi` on the first `cutoff`."""
    z = z.to(next(generator.parameters()).device)
    return generator.ws(z, one_hot(generator, label, len(z)), psi, cutoff).contiguous()


@torch.inference_mode()
def synthesis(
    generator: StyleGenerator,
    ws: Tensor,
    *,
    noise: Noise = "const",
    noise_seed: int = 0,
    batch: int = 8,
) -> Pixels:
    """Style vectors [N, num_ws, w_dim] -> uint8 pictures [N, H, W, C], `batch` at a time.

    `noise`: the network's constant noise, fresh noise from `noise_seed`, or none.
    """
    device = next(generator.parameters()).device
    rng = torch.Generator(device=device).manual_seed(noise_seed)
    done = [
        to_uint8(generator.synthesis(ws[at : at + batch].to(device), noise, rng))
        for at in range(0, len(ws), batch)
    ]
    size = generator.resolution
    empty = np.zeros([0, size, size, generator.config.img_channels], np.uint8)
    return np.concatenate(done) if done else empty


def images(
    generator: StyleGenerator,
    z_or_seeds: Tensor | Sequence[int],
    psi: float = 1.0,
    noise: Noise = "const",
    *,
    label: int | None = None,
    batch: int = 8,
) -> Pixels:
    """Pictures of seeds, or of latents [N, z_dim], as uint8 [N, H, W, C]; psi 1 is no truncation."""
    z = z_or_seeds if isinstance(z_or_seeds, Tensor) else latents(z_or_seeds, generator.z_dim)
    ws = mapping(generator, z, psi, label=label)
    return synthesis(generator, ws, noise=noise, batch=batch)


def to_uint8(x: Tensor) -> Pixels:
    """Float pictures [N, C, H, W], -1..1 -> uint8 [N, H, W, C], truncated."""
    y = (x.float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    return y.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def sheet(pictures: Pixels, columns: int) -> Pixels:
    """Pictures [N, H, W, C] side by side in rows of `columns`, [rows * H, columns * W, C], rest black."""
    n, h, w, c = pictures.shape
    rows = -(-n // columns)
    full = np.zeros([rows * columns, h, w, c], np.uint8)
    full[:n] = pictures
    grid = full.reshape(rows, columns, h, w, c).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(rows * h, columns * w, c))
