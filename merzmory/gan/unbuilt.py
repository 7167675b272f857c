"""What a foreign file describes, before anything is built from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from merzmory.gan.config import EngineError


@dataclass(slots=True)
class Name:
    """A global of the pickle, not imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True)
class Thing:
    """An object of a class that was not built: its class's name and its state."""

    name: str
    state: Any = None

    def child(self, name: str) -> Thing:
        """The module `name` inside this one; KeyError or TypeError where there is none."""
        found = self.state["_modules"][name]
        if not isinstance(found, Thing):
            raise TypeError("not a module")
        return found

    def only(self, name: str, value: Any) -> None:
        """EngineError where this module has an attribute `name` of another value."""
        found = self.state.get(name, value)
        if found != value:
            raise EngineError(f"its {name} is {str(found)[:40]!r} and must be {value!r}")


@dataclass(slots=True)
class Storage:
    """Numbers of one dtype; `read` returns their bytes."""

    dtype: torch.dtype
    numel: int
    read: Callable[[], memoryview] | None = None


@dataclass(slots=True)
class TensorView:
    """A tensor that was not built: a view of a storage in elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(slots=True)
class DType:
    """numpy's name of a type, such as f4, and its byte order."""

    code: str
    order: str = "<"

    def numpy(self) -> np.dtype[Any]:
        """The numpy type; ValueError unless it is a plain number."""
        if not re.fullmatch(r"[fiu][1248]|b1", self.code) or self.order not in "<>|=":
            raise ValueError("not a type of numbers")
        return np.dtype(self.order + self.code)


@dataclass(slots=True)
class Array:
    """A numpy array that was not built."""

    shape: tuple[int, ...] = (0,)
    dtype: DType = field(default_factory=lambda: DType("f4"))
    fortran: bool = False
    data: bytes | bytearray | str = b""  # text: bytes that Python 2 wrote, one a character
