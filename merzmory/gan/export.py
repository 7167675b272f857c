"""Trained networks as files for elsewhere."""

from __future__ import annotations

from pathlib import Path

import torch

from merzmory.gan.checkpoint import read_tensors, write_tensors
from merzmory.gan.config import EngineError
from merzmory.gan.run import checkpoints


def export_base(
    run: Path, out: Path, *, half: bool = False, notes: dict[str, str] | None = None
) -> Path:
    """Write a run's newest checkpoint as a base to start from: G_ema and D; returns `out`.

    `half` stores float16 (half the size, errors about 0.05 %); `notes` go into the file's metadata.
    Raises EngineError where the run has no checkpoint.
    """
    found = checkpoints(run)
    if not found:
        raise EngineError(f"{run} has no checkpoint to export, train it first")
    step, folder = found[-1]
    tensors, metadata = read_tensors(folder / "networks.safetensors")
    dtype = torch.float16 if half else torch.float32
    kept = {k: v.to(dtype) for k, v in tensors.items() if k.startswith(("G_ema.", "D."))}
    write_tensors(out, kept, {**metadata, "step": str(step), **(notes or {})})
    return out
