"""Pictures from a generator: one a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from merzmory import provenance
from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint, generate
from merzmory.gan.device import choose_device
from merzmory.gan.layers import Noise
from merzmory.gan.networks import StyleGenerator
from merzmory.latent.labels import in_turn
from merzmory.manifest import Work, lay_out
from merzmory.records import Announce, Progress, Sample


def picture(
    generator: StyleGenerator,
    seed: int,
    psi: float,
    noise: Noise = "const",
    label: int | None = None,
    shape: Frame = SQUARE,
) -> Image.Image:
    """What `generator` makes of `seed`, as a square in `shape` shows it; `label` is a class's number."""
    made = generate.images(generator, [seed], psi, noise, label=label)[0]
    return shape.shown(Image.fromarray(made))


def plan(
    *,
    network: Path,
    which: Literal["ema", "raw"],
    step: int | None,
    folder: Path,
    first_seed: int,
    count: int,
    psi: float,
    noise: Noise,
    device: str,
    settings: Mapping[str, Any],
    labels: Sequence[str] = (),
    label: str = "",
    shape: Frame = SQUARE,
    birth: Callable[[], Mapping[str, Any]] = dict,
    shard_size: int = 64,
) -> Work:
    """`count` pictures of seeds `first_seed` on, as PNG; a `records.Sample` a line.

    `which` is "ema" or "raw". The picture of a seed does not depend on `count`, nor on how
    the seeds are cut into shards. A network that knows `labels` gets `label`, or all in turn by
    seed; the line then says which ("label"). What is written is what a square in `shape` shows, and
    says inside what `birth()` tells of the network, and all that `picture` needs.

    Raises:
        ConfigError: `label` is none of `labels`.
    """
    classes = in_turn(labels, label, "sample.label")
    seeds = range(first_seed, first_seed + count)
    shards = [seeds[i : i + shard_size] for i in range(0, count, shard_size)]

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        generator = checkpoint.load_generator(network, which, choose_device(device))
        born = birth()
        lines = []
        for seed in shards[index]:
            which_label = classes[seed % len(classes)]
            made = picture(generator, seed, psi, noise, which_label, shape)
            line = asdict(Sample(f"seed{seed:06d}.png", seed, psi, step))
            if which_label is not None:
                line["label"] = labels[which_label]
            record = {
                **born,
                **settings,
                **line,
                "kind": "sample",
                "network": which,
                "noise": noise,
            }
            record["class"] = which_label
            if not shape.is_plain:
                record["frame"] = shape.settings()
            del record["file"]
            provenance.save_png(made, part / line["file"], record)
            lines.append(line)
            announce(Progress("sample", seed - first_seed + 1, count, "pictures"))
        return lines

    return lay_out("samples", folder, settings, len(shards), make)
