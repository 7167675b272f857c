"""The bits are imagehash's; of large pictures they are those of the same picture reduced."""

from __future__ import annotations

from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from merzmory.archive import hashes
from merzmory.archive.sources.sample import SampleSource
from merzmory.originals import decode


def _grey(path: Path) -> Image.Image:
    return decode.upright_srgb(path, longest=1000).convert("L")


@pytest.mark.parametrize("side", [8, 16])
def test_bits_are_imagehashs(sample: SampleSource, side: int) -> None:
    dice = np.random.default_rng(side)
    pictures = [_grey(Path(file.path)) for file in list(sample.files())[::10]]
    pictures += [Image.fromarray(dice.integers(0, 256, (h, 40), np.uint8)) for h in (1, 40, 500)]
    for grey in pictures:
        assert hashes.perceptual(grey, side) == str(imagehash.phash(grey, hash_size=side))


def test_a_flat_picture_has_no_noise() -> None:
    assert hashes.perceptual(Image.new("L", (90, 70), 0), 8) == "0" * 16
    for value in (1, 77, 255):
        assert hashes.perceptual(Image.new("L", (90, 70), value), 16) == "8" + "0" * 63


def test_small_pictures_are_not_reduced() -> None:
    assert hashes.reduced(np.zeros((512, 300), np.uint8)).size == (300, 512)
    assert hashes.reduced(np.zeros((750, 1000), np.uint8)).size == (256, 192)
    assert hashes.reduced(np.zeros((1, 1000), np.uint8)).size == (256, 1)


def test_the_hash_of_a_large_photograph_moves_by_a_few_bits(shared: Path) -> None:
    moved = []
    for path in sorted((shared / "photos").glob("*/*.[jJ][pP][gG]"))[::4]:
        grey = _grey(path)
        tiny = hashes.reduced(np.asarray(grey))
        for side, most in ((8, 2), (16, 8)):
            plain = imagehash.phash(grey, hash_size=side)
            bits = imagehash.hex_to_hash(hashes.perceptual(tiny, side)) - plain
            assert bits <= most, path
            moved.append(bits / side**2)
    assert np.mean(moved) < 0.01
