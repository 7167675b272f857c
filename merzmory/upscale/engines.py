"""How a picture is enlarged: the engines, by name.

lanczos       windowed sinc: invents nothing, needs nothing
realesrgan    Real-ESRGAN networks of our own, with the official weights
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from PIL import Image

from merzmory.errors import ConfigError, WeightsError

Picture = npt.NDArray[np.uint8]  # [H, W, 3], sRGB
TILE = 256  # pixels of input


@runtime_checkable
class Upscaler(Protocol):
    """A name, the factor, and the function. Equal pictures give equal pictures."""

    name: str
    scale: int

    def __call__(self, image: Picture) -> Picture:
        """uint8 [H, W, 3] to uint8 [H*scale, W*scale, 3]."""
        ...


class Lanczos:
    """The engine `lanczos`: a windowed sinc over three lobes."""

    name = "lanczos"

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def __call__(self, image: Picture) -> Picture:
        height, width, _ = image.shape
        return resized(image, height * self.scale, width * self.scale)


def _lanczos(scale: int, weights: Path | None, tile: int, device: str) -> Upscaler:
    return Lanczos(scale)


def _realesrgan(scale: int, weights: Path | None, tile: int, device: str) -> Upscaler:
    from merzmory.upscale.network import NetworkUpscaler  # torch only where it is needed

    if weights is None:
        raise WeightsError(
            "The upscaling engine realesrgan needs a Real-ESRGAN file: name one with "
            "--set upscale.weights=NAME, or choose --set upscale.engine=lanczos."
        )
    return NetworkUpscaler(weights, scale=scale, tile=tile, device=device)


# (scale, weights, tile in pixels of input, device) -> engine
UPSCALERS: dict[str, Callable[[int, Path | None, int, str], Upscaler]] = {
    "lanczos": _lanczos,
    "realesrgan": _realesrgan,
}


def engine(
    name: str,
    *,
    scale: int = 4,
    weights: Path | None = None,
    tile: int = TILE,
    device: str = "auto",
) -> Upscaler:
    """The engine of that name, enlarging `scale` times.

    Raises:
        ConfigError: there is no such engine, or the scale is out of range.
        WeightsError: the engine needs a weights file, and there is none or it is not fit.
    """
    check(name, scale)
    return UPSCALERS[name](scale, weights, tile, device)


def check(name: str, scale: int) -> None:
    """Whether `name` and `scale` can be had, before anything is loaded.

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


def enlarge(picture: Image.Image, by: Upscaler) -> Image.Image:
    """`picture` enlarged: RGB, or RGBA with its transparency enlarged by lanczos."""
    if picture.mode.startswith("I;16"):  # Pillow would clip it at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    clear = picture.has_transparency_data
    whole = picture.convert("RGBA" if clear else "RGB")
    enlarged = Image.fromarray(by(np.asarray(whole.convert("RGB"))))
    if clear:
        enlarged.putalpha(whole.getchannel("A").resize(enlarged.size, Image.Resampling.LANCZOS))
    return enlarged


def resized(image: Picture, height: int, width: int) -> Picture:
    """uint8 [H, W, 3] to uint8 [height, width, 3] by lanczos."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
