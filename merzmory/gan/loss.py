"""Losses of StyleGAN2 as pure functions: tensors in, tensors out.

Non-saturating logistic loss (Goodfellow 2014), R1 (Mescheder 2018, equation 9), path length
regularisation (Karras 2019, equation 4), style mixing (Karras 2018, section 3.1).
R1 and path length are each one function of plain tensors, so that each can be compiled as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from merzmory.gan.layers import Noise
from merzmory.gan.networks import Discriminator, Generator

Augment = Callable[[Tensor], Tensor]


def generator_loss(fake_logits: Tensor) -> Tensor:
    """mean softplus(-D(G(z))), a scalar."""
    return F.softplus(-fake_logits).mean()


def discriminator_fake_loss(fake_logits: Tensor) -> Tensor:
    """mean softplus(D(G(z))), a scalar."""
    return F.softplus(fake_logits).mean()


def discriminator_real_loss(real_logits: Tensor) -> Tensor:
    """mean softplus(-D(x)), a scalar."""
    return F.softplus(-real_logits).mean()


def mixed_styles(
    generator: Generator,
    z: Tensor,
    c: Tensor | None,
    probability: float,
    rng: torch.Generator | None,
    track: bool = False,
) -> Tensor:
    """Style vectors [N, num_ws, w_dim] of z; with `probability` those from a random index on are of another z.

    The decision and the index stay on the device, so nothing waits for it. `track` updates w_avg with z's styles.
    """
    ws = generator.ws(z, c, track=track)
    if probability <= 0:
        return ws
    other = generator.ws(torch.randn(z.shape, device=z.device, generator=rng), c)
    num_ws, device = generator.num_ws, z.device
    cutoff = torch.randint(1, num_ws, [1], device=device, generator=rng)
    mix = torch.rand([1], device=device, generator=rng) < probability
    swap = mix & (torch.arange(num_ws, device=device) >= cutoff)
    return torch.where(swap[None, :, None], other, ws)


def r1_penalty(
    discriminator: Discriminator, real: Tensor, c: Tensor | None, augment: Augment | None
) -> tuple[Tensor, Tensor]:
    """(|grad_x D(augment(x))|^2 of each picture [N], logits [N, 1]); multiply by gamma / 2."""
    x = real.detach().requires_grad_(True)
    logits = discriminator(augment(x) if augment is not None else x, c)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.square().sum(dim=[1, 2, 3]), logits


def path_lengths(
    generator: Generator,
    ws: Tensor,
    pl_noise: Tensor,
    noise: Noise = "random",
    rng: torch.Generator | None = None,
) -> Tensor:
    """|J^T y| of each picture [N], J = dG/dw, y = `pl_noise` [N, 3, H, W] ~ N(0, 1) / sqrt(H W).

    The norm is over w and the root mean square over layers.
    """
    img = generator.synthesis(ws, noise, rng)
    y = pl_noise / math.sqrt(img.shape[2] * img.shape[3])
    (gradient,) = torch.autograd.grad((img * y).sum(), ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_length_penalty(
    lengths: Tensor, running_mean: Tensor, decay: float
) -> tuple[Tensor, Tensor]:
    """((length - a)^2 of each picture [N], the new running mean a, a scalar tensor)."""
    mean = running_mean.lerp(lengths.mean(), decay)
    return (lengths - mean).square(), mean.detach()
