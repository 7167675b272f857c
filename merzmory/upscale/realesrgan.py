"""The engine `realesrgan`: the package of that name, whose RealESRGANer does the work.

It has seen no release since 2022: `make realesrgan` installs it with `basicsr`, without what both
only name as needed.
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


def network(
    weights: Path, *, device: str, twin: Path | None = None, denoise: float = 1.0
) -> Network:
    """The network in the official file `weights`; below a `denoise` of 1 mixed with `twin`'s.

    Raises:
        ConfigError: the package is not installed.
        WeightsError: a file is missing, damaged, or not what the package reads.
        EngineError: the device is not there.
    """
    own = networks.load(weights, twin=twin, denoise=denoise)  # its kind, size and reach
    where = choose_device(device)
    mixed = twin is not None and denoise < 1
    try:
        with stand_in.torchvision():
            worker = _package().RealESRGANer(
                scale=own.scale,
                model_path=[str(weights), str(twin)] if mixed else str(weights),
                dni_weight=[denoise, 1 - denoise] if mixed else None,
                model=_architecture(own),
                pre_pad=0,  # tiles bring their surroundings along
                half=where.type != "cpu",
                device=where,
            )
    except (KeyError, RuntimeError, ValueError, EOFError) as error:
        raise WeightsError(
            f"{weights} is not a file that the package realesrgan reads: choose "
            "--set upscale.engine=native, which reads it."
        ) from error

    worker.model.to(memory_format=torch.channels_last)  # as `native`: the same sums, and faster

    def one(image: Pictures) -> Pictures:
        large, _mode = worker.enhance(
            np.ascontiguousarray(image[..., ::-1])
        )  # BGR, as OpenCV has it
        return np.asarray(large[..., ::-1])

    def run(images: Pictures) -> Pictures:
        if images.ndim == 3:
            return one(images)
        return np.stack([run(image) for image in images])

    return Network(run, own.scale, own.overlap, own.multiple)


def _package() -> Any:
    try:
        import realesrgan
    except ImportError as error:
        raise ConfigError(
            f"The engine realesrgan needs the package realesrgan ({error}): run `make realesrgan` "
            "with a Python below 3.13, or choose --set upscale.engine=native."
        ) from error
    return realesrgan


def _architecture(own: networks.Network) -> Any:
    """The package's own network of the kind and size of `own`."""
    _package()
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from realesrgan.archs.srvgg_arch import SRVGGNetCompact

    if isinstance(own, networks.RRDBNet):
        return RRDBNet(
            num_in_ch=3, num_out_ch=3, num_feat=own.features, num_block=own.blocks,
            num_grow_ch=own.growth, scale=own.scale,
        )  # fmt: skip
    assert isinstance(own, networks.SRVGGNetCompact)
    return SRVGGNetCompact(
        num_in_ch=3, num_out_ch=3, num_feat=own.features, num_conv=own.depth, upscale=own.scale,
        act_type="prelu",
    )  # fmt: skip
