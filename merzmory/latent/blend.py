"""A network between two: layer by layer from a base towards what was trained from it, or between two steps.

W(r) = (1 - t(r)) W_from + t(r) W_to for the layers of each resolution r, t being a curve over resolutions
(layer swapping and its smooth form: Pinkney and Adler 2020, arXiv 2010.05334). Weights of networks of one family can
be mixed so: a training starts from its base, and its steps lie near each other.

    0.3                 the same everywhere
    swap:32             the layers below 32 px are of the one, from 32 px on of the other
    smooth:32, smooth:32:0.5    t = 1 / (1 + exp(-(log2 r - log2 32) / width)), width in octaves (1)
    4=1,16=0.5,64=0     points, straight lines in log2 r between them

The mapping network takes t at the coarsest layer, or what `mapping=` says: "swap:32,mapping=1". Where t is 0
or 1 the weights are the one's or the other's to the bit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from merzmory.errors import ConfigError, WeightsError
from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint
from merzmory.gan.architecture import assemble
from merzmory.gan.networks import StyleGenerator
from merzmory.gan.stylegan3_config import StyleGAN3Config
from merzmory.latent.explore import Explorer
from merzmory.manifest import sha256_of
from merzmory.sheet import sheet

NETWORKS: dict[str, Literal["ema", "raw"]] = {"G_ema": "ema", "G": "raw"}
DIAL = (0.25, 0.5, 0.75)  # what the sheet shows between the two parents, beside the blend
_NUMBER = r"\d+(?:\.\d+)?"


@dataclass(frozen=True, slots=True)
class Curve:
    """t over resolutions: `points` (log2 px, t), ascending; a `swap` jumps, other curves go straight."""

    text: str
    points: tuple[tuple[float, float], ...]
    kind: Literal["line", "swap", "smooth"] = "line"
    width: float = 1.0  # octaves, of smooth
    mapping: float | None = None

    @classmethod
    def parse(cls, text: str) -> Curve:
        """The curve of a text as above.

        Raises:
            ConfigError: it is none.
        """
        parts = [part for part in text.replace(" ", "").split(",") if part]
        ends = [part for part in parts if part.startswith("mapping=")]
        rest = [part for part in parts if part not in ends]
        try:
            mapping = _share(ends[-1].partition("=")[2]) if ends else None
            if len(rest) == 1 and re.fullmatch(_NUMBER, rest[0]):
                return cls(text, ((2.0, _share(rest[0])),), mapping=mapping)
            found = re.fullmatch(rf"(swap|smooth):(\d+)(?::({_NUMBER}))?", ",".join(rest))
            if found and (found[1] == "smooth" or not found[3]):
                kind: Literal["swap", "smooth"] = "swap" if found[1] == "swap" else "smooth"
                width = float(found[3] or 1)
                if width > 0:
                    return cls(text, ((_octave(found[2]), 0.5),), kind, width, mapping)
            pairs = [part.split("=") for part in rest]
            points = sorted((_octave(r), _share(t)) for r, t in pairs)
            if not points or len({at for at, _ in points}) < len(points):
                raise ValueError("points")
            return cls(text, tuple(points), mapping=mapping)
        except ValueError as error:
            raise ConfigError(
                f"The curve {text!r:.60} is none: write a number from 0 to 1, swap:32, smooth:32, or "
                "points such as 4=0,16=0.5,64=1."
            ) from error

    def at(self, resolution: int) -> float:
        """t of the layers of a resolution in pixels, 0..1."""
        octave = math.log2(resolution)
        if self.kind == "swap":
            return float(octave >= self.points[0][0])
        if self.kind == "smooth":
            return 1 / (1 + math.exp(-(octave - self.points[0][0]) / self.width))
        octaves, found = zip(*self.points, strict=True)
        return float(np.interp(octave, octaves, found))

    @property
    def is_flat(self) -> bool:
        """Whether t is the same everywhere: one number, and the mapping's none of its own."""
        return (
            self.kind == "line" and len({t for _, t in self.points}) == 1 and self.mapping is None
        )


def shares(generator: StyleGenerator, curve: Curve) -> dict[str, float]:
    """t by the beginning of the weights' names: "mapping.", "synthesis.b4.", "synthesis.L0_36_512." ..."""
    config = generator.config
    if isinstance(config, StyleGAN3Config):
        rates = [signal.rate for signal in config.signals()]
        layers = {"input": rates[0], **dict(zip(config.layer_names(), rates, strict=True))}
    else:
        layers = {f"b{2**k}": 2**k for k in range(2, int(math.log2(config.resolution)) + 1)}
    found = {f"synthesis.{name}.": curve.at(rate) for name, rate in layers.items()}
    coarsest = curve.at(min(layers.values()))
    return {"mapping.": coarsest if curve.mapping is None else curve.mapping, **found}


