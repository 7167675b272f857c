"""The explorer's waiting times: one preview, the first picture of a grid, and the whole grid.

python benchmarks/explore.py                          25 cells of a new 256 px network
python benchmarks/explore.py --network FILE --device cuda
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
from merzmory.latent.explore import Explorer, Place, centre_out, view


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--side", type=int, default=5, help="cells")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    device = choose_device(options.device)
    if options.network is not None:
        generator = load_generator(options.network, "ema", device)
    else:
        generator = Generator(NetworkConfig(256, channel_base=16384)).eval().requires_grad_(False)
        generator = generator.to(device, memory_format=torch.channels_last)
    explorer = Explorer(generator)
    cells = centre_out(*view(options.side, options.side))
    print(f"{generator.resolution} px, {len(cells)} cells, {options.threads} threads, {device}")
    print(f"{'':<32} {'CPU ms':>9} {'wall ms':>9}")
    rows: dict[str, list[tuple[float, float]]] = {}
    for turn in range(options.repeats + 1):
        for space in ("z", "w"):
            origin = explorer.seed(turn)
            place = Place(origin if space == "z" else explorer.in_w(origin), seed=turn)
            began = time.process_time(), time.perf_counter()
            for number, _ in enumerate(explorer.pictures(place, cells)):
                if number == 0:
                    _note(rows, f"grid in {space}: first picture", began)
            _note(rows, f"grid in {space}: all", began)
        began = time.process_time(), time.perf_counter()
        explorer.picture(explorer.seed(turn), 0.8)
        _note(rows, "preview", began)
        ws = explorer.ws(explorer.seed(turn), 0.8).expand(len(cells), -1, -1)
        for batch in (1, 4, 8):  # what equal bits cost: pictures one by one, and together
            began = time.process_time(), time.perf_counter()
            generate.synthesis(generator, ws, batch=batch)
            _note(rows, f"{len(cells)} pictures, {batch} at once", began)
    for name, found in rows.items():
        cpu, wall = (statistics.median(each) for each in zip(*found[1:], strict=True))
        print(f"{name:<32} {cpu * 1e3:9.1f} {wall * 1e3:9.1f}")


def _note(
    rows: dict[str, list[tuple[float, float]]], name: str, began: tuple[float, float]
) -> None:
    spent = time.process_time() - began[0], time.perf_counter() - began[1]
    rows.setdefault(name, []).append(spent)


if __name__ == "__main__":
    main()
