"""The engine's own door: `python -m merzmory.gan train | sample | score | inspect | export | pack | unpack`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from merzmory.gan.config import EngineError


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 bad input (one sentence on stderr), 130 interrupted (resumable)."""
    # threads that wait by spinning make a step ten times as long beside another busy program
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    options = _parser().parse_args(arguments)
    try:
        options.do(options)
    except EngineError as error:
        print(f"{error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped: the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m merzmory.gan", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="start a run folder, or go on with it")
    train.add_argument("run", type=Path, help="run folder; one that exists goes on without more")
    train.add_argument("--dataset", type=Path, help="dataset folder")
    train.add_argument("--base", type=Path, help="network file to start from")
    train.add_argument("--config", type=Path, help="TOML with a [train] table")
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets")
    train.add_argument(
        "--change", action="store_true",
        help="let --set change the recipe of a run that has begun (learning_rate, ada ...); recorded",
    )  # fmt: skip
    train.set_defaults(do=_train)

    sample = commands.add_parser("sample", help="pictures of seeds")
    sample.add_argument("--network", type=Path, required=True)
    sample.add_argument("--seeds", default="0-3", help="such as 0-3 or 1,5,7-9")
    sample.add_argument("--psi", type=float, default=0.7, help="truncation, 1 = none")
    sample.add_argument("--noise", choices=("const", "random", "none"), default="const")
    sample.add_argument("--which", choices=("ema", "raw"), default="ema")
    sample.add_argument("--label", type=int, default=0, help="class of a network with labels")
    sample.add_argument("--batch", type=int, default=8)
    sample.add_argument("--device", default="auto")
    sample.add_argument("--out", type=Path, required=True)
    sample.set_defaults(do=_sample)

    score = commands.add_parser("score", help="how real the training pictures look to a run's D")
    score.add_argument("run", type=Path)
    score.add_argument("out", type=Path, help="JSON lines, the lowest score first")
    score.add_argument("--dataset", type=Path, help="dataset folder, if not the run's own")
    score.add_argument("--device", default="auto")
    score.set_defaults(do=_score)

    inspect = commands.add_parser("inspect", help="what a network file is and can do, as JSON")
    inspect.add_argument("file", type=Path)
    inspect.set_defaults(do=_inspect)

    export = commands.add_parser("export", help="a run's networks, or a file's, as a file")
    export.add_argument("source", type=Path, help="run folder, or network file of any kind")
    export.add_argument("out", type=Path, help="NAME.safetensors, or NAME.pt for rosinality")
    export.add_argument("--step", type=int, help="of a run; without it, the newest checkpoint")
    export.add_argument("--format", choices=("safetensors", "rosinality"), default="safetensors")
    export.add_argument(
        "--half", action="store_true", help="float16, and without --networks G_ema and D: a base"
    )
    export.add_argument("--networks", help="such as G_ema,D; without it, all that are there")
    export.add_argument("--note", action="append", default=[], metavar="KEY=TEXT", dest="notes")
    export.add_argument("--force", action="store_true", help="write over a file that is there")
    export.set_defaults(do=_export)

    pack = commands.add_parser("pack", help="a run, its squares and this engine as one ZIP")
    pack.add_argument("run", type=Path)
    pack.add_argument("out", type=Path, help="the ZIP")
    pack.set_defaults(do=_pack)

    unpack = commands.add_parser("unpack", help="lay a packed run out, or bring it back to its run")
    unpack.add_argument("file", type=Path, help="the ZIP")
    unpack.add_argument("run", type=Path, help="run folder; one that exists is brought forward")
    unpack.set_defaults(do=_unpack)
    return parser


def _train(options: argparse.Namespace) -> None:
    from merzmory.gan import run as runs
    from merzmory.gan import training
    from merzmory.gan.config import train_config

    table: dict[str, Any] = {}
    if options.config is not None:
        try:
            table = tomllib.loads(options.config.read_text(encoding="utf-8")).get("train", {})
        except (OSError, ValueError) as error:
            raise EngineError(f"{options.config} cannot be read as TOML: {error}") from error
    changes = table | dict(_setting(text) for text in options.sets)
    if (options.run / runs.RUN).exists() and options.dataset is None:
        training.resume(
            options.run, announce=_show, should_stop=_terminated(), change=options.change, **changes
        )
        return
    if options.dataset is None:
        raise EngineError(f"{options.run} is no run yet, start it with --dataset FOLDER")
    training.train(
        options.run, dataset=options.dataset, config=train_config(changes), base=options.base,
        announce=_show, should_stop=_terminated(), change=options.change,
    )  # fmt: skip


