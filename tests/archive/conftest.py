"""A sample archive that was cut and read once, and helpers to make photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merzmory.archive import ingest
from merzmory.archive.sources.folder import FolderSource
from merzmory.archive.sources.sample import SampleSource
from merzmory.manifest import Work


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    """The sample archive as the demo cuts it."""
    source = SampleSource(tmp_path_factory.mktemp("sample"))
    list(source.files())
    return source


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """A picture with something to see everywhere: smooth shapes and fine noise, 96 x 64."""
    return noise(96, 64, 0)


def noise(width: int, height: int, seed: int) -> Image.Image:
    dice = np.random.default_rng(seed)
    coarse = Image.fromarray(dice.integers(0, 256, (6, 8, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    fine = dice.integers(-20, 21, (height, width, 3))
    return Image.fromarray(np.clip(smooth + fine, 0, 255).astype(np.uint8))


def reading(folder: Path, archive: Path, shard_size: int = 4) -> Work:
    return ingest.plan(source=FolderSource(folder), archive=archive, shard_size=shard_size)
