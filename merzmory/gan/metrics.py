"""How far generated pictures are from real ones: on features (FID, KID, precision and recall) and,
without any extractor, on the pictures themselves (sliced Wasserstein distance).

Features are arrays [N, F] of any extractor; pictures are uint8 [N, H, W, C]. Everything is computed
in float64 or float32 by numpy and torch on the CPU, and a seed makes it repeatable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from merzmory.gan.config import EngineError

Features = NDArray[np.floating[Any]]
Pictures = NDArray[np.uint8]

# Sliced Wasserstein distance, Karras et al. 2018 (arXiv 1710.10196), section 5 and appendix.
PATCH: Final = 7  # px, side of a descriptor
COARSEST: Final = 16  # px, side of the lowest pyramid level
_GAUSS: Final = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
_CHUNK: Final = 64  # pictures in memory as floats
_ROWS: Final = 4096  # of a distance matrix at once


def _checked(real: Features, generated: Features, least: int) -> tuple[Features, Features]:
    real, generated = np.asarray(real, np.float64), np.asarray(generated, np.float64)
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        raise EngineError(
            f"features of shapes {real.shape} and {generated.shape} cannot be compared, "
            "both must be [N, F] from the same extractor"
        )
    if min(len(real), len(generated)) < least:
        raise EngineError(
            f"{min(len(real), len(generated))} pictures are too few for this metric, "
            f"give at least {least} of each kind"
        )
    return real, generated


def fid(real: Features, generated: Features) -> float:
    """Fréchet distance of Gaussians fitted to features [N, F], 0 for equal ones (Heusel et al. 2017):
    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), covariances over N.

    Raises:
        EngineError: other shapes, or fewer than two pictures of a kind.
    """
    real, generated = _checked(real, generated, 2)
    shift = real.mean(axis=0) - generated.mean(axis=0)
    s1 = np.cov(real, rowvar=False, bias=True).reshape(real.shape[1], -1)
    s2 = np.cov(generated, rowvar=False, bias=True).reshape(real.shape[1], -1)
    # S1 S2 has the eigenvalues of the symmetric S1^(1/2) S2 S1^(1/2).
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    product = np.linalg.eigvalsh(root @ s2 @ root)
    cross = np.sqrt(np.clip(product, 0, None)).sum()
    return float(max(shift @ shift + np.trace(s1) + np.trace(s2) - 2 * cross, 0.0))


def kid(
    real: Features,
    generated: Features,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> float:
    """Squared maximum mean discrepancy of features [N, F] under the kernel (x.y / F + 1)^3, the
    unbiased mean of `subsets` random subsets (Bińkowski et al. 2018); about 0 for equal ones.

    Raises:
        EngineError: other shapes, or fewer than two pictures of a kind.
    """
    real, generated = _checked(real, generated, 2)
    width, m = real.shape[1], min(len(real), len(generated), subset_size)
    rng = np.random.RandomState(seed)
    total = 0.0
    for _ in range(subsets):
        x = generated[rng.choice(len(generated), m, replace=False)]
        y = real[rng.choice(len(real), m, replace=False)]
        within = (x @ x.T / width + 1) ** 3 + (y @ y.T / width + 1) ** 3
        across = (x @ y.T / width + 1) ** 3
        total += (within.sum() - np.trace(within)) / (m - 1) - across.sum() * 2 / m
    return float(total / subsets / m)


def precision_recall(
    real: Features, generated: Features, *, neighbours: int = 3
) -> tuple[float, float]:
    """(precision, recall), each 0..1: shares of generated pictures inside the real manifold and of real
    ones inside the generated manifold, a ball to the k-th neighbour each (Kynkäänniemi et al. 2019).

    Raises:
        EngineError: other shapes, or not more than `neighbours` pictures of a kind.
    """
    real, generated = _checked(real, generated, neighbours + 1)
    return (
        _share_inside(real, generated, neighbours),
        _share_inside(generated, real, neighbours),
    )


def _share_inside(manifold: Features, probes: Features, neighbours: int) -> float:
    radii = np.concatenate(
        [np.partition(d, neighbours, axis=1)[:, neighbours] for d in _distances(manifold, manifold)]
    )  # column 0 is the point itself
    inside = [(d <= radii).any(axis=1) for d in _distances(probes, manifold)]
    return float(np.concatenate(inside).mean())


def _distances(a: Features, b: Features) -> Iterator[NDArray[np.float64]]:
    """Rows of the Euclidean distance matrix [len(a), len(b)]."""
    right = torch.from_numpy(np.ascontiguousarray(b))
    for start in range(0, len(a), _ROWS):
        left = torch.from_numpy(np.ascontiguousarray(a[start : start + _ROWS]))
        exact = "donot_use_mm_for_euclid_dist"
        rows: NDArray[np.float64] = torch.cdist(left, right, compute_mode=exact).numpy()
        yield rows


def sliced_wasserstein(
    real: Pictures,
    generated: Pictures,
    *,
    seed: int = 0,
    patches: int = 64,
    directions: int = 128,
) -> dict[str, float]:
    """Sliced Wasserstein distance x 1000 of 7x7 descriptors by level of the Laplacian pyramid, from the
    pictures' side down to 16 px, and their "mean"; 0 for equal sets (Karras et al. 2018).

    The finest level compares texture, the coarsest composition. Of both sets as many pictures are
    taken as the smaller has; `patches` a picture and level, `directions` random projections.

    Raises:
        EngineError: pictures of other shapes or types, not square, or below 16 px.
    """
    for pictures in (real, generated):
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or not len(pictures):
            raise EngineError("pictures must be uint8 [N, H, W, C], and there must be some")
    side = real.shape[1]
    if real.shape[1:] != generated.shape[1:] or real.shape[2] != side or side < COARSEST:
        raise EngineError(
            f"pictures of {real.shape[1:]} and {generated.shape[1:]} cannot be compared, "
            f"both must be squares of the same side from {COARSEST} px"
        )
    count = min(len(real), len(generated))
    ours, theirs = (_descriptors(p[:count], patches, seed) for p in (real, generated))
    rng = torch.Generator().manual_seed(seed)
    result: dict[str, float] = {}
    for level, a in ours.items():
        a, b = _normalised(a), _normalised(theirs[level])
        axes = torch.randn(a.shape[1], directions, generator=rng)
        axes = axes / axes.norm(dim=0)
        total = 0.0
        for part in axes.t().split(32):  # [32, C * 49]
            gap = (part @ a.t()).sort(dim=1)[0] - (part @ b.t()).sort(dim=1)[0]
            total += float(gap.abs().mean(dim=1).sum())
        result[str(level)] = total / directions * 1000
    return result | {"mean": sum(result.values()) / len(result)}


def _descriptors(pictures: Pictures, patches: int, seed: int) -> dict[int, Tensor]:
    """By level (px) float [N * patches, C, 49] from random places, the same for equal seeds."""
    found: dict[int, list[Tensor]] = {}
    rng = torch.Generator().manual_seed(seed)
    for start in range(0, len(pictures), _CHUNK):
        chunk = torch.from_numpy(np.ascontiguousarray(pictures[start : start + _CHUNK]))
        for image in _laplacian_pyramid(chunk.permute(0, 3, 1, 2).float()):
            n, c, side, _ = image.shape
            room = side - PATCH + 1
            y, x = torch.randint(room, (2, n, patches, 1, 1), generator=rng)
            span = torch.arange(PATCH)
            index = ((y + span[:, None]) * side + x + span).reshape(n, 1, -1).expand(n, c, -1)
            values = image.reshape(n, c, -1).gather(2, index).reshape(n, c, patches, PATCH**2)
            found.setdefault(side, []).append(values.permute(0, 2, 1, 3).flatten(0, 1))
    return {side: torch.cat(parts) for side, parts in found.items()}


def _normalised(descriptors: Tensor) -> Tensor:
    """[M, C, 49] -> [M, C * 49], each channel with mean 0 and standard deviation 1 over all."""
    mean = descriptors.mean(dim=(0, 2), keepdim=True)
    std = descriptors.std(dim=(0, 2), keepdim=True, unbiased=False)
    return ((descriptors - mean) / std.clamp_min(1e-8)).flatten(1)


def _laplacian_pyramid(images: Tensor) -> Iterator[Tensor]:
    """Band-passed levels [N, C, s, s] from the finest, and the low-passed rest (Burt & Adelson 1983)."""
    while images.shape[2] >= 2 * COARSEST and images.shape[2] % 2 == 0:
        small = _blur(images)[:, :, ::2, ::2]
        spread = torch.zeros_like(images)
        spread[:, :, ::2, ::2] = small
        yield images - _blur(spread) * 4
        images = small
    yield images


def _blur(images: Tensor) -> Tensor:
    """5x5 binomial filter with mirrored borders."""
    n, c, h, w = images.shape
    taps = torch.tensor(_GAUSS)
    x = F.pad(images, (2, 2, 2, 2), mode="reflect").reshape(n * c, 1, h + 4, w + 4)
    x = F.conv2d(F.conv2d(x, taps.reshape(1, 1, 1, 5)), taps.reshape(1, 1, 5, 1))
    return x.reshape(n, c, h, w)
