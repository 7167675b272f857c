"""Tiles equal the whole wherever the function looks no further than the overlap."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from merzmory.upscale.tiling import tiled


def blurred(image, reach, scale):
    """A mean over (2 reach + 1)², zeros outside, then each pixel repeated."""
    height, width, _ = image.shape
    padded = np.pad(image.astype(int), ((reach, reach), (reach, reach), (0, 0)))
    total = sum(
        padded[i : i + height, j : j + width]
        for i in range(2 * reach + 1)
        for j in range(2 * reach + 1)
    )
    small = (total // (2 * reach + 1) ** 2).astype(np.uint8)
    return small.repeat(scale, 0).repeat(scale, 1)


@settings(deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 17), st.integers(0, 3), st.integers(1, 3)
)
def test_tiles_equal_the_whole(height, width, tile, reach, scale):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    whole = blurred(image, reach, scale)
    pieces = tiled(
        lambda part: blurred(part, reach, scale), image, tile=tile, overlap=reach, scale=scale
    )
    np.testing.assert_array_equal(pieces, whole)


def test_too_little_overlap_shows():
    image = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    pieces = tiled(lambda part: blurred(part, 3, 1), image, tile=10, overlap=2, scale=1)
    assert (pieces != blurred(image, 3, 1)).any()


@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 9), st.sampled_from([1, 2, 4]))
def test_tiles_begin_and_end_at_multiples_and_stay_small(quarters, tile, overlap, multiple):
    side = quarters * multiple
    image = np.arange(side * side * 3, dtype=np.uint64).astype(np.uint8).reshape(side, side, 3)
    seen = []

    def run(part):
        seen.append(part.shape)
        return part

    out = tiled(run, image, tile=tile, overlap=overlap, scale=1, multiple=multiple)
    np.testing.assert_array_equal(out, image)
    assert all(h % multiple == 0 and w % multiple == 0 for h, w, _ in seen)
    assert max(max(h, w) for h, w, _ in seen) <= tile + 2 * overlap + 3 * multiple
