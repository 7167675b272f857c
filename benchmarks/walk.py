"""Frames a second of a walk: made in blocks, as they are, against one picture a forward.

python benchmarks/walk.py                          the starter base, 64 px
python benchmarks/walk.py --resolution 256         a new network of that size
python benchmarks/walk.py --network FILE --device cuda

Both sides run in turn, in one process; the largest difference of a pixel stands beside them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory.config import Walk
from merzmory.gan.checkpoint import save_network
from merzmory.gan.config import NetworkConfig
from merzmory.gan.device import keep_freed_memory
from merzmory.gan.networks import Generator
from merzmory.latent import walk

STARTER = Path(__file__).resolve().parents[1] / "merzmory/bases/starter-garments-64.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", type=Path, default=STARTER)
    parser.add_argument("--resolution", type=int, default=0)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        network = options.network
        if options.resolution:
            config = NetworkConfig(options.resolution, channel_base=16384)
            network = Path(folder) / "network.safetensors"
            save_network(network, {"G_ema": Generator(config)}, config)
        compare(network, options)


def compare(network: Path, options: argparse.Namespace) -> None:
    knobs = Walk(seconds=options.frames / 24).model_dump(exclude={"size", "aspect", "preview_size"})
    most = walk._MOST
    taken: dict[int, list[float]] = {1: [], most: []}
    shown: dict[int, np.ndarray] = {}
    for _ in range(options.repeats + 1):
        for at_once in taken:
            walk._MOST = at_once
            frame = walk.frames(
                network=network, which="ema", manner=walk.Manner(**knobs), size=(0, 0),
                device=options.device,
            )  # fmt: skip
            began = time.perf_counter()
            shown[at_once] = np.stack([frame(number) for number in range(options.frames)])
            taken[at_once].append(time.perf_counter() - began)
    apart = int(np.abs(shown[1].astype(int) - shown[most]).max())
    print(f"{shown[1].shape[1]} px, {options.threads} threads, {options.device}")
    print(f"{'a forward':>10} {'frames/s':>9} {'all runs':>30}")
    for at_once, seconds in taken.items():
        rates = [options.frames / s for s in seconds[1:]]
        every = " ".join(f"{rate:.1f}" for rate in rates)
        print(f"{at_once:10d} {statistics.median(rates):9.1f} {every:>30}")
    print(f"largest difference of a pixel: {apart} of 255")


if __name__ == "__main__":
    main()
