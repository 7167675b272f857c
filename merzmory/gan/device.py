"""The machine: which device computes, and how memory is kept."""

from __future__ import annotations

import ctypes
import gc
import sys

import torch

from merzmory.gan.config import EngineError


def choose_device(name: str) -> torch.device:
    """The device of a name; auto is cuda, else mps, else cpu. EngineError where it is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EngineError(f"device {name} is not available here, use auto or cpu") from error
    return device


def use_threads(count: int) -> None:
    """Compute on `count` CPU threads; 0 leaves torch's own choice. Sums, and so the last bits of weights and
    pictures, depend on the number: whatever must be equal to the bit is computed on equally many."""
    if count:
        torch.set_num_threads(count)


def keep_freed_memory() -> None:
    """Ask glibc to keep freed blocks: each step frees and takes the same megabytes, and giving them back to
    the system costs page faults (a tenth of the time of a step on CPU). Elsewhere nothing happens."""
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(-3, 2**30)  # M_MMAP_THRESHOLD: bytes from which a block is mapped on its own
    mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: bytes free at the top before they are given back


def release_memory() -> None:
    """Give back what nothing refers to any more, on the accelerator too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
