"""The starter upscaler's own door: `python -m merzmory.upscale train | export`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from merzmory.errors import MerzmoryError
from merzmory.gan.config import EngineError
from merzmory.records import Progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 bad input (one sentence on stderr), 130 interrupted (resumable)."""
    # threads that wait by spinning make a step ten times as long beside another busy program
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    options = _parser().parse_args(arguments)
    try:
        options.do(options)
    except (MerzmoryError, EngineError) as error:
        print(f"{error}".rstrip(".") + ".", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped: the same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m merzmory.upscale", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="start a run folder, or go on with it")
    train.add_argument("run", type=Path)
    train.add_argument("--pictures", type=Path, nargs="+", required=True, help="folders or ZIPs")
    train.add_argument("--config", type=Path, required=True, help="TOML with a [train] table")
    train.add_argument("--every", type=int, default=250, help="steps between two checkpoints")
    train.add_argument("--threads", type=int, default=1)
    train.set_defaults(do=_train)

    export = commands.add_parser("export", help="a run's averaged network as a file")
    export.add_argument("run", type=Path)
    export.add_argument("file", type=Path, help="NAME.safetensors")
    export.add_argument("--note", action="append", default=[], metavar="KEY=TEXT", dest="notes")
    export.set_defaults(do=_export)
    return parser


def _train(options: argparse.Namespace) -> None:
    from merzmory.gan.device import keep_freed_memory, use_threads
    from merzmory.upscale import lessons, training

    use_threads(options.threads)
    keep_freed_memory()
    recipe = training.read_recipe(options.config)
    pictures = lessons.read(options.pictures, recipe.longest)
    print(f"{len(pictures)} pictures to learn from", flush=True)
    begun = time.monotonic()

    def said(now: Progress) -> None:
        numbers = "  ".join(f"{name} {value:.5f}" for name, value in now.details.items())
        minutes = (time.monotonic() - begun) / 60
        print(f"step {now.done} of {now.total}  {numbers}  {minutes:.1f} min", flush=True)

    training.train(
        options.run, pictures=pictures, recipe=recipe, every=options.every, announce=said
    )


def _export(options: argparse.Namespace) -> None:
    from merzmory.upscale import training

    notes = dict(note.partition("=")[::2] for note in options.notes)
    print(training.export(options.run, options.file, notes))


if __name__ == "__main__":
    sys.exit(main())
