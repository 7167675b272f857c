"""Sampling speed: pictures a second from G at several batch sizes.

python benchmarks/sample.py                          a new 64 px network
python benchmarks/sample.py --network FILE --device cuda
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory.gan import generate
from merzmory.gan.checkpoint import load_generator
from merzmory.gan.config import NetworkConfig
from merzmory.gan.device import choose_device, keep_freed_memory
from merzmory.gan.networks import Generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    device = choose_device(options.device)
    if options.network is not None:
        generator = load_generator(options.network, "ema", device)
    else:
        config = NetworkConfig(64, channel_base=4096, channel_max=128)
        generator = Generator(config).eval().to(device, memory_format=torch.channels_last)
    print(f"{generator.resolution} px, {options.threads} threads, {device}")
    print(f"{'batch':>6} {'CPU ms':>9} {'wall ms':>9} {'pictures/s':>11}")
    for batch in options.batches:
        cpu, wall = [], []
        for _ in range(options.repeats + 1):
            c, w = time.process_time(), time.perf_counter()
            generate.images(generator, range(batch), 0.7, batch=batch)
            cpu.append(time.process_time() - c)
            wall.append(time.perf_counter() - w)
        c, w = statistics.median(cpu[1:]), statistics.median(wall[1:])
        print(f"{batch:6d} {c * 1e3:9.1f} {w * 1e3:9.1f} {batch / w:11.1f}")


if __name__ == "__main__":
    main()
