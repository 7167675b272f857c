"""Pickle and torch files opened without running anything, and their tensors built within bounds."""

from __future__ import annotations

import functools
import io
import math
import mmap
import struct
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from merzmory.gan.config import EngineError
from merzmory.gan.pickles import TORCH_MAGIC, Limit, read_pickle, read_torch_stream, storage_of
from merzmory.gan.unbuilt import Array, Storage, TensorView

MAX_BYTES: Final = 8 << 30  # of a file; the largest published network has 0.4 GB
ZIP_MAGIC: Final = b"PK\x03\x04"
# What damaged bytes can raise inside this reader, Python's pickletools, zipfile and torch.
DAMAGE: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
    EOFError,
    AssertionError,
    struct.error,
    zipfile.BadZipFile,
)


class Budget:
    """Bytes of tensors that may still be built; together never more than the file has."""

    def __init__(self, total: int) -> None:
        self.left = total

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise ValueError("more tensors than bytes")


def _read_torch_zip(path: Path) -> Any:
    """The value of torch's zip format; numbers are read when a tensor is built."""
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        stored = {
            i.filename: i for i in archive.infolist() if i.compress_type == zipfile.ZIP_STORED
        }
        (main,) = (n for n in stored if n.count("/") == 1 and n.endswith("/data.pkl"))
        folder = main.removesuffix("data.pkl")
        order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in stored else b"little"
        if order != b"little" or any(i.file_size > size for i in stored.values()):
            raise ValueError("big endian, or larger than the file")
        pickled = archive.read(main)

    reads = Budget(size)

    @functools.cache
    def read(member: str) -> memoryview:
        reads.take(stored[member].file_size)
        with zipfile.ZipFile(path) as archive:
            return memoryview(archive.read(stored[member]))

    def persistent(key: Any) -> Storage:
        name, storage = storage_of(key)
        storage.read = functools.partial(read, f"{folder}data/{name}")
        return storage

    return read_pickle(io.BytesIO(pickled), Limit(), persistent)


def read_file(path: Path) -> tuple[Any, Budget]:
    """The value in a pickle or torch file, and the bytes of tensors that it may hold.

    Raises:
        EngineError: not there, too large, damaged, or asking for what is never run.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise EngineError(
                f"{path} has {size >> 30} GB and networks have at most {MAX_BYTES >> 30} GB: "
                "give a network file"
            )
        with path.open("rb") as file:
            head = file.read(16)
            if head.startswith(ZIP_MAGIC):
                return _read_torch_zip(path), Budget(size)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as bytes_of_file:
                if TORCH_MAGIC.to_bytes(10, "little") in head:
                    return read_torch_stream(bytes_of_file, Limit()), Budget(size)
                return read_pickle(bytes_of_file, Limit()), Budget(size)
    except EngineError as error:
        text = str(error)
        raise EngineError(
            text if text.startswith(str(path)) else f"{path} is refused: {text}"
        ) from None
    except OSError as error:
        raise EngineError(f"{path} cannot be read: check its name and your permissions") from error
    except DAMAGE as error:
        raise EngineError(f"{path} is damaged or no network file: fetch it again") from error


def build(value: Any, budget: Budget) -> Tensor:
    """The tensor of a `TensorView` or `Array`: contiguous, of its own memory.

    Raises ValueError or TypeError where the bytes are not there or the budget is spent.
    """
    if isinstance(value, TensorView):
        return _build_view(value, budget)
    if not isinstance(value, Array):
        raise TypeError("not a tensor")
    dtype = value.dtype.numpy()
    count = math.prod(value.shape)
    budget.take(count * dtype.itemsize)
    if len(value.data) != count * dtype.itemsize:
        raise ValueError("an array of another size")
    data = value.data.encode("latin-1") if isinstance(value.data, str) else value.data
    flat = np.frombuffer(data, dtype)
    plain = flat.reshape(value.shape[::-1]).T if value.fortran else flat.reshape(value.shape)
    return torch.from_numpy(np.array(plain, dtype=dtype.newbyteorder("="), order="C"))


def _build_view(view: TensorView, budget: Budget) -> Tensor:
    storage, width = view.storage, view.storage.dtype.itemsize
    count = math.prod(view.size)
    if not count:
        return torch.zeros(view.size, dtype=storage.dtype)
    data = storage.read() if storage.read is not None else memoryview(b"")
    if len(data) != storage.numel * width:
        raise ValueError("a storage of another size")
    reach = 1 + sum((n - 1) * s for n, s in zip(view.size, view.stride, strict=True))
    budget.take(max(reach, count) * width)
    start = view.offset * width
    flat = torch.frombuffer(bytearray(data[start : start + reach * width]), dtype=storage.dtype)
    tensor = flat.as_strided(view.size, view.stride)
    return tensor.clone(memory_format=torch.contiguous_format)