def _terminated() -> Callable[[], bool]:
    """Whether SIGTERM has come: a scheduler's stop ends at the step with a checkpoint."""
    came: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    return lambda: bool(came)


def _show(progress: Any) -> None:
    """A line at every tick and event."""
    if progress.event is None and progress.step % 10:
        return
    losses = " ".join(f"{k} {v:.3f}" for k, v in progress.losses.items() if v is not None)
    print(
        f"step {progress.step}/{progress.steps} {progress.images_per_second:.1f} img/s "
        f"eta {progress.eta_seconds:.0f} s p {progress.ada_p:.3f} {losses} {progress.event or ''}",
        flush=True,
    )
    if progress.note:
        print(f"{progress.note}.", flush=True)


def _sample(options: argparse.Namespace) -> None:
    from PIL import Image

    from merzmory.gan import generate
    from merzmory.gan.checkpoint import load_generator, storage_errors
    from merzmory.gan.device import choose_device

    seeds = parse_seeds(options.seeds)
    generator = load_generator(options.network, options.which, choose_device(options.device))
    label = options.label if generator.c_dim else None
    with storage_errors(options.out):
        options.out.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(seeds), options.batch):
        some = seeds[start : start + options.batch]
        pictures = generate.images(
            generator, some, options.psi, options.noise, label=label, batch=options.batch
        )
        for seed, picture in zip(some, pictures, strict=True):
            with storage_errors(options.out):
                Image.fromarray(picture.squeeze()).save(options.out / f"seed{seed:04d}.png")


def _score(options: argparse.Namespace) -> None:
    from merzmory.gan.run import write_bytes
    from merzmory.gan.score import score_run

    lines = score_run(options.run, options.dataset, device=options.device)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_bytes(options.out, text.encode())


def _inspect(options: argparse.Namespace) -> None:
    from merzmory.gan.checkpoint import inspect

    print(json.dumps(inspect(options.file), indent=1))


def _export(options: argparse.Namespace) -> None:
    from merzmory.gan.export import export

    done = export(
        options.source,
        options.out,
        step=options.step,
        format=options.format,
        half=options.half,
        networks=options.networks.split(",") if options.networks else None,
        notes=dict(text.partition("=")[::2] for text in options.notes),
        force=options.force,
    )
    print(f"{options.out}: {', '.join(done.networks)}, {done.bytes / 1e6:.1f} MB")
    for remark in done.remarks:
        print(f"For rosinality's code: {remark}.")


def _pack(options: argparse.Namespace) -> None:
    from merzmory.gan import capsule

    out = capsule.pack(options.run, options.out)
    size = out.stat().st_size / 1e6
    print(
        f"{out} ({size:.0f} MB) holds the training squares of your photographs: mind where it goes"
    )


def _unpack(options: argparse.Namespace) -> None:
    from merzmory.gan import capsule
    from merzmory.gan import run as runs

    done, wanted = runs.progress(capsule.unpack(options.file, options.run))
    print(f"{options.run} is at step {done} of {wanted}")


def _setting(text: str) -> tuple[str, Any]:
    """("steps", 500) of "steps=500": a TOML value, or else plain text."""
    key, equals, value = text.partition("=")
    if not equals:
        raise EngineError(f"{text!r} is not KEY=VALUE, write for example steps=500")
    try:
        return key.strip(), tomllib.loads(f"v = {value}")["v"]
    except ValueError:
        return key.strip(), value.strip()


def parse_seeds(text: str) -> list[int]:
    """[0, 1, 2, 3, 7] of "0-3,7"; EngineError for anything else."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise EngineError(f"{text!r} are not seeds, write for example 0-3 or 1,5,7-9")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


if __name__ == "__main__":
    sys.exit(main())
