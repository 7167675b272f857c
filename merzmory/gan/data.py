"""The dataset folder that the engine trains on.

    settings.json     {"format": 1, "kind": "dataset", "settings": {"resolution": 64, ...}}
    manifest.jsonl    a line a picture: {"file": "images/000000.png", "photo": ..., "box": [...], "label": ...}
    images/*.png      squares of `resolution` px

The order of training is a function of (seed, position): epoch e is a permutation drawn from (seed, e), so
a checkpoint needs nothing but the position.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from merzmory.gan.config import EngineError

FORMAT = 1
MEMORY_LIMIT = (
    8 * 2**30
)  # bytes of uint8 pixels held in memory; beyond it, pictures are read anew each time

BARE = ("file", "photo", "box", "label")  # of a manifest's line

_WHOLE = (0, 0, 1, 1)  # a square without bars: x0, y0, x1, y1 in shares of its side

Indices = npt.NDArray[np.int64]


class PictureSet:
    """Pictures of one dataset folder: `len()`, `resolution` (px), `lines` of the manifest, `classes`, `batch()`.

    `window` is (rows, columns) of the picture in a square, where the folder says that bars surround it.
    """

    def __init__(self, folder: Path, memory_limit: int = MEMORY_LIMIT) -> None:
        """Reads the folder; raises EngineError for what is not a dataset, empty, not square or of another size."""
        settings = _settings(folder)
        lines = manifest_lines(folder)
        self._files = [folder / str(line["file"]) for line in lines]
        if not lines:
            raise EngineError(f"{folder} holds no pictures, training needs at least one")
        declared = settings.get("settings", {}).get("resolution")
        with _open(self._files[0]) as first:
            self.resolution = int(declared or first.width)
        frame = settings.get("settings", {}).get("frame", {})
        x0, y0, x1, y1 = (round(share * self.resolution) for share in frame.get("window", _WHOLE))
        self.window = (slice(y0, max(y1, y0 + 1)), slice(x0, max(x1, x0 + 1)))
        self.lines = lines
        labels = [line.get("label") for line in lines]
        self.classes = label_names(lines)
        self._classes: Indices | None = None
        if self.classes:
            if None in labels:
                raise EngineError(
                    f"{labels.count(None)} of {len(labels)} pictures in {folder} have no label, "
                    "label all of them or none"
                )
            self._classes = np.array([self.classes.index(str(v)) for v in labels], np.int64)
        self.identity = hashlib.sha256(bare_manifest(lines).encode()).hexdigest()
        size = self.resolution
        fits = len(lines) * size * size * 3 <= memory_limit
        self._pixels: npt.NDArray[np.uint8] | None = None
        if fits:
            self._pixels = np.stack([self._read(i) for i in range(len(lines))])
        else:
            self._read(0)

    def __len__(self) -> int:
        return len(self._files)

    def pixels(self, indices: Indices) -> npt.NDArray[np.uint8]:
        """uint8 [len(indices), H, W, 3]."""
        if self._pixels is not None:
            return self._pixels[indices]
        return np.stack([self._read(int(i)) for i in indices])

    def batch(
        self, seed: int, position: int, size: int, *, mirror: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Pictures position .. position+size-1 of the endless order, float [size, 3, H, W] in -1..1, and their
        one-hot labels [size, classes] or None. `mirror` flips each left-right with probability 1/2."""
        indices = order(len(self), seed, position, size)
        pixels = self.pixels(indices)
        if mirror:
            flips = coins(seed, position, size)
            pixels = np.where(flips[:, None, None, None], pixels[:, :, ::-1], pixels)
        x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
        return x.float() / 127.5 - 1, self.labels(indices)

    def random_labels(self, rng: np.random.Generator, size: int) -> Tensor | None:
        """One-hot labels [size, classes] as frequent as in the set, or None."""
        if self._classes is None:
            return None
        return self.labels(rng.integers(len(self), size=size))

    def labels(self, indices: Indices) -> Tensor | None:
        """One-hot labels [len(indices), classes], or None where the set has none."""
        if self._classes is None:
            return None
        return torch.eye(len(self.classes))[torch.from_numpy(self._classes[indices])]

    def _read(self, index: int) -> npt.NDArray[np.uint8]:
        path, size = self._files[index], self.resolution
        with _open(path) as picture:
            if picture.width != picture.height:
                raise EngineError(
                    f"{path} is {picture.width} x {picture.height} px, training pictures are square"
                )
            if picture.width != size:
                raise EngineError(
                    f"{path} is {picture.width} px wide, the dataset is {size} px: build it again"
                )
            try:
                return np.asarray(picture.convert("RGB"), np.uint8)
            except OSError as error:
                raise EngineError(f"{path} is damaged, build the dataset again") from error


def label_names(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """The labels in a dataset's manifest, ordered as a network's classes are; [] where it has none."""
    return sorted({str(line["label"]) for line in lines if line.get("label") is not None})


def manifest_lines(folder: Path) -> list[dict[str, Any]]:
    """A dict a picture, with "file" at least; EngineError where the manifest is missing or damaged."""
    manifest = folder / "manifest.jsonl"
    try:
        lines = [json.loads(s) for s in manifest.read_bytes().splitlines() if s.strip()]
        if all(line["file"] for line in lines):
            return lines
        raise ValueError("a line without a file")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"{manifest} cannot be read as one JSON line a picture, build the dataset again"
        ) from error


def bare_manifest(lines: Sequence[Mapping[str, Any]]) -> str:
    """The manifest with nothing but what training needs and what tells two datasets apart."""
    bare = [{key: line[key] for key in BARE if line.get(key) is not None} for line in lines]
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in bare)


def order(count: int, seed: int, position: int, size: int) -> Indices:
    """Indices of `size` pictures from `position` on: every epoch shows each of `count` pictures once."""
    at = np.arange(position, position + size)
    return np.array([_epoch(count, seed, int(p // count))[p % count] for p in at], np.int64)


def coins(seed: int, position: int, size: int) -> npt.NDArray[np.bool_]:
    """A fair coin for each position, a function of (seed, position)."""
    states = [np.random.SeedSequence([seed, p, 1]) for p in range(position, position + size)]
    return np.array([s.generate_state(1)[0] & 1 for s in states], bool)


@lru_cache(maxsize=4)
def _epoch(count: int, seed: int, epoch: int) -> Indices:
    return np.random.default_rng([seed, epoch]).permutation(count)


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except OSError as error:
        raise EngineError(
            f"{path} is not a picture that can be read, build the dataset again"
        ) from error


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "settings.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        version = int(settings["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"{folder} is not a dataset folder ({path.name} is missing or damaged), "
            "give the folder that the dataset step made"
        ) from error
    if version > FORMAT:
        raise EngineError(
            f"{folder} has format {version} and this version reads up to {FORMAT}, update merzmory"
        )
    if settings.get("kind", "dataset") != "dataset":
        raise EngineError(f"{folder} holds {settings['kind']}, training needs a dataset folder")
    return dict(settings)