@torch.inference_mode()
def between(one: StyleGenerator, other: StyleGenerator, t: Mapping[str, float]) -> StyleGenerator:
    """The generator between two of one architecture, `t` as `shares` gives it.

    Raises:
        WeightsError: their architectures differ.
    """
    first, last = one.state_dict(), other.state_dict()
    shapes = [{key: value.shape for key, value in state.items()} for state in (first, last)]
    clamps = one.config.conv_clamp, other.config.conv_clamp
    if type(one) is not type(other) or shapes[0] != shapes[1] or clamps[0] != clamps[1]:
        raise WeightsError(
            f"A {_about(one)} and a {_about(other)} cannot be blended: take two networks of one "
            "training, or a base and what was trained from it."
        )
    mixed: dict[str, Tensor] = {}
    for key, value in first.items():
        share = next(share for name, share in t.items() if key.startswith(name))
        if share in (0, 1) or not value.is_floating_point():
            mixed[key] = (last[key] if share == 1 else value).clone()
        else:
            mixed[key] = torch.lerp(value, last[key], share)
    made = assemble(other.config, "G_ema", mixed)
    assert isinstance(made, StyleGenerator)
    return made


@dataclass(frozen=True, slots=True)
class Parent:
    """A network to blend: its file, and what it is called in the blend ("base", "step 500")."""

    file: Path
    name: str

    def holds(self) -> list[str]:
        """Which of G_ema and G are in the file."""
        return [name for name in checkpoint.inspect(self.file)["networks"] if name in NETWORKS]

    def open(self, name: str) -> StyleGenerator:
        """Its G_ema or G."""
        return checkpoint.load_generator(self.file, NETWORKS[name])

    def said(self) -> dict[str, str]:
        """{"name", "sha256"}, for the blend's metadata."""
        return {"name": self.name, "sha256": sha256_of(self.file)}


def blend(one: Parent, other: Parent, curve: Curve, out: Path, *, licence: str = "") -> list[str]:
    """Write the network between `one` and `other` to `out`, a slim file: those of G_ema and G that both hold.

    Its metadata says its parents and weights ("blend"). Returns the names of the networks.

    Raises:
        WeightsError: their architectures differ, or they have no network in common.
        ConfigError: `out` is no name for a network file, or is there already.
    """
    if out.suffix.lower() != checkpoint.SUFFIX:
        raise ConfigError(f"{out} has no name for a network: let it end in {checkpoint.SUFFIX}.")
    if out.exists():
        raise ConfigError(f"{out} is there already: choose another name, or move it away.")
    names = [name for name in NETWORKS if name in one.holds() and name in other.holds()]
    if not names:
        raise WeightsError(
            f"{one.file.name} and {other.file.name} hold no network of the same name: take files "
            "that both hold G_ema."
        )
    made = {}
    for name in names:
        first = one.open(name)
        t = shares(first, curve)
        made[name] = between(first, other.open(name), t)
    said = {"parents": [one.said(), other.said()], "curve": curve.text, "weights": t}
    extra = {"blend": json.dumps(said, sort_keys=True), **({"licence": licence} if licence else {})}
    config = made[names[0]].config
    checkpoint.save_network(out, made, config, extra=extra)
    return names


def dial(
    one: Parent,
    other: Parent,
    curve: Curve,
    *,
    seeds: int,
    psi: float,
    tile: int,
    shape: Frame = SQUARE,
) -> Image.Image:
    """The same seeds in one parent, on the way along the curve, and in the other: RGB, a row a seed.

    Of G_ema; a network without takes part with its G. Labels come in turn. Columns are parts of a flat
    curve's whole way, or of the way to the blend; "the blend" is what `blend` writes.
    """
    first, last = one.open("G_ema"), other.open("G_ema")
    t = shares(first, curve)
    whole = dict.fromkeys(t, 1.0) if curve.is_flat else t
    parts = {part: {key: part * value for key, value in whole.items()} for part in DIAL}
    end = curve.at(4) if curve.is_flat else 1.0
    parts[end] = t
    stops = [(one.name, dict.fromkeys(t, 0.0))]
    stops += [("the blend" if part == end else f"{part:g}", parts[part]) for part in sorted(parts)]
    stops += [(other.name, dict.fromkeys(t, 1.0))]
    grid: list[list[Image.Image]] = [[] for _ in range(seeds)]
    for _, weights in stops:
        explorer = Explorer(between(first, last, weights))
        for seed, row in enumerate(grid):
            pixels = explorer.picture(explorer.seed(seed), psi)
            row.append(shape.shown(Image.fromarray(pixels)))
    return sheet(
        grid,
        tile=tile,
        ratio=grid[0][0].width / grid[0][0].height,
        title=f"{one.name} to {other.name}",
        note=f"curve {curve.text} · psi {psi:g} · columns: parts of the way to "
        + (other.name if curve.is_flat else "the blend"),
        column_labels=[name for name, _ in stops],
        row_labels=[f"seed {seed}" for seed in range(seeds)],
    )


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError("a share")
    return value


def _octave(text: str) -> float:
    if not text.isdigit() or not 1 <= int(text) <= 2**16:
        raise ValueError("a resolution")
    return math.log2(int(text))


def _about(generator: StyleGenerator) -> str:
    config = generator.config
    kind = config.kind if isinstance(config, StyleGAN3Config) else "stylegan2"
    labels = f", {config.c_dim} labels" if config.c_dim else ""
    return (
        f"{kind} of {config.resolution} px (channels {config.channel_base}, {config.channel_max}; "
        f"z {config.z_dim}, w {config.w_dim}{labels})"
    )
