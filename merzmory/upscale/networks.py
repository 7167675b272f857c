"""The two Real-ESRGAN networks, written from their papers, and their official files.

    RRDBNet             residual-in-residual dense blocks (ESRGAN, Wang et al. 2018, 1809.00219;
                        Real-ESRGAN, Wang et al. 2021, 2107.10833): x4plus, x2plus, anime 6B
    SRVGGNetCompact     a plain chain of convolutions (Real-ESRGAN 0.2.3): general x4 v3, animevideo

Modules are named so that the keys of the official files fit. Size, depth and scale are read from
the shapes in the file.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from merzmory.errors import WeightsError

_SLOPE = 0.2  # leaky ReLU
_BETA = 0.2  # residual scaling, ESRGAN section 3.1
_FAR = 64  # pixels; what lies further in an RRDBNet is scaled by beta twice a block and not seen

State = Mapping[str, Tensor]


class Network(nn.Module):
    """[N, 3, H, W] in 0..1 to [N, 3, H*scale, W*scale].

    `overlap` is how far it looks, in pixels of input; H and W are multiples of `multiple`.
    """

    scale: int
    overlap: int
    multiple: int


class SRVGGNetCompact(Network):
    """`depth` convolutions at the input's size; the picture itself is added at the end."""

    multiple = 1

    def __init__(self, features: int = 64, depth: int = 32, scale: int = 4) -> None:
        super().__init__()
        self.features, self.depth, self.scale = features, depth, scale
        self.overlap = depth + 2  # each 3 x 3 convolution sees one pixel further
        layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(depth):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        layers.append(nn.Conv2d(features, 3 * scale**2, 3, padding=1))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        detail = F.pixel_shuffle(self.body(x), self.scale)
        return detail + F.interpolate(x, scale_factor=self.scale, mode="nearest")


class _Dense(nn.Module):
    """Five convolutions, each of which sees what all before it made."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        inner = [nn.Conv2d(features + n * growth, growth, 3, padding=1) for n in range(4)]
        self.conv1, self.conv2, self.conv3, self.conv4 = inner
        self.conv5 = nn.Conv2d(features + 4 * growth, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, F.leaky_relu(conv(seen), _SLOPE)], 1)
        return x + _BETA * cast(Tensor, self.conv5(seen))


class _Block(nn.Module):
    """Three dense blocks in a residual."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = _Dense(features, growth)
        self.rdb2 = _Dense(features, growth)
        self.rdb3 = _Dense(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        return x + _BETA * cast(Tensor, self.rdb3(self.rdb2(self.rdb1(x))))


class RRDBNet(Network):
    """`blocks` at the input's size, or at a half or quarter of it, then twice x2.

    The trunk always enlarges 4 times; for `scale` 2 and 1 the picture is first folded, pixels
    into channels, by 2 and 4.
    """

    def __init__(
        self, features: int = 64, blocks: int = 23, growth: int = 32, scale: int = 4
    ) -> None:
        super().__init__()
        self.features, self.blocks, self.growth, self.scale = features, blocks, growth, scale
        self.multiple = 4 // scale
        self.overlap = min(15 * blocks + 4, _FAR) * self.multiple
        self.conv_first = nn.Conv2d(3 * self.multiple**2, features, 3, padding=1)
        self.body = nn.Sequential(*(_Block(features, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up2 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if self.multiple > 1:
            x = F.pixel_unshuffle(x, self.multiple)
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for conv in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), _SLOPE)
        return cast(Tensor, self.conv_last(F.leaky_relu(self.conv_hr(x), _SLOPE)))


def load(file: Path, *, twin: Path | None = None, denoise: float = 1.0) -> Network:
    """The network in an official file (.pth) or the same as .safetensors: float32, on the CPU.

    Below a `denoise` of 1 every parameter is mixed with the one of the file `twin` (deep network
    interpolation, Wang et al. 2019, 1811.10515); at 0 all is the twin's. Nothing in a file is
    executed: a .pth is read with torch's weights-only reader.

    Raises:
        WeightsError: a file is missing, damaged, or holds another kind of network, or the twin is
            of another kind than the network.
    """
    state = _parameters(file)
    if twin is not None and denoise < 1:
        state = _mixed(state, file, _parameters(twin), twin, denoise)
    try:
        network = _sniff(state)
        network.load_state_dict(state)
    except (KeyError, ValueError, IndexError, RuntimeError, OverflowError) as error:
        raise WeightsError(
            f"{file} is not a Real-ESRGAN network of a known kind (RRDBNet or SRVGGNetCompact): "
            "take realesr-general-x4v3 from `merzmory weights list`."
        ) from error
    return network.eval().requires_grad_(False)


def read(file: Path) -> Mapping[str, Any]:
    """What a .pth or .safetensors holds, on the CPU; raises as `load`, but for the network's kind."""
    try:
        if file.suffix == ".safetensors":
            found: object = load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"There is no weights file {file}: check the path.") from error
    except (
        OSError, RuntimeError, ValueError, KeyError, IndexError, EOFError, TypeError,
        AttributeError, AssertionError, pickle.UnpicklingError, SafetensorError,
    ) as error:  # fmt: skip
        raise _damaged(file) from error
    if not isinstance(found, Mapping) or not found:
        raise _damaged(file)
    return found


def _parameters(file: Path) -> dict[str, Tensor]:
    """The parameters in an official file, as float32."""
    found = read(file)
    for key in ("params_ema", "params"):  # the running average first
        if isinstance(found.get(key), Mapping):
            found = found[key]
    state = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise _damaged(file)
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise _damaged(file)
        state[name] = value.float()
    if not state:
        raise _damaged(file)
    return state


def _damaged(file: Path) -> WeightsError:
    return WeightsError(
        f"{file} is damaged or not a weights file: download it again and import it with "
        "`merzmory weights import`."
    )


def _mixed(state: State, file: Path, other: State, twin: Path, denoise: float) -> dict[str, Tensor]:
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in other.items()}:
        raise WeightsError(
            f"{twin} and {file} are networks of different kinds and cannot be mixed: name the twin "
            "of the weights with --set upscale.twin=NAME, or leave upscale.denoise at 1."
        )
    return {key: torch.lerp(other[key], value, denoise) for key, value in state.items()}


def _sniff(state: State) -> Network:
    """An empty network of the kind and size that `state` fits."""
    if "conv_first.weight" in state:
        features, channels = state["conv_first.weight"].shape[:2]
        blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
        growth = state["body.0.rdb1.conv1.weight"].shape[0]
        fold = math.isqrt(channels // 3)
        if channels != 3 * fold**2 or fold not in (1, 2, 4) or blocks > len(state):
            raise ValueError("unknown input")
        return RRDBNet(features, blocks, growth, scale=4 // fold)
    features = state["body.0.weight"].shape[0]
    last = max(int(key.split(".")[1]) for key in state if key.startswith("body."))
    outputs = state[f"body.{last}.weight"].shape[0]
    scale = math.isqrt(outputs // 3)
    if outputs != 3 * scale**2 or scale < 1 or last % 2 or last > len(state):
        raise ValueError("unknown output")
    return SRVGGNetCompact(features, depth=last // 2 - 1, scale=scale)
