"""Training speed: CPU time of each phase and of the whole step, pictures a second and a CPU-second.

python benchmarks/train.py                       the reference case: 64 px, batch 8, one thread
python benchmarks/train.py --resolution 256 --channel-base 16384 --channel-max 512 --device cuda
python benchmarks/train.py --steps 2000            whole steps instead, and the memory they grow by
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory.gan.augment import AugmentPipe
from merzmory.gan.config import NetworkConfig, TrainConfig
from merzmory.gan.device import choose_device, keep_freed_memory
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.step import TrainingState


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int, default=64, help="px")
    parser.add_argument("--channel-base", type=int, default=4096)
    parser.add_argument("--channel-max", type=int, default=128)
    parser.add_argument("--w-dim", type=int, default=512)
    parser.add_argument("--mapping-layers", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "fp16"))
    parser.add_argument("--augment", default="", help="groups such as bgc, at strength 0.2")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=0, help="whole steps, with their memory")
    parser.add_argument("--profile", default="", help="a phase whose operations are listed")
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    device = choose_device(options.device)
    config = NetworkConfig(
        options.resolution,
        z_dim=options.w_dim,
        w_dim=options.w_dim,
        mapping_layers=options.mapping_layers,
        channel_base=options.channel_base,
        channel_max=options.channel_max,
    )
    recipe = TrainConfig(batch=options.batch, precision=options.precision, ada="fixed")
    augment = AugmentPipe(options.augment).to(device) if options.augment else None
    if augment is not None:
        augment.p.fill_(0.2)
    networks = [
        n(config).to(device, memory_format=torch.channels_last) for n in (Generator, Discriminator)
    ]
    state = TrainingState(recipe, networks[0], networks[1], augment)  # type: ignore[arg-type]
    sizes = [sum(p.numel() for p in n.parameters()) / 1e6 for n in networks]
    if options.steps:
        memory(state, options.steps, options.batch)
        return
    n, small = options.batch, max(options.batch // recipe.pl_batch_shrink, 1)
    real = torch.rand(n, 3, config.resolution, config.resolution, device=device) * 2 - 1
    z = torch.randn(n, config.z_dim, device=device)
    pl_noise = torch.randn_like(real[:small])

    def g_main() -> None:
        state.D.requires_grad_(False)
        state.g_main(z, None)
        state.update(state.g_opt, state.g_params)

    def g_path() -> None:
        state.g_path_length(z[:small], None, pl_noise)
        state.update(state.g_opt, state.g_params)

    def d_main() -> None:
        state.D.requires_grad_(True)
        state.d_main(z, real, None, None)
        state.update(state.d_opt, state.d_params)

    def d_r1() -> None:
        state.d_r1(real, None)
        state.update(state.d_opt, state.d_params)

    phases: dict[str, tuple[Callable[[], None], float]] = {
        "G main": (g_main, 1.0),
        "G path length": (g_path, 1 / recipe.pl_interval),
        "D main": (d_main, 1.0),
        "D R1": (d_r1, 1 / recipe.r1_interval),
        "EMA": (lambda: state.update_ema(0.99), 1.0),
    }
    print(f"{dataclasses.asdict(config)}")
    print(f"G {sizes[0]:.2f} M, D {sizes[1]:.2f} M parameters, {vars(options)}")
    print(f"{'phase':16} {'CPU ms':>9} {'wall ms':>9}   a step")
    total = [0.0, 0.0]
    for name, (phase, share) in phases.items():
        cpu, wall = measure(phase, options.repeats, device)
        total = [total[0] + cpu * share, total[1] + wall * share]
        print(f"{name:16} {cpu * 1e3:9.1f} {wall * 1e3:9.1f}   x {share:.3f}")
    print(f"{'step':16} {total[0] * 1e3:9.1f} {total[1] * 1e3:9.1f}")
    print(f"{n / total[0]:.2f} pictures a CPU-second, {n / total[1]:.2f} a second")
    if options.profile:
        with torch.profiler.profile() as profile:
            phases[options.profile][0]()
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=20))


def memory(state: TrainingState, steps: int, batch: int) -> None:
    """Whole steps, and what the process (or the accelerator) holds after each tenth of them."""
    real = torch.rand(batch, 3, state.G.resolution, state.G.resolution, device=state.device) * 2 - 1
    for step in range(1, steps + 1):
        state.advance(real)
        if step % max(steps // 10, 1) == 0:
            if state.device.type == "cuda":
                held = torch.cuda.max_memory_allocated()
            else:
                with Path("/proc/self/statm").open() as pages:
                    held = int(pages.read().split()[1]) * os.sysconf("SC_PAGESIZE")
            print(f"step {step:6} {held / 2**20:8.1f} MiB", flush=True)


def measure(phase: Callable[[], None], repeats: int, device: torch.device) -> tuple[float, float]:
    """Median seconds (CPU time of the process, wall), after one warm-up."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    phase()
    cpu, wall = [], []
    for _ in range(repeats):
        wait()
        c, w = time.process_time(), time.perf_counter()
        phase()
        wait()
        cpu.append(time.process_time() - c)
        wall.append(time.perf_counter() - w)
    return statistics.median(cpu), statistics.median(wall)


if __name__ == "__main__":
    main()
