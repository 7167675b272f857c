"""How a picture is enlarged: the engines, by name.

lanczos       windowed sinc: invents nothing, needs nothing
starter       a small network that comes with the project: the default
native        Real-ESRGAN networks of our own, with the official weights
realesrgan    the package realesrgan, with the same weights: the same pictures, to the bit
spandrel      the package spandrel: over forty kinds of networks, by their files
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from merzmory.errors import ConfigError, WeightsError
from merzmory.records import Announce, silent
from merzmory.upscale.lanczos import Lanczos
from merzmory.upscale.tiling import Tiles
from merzmory.upscale.upscaler import Upscaler
from merzmory.weights import ledger

TILE = 256  # pixels of input
STARTER = "starter-upscaler"  # the ledger's name of what comes with the project


@dataclass(frozen=True, slots=True)
class Knobs:
    """What an engine is made with."""

    scale: int
    weights: Path | None
    tile: int  # pixels of input
    device: str
    strength: float  # 0 lanczos .. 1 the network
    denoise: float  # 0 the twin's parameters .. 1 the weights'
    twin: Path | None


def _lanczos(knobs: Knobs) -> Upscaler:
    return Lanczos(knobs.scale)


def _network(name: str, module: str) -> Callable[[Knobs], Upscaler]:
    def make(knobs: Knobs) -> Upscaler:
        if knobs.weights is None:
            raise WeightsError(
                f"The upscaling engine {name} needs a file: name one with --set "
                "upscale.weights=NAME, or choose --set upscale.engine=starter."
            )
        if knobs.denoise < 1 and knobs.twin is None:
            raise WeightsError(
                "An upscale.denoise below 1 mixes two networks: name the second one with "
                "--set upscale.twin=NAME, or leave it at 1."
            )
        reader: Any = import_module(f"merzmory.upscale.{module}")  # torch only where it is needed
        read = reader.network(
            knobs.weights, device=knobs.device, twin=knobs.twin, denoise=knobs.denoise
        )
        return Tiles(name, knobs.scale, read, knobs.tile, knobs.strength)

    return make


def _starter(knobs: Knobs) -> Upscaler:
    shipped = knobs.weights or ledger.find(STARTER, Path())  # it lies in no cache
    return _network("starter", "native")(replace(knobs, weights=shipped, denoise=1.0))


UPSCALERS: dict[str, Callable[[Knobs], Upscaler]] = {
    "lanczos": _lanczos,
    "starter": _starter,
    "native": _network("native", "native"),
    "realesrgan": _network("realesrgan", "realesrgan"),
    "spandrel": _network("spandrel", "spandrel"),
}


def engine(
    name: str,
    *,
    scale: int = 4,
    weights: Path | None = None,
    tile: int = TILE,
    device: str = "auto",
    strength: float = 1.0,
    denoise: float = 1.0,
    twin: Path | None = None,
) -> Upscaler:
    """The engine of that name, enlarging `scale` times.

    Raises:
        ConfigError: there is no such engine, its package is not installed, or a number is out of
            range.
        WeightsError: the engine needs a weights file, and there is none or it is not fit.
        EngineError: the device is not there.
    """
    check(name, scale, strength, denoise)
    return UPSCALERS[name](Knobs(scale, weights, tile, device, strength, denoise, twin))


def check(name: str, scale: int, strength: float = 1.0, denoise: float = 1.0) -> None:
    """Whether they can be had, before anything is loaded.

    Raises:
        ConfigError: they cannot.
    """
    if name not in UPSCALERS:
        near = difflib.get_close_matches(name, UPSCALERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(UPSCALERS))}."
        raise ConfigError(f"There is no upscaling engine {name}: {hint}")
    if not 1 <= scale <= 16:
        raise ConfigError(
            f"A scale of {scale} is out of range: choose 1 to 16 with --set upscale.scale=N."
        )
    for knob, value in (("strength", strength), ("denoise", denoise)):
        if not 0 <= value <= 1:
            raise ConfigError(
                f"A {knob} of {value} is out of range: choose 0 to 1 with --set upscale.{knob}=X."
            )


def enlarge(picture: Image.Image, by: Upscaler, announce: Announce = silent) -> Image.Image:
    """`picture` enlarged: RGB, or RGBA with its transparency enlarged by lanczos."""
    return enlarge_all([picture], by, announce)[0]


def enlarge_all(
    pictures: list[Image.Image], by: Upscaler, announce: Announce = silent
) -> list[Image.Image]:
    """`pictures` of one size, enlarged together."""
    wholes = [_plain(picture) for picture in pictures]
    large = by(np.stack([np.asarray(whole.convert("RGB")) for whole in wholes]), announce)
    made = []
    for whole, pixels in zip(wholes, large, strict=True):
        enlarged = Image.fromarray(pixels)
        if whole.mode == "RGBA":
            alpha = whole.getchannel("A")
            enlarged.putalpha(alpha.resize(enlarged.size, Image.Resampling.LANCZOS))
        made.append(enlarged)
    return made


def _plain(picture: Image.Image) -> Image.Image:
    """RGB or RGBA."""
    if picture.mode.startswith("I;16"):  # Pillow would clip it at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
