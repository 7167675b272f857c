"""The architecture of a StyleGAN3 generator: its knobs, and the signal behind each of its layers.

Karras et al. 2021 (arXiv 2106.12423, "Alias-Free Generative Adversarial Networks"): section 3.2 and
appendix for the flexible layer specification. Frequencies are cycles per picture width, so a picture of
s pixels is sampled at the rate s.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final

from merzmory.gan.config import EngineError, NetworkConfig, refuse_unknown

# Bounds of what a file may ask for: knob -> (least, most).
_LIMITS: Final[dict[str, tuple[int, int]]] = {
    "resolution": (16, 4096),
    "img_channels": (1, 64),
    "c_dim": (0, 8192),
    "z_dim": (1, 8192),
    "w_dim": (1, 8192),
    "mapping_layers": (1, 64),
    "channel_base": (1, 1 << 24),
    "channel_max": (1, 8192),
    "num_layers": (2, 64),
    "num_critical": (1, 63),
    "margin": (0, 256),
    "conv_kernel": (1, 15),
    "filter_size": (2, 16),
    "lrelu_upsampling": (1, 4),
    "num_fp16_res": (0, 16),
    "first_cutoff": (1, 4096),
    "first_stopband": (1, 4096),
    "last_stopband_rel": (1, 16),
    "output_scale": (0, 4096),
    "w_avg_beta": (0, 1),
}


@dataclass(frozen=True, slots=True)
class Signal:
    """What a layer takes or gives."""

    channels: int
    size: int  # samples a side, with the margin around the picture
    rate: int  # samples a picture width
    cutoff: float  # of the low-pass filter
    half_width: float  # of that filter's transition band


@dataclass(frozen=True, slots=True)
class StyleGAN3Config:
    """Architecture of a StyleGAN3 generator; travels as JSON in the weights file.

    The defaults are those of configuration T; R has 1x1 convolutions, radial filters and twice the channels.
    """

    resolution: int  # px, a power of two
    img_channels: int = 3
    c_dim: int = 0  # number of labels (one-hot), 0 = unconditional
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 2
    channel_base: int = 32768  # channels = channel_base / 2 / cutoff, at most channel_max
    channel_max: int = 512
    num_layers: int = 14  # without the last, which makes colours
    num_critical: int = 2  # last layers that use the whole band up to the Nyquist limit
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3  # last stopband over resolution / 2
    margin: int = 10  # samples around the picture, each side
    conv_kernel: int = 3
    filter_size: int = 6  # taps of a filter for each sample of the slower side
    lrelu_upsampling: int = 2  # how much finer than the layer its nonlinearity is sampled
    radial: bool = False  # radially symmetric filters before decimation: R
    output_scale: float = 0.25
    conv_clamp: float | None = 256.0  # activations are clamped to +-this; None = off
    num_fp16_res: int = 4  # how many top resolutions may run in half precision
    w_avg_beta: float = 0.998
    discriminator: NetworkConfig | None = None  # of the file's D, which is a StyleGAN2 one

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name in _LIMITS:
                _check(field.name, getattr(self, field.name), whole=field.type == "int")
        if self.conv_clamp is not None:
            _check("conv_clamp", self.conv_clamp, whole=False)
        if type(self.radial) is not bool:
            raise EngineError("its radial is neither true nor false")
        if self.resolution & (self.resolution - 1):
            raise EngineError(f"its resolution is {self.resolution} px, not a power of two")
        if self.num_critical >= self.num_layers:
            raise EngineError("all of its layers are critically sampled")
        half = self.resolution / 2
        if not self.first_cutoff <= min(half, self.first_stopband) or self.first_stopband > half:
            raise EngineError("its frequencies do not grow from layer to layer")

    @property
    def kind(self) -> str:
        """ "stylegan3-t" or "stylegan3-r"."""
        return "stylegan3-r" if self.radial else "stylegan3-t"

    @property
    def num_ws(self) -> int:
        """Number of style vectors of one picture: one for the input, one a layer, one for the colours."""
        return self.num_layers + 2

    def signals(self) -> list[Signal]:
        """Output of layer 0 .. num_layers, the last being the picture.

        Section 3.2: cutoff f_c and stopband f_t grow geometrically up to the first critically sampled layer;
        s = 2^ceil(log2(min(2 f_t, s_N))), and the transition band ends at max(f_t, s/2).
        """
        last_cutoff = self.resolution / 2
        last_stopband = last_cutoff * self.last_stopband_rel
        found = []
        for i in range(self.num_layers + 1):
            t = min(i / (self.num_layers - self.num_critical), 1.0)
            cutoff = self.first_cutoff * (last_cutoff / self.first_cutoff) ** t
            stopband = self.first_stopband * (last_stopband / self.first_stopband) ** t
            # a frequency on a power of two must not be rounded beyond it
            rate = 2 ** math.ceil(math.log2(min(2 * stopband, self.resolution)) - 1e-9)
            colours = i == self.num_layers
            inside = i >= self.num_layers - 1  # the margin is cropped off
            wanted = round(min(self.channel_base / 2 / cutoff, self.channel_max))
            found.append(
                Signal(
                    channels=self.img_channels if colours else max(wanted, 1),
                    size=self.resolution if inside else rate + 2 * self.margin,
                    rate=rate,
                    cutoff=cutoff,
                    half_width=max(stopband, rate / 2) - cutoff,
                )
            )
        return found

    def layer_names(self) -> list[str]:
        """Names of the published networks: number, size and channels."""
        return [f"L{i}_{s.size}_{s.channels}" for i, s in enumerate(self.signals())]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> StyleGAN3Config:
        """The architecture of a weights file's JSON; unknown keys raise EngineError."""
        values = dict(values)
        refuse_unknown(cls, values)
        if values.get("discriminator") is not None:
            values["discriminator"] = NetworkConfig.from_dict(values["discriminator"])
        return cls(**values)


def _check(name: str, value: Any, *, whole: bool) -> None:
    least, most = _LIMITS.get(name, (0, math.inf))
    if type(value) not in ((int,) if whole else (int, float)) or not least <= value <= most:
        raise EngineError(f"its {name} is {value!r:.40}, not a number from {least} to {most}")
