"""A sample archive that was cut once, and photographs made up from numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from merzmory.archive.sources.sample import SampleSource


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    """The sample archive as the demo cuts it."""
    source = SampleSource(tmp_path_factory.mktemp("sample"))
    list(source.files())
    return source


@pytest.fixture(scope="session")
def pictures() -> Callable[[int], Image.Image]:
    """Pictures by number, 96 x 64, unlike each other: smooth shapes under fine noise."""

    def make(seed: int) -> Image.Image:
        dice = np.random.default_rng(seed)
        coarse = Image.fromarray(dice.integers(0, 256, (6, 8, 3), np.uint8))
        smooth = np.asarray(coarse.resize((96, 64), Image.Resampling.BICUBIC), np.int16)
        fine = dice.integers(-20, 21, (64, 96, 3))
        return Image.fromarray(np.clip(smooth + fine, 0, 255).astype(np.uint8))

    return make


@pytest.fixture(scope="session")
def picture(pictures: Callable[[int], Image.Image]) -> Image.Image:
    """One of them."""
    return pictures(0)
