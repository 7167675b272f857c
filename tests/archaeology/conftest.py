"""A small archive of textured squares, and pictures that were made from some of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merzmory.manifest import do, lay_out

PHOTOS, CROPS = 12, 2


def texture(seed: int, side: int = 64) -> Image.Image:
    """A smooth, colourful, asymmetric picture of its own for every seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """12 photographs with two squares each; the second is the first, moved by 4 pixels."""

    def make(part, index, announce):
        (part / "images").mkdir(exist_ok=True)
        for n in range(PHOTOS * CROPS):
            photo, crop = divmod(n, CROPS)
            picture = texture(photo, 72).crop((4 * crop, 0, 4 * crop + 64, 64))
            file = f"images/{n:04d}.png"
            picture.save(part / file)
            yield {
                "file": file, "photo": f"photo{photo:02d}", "path": f"/photos/{photo}.jpg",
                "box": [4 * crop, 0, 4 * crop + 64, 64], "method": "centre",
                "taken": f"2019-06-{photo + 1:02d}T10:00:00" if photo % 2 else None,
                "place": [48.1, 11.5] if photo == 3 else None, "width": 64, "height": 64,
            }  # fmt: skip

    return do(lay_out("dataset", tmp_path / "dataset", {"n": 1}, 1, make))


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Photograph 3 with a little noise, photograph 7 mirrored, and a picture of nothing known."""

    def make(part, index, announce):
        noisy = np.asarray(texture(3, 72).crop((0, 0, 64, 64))).astype(int)
        noisy = noisy + np.random.default_rng(0).integers(-9, 10, noisy.shape)
        mirrored = texture(7, 72).crop((0, 0, 64, 64)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pictures = [Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), mirrored, texture(99)]
        for seed, picture in enumerate(pictures):
            picture.save(part / f"{seed}.png")
            yield {"file": f"{seed}.png", "seed": seed, "psi": 0.7, "step": 200}

    return do(lay_out("samples", tmp_path / "samples", {"n": 3}, 1, make))
