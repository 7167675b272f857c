"""Which of many 64-bit hashes lie within some bits of each other: every pair, exactly.

Multi-index hashing (Norouzi, Punjani, Fleet, "Fast exact search in Hamming space with multi-index
hashing", 2014) with the uneven radii of the general pigeonhole principle (Qin et al., "GPH", 2018):
the 64 bits are dealt into m blocks, and two hashes within r bits must lie within t_k bits in some
block k wherever the t_k sum to r - m + 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]  # [N]
Indices = npt.NDArray[np.int64]

_BLOCKS = 4  # of 16 bits: 200,000 hashes fill tables of 65,536
_AT_ONCE = 1 << 21  # candidates looked at together: about 100 MB


@dataclass(frozen=True, slots=True)
class _Block:
    """Some of the 64 bits: `mask` picks them, and hashes within `radius` of them are candidates."""

    bits: tuple[int, ...]  # positions, 0 the least
    radius: int  # -1: no candidates are sought here

    @property
    def mask(self) -> np.uint64:
        return np.uint64(sum(1 << bit for bit in self.bits))

    def keys(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """The block's bits of each hash as one number, [N]."""
        found = np.zeros(len(hashes), np.int64)
        for place, bit in enumerate(self.bits):
            found |= ((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.int64) << place
        return found

    def flips(self) -> Iterator[int]:
        """Every number with at most `radius` bits set, 0 first."""
        for count in range(self.radius + 1):
            for chosen in combinations(range(len(self.bits)), count):
                yield sum(1 << place for place in chosen)


def within(hashes: Hashes, radius: int) -> Iterator[tuple[Indices, Indices]]:
    """All pairs (i, j), i < j, whose hashes differ in at most `radius` bits; each comes once.

    They come in portions, so that memory stays bounded where nearly all are alike.
    """
    yield from _joined(hashes, hashes, radius, same=True)


def between(left: Hashes, right: Hashes, radius: int) -> Iterator[tuple[Indices, Indices]]:
    """All pairs (i of left, j of right) that differ in at most `radius` bits; each comes once."""
    yield from _joined(left, right, radius, same=False)


def _joined(
    left: Hashes, right: Hashes, radius: int, *, same: bool
) -> Iterator[tuple[Indices, Indices]]:
    if not len(left) or not len(right):
        return
    blocks = _blocks(radius)
    for number, block in enumerate(blocks):
        keys = block.keys(left)
        order = np.argsort(keys, kind="stable")
        keys, a = keys[order], left[order]
        if same:
            other, b, starts = order, a, _starts(keys, block)
        else:
            theirs = block.keys(right)
            other = np.argsort(theirs, kind="stable")
            b, starts = right[other], _starts(theirs[other], block)
        for flip in block.flips():
            if same and flip == 0:  # within a bucket, those behind
                first, last = np.arange(1, len(a) + 1), starts[keys + 1]
                rows = np.arange(len(a))
            elif same:  # each pair of buckets once: from the one whose highest flipped bit is 0
                rows = np.flatnonzero(keys & (1 << (flip.bit_length() - 1)) == 0)
                first, last = starts[keys[rows] ^ flip], starts[(keys[rows] ^ flip) + 1]
            else:
                rows = np.arange(len(a))
                first, last = starts[keys ^ flip], starts[(keys ^ flip) + 1]
            for i, j in _candidates(rows, first, last):
                apart = a[i] ^ b[j]
                near = np.flatnonzero(np.bitwise_count(apart) <= radius)
                for earlier in blocks[:number]:  # found there before
                    there = np.bitwise_count(apart[near] & earlier.mask)
                    near = near[there.astype(np.int64) > earlier.radius]
                if len(near):
                    one, two = order[i[near]], other[j[near]]
                    if same:
                        one, two = np.minimum(one, two), np.maximum(one, two)
                    yield one, two


def _candidates(rows: Indices, first: Indices, last: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Each of `rows` with every place from `first` up to `last`, in portions."""
    counts = last - first
    some = counts > 0
    rows, first, counts = rows[some], first[some], counts[some]
    ends = np.cumsum(counts)
    done = 0
    while done < len(rows):
        base = int(ends[done - 1]) if done else 0
        stop = max(done + 1, int(np.searchsorted(ends, base + _AT_ONCE, side="right")))
        these = counts[done:stop]
        shift = first[done:stop] - (ends[done:stop] - these - base)
        total = int(ends[stop - 1]) - base
        yield np.repeat(rows[done:stop], these), np.arange(total) + np.repeat(shift, these)
        done = stop


def _starts(keys: Indices, block: _Block) -> Indices:
    """Where each key's bucket begins among the sorted `keys`; one more for the end."""
    counts = np.bincount(keys, minlength=1 << len(block.bits))
    return np.concatenate(([0], np.cumsum(counts)))


def _blocks(radius: int) -> list[_Block]:
    """The bits dealt round: neighbours in a perceptual hash are alike, and so are parted."""
    each, more = divmod(radius - _BLOCKS + 1, _BLOCKS)  # of the radii's sum
    return [
        _Block(tuple(range(k, 64, _BLOCKS)), each + (k >= _BLOCKS - more)) for k in range(_BLOCKS)
    ]
