"""Projection: the w (or a w for each layer, W+) whose picture looks most like a photograph.

Karras et al. 2020 (arXiv 1912.04958), appendix D: Adam (.9, .999) from the mean of 10,000 w; at t = step / steps

    learning rate   its knob, rising over the first 5 %, falling as a cosine over the last 25 %
    noise on w      N(0, (0.05 s (1 - t / 0.75)^2)^2) while t < 0.75, s^2 = E |w - mean w|^2
    noise maps      move along, so that w need not explain grain; each is kept at mean 0, variance 1, and
                    uncorrelated with itself one pixel aside at all scales from 8 x 8 (weight 1e5)

They begin at the network's own maps, and are left behind: a picture is shown with those, as everywhere.

Photographs are projected in batches, each from random numbers of its own. The state is one
safetensors file, so what was stopped goes on, equal to the bit on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from merzmory.gan import generate
from merzmory.gan.networks import StyleGenerator
from merzmory.latent.perception import Perception
from merzmory.manifest import write_aside

Space = Literal["w", "w+"]

_CENTRE_OF, _SEED = 10_000, 123  # z whose w are averaged, and the RandomState that draws them
_RISE, _FALL, _NOISY = 0.05, 0.25, 0.75  # shares of all steps
_STRENGTH = 0.05  # of the noise on w
_REGULAR = 1e5  # weight of the noise maps' regularity
_COARSEST = 8  # pixels


class Projection:
    """The projection of pictures [N, 3, S, S], -1..1, of photographs named by `seeds`, in the making."""

    def __init__(
        self,
        generator: StyleGenerator,
        perception: Perception,
        pictures: Tensor,
        *,
        seeds: Sequence[int],
        labels: Sequence[int | None],
        space: Space,
        steps: int,
        learning_rate: float,
    ) -> None:
        self.generator = generator.eval().requires_grad_(False)
        self.perception, self.seeds = perception, list(seeds)
        self.steps, self.learning_rate, self.done = steps, learning_rate, 0
        with torch.no_grad():
            self.target = perception.features(pictures)
        means = {label: mean_w(generator, label) for label in dict.fromkeys(labels)}
        centre = torch.stack([means[label][0] for label in labels])
        self.spread = torch.tensor([means[label][1] for label in labels]).to(centre)
        rows = generator.num_ws if space == "w+" else 1
        self.w = centre[:, None].repeat(1, rows, 1).requires_grad_(True)
        self.noise = {
            name: buffer.expand(len(seeds), 1, *buffer.shape).clone().requires_grad_(True)
            for name, buffer in generator.synthesis.named_buffers()
            if name.endswith("noise_const")
        }
        self.optimiser = torch.optim.Adam([self.w, *self.noise.values()], betas=(0.9, 0.999))

    def step(self) -> Tensor:
        """One step; the distances before it, [N], with noise."""
        t = self.done / self.steps
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * rate(t)
        strength = _STRENGTH * max(0.0, 1 - t / _NOISY) ** 2 * self.spread[:, None, None]
        ws = (self.w + self._drawn() * strength).expand(-1, self.generator.num_ws, -1)
        made = functional_call(self.generator.synthesis, self.noise, (ws, "const"))
        distance = self.perception.distance(self.perception.features(made), self.target)
        loss = distance.sum()
        if self.noise:
            loss = loss + _REGULAR * irregularity(list(self.noise.values()))
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimiser.step()
        with torch.no_grad():
            for x in self.noise.values():
                x -= x.mean(dim=(2, 3), keepdim=True)
                x *= x.square().mean(dim=(2, 3), keepdim=True).clamp_min(1e-12).rsqrt()
        self.done += 1
        return distance.detach()

    @torch.no_grad()
    def found(self) -> Tensor:
        """w so far: [N, 1, w_dim], or [N, num_ws, w_dim] in W+."""
        return self.w.detach().clone()

    @torch.no_grad()
    def distance(self) -> Tensor:
        """[N]: how far the pictures of w lie from the photographs, with the network's own noise."""
        ws = self.w.expand(-1, self.generator.num_ws, -1)
        made = self.generator.synthesis(ws, "const")
        return self.perception.distance(self.perception.features(made), self.target)

    def save(self, path: Path) -> None:
        """Write the state aside, then rename it."""
        tensors = {"done": torch.tensor(self.done)}
        for name, value in self._moving().items():
            own = self.optimiser.state[value]
            moments = {key: own[key] for key in ("exp_avg", "exp_avg_sq") if key in own}
            tensors |= {f"{key} {name}": each for key, each in {"value": value, **moments}.items()}
        plain = {key: each.detach().cpu().contiguous() for key, each in tensors.items()}
        write_aside(path, save(plain))

    def load(self, path: Path) -> None:
        """Go on from a saved state of the same projection."""
        tensors = load_file(path)
        self.done = int(tensors["done"])
        for name, value in self._moving().items():
            with torch.no_grad():
                value.copy_(tensors[f"value {name}"])
            if self.done:
                self.optimiser.state[value] = {
                    "step": torch.tensor(float(self.done)),
                    "exp_avg": tensors[f"exp_avg {name}"].to(value),
                    "exp_avg_sq": tensors[f"exp_avg_sq {name}"].to(value),
                }

    def _moving(self) -> dict[str, Tensor]:
        return {"w": self.w, **self.noise}

    def _drawn(self) -> Tensor:
        """Standard normal, of w's shape, from each photograph's seed and the step alone."""
        shape = self.w.shape[1:]
        rows = [np.random.RandomState([seed, self.done]).randn(*shape) for seed in self.seeds]
        return torch.from_numpy(np.stack(rows)).to(self.w)


def rate(t: float) -> float:
    """The share of the learning rate at t = 0..1."""
    falling = min(1.0, (1 - t) / _FALL)
    return min(1.0, t / _RISE) * (0.5 - 0.5 * math.cos(math.pi * falling))


def irregularity(maps: Sequence[Tensor]) -> Tensor:
    """How much noise maps [N, 1, r, r] look like pictures: squared correlations with themselves, summed.

    sum over scales of mean(n shift_x(n))^2 + mean(n shift_y(n))^2; a scale below is 2 x 2 means, times 2.
    """
    total = maps[0].new_zeros(())
    for n in maps:
        while True:
            for axis in (2, 3):
                together = (n * n.roll(1, axis)).mean(dim=(1, 2, 3))
                total = total + together.square().sum()
            if n.shape[-1] <= _COARSEST:
                break
            n = F.avg_pool2d(n, 2) * 2  # the variance of white noise stays 1
    return total


def mean_w(generator: StyleGenerator, label: int | None) -> tuple[Tensor, float]:
    """(mean w [w_dim] of 10,000 z, sqrt(E |w - mean|^2)) in class `label`."""
    z = torch.from_numpy(np.random.RandomState(_SEED).randn(_CENTRE_OF, generator.z_dim)).float()
    rows = (z[at : at + 1000] for at in range(0, _CENTRE_OF, 1000))
    w = torch.cat([generate.mapping(generator, some, label=label)[:, 0] for some in rows]).double()
    mean = w.mean(dim=0)
    spread = float((w - mean).square().sum(dim=1).mean().sqrt())
    return mean.float().clone(), spread
