"""The engine `realesrgan`: a network of ours with the official weights, over tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from merzmory.upscale import realesrgan
from merzmory.upscale.engines import TILE, Picture, resized
from merzmory.upscale.tiling import tiled


class NetworkUpscaler:
    """A network from `weights`; where its own factor is not `scale`, lanczos does the rest.

    On CUDA it runs in half precision, elsewhere in float32.
    """

    name = "realesrgan"

    def __init__(
        self, weights: Path, *, scale: int = 4, tile: int = TILE, device: str = "auto"
    ) -> None:
        """Load `weights`.

        Raises:
            WeightsError: the file is missing, damaged, or holds another kind of network.
        """
        self.scale = scale
        self.tile = tile
        self.device = _device(device)
        self.network = realesrgan.load(weights).to(self.device)
        if self.device.type == "cuda":
            self.network.half()

    def __call__(self, image: Picture) -> Picture:
        height, width, _ = image.shape
        network = self.network
        fold = network.multiple
        whole = np.pad(image, ((0, -height % fold), (0, -width % fold), (0, 0)), mode="edge")
        enlarged = tiled(
            self._run,
            whole,
            tile=self.tile,
            overlap=network.overlap,
            scale=network.scale,
            multiple=fold,
        )
        enlarged = enlarged[: height * network.scale, : width * network.scale]
        return resized(np.ascontiguousarray(enlarged), height * self.scale, width * self.scale)

    @torch.inference_mode()
    def _run(self, image: Picture) -> Picture:
        kind = next(self.network.parameters()).dtype
        x = torch.from_numpy(image.copy()).to(self.device).permute(2, 0, 1)[None].to(kind) / 255
        y = self.network(x).float().clamp(0, 1).mul(255).round().to(torch.uint8)
        made: Picture = y[0].permute(1, 2, 0).cpu().numpy()
        return made


def _device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
