"""Fixtures of the engine's tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def dataset() -> Callable[..., Path]:
    """dataset(folder, count=5, size=8, labels=False): a finished dataset folder of random squares."""
    return _dataset


def _dataset(folder: Path, count: int = 5, size: int = 8, labels: bool = False) -> Path:
    rng = np.random.default_rng(3)
    (folder / "images").mkdir(parents=True)
    lines = []
    for i in range(count):
        name = f"images/{i:06d}.png"
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(folder / name)
        line = {"file": name, "photo": f"p{i}", "box": [0, 0, size, size]}
        lines.append(line | ({"label": f"album {i % 2}"} if labels else {}))
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "manifest.jsonl").write_text(text, encoding="utf-8")
    settings = {"format": 1, "kind": "dataset", "settings": {"resolution": size}}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
