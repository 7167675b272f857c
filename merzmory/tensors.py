"""Tensors of the files that others publish, read as numbers: nothing in a file is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from merzmory.errors import FormatError
from merzmory.gan.config import EngineError
from merzmory.gan.torch_files import DAMAGE, build, read_file
from merzmory.gan.unbuilt import Array, TensorView, Thing

_DEPTH = 40  # modules inside modules


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a published file by their dotted names; nothing in it is run.

    Reads safetensors, a state dict that torch saved, and TorchScript, of which only the numbers
    are read and never the program.

    Raises:
        FormatError: damaged, or it asks for what is never run.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        value, budget = read_file(file)
        return {name: build(each, budget) for name, each in _flat(value, "", 0)}
    except EngineError as error:
        sentence = str(error).removesuffix(".")
        raise FormatError(f"{sentence[:1].upper()}{sentence[1:]}.") from error
    except (*DAMAGE, OSError) as error:
        raise FormatError(f"{file} is damaged or holds no weights: import it again.") from error


def _flat(value: Any, prefix: str, depth: int) -> list[tuple[str, Any]]:
    if isinstance(value, TensorView | Array):
        return [(prefix, value)]
    inside = value.state if isinstance(value, Thing) else value
    if not isinstance(inside, dict) or depth > _DEPTH:
        return []
    dotted = f"{prefix}." if prefix else ""
    return [
        pair for name, each in inside.items() for pair in _flat(each, f"{dotted}{name}", depth + 1)
    ]
