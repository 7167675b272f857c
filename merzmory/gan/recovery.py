"""What a training does when a step breaks: it goes back to its checkpoint, or takes smaller bites.

run.json remembers both, so that a kill in between changes nothing:

    "turns": [100]              steps that the training was rolled back to, in order
    "micro_batch": {"cuda": 8}  pictures in memory at once, by kind of device
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from merzmory.gan import run as runs
from merzmory.gan.config import DiskFullError, EngineError, TrainConfig
from merzmory.gan.step import TrainingState

ROLLBACKS = 5  # of one run; then its recipe is at fault
_SPARE = 16 * 2**20  # bytes for previews, stats and file systems' rounding


def turns(known: Mapping[str, Any] | None) -> list[int]:
    """The steps that a run (its run.json) was rolled back to."""
    return [int(step) for step in (known or {}).get("turns", ())]


def micro_batch(known: Mapping[str, Any] | None, config: TrainConfig, device: torch.device) -> int:
    """Pictures in memory at once: the recipe's, or what the run found out on this kind of device."""
    learned = (known or {}).get("micro_batch", {}).get(device.type)
    return int(config.micro_batch or learned or config.batch)


def roll_back(run: Path, step: int) -> tuple[int, str]:
    """Choose and record the step that the training goes on from after `step` gave numbers that are not
    finite: the newest checkpoint or, where that one failed before, the one behind it. With a sentence.

    Raises EngineError after ROLLBACKS of them.
    """
    known = runs.read_run(run)
    before, found = turns(known), runs.checkpoints(run)
    if len(before) >= ROLLBACKS:
        raise EngineError(
            f"the training gave numbers that are not finite at step {step}, after {ROLLBACKS} new "
            "tries: lower learning_rate, raise gamma, or use precision fp32, in a new run"
        )
    if len(found) > 1 and before and before[-1] == found[-1][0]:
        shutil.rmtree(found.pop()[1], ignore_errors=True)
    target = found[-1][0] if found else 0
    known["turns"] = [*before, target]
    known["history"].append({"rolled back": [step, target]})
    runs.write_json(run / runs.RUN, known)
    return target, (
        f"step {step} gave numbers that are not finite: rolled back to step {target}, going on "
        "with other random numbers"
    )


def take_smaller_bites(run: Path, micro: int, batch: int, device: torch.device) -> str:
    """Halve the pictures in memory at once, record it; the sentence to say.

    Raises EngineError where two pictures do not fit.
    """
    if micro <= 2:
        raise EngineError(
            f"two pictures at once do not fit into the memory of {device.type}: close other programs "
            "that use it, or take a base with a smaller resolution"
        )
    half = -(-micro // 2)
    known = runs.read_run(run)
    known["micro_batch"] = {**known.get("micro_batch", {}), device.type: half}
    known["history"].append({"micro_batch": [micro, half]})
    runs.write_json(run / runs.RUN, known)
    return (
        f"{micro} pictures at once do not fit into the memory of {device.type}: going on with {half} "
        f"at a time, the batch stays {batch}"
    )


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch found no memory; on MPS and the CPU only the text says so."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        sign in text for sign in ("out of memory", "can't allocate memory", "not enough memory")
    )


def refuse_too_small_a_disk(run: Path, state: TrainingState) -> None:
    """Raises DiskFullError where two checkpoints and the snapshots to come do not fit on the disk."""
    g, d = (
        sum(t.numel() * t.element_size() for t in network.state_dict().values())
        for network in (state.G, state.D)
    )
    checkpoints = 2 - min(len(runs.checkpoints(run)), 1)  # one is kept until the next is whole
    marks = [s for s in state.config.snapshot_steps() if s >= state.step]
    snapshots = sum(not runs.snapshot_path(run, s).exists() for s in marks)
    need = checkpoints * (4 * g + 3 * d) + snapshots * 2 * g + _SPARE
    free = shutil.disk_usage(run).free
    if free < need:
        raise DiskFullError(
            f"the disk of {run} is too full: the training needs about {need / 1e6:.0f} MB there and "
            f"{free / 1e6:.0f} MB are free, free some space or choose fewer snapshots"
        )
