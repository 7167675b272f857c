"""A picture made again from what it says inside: its network is looked for below outputs.

What a file says may be written by anybody: names are checked before anything is opened, and the
network must have the digest that the file names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from merzmory import provenance
from merzmory.errors import ConfigError, FormatError, WeightsError
from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint, run
from merzmory.gan.device import choose_device
from merzmory.latent import sample
from merzmory.manifest import sha256_of
from merzmory.story.step import engine_errors

_RUN = re.compile(r"run-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a picture of a seed needs, checked.

    Raises:
        FormatError: the record does not hold it.
    """

    run: str
    step: int
    network_sha256: str
    network: Literal["ema", "raw"]
    seed: int
    psi: float
    noise: Literal["const", "random", "none"]
    label: int | None
    frame: Frame

    @classmethod
    def read(cls, record: Mapping[str, Any], name: str) -> Recipe:
        """The recipe in a record; `name` is the file's, for the error's sentence."""
        try:
            label = record.get("class")
            made = cls(
                run=str(record["run"]),
                step=int(record["step"]),
                network_sha256=str(record.get("network_sha256", "")),
                network=record["network"],
                seed=int(record["seed"]),
                psi=float(record["psi"]),
                noise=record["noise"],
                label=None if label is None else int(label),
                frame=Frame.read(record["frame"]) if record.get("frame") else SQUARE,
            )
            fits = (
                _RUN.fullmatch(made.run) is not None
                and made.network in ("ema", "raw")
                and made.noise in ("const", "random", "none")
                and 0 <= made.seed < 2**32
                and math.isfinite(made.psi)
                and made.step >= 0
            )
        except (KeyError, TypeError, ValueError, OverflowError, ConfigError):
            fits = False
        if not fits:
            raise FormatError(
                f"{name} does not say how one picture of a seed was made: only such pictures, and "
                "what was enlarged or hung from them, can be made again from the file alone."
            )
        return made


def make(file: Path, out: Path, outputs: Path, *, force: bool = False) -> bool | None:
    """Make the picture that `file` speaks of again, and write it to `out` (PNG).

    Returns whether its pixels equal the file's; None where the file is another size, such as one
    that was enlarged. On a CPU they are equal to the bit.

    Raises:
        FormatError: the file does not say how it was made.
        WeightsError: the network is not below `outputs`.
        ConfigError: `out` is there already, or is no .png.
        StorageError: `out` cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise ConfigError(f"{out} is no .png: pictures are made again without loss.")
    if out.exists() and not force:
        raise ConfigError(f"{out} is there already: choose another name, or add --force.")
    record = provenance.read(file)
    recipe = Recipe.read(record, str(file))
    with engine_errors():
        network = find(recipe, outputs)
        generator = checkpoint.load_generator(network, recipe.network, choose_device("cpu"))
        made = sample.picture(
            generator, recipe.seed, recipe.psi, recipe.noise, recipe.label, recipe.frame
        )
    own = {key: value for key, value in record.items() if key not in _OF_COPIES}
    provenance.save_png(made, out, {**own, "kind": "sample"})
    with Image.open(file) as old:
        if old.size != made.size:
            return None
        return bool(np.array_equal(np.asarray(old.convert(made.mode)), np.asarray(made)))


_OF_COPIES = {"width", "height", "engine", "scale", "source_file", "title", "number", "samples"}


def find(recipe: Recipe, outputs: Path) -> Path:
    """The snapshot that made the picture, below `outputs`: by its run's name, or by its digest.

    Raises:
        WeightsError: there is none.
    """
    for file in _candidates(recipe, outputs):
        if not recipe.network_sha256:
            return file
        if sha256_of(file) == recipe.network_sha256:
            return file
    raise WeightsError(
        f"The network that made it ({recipe.run} at step {recipe.step}) does not lie below "
        f"{outputs}: name the place of its outputs with --outputs DIR, or train it again."
    )


def _candidates(recipe: Recipe, outputs: Path) -> Iterator[Path]:
    """Snapshots of that step: of the run of that name first; of any run, where a digest decides."""
    named = sorted(outputs.glob(f"*/{recipe.run}"))
    others = sorted(set(outputs.glob("*/run-????????")) - set(named))
    for folder in [*named, *(others if recipe.network_sha256 else [])]:
        file = run.snapshot_path(folder, recipe.step)
        if file.is_file():
            yield file
