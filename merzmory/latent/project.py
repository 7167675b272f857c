"""Projection: the w (or a w for each layer, W+) whose picture looks most like a photograph.

Karras et al. 2020 (arXiv 1912.04958), appendix D: Adam (.9, .999); at t = step / steps

    learning rate   its knob, rising over the first 5 %, falling as a cosine over the last 25 %
    noise on u      N(0, (0.05 (1 - t / 0.75)^2)^2) while t < 0.75
    noise maps      move along, so that w need not explain grain; each is kept at mean 0, variance 1, and
                    uncorrelated with itself one pixel aside at all scales from 8 x 8 (weight 1e5)

Three things differ, because w does not fill its space evenly. What moves is u, where w = mean + A u and A A^T
is the covariance of 10,000 w: a step of the learning rate is as large along each axis as w varies there. The
beginning is the nearest of 256 random pictures instead of the mean. And 0.05 mean(u^2) (1 - t / 0.75)^2 is added
to the distance, as long as there is noise: what no eye can tell apart comes to lie where w are common.

They begin at the network's own maps, and are left behind at t = 0.75: a picture is shown with those, as
everywhere, so w ends by fitting to them.

Photographs are projected in batches, each from random numbers of its own. The state is one
safetensors file, so what was stopped goes on, equal to the bit on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
_STRENGTH = 0.05  # of the noise on u
_COMMON = 0.05  # weight of mean(u^2)
_TRIED, _TRIED_PSI = 256, 0.7  # random pictures to begin at, and their psi
_TRIED_AT_ONCE = 32
_THINNEST = 1e-4  # axes of w are at least so long, of the longest
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
        self.labels = list(labels)
        self.known = {label: Spread.of(generator, label) for label in dict.fromkeys(labels)}
        self.centre = torch.stack([self.known[label].mean for label in labels])[:, None]
        self.axes = torch.stack([self.known[label].axes for label in labels])
        rows = generator.num_ws if space == "w+" else 1
        self.u = self.centre.new_zeros(len(seeds), rows, generator.w_dim).requires_grad_(True)
        self.noise = {
            name: buffer.expand(len(seeds), 1, *buffer.shape).clone().requires_grad_(True)
            for name, buffer in generator.synthesis.named_buffers()
            if name.endswith("noise_const")
        }
        self.optimiser = torch.optim.Adam([self.u, *self.noise.values()], betas=(0.9, 0.999))

    @torch.no_grad()
    def seek(self) -> None:
        """Begin, instead of at the mean, at the nearest of some random pictures."""
        for label, spread in self.known.items():
            tried, found = spread.some, list[Tensor]()
            mine = [number for number, other in enumerate(self.labels) if other == label]
            for w in torch.split(tried, _TRIED_AT_ONCE):
                ws = w[:, None].expand(-1, self.generator.num_ws, -1)
                made = self.perception.features(self.generator.synthesis(ws, "const"))
                for number in mine:
                    target = [each[number : number + 1] for each in self.target]
                    found.append(self.perception.distance(made, target))
            for nth, number in enumerate(mine):
                best = int(torch.cat(found[nth :: len(mine)]).argmin())
                self.u[number] = spread.u(tried[best])

    def step(self) -> Tensor:
        """One step; the distances before it, [N], with noise."""
        t = self.done / self.steps
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * rate(t)
        fading = max(0.0, 1 - t / _NOISY) ** 2
        ws = self._ws(self.u + self._drawn() * _STRENGTH * fading)
        noise = self.noise if t < _NOISY else {}  # {}: the network's own
        made = functional_call(self.generator.synthesis, noise, (ws, "const"))
        distance = self.perception.distance(self.perception.features(made), self.target)
        loss = distance.sum() + _COMMON * fading * self.u.square().mean(dim=(1, 2)).sum()
        if noise:
            loss = loss + _REGULAR * irregularity(list(noise.values()))
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimiser.step()
        with torch.no_grad():
            for x in noise.values():
                x -= x.mean(dim=(2, 3), keepdim=True)
                x *= x.square().mean(dim=(2, 3), keepdim=True).clamp_min(1e-12).rsqrt()
        self.done += 1
        return distance.detach()

    @torch.no_grad()
    def found(self) -> Tensor:
        """w so far: [N, 1, w_dim], or [N, num_ws, w_dim] in W+."""
        return self.centre + self.u @ self.axes.mT

    @torch.no_grad()
    def distance(self) -> Tensor:
        """[N]: how far the pictures of w lie from the photographs, with the network's own noise."""
        made = self.generator.synthesis(self._ws(self.u), "const")
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
        return {"u": self.u, **self.noise}

    def _ws(self, u: Tensor) -> Tensor:
        return (self.centre + u @ self.axes.mT).expand(-1, self.generator.num_ws, -1)

    def _drawn(self) -> Tensor:
        """Standard normal, of u's shape, from each photograph's seed and the step alone."""
        shape = self.u.shape[1:]
        rows = [np.random.RandomState([seed, self.done]).randn(*shape) for seed in self.seeds]
        return torch.from_numpy(np.stack(rows)).to(self.u)


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


@dataclass(frozen=True, slots=True)
class Spread:
    """How the w of 10,000 z lie: w = mean + axes u, where u has variance 1."""

    mean: Tensor  # [w_dim]
    axes: Tensor  # [w_dim, w_dim], a column an axis, the shortest first
    some: Tensor  # [256, w_dim], w nearer to the mean by psi 0.7

    @classmethod
    def of(cls, generator: StyleGenerator, label: int | None) -> Spread:
        """The spread of w in class `label`."""
        dice = np.random.RandomState(_SEED)
        z = torch.from_numpy(dice.randn(_CENTRE_OF, generator.z_dim)).float()
        rows = (z[at : at + 1000] for at in range(0, _CENTRE_OF, 1000))
        w = torch.cat([generate.mapping(generator, some, label=label)[:, 0] for some in rows])
        double = w.cpu().double()  # neither float32's rounding, nor MPS, which has no float64
        mean = double.mean(dim=0)
        lengths, turned = torch.linalg.eigh((double - mean).T @ (double - mean) / len(w))
        lengths = lengths.clamp_min(0).sqrt()
        lengths = lengths.clamp_min(float(lengths[-1]) * _THINNEST)
        some = mean + _TRIED_PSI * (double[:_TRIED] - mean)
        return cls(*(each.to(w) for each in (mean, turned * lengths, some)))

    def u(self, w: Tensor) -> Tensor:
        """The u of a w [w_dim]."""
        return (w - self.mean) @ self.axes / self.axes.square().sum(dim=0)
