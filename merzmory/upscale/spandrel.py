"""The engine `spandrel`: whatever network the package of that name knows by its file (MIT).

It knows over forty architectures; `make spandrel` installs it without torchvision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from merzmory.errors import ConfigError, WeightsError
from merzmory.gan.device import choose_device
from merzmory.upscale import networks, stand_in
from merzmory.upscale.tiling import Network
from merzmory.upscale.upscaler import Pictures

_OVERLAP = 64  # pixels; a file does not say how far its network looks
_WHOLE = 1 << 20  # pixels: a network that must see the whole picture gets it in one tile


def network(
    weights: Path, *, device: str, twin: Path | None = None, denoise: float = 1.0
) -> Network:
    """The network in `weights`; those that need a whole picture at once are given no tiles.

    Raises:
        ConfigError: the package is not installed, or networks are to be mixed.
        WeightsError: the file is missing or damaged, or holds nothing that enlarges RGB pictures.
        EngineError: the device is not there.
    """
    if denoise < 1:
        raise ConfigError(
            "The engine spandrel mixes no networks: leave upscale.denoise at 1, or choose "
            "--set upscale.engine=native."
        )
    where = choose_device(device)
    found = _found(weights)
    half = where.type != "cpu" and found.supports_half
    kind = torch.float16 if half else torch.float32
    found.to(where, kind)
    scale = int(found.scale)

    def one(image: Pictures) -> Pictures:
        x = torch.from_numpy(image.copy()).to(where).permute(2, 0, 1)[None].to(kind) / 255
        y = found(x).float().clamp(0, 1).mul(255).round().to(torch.uint8)
        large: Pictures = y[0].permute(1, 2, 0).cpu().numpy()
        return large

    def run(images: Pictures) -> Pictures:
        return one(images) if images.ndim == 3 else np.stack([run(image) for image in images])

    return Network(
        run,
        scale,
        _OVERLAP,
        multiple=found.size_requirements.multiple_of,
        least_tile=0 if found.tiling.name == "SUPPORTED" else _WHOLE,
    )


def _found(weights: Path) -> Any:
    state = networks.read(weights)
    with stand_in.torchvision():
        try:
            import spandrel
        except ImportError as error:
            raise ConfigError(
                f"The engine spandrel needs the package spandrel ({error}): run `make spandrel`, or "
                "choose --set upscale.engine=native."
            ) from error
        try:
            found = spandrel.ModelLoader(device="cpu").load_from_state_dict(dict(state))
        except ConfigError:
            raise
        except Exception as error:  # each architecture has its own
            raise WeightsError(
                f"{weights} holds no network that the package spandrel knows "
                f"({type(error).__name__}): choose another file."
            ) from error
    channels = (getattr(found, "input_channels", 0), getattr(found, "output_channels", 0))
    if not isinstance(found, spandrel.ImageModelDescriptor) or channels != (3, 3):
        raise WeightsError(
            f"{weights} holds no network that enlarges RGB pictures: choose another."
        )
    return found.eval()
