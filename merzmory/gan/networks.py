"""Generator and discriminator of StyleGAN2 (Karras et al. 2019, arXiv 1912.04958).

The generator adds one picture per resolution ("skip"), the discriminator is residual. State names equal
those of the published networks, so their weights load unchanged. Pictures are float [N, 3, H, W] in -1..1.

`half` asks for bfloat16 or float16 at the resolutions that allow it; the mapping network, styles,
demodulation, the accumulated picture and the discriminator's last block stay float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from merzmory.gan import ops
from merzmory.gan.config import NetworkConfig
from merzmory.gan.layers import FIR, Conv, FullyConnected, Noise, SynthesisLayer, ToRGB, normalise
from merzmory.gan.stylegan3_config import StyleGAN3Config

HALF_FROM = 16  # px: the smallest resolution that runs in half precision


def _resolutions(config: NetworkConfig) -> list[int]:
    """4, 8, ... resolution."""
    return [2**k for k in range(2, int(math.log2(config.resolution)) + 1)]


class Mapping(nn.Module):
    """z [N, z_dim] and label c [N, c_dim] -> w [N, w_dim]; z_dim 0 embeds the label alone."""

    w_avg: Tensor

    def __init__(
        self, z_dim: int, c_dim: int, w_dim: int, layers: int, w_avg_beta: float | None = None
    ) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.layers, self.w_avg_beta = z_dim, c_dim, layers, w_avg_beta
        if c_dim:
            self.embed = FullyConnected(c_dim, w_dim)
        sizes = [z_dim + (w_dim if c_dim else 0)] + [w_dim] * layers
        for i in range(layers):
            layer = FullyConnected(sizes[i], sizes[i + 1], lrelu=True, lr=0.01)
            self.add_module(f"fc{i}", layer)
        if w_avg_beta is not None:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor | None, c: Tensor | None = None, track: bool = False) -> Tensor:
        """`track` moves the running mean w_avg towards this batch's mean."""
        parts = []
        if z is not None and self.z_dim:
            parts.append(normalise(z.float()))
        if self.c_dim:
            assert c is not None
            parts.append(normalise(self.embed(c.float())))
        x = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        for i in range(self.layers):
            x = getattr(self, f"fc{i}")(x)
        if track and self.w_avg_beta is not None:
            self.w_avg.copy_(x.detach().mean(dim=0).lerp(self.w_avg, self.w_avg_beta))
        return x


