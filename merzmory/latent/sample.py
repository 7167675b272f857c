"""Pictures from a generator: one a seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from merzmory import provenance
from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint, generate
from merzmory.gan.device import choose_device
from merzmory.latent.labels import in_turn
from merzmory.manifest import Work, lay_out
from merzmory.records import Announce, Progress, Sample


def plan(
    *,
    network: Path,
    which: Literal["ema", "raw"],
    step: int | None,
    folder: Path,
    first_seed: int,
    count: int,
    psi: float,
    noise: Literal["const", "random", "none"],
    device: str,
    settings: Mapping[str, Any],
    labels: Sequence[str] = (),
    label: str = "",
    shape: Frame = SQUARE,
    shard_size: int = 64,
) -> Work:
    """`count` pictures of seeds `first_seed` on, as PNG; a `records.Sample` a line.

    `which` is "ema" or "raw". The picture of a seed does not depend on `count`, nor on how
    the seeds are cut into shards. A network that knows `labels` gets `label`, or all in turn by
    seed; the line then says which ("label"). What is written is what a square in `shape` shows.

    Raises:
        ConfigError: `label` is none of `labels`.
    """
    classes = in_turn(labels, label, "sample.label")
    seeds = range(first_seed, first_seed + count)
    shards = [seeds[i : i + shard_size] for i in range(0, count, shard_size)]

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        generator = checkpoint.load_generator(network, which, choose_device(device))
        lines = []
        for seed in shards[index]:
            which_label = classes[seed % len(classes)]
            picture = generate.images(generator, [seed], psi, noise, label=which_label)[0]
            line = asdict(Sample(f"seed{seed:06d}.png", seed, psi, step))
            if which_label is not None:
                line["label"] = labels[which_label]
            record = {**settings, **line}
            del record["file"]
            shown = shape.shown(Image.fromarray(picture))
            provenance.save_png(shown, part / line["file"], record)
            lines.append(line)
            announce(Progress("sample", seed - first_seed + 1, count, "pictures"))
        return lines

    return lay_out("samples", folder, settings, len(shards), make)
