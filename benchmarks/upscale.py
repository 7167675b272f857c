"""Enlarging speed: seconds of CPU for a megapixel of result, by engine and size, on one thread.

python benchmarks/upscale.py
python benchmarks/upscale.py --engines native --weights realesr-general-x4v3.pth
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory.gan.device import keep_freed_memory
from merzmory.upscale.engines import UPSCALERS, engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", choices=UPSCALERS, default=["lanczos", "starter"])
    parser.add_argument("--weights", type=Path, help="for all but lanczos and starter")
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    print(f"{'engine':<11} {'input':>10} {'CPU s':>8} {'wall s':>8} {'CPU s/MP':>9}")
    for name in options.engines:
        weights = None if name in ("lanczos", "starter") else options.weights
        by = engine(name, scale=options.scale, weights=weights, device=options.device)
        for side in options.sides:
            picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
            by(picture[:32, :32])
            best = (float("inf"), float("inf"))
            for _ in range(3):
                cpu, wall = time.process_time(), time.perf_counter()
                by(picture)
                best = min(best, (time.process_time() - cpu, time.perf_counter() - wall))
            megapixels = (side * options.scale) ** 2 / 1e6
            print(
                f"{name:<11} {f'{side} x {side}':>10} {best[0]:8.2f} {best[1]:8.2f} "
                f"{best[0] / megapixels:9.3f}"
            )


if __name__ == "__main__":
    main()