class SynthesisBlock(nn.Module):
    """One resolution of the generator: one or two layers and the picture's share."""

    resample_filter: Tensor

    def __init__(self, config: NetworkConfig, resolution: int) -> None:
        super().__init__()
        self.first = resolution == 4
        out = config.channels(resolution)
        before = config.channels(resolution // 2)
        clamp, w_dim = config.conv_clamp, config.w_dim
        self.register_buffer("resample_filter", ops.setup_filter(FIR))
        if self.first:
            self.const = nn.Parameter(torch.randn(out, 4, 4))
        else:
            self.conv0 = SynthesisLayer(before, out, w_dim, resolution, up=2, clamp=clamp)
        self.conv1 = SynthesisLayer(out, out, w_dim, resolution, clamp=clamp)
        self.torgb = ToRGB(out, config.img_channels, w_dim, clamp=clamp)

    def forward(
        self,
        x: Tensor | None,
        img: Tensor | None,
        ws: list[Tensor],
        noise: Noise,
        generator: torch.Generator | None,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        """(features, picture so far) from the block below's; `ws` in the order conv0, conv1, torgb."""
        if x is None:
            n = ws[0].shape[0]
            x = self.const.to(dtype)[None].expand(n, -1, -1, -1)
            x = x.contiguous(memory_format=torch.channels_last)
        else:
            x = self.conv0(x.to(dtype), ws[0], noise, generator)
        x = self.conv1(x, ws[-2], noise, generator)
        share = self.torgb(x, ws[-1]).float()
        if img is not None:
            share = ops.upsample2d(img, self.resample_filter) + share
        return x, share


class Synthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> picture [N, img_channels, resolution, resolution]."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.resolutions = _resolutions(config)
        for r in self.resolutions:
            self.add_module(f"b{r}", SynthesisBlock(config, r))

    def forward(
        self,
        ws: Tensor,
        noise: Noise = "random",
        generator: torch.Generator | None = None,
        half: torch.dtype | None = None,
    ) -> Tensor:
        styles = list(ws.unbind(dim=1))
        x: Tensor | None = None
        img: Tensor | None = None
        at = 0
        for r in self.resolutions:
            dtype = half if half is not None and r >= HALF_FROM else torch.float32
            count = 2 if r == 4 else 3  # the block's ToRGB shares its style with the next conv0
            x, img = getattr(self, f"b{r}")(
                x, img, styles[at : at + count], noise, generator, dtype
            )
            at += count - 1
        assert img is not None
        return img


class StyleGenerator(nn.Module):
    """What the generators of the family have in common: mapping, truncation, synthesis."""

    def __init__(self, config: NetworkConfig | StyleGAN3Config, synthesis: nn.Module) -> None:
        super().__init__()
        self.config: NetworkConfig | StyleGAN3Config = config
        self.z_dim, self.c_dim, self.w_dim = config.z_dim, config.c_dim, config.w_dim
        self.num_ws = config.num_ws
        self.resolution = config.resolution
        self.synthesis = synthesis
        self.mapping = Mapping(
            config.z_dim, config.c_dim, config.w_dim, config.mapping_layers, config.w_avg_beta
        )

    def ws(
        self,
        z: Tensor,
        c: Tensor | None = None,
        psi: float = 1.0,
        cutoff: int | None = None,
        track: bool = False,
    ) -> Tensor:
        """Style vectors [N, num_ws, w_dim]; truncation w_avg + psi (w - w_avg) on the first `cutoff`."""
        w: Tensor = self.mapping(z, c, track=track)
        ws = w[:, None].expand(-1, self.num_ws, -1)
        if psi == 1.0:
            return ws
        near: Tensor = torch.lerp(self.mapping.w_avg, w, psi)[:, None]
        if cutoff is None or cutoff >= self.num_ws:
            return near.expand(-1, self.num_ws, -1)
        return torch.cat([near.expand(-1, cutoff, -1), ws[:, cutoff:]], dim=1)

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        psi: float = 1.0,
        cutoff: int | None = None,
        noise: Noise = "random",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """z [N, z_dim], one-hot c [N, c_dim] -> picture [N, 3, H, W], about -1..1."""
        out: Tensor = self.synthesis(self.ws(z, c, psi, cutoff), noise, generator)
        return out


class Generator(StyleGenerator):
    """StyleGAN2 generator: mapping and synthesis."""

    config: NetworkConfig

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config, Synthesis(config))


class DiscriminatorBlock(nn.Module):
    """One resolution of the discriminator; [N, C, H, W] -> [N, C', H/2, W/2]."""

    resample_filter: Tensor

    def __init__(self, config: NetworkConfig, resolution: int, clamp: float | None) -> None:
        super().__init__()
        here, below = config.d_channels(resolution), config.d_channels(resolution // 2)
        self.register_buffer("resample_filter", ops.setup_filter(FIR))
        if resolution == config.resolution:
            self.fromrgb = Conv(config.img_channels, here, 1, clamp=clamp)
        self.conv0 = Conv(here, here, 3, clamp=clamp)
        self.conv1 = Conv(here, below, 3, down=2, clamp=clamp)
        self.residual = config.d_architecture == "resnet"
        if self.residual:
            self.skip = Conv(here, below, 1, bias=False, lrelu=False, down=2)

    def forward(self, x: Tensor, img: Tensor | None) -> Tensor:
        if img is not None:
            x = self.fromrgb(img)
        half = math.sqrt(0.5) if self.residual else 1.0  # keeps the variance of the sum
        y: Tensor = self.conv1(self.conv0(x), gain=half)
        return y + self.skip(x, gain=half) if self.residual else y


class Epilogue(nn.Module):
    """4x4 block: minibatch standard deviation, convolution, two fully connected layers."""

    def __init__(self, config: NetworkConfig, cmap_dim: int, clamp: float | None) -> None:
        super().__init__()
        c = config.d_channels(4)
        self.group, self.extra, self.cmap_dim = config.mbstd_group, config.mbstd_channels, cmap_dim
        self.conv = Conv(c + self.extra, c, 3, clamp=clamp)
        self.fc = FullyConnected(c * 16, c, lrelu=True)
        self.out = FullyConnected(c, cmap_dim or 1)

    def forward(self, x: Tensor, cmap: Tensor | None) -> Tensor:
        if self.extra:
            x = ops.minibatch_std(x, self.group, self.extra)
        y: Tensor = self.out(self.fc(self.conv(x).flatten(1)))
        if cmap is not None:  # projection, Miyato & Koyama 2018
            y = (y * cmap).sum(dim=1, keepdim=True) / math.sqrt(self.cmap_dim)
        return y


class Discriminator(nn.Module):
    """Picture [N, 3, H, W] and one-hot label [N, c_dim] -> logits [N, 1], positive for real."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        clamp = config.conv_clamp if config.d_conv_clamp is None else config.d_conv_clamp
        self.resolutions = _resolutions(config)[:0:-1]
        for r in self.resolutions:
            self.add_module(f"b{r}", DiscriminatorBlock(config, r, clamp))
        self.cmap_dim = config.d_channels(4) if config.c_dim else 0
        if config.c_dim:
            self.mapping = Mapping(0, config.c_dim, self.cmap_dim, config.d_mapping_layers)
        self.b4 = Epilogue(config, self.cmap_dim, clamp)

    def forward(
        self, img: Tensor, c: Tensor | None = None, half: torch.dtype | None = None
    ) -> Tensor:
        top = self.resolutions[0]
        x = img.contiguous(memory_format=torch.channels_last)
        for r in self.resolutions:
            x = x.to(half if half is not None and r >= HALF_FROM else torch.float32)
            x = getattr(self, f"b{r}")(x, x if r == top else None)
        cmap = self.mapping(None, c) if self.cmap_dim else None
        logits: Tensor = self.b4(x.float(), cmap)
        return logits

    def freeze(self, layers: int) -> None:
        """FreezeD (Mo et al. 2020): the first `layers` convolutions from the picture keep their weights."""
        order: list[nn.Module] = []
        for r in self.resolutions:
            block = getattr(self, f"b{r}")
            names = ("fromrgb", "conv0", "conv1", "skip")
            order += [getattr(block, n) for n in names if hasattr(block, n)]
        for layer in order[:layers]:
            layer.requires_grad_(False)
