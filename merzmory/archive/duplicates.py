"""Near duplicates: candidates by a 64-bit perceptual hash, confirmed by one of 256 bits.

64 bits alone call unrelated pictures of one kind the same; 256 bits do not. A frame is a
duplicate of a frame that is kept, never of another duplicate, so stacks cannot chain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merzmory.archive.assets import Asset

_BLOCK = 512  # rows compared with all others at once: 512 x 200,000 distances are 100 MB


@dataclass(frozen=True, slots=True)
class Double:
    """`sha256` shows what `kept` shows; `bits` of 256 differ."""

    sha256: str
    kept: str
    bits: int


def doubles(assets: Sequence[Asset], *, near_bits: int, confirm_bits: int) -> list[Double]:
    """The frames that a better one stands for, by sha256.

    The best frames are taken first; each frame within both distances of a frame already taken is
    its double (of the nearest such). The outcome does not depend on the order of `assets`.
    """
    ranked = sorted(assets, key=_rank)
    if not ranked:
        return []
    near = _words([a.phash64 for a in ranked], 1)
    fine = _words([a.phash256 for a in ranked], 4)
    pairs = _pairs(near, fine, near_bits, confirm_bits)
    found: list[Double] = []
    taken = np.ones(len(ranked), bool)
    for index, asset in enumerate(ranked):
        better = [(bits, other) for other, bits in pairs.get(index, ()) if taken[other]]
        if better:
            bits, other = min(better)
            taken[index] = False
            found.append(Double(asset.sha256, ranked[other].sha256, bits))
    return sorted(found, key=lambda double: double.sha256)


def _rank(asset: Asset) -> tuple[int, float, int, int, str]:
    """Best first: the larger by factors of two, then the sharper, then the bigger.

    Sharpness is measured at up to 1000 pixels, where a thumbnail looks as sharp as its original:
    size therefore speaks first, in steps coarse enough for trimmed copies to compete.
    """
    pixels = max(1, asset.width * asset.height)
    return (-round(math.log2(pixels)), round(asset.blur, 2), -pixels, -asset.bytes, asset.sha256)


def _words(hashes: Sequence[str], count: int) -> npt.NDArray[np.uint64]:
    """Hex hashes as [N, count] words of 64 bits."""
    raw = bytes.fromhex("".join(hashes))
    return np.frombuffer(raw, ">u8").astype(np.uint64).reshape(len(hashes), count)


def _pairs(
    near: npt.NDArray[np.uint64], fine: npt.NDArray[np.uint64], near_bits: int, confirm_bits: int
) -> dict[int, list[tuple[int, int]]]:
    """For each row, the rows before it within both distances, and their distance in 256 bits."""
    found: dict[int, list[tuple[int, int]]] = {}
    flat = near[:, 0]
    for start in range(0, len(flat), _BLOCK):
        rows = flat[start : start + _BLOCK, None]
        distances = np.bitwise_count(rows ^ flat[None, : start + len(rows)])
        below, before = np.nonzero(distances <= near_bits)
        earlier = before < below + start
        below, before = below[earlier] + start, before[earlier]
        bits = np.bitwise_count(fine[below] ^ fine[before]).sum(axis=1, dtype=np.int64)
        for row, other, distance in zip(below, before, bits, strict=True):
            if distance <= confirm_bits:
                found.setdefault(int(row), []).append((int(other), int(distance)))
    return found
