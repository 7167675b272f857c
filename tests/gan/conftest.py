"""Fixtures of the engine's tests."""

from __future__ import annotations

import json
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from merzmory.gan import legacy
from merzmory.gan.config import EngineError

TRAP = "raise RuntimeError('code inside a network pickle was executed')\n"


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


class Persistent:
    """Pickles as the published code's persistent objects do."""

    def __init__(self, name: str, state: dict[str, Any]) -> None:
        self.meta = {"type": "class", "version": 6, "module_src": TRAP, "class_name": name}
        self.meta["state"] = state

    def __reduce__(self) -> tuple[Any, ...]:
        function = sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj
        return function, (self.meta,)


def _persistent(module: nn.Module, name: str = "Layer", **attributes: Any) -> Persistent:
    children = {n: None if m is None else _persistent(m) for n, m in module._modules.items()}
    state = {
        "training": False,
        "_parameters": OrderedDict(module._parameters),
        "_buffers": OrderedDict(module._buffers),
        "_modules": OrderedDict(children),
        "_init_kwargs": {},
    }
    return Persistent(name, state | attributes)


@pytest.fixture(scope="session")
def persistent() -> Iterator[Callable[..., Persistent]]:
    """persistent(module, name="Layer", **attributes): what pickles in the published layout."""
    names = {"torch_utils": {}, "torch_utils.persistence": {}}

    def _reconstruct_persistent_obj(meta: Any) -> None:
        raise AssertionError("called")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torch_utils.persistence"].__dict__["_reconstruct_persistent_obj"] = (
        _reconstruct_persistent_obj
    )
    yield _persistent
    for name in names:
        del sys.modules[name]


@pytest.fixture(scope="session")
def opens_or_says_why() -> Callable[[Path, bytes], None]:
    """opens_or_says_why(path, data): whatever the bytes, networks no larger than them, or one sentence."""
    return _opens_or_says_why


def _opens_or_says_why(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        networks = legacy.load(path)
    except EngineError as error:
        assert "\n" not in str(error)
    else:
        total = sum(t.nbytes for n in networks.values() for t in n.state_dict().values())
        assert total <= len(data)
