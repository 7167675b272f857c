"""Near duplicates: candidates by a 64-bit perceptual hash, confirmed by one of 256 bits.

64 bits alone call unrelated pictures of one kind the same; 256 bits do not. A frame is a
duplicate of a frame that is kept, never of another duplicate, so stacks cannot chain.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merzmory.archive import crops, near
from merzmory.archive.assets import Asset

_SAME_ASPECT = 0.04  # log of the ratio: a cut is sought among frames of the cut's own shape
_WHOLE, _BORDER = "", "border"  # what two frames differ in; or the name of a cut
_VIEWS = (_BORDER, *crops.ASPECTS)


@dataclass(frozen=True, slots=True)
class Double:
    """`sha256` shows what `kept` shows; `bits` of 256 differ."""

    sha256: str
    kept: str
    bits: int
    but_for: str = ""  # "", "border", or the cut: "1:1", "4:5", "1.91:1"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of frames by their places, `one` before `other`; the distance of their 256 bits."""

    one: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    bits: npt.NDArray[np.int64]
    but_for: npt.NDArray[np.int8]  # 0 nothing, then 1 + place among the border and the cuts

    def __len__(self) -> int:
        return len(self.one)

    def difference(self, index: int) -> str:
        """What the frames of a pair differ in, as `Double.but_for`."""
        place = int(self.but_for[index])
        return _VIEWS[place - 1] if place else _WHOLE


def doubles(
    assets: Sequence[Asset],
    *,
    near_bits: int,
    confirm_bits: int,
    picked: Collection[str] = (),
) -> list[Double]:
    """The frames that a better one stands for, by sha256.

    The best frames are taken first; each frame within both distances of a frame already taken is
    its double (of the nearest such), whether whole, inside its border or as Instagram's centre
    cut. Those in `picked` (sha256) come before all others and stand for themselves. The outcome
    does not depend on the order of `assets`.
    """
    ranked = sorted(assets, key=lambda asset: (asset.sha256 not in picked, better(asset)))
    alike: dict[tuple[str, str, str], list[Asset]] = {}
    for asset in ranked:
        alike.setdefault((asset.phash64, asset.phash256, asset.crops), []).append(asset)
    firsts = [group[0] for group in alike.values()]  # the best first, as in `ranked`
    found = pairs(firsts, near_bits=near_bits, confirm_bits=confirm_bits)
    order = np.lexsort((found.one, found.bits, found.other))  # of each frame, the nearest first
    stands = np.ones(len(firsts), bool)
    leader: dict[int, int] = {}
    for index in order:
        one, other = int(found.one[index]), int(found.other[index])
        if stands[one] and other not in leader and firsts[other].sha256 not in picked:
            stands[other] = False
            leader[other] = int(index)
    doubled: list[Double] = []
    for place, group in enumerate(alike.values()):
        at = leader.get(place)
        for asset in group:
            if asset.sha256 in picked or (at is None and asset is group[0]):
                continue
            if at is None:
                doubled.append(Double(asset.sha256, group[0].sha256, 0))
            else:
                kept = firsts[int(found.one[at])].sha256
                doubled.append(
                    Double(asset.sha256, kept, int(found.bits[at]), found.difference(at))
                )
    return sorted(doubled, key=lambda double: double.sha256)


def better(asset: Asset) -> tuple[int, bool, float, int, int, str]:
    """Sorts the best frame first: the larger by factors of two, the whole, the sharper, the bigger.

    Sharpness is measured at up to 1000 pixels, where a thumbnail looks as sharp as its original:
    size therefore speaks first, in steps coarse enough for trimmed copies to compete.
    """
    pixels = max(1, asset.width * asset.height)
    size = -round(math.log2(pixels))
    return (size, asset.lost > 0, round(asset.blur, 2), -pixels, -asset.bytes, asset.sha256)


def pairs(assets: Sequence[Asset], *, near_bits: int, confirm_bits: int) -> Pairs:
    """Every pair of frames that show the same, each once, with the smallest distance found."""
    parts = [*_whole(assets, near_bits, confirm_bits), *_cut(assets, near_bits, confirm_bits)]
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Pairs(nothing, nothing, nothing, nothing.astype(np.int8))
    one, other, bits, but_for = (np.concatenate(column) for column in zip(*parts, strict=True))
    one, other = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((but_for, bits, other, one))
    one, other, bits, but_for = (c[order] for c in (one, other, bits, but_for))
    fresh = np.ones(len(one), bool)
    fresh[1:] = (one[1:] != one[:-1]) | (other[1:] != other[:-1])
    return Pairs(one[fresh], other[fresh], bits[fresh], but_for[fresh].astype(np.int8))


_Part = tuple[near.Indices, near.Indices, near.Indices, near.Indices]


def _whole(assets: Sequence[Asset], near_bits: int, confirm_bits: int) -> Iterator[_Part]:
    """Pairs by the hashes of the whole frames."""
    if not assets:
        return
    coarse, fine = _words([a.phash64 for a in assets]), _words([a.phash256 for a in assets])
    for one, other in near.within(coarse[:, 0], near_bits):
        yield from _confirmed(one, other, fine[one], fine[other], confirm_bits, 0)


def _cut(assets: Sequence[Asset], near_bits: int, confirm_bits: int) -> Iterator[_Part]:
    """Pairs of which one is the other's cut, or has a border around it."""
    places = np.flatnonzero(np.array([bool(asset.crops) for asset in assets], bool))
    if not len(places):
        return
    known = [asset for asset in assets if asset.crops]
    prints = crops.prints([asset.crops for asset in known])
    whole = np.array([max(1, a.width) / max(1, a.height) for a in known])
    bordered = prints.aspect > 0
    aspect = np.where(bordered, prints.aspect, whole)
    wanted = [bordered]
    wanted += [np.abs(np.log(aspect / cut)) < _SAME_ASPECT for cut in crops.ASPECTS.values()]
    for view, chosen in enumerate(wanted):
        rows = np.flatnonzero(chosen)
        queries = prints.near[rows, 0]
        for one, other in near.between(queries, prints.near[:, view].copy(), near_bits):
            one, other = rows[one], other
            apart = one != other
            one, other = one[apart], other[apart]
            for part in _confirmed(
                one, other, prints.fine[one, 0], prints.fine[other, view], confirm_bits, 1 + view
            ):
                yield (places[part[0]], places[part[1]], part[2], part[3])


def _confirmed(
    one: near.Indices,
    other: near.Indices,
    fine: npt.NDArray[np.uint64],
    against: npt.NDArray[np.uint64],
    confirm_bits: int,
    but_for: int,
) -> Iterator[_Part]:
    bits = np.bitwise_count(fine ^ against).sum(axis=1, dtype=np.int64)
    sure = bits <= confirm_bits
    if sure.any():
        bits = bits[sure]
        yield one[sure], other[sure], bits, np.full(len(bits), but_for, np.int64)


def _words(hashes: Sequence[str]) -> npt.NDArray[np.uint64]:
    """N hex hashes as [N, words] of 64 bits."""
    raw = bytes.fromhex("".join(hashes))
    return np.frombuffer(raw, ">u8").astype(np.uint64).reshape(len(hashes), -1)
