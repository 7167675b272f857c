"""One step of training: four phases, exponential moving average and augmentation strength.

The phases of a step are G main, G path length (every `pl_interval`), D main, D R1 (every `r1_interval`), each with its
own optimiser update. Nothing in a step waits for the device: losses and strengths stay tensors.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from merzmory.gan import loss
from merzmory.gan.augment import AdaController, AugmentPipe
from merzmory.gan.config import TrainConfig
from merzmory.gan.layers import Noise
from merzmory.gan.networks import Discriminator, Generator

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
MEASURES = ("loss_g", "loss_d_fake", "loss_d_real", "r1", "path_length", "sign_real", "sign_fake")


def step_seed(seed: int, step: int, turn: int = 0) -> int:
    """The seed of all randomness of one step: a function of (seed, step), so that resuming needs no state.

    `turn` is how often the training was rolled back to a step up to this one: another try, other dice.
    """
    words = [seed, step, turn] if turn else [seed, step]
    state = np.random.SeedSequence(words).generate_state(2, np.uint32)
    return int(state[0]) << 31 ^ int(state[1])


def lazy_adam(parameters: list[nn.Parameter], lr: float, interval: int) -> torch.optim.Adam:
    """Adam with betas (0, 0.99) corrected for lazy regularisation (Karras 2019, appendix B): with k = interval,
    rate and log betas times k / (k + 1)."""
    ratio = interval / (interval + 1) if interval else 1.0
    fused = parameters[0].device.type in ("cpu", "cuda") if parameters else False
    return torch.optim.Adam(
        parameters, lr=lr * ratio, betas=(0.0, 0.99**ratio), eps=1e-8, fused=fused
    )


class TrainingState:
    """Networks, optimisers and running numbers of one training, and the step that advances them."""

    def __init__(
        self,
        config: TrainConfig,
        generator: Generator,
        discriminator: Discriminator,
        augment: AugmentPipe | None = None,
        *,
        micro_batch: int = 0,
        turns: Sequence[int] = (),
    ) -> None:
        """The networks (and `augment`) are on their device; D is frozen as the recipe says.

        A phase goes through the batch `micro_batch` pictures at a time (0: at once) and sums their
        gradients; `turns` are the steps that the training was rolled back to.
        """
        self.config = config
        self.micro_batch = micro_batch or config.batch
        self.turns = sorted(turns)
        self.G, self.D = generator.train(), discriminator.train()
        self.G_ema = copy.deepcopy(generator).eval().requires_grad_(False)
        self.augment = augment
        self.noise: Noise = "random"
        self.half = PRECISIONS[config.precision]
        self.gamma = config.resolved_gamma(generator.resolution)
        self.device = next(generator.parameters()).device
        self.rng = torch.Generator(device=self.device)
        self.step = 0  # steps done
        self.pl_mean = torch.zeros([], device=self.device)
        self.sums = torch.zeros(
            len(MEASURES), device=self.device
        )  # of MEASURES, since the last tick
        self.counts = torch.zeros(len(MEASURES), device=self.device)
        self.signs = torch.zeros(
            2, device=self.device
        )  # sum and number of D's signs on real pictures
        self.controller = AdaController(config.ada_target, config.ada_kimg, limit=config.ada_max)
        discriminator.freeze(config.freeze_d)
        self.g_params = [p for p in generator.parameters() if p.requires_grad]
        self.d_params = [p for p in discriminator.parameters() if p.requires_grad]
        self.g_opt = lazy_adam(self.g_params, config.learning_rate, config.pl_interval)
        self.d_opt = lazy_adam(self.d_params, config.learning_rate, config.r1_interval)

    # The four phases

    # `share` is the part of the batch that the pictures given are: it scales their gradients.

    def g_main(self, z: Tensor, c: Tensor | None, share: float = 1.0) -> Tensor:
        """Gradients of the generator's loss; returns the loss."""
        ws = loss.mixed_styles(self.G, z, c, self.config.style_mixing, self.rng)
        fake = self.G.synthesis(ws, self.noise, self.rng, self.half)
        logits = self.D(self._augmented(fake), c, self.half)
        value = loss.generator_loss(logits)
        _backward(value * share)
        self._measure("loss_g", value)
        self._measure("sign_fake", logits.detach().sign().mean())
        return value.detach()

    def g_path_length(
        self, z: Tensor, c: Tensor | None, pl_noise: Tensor, share: float = 1.0
    ) -> Tensor:
        """Gradients of the path length penalty times weight and interval; returns the lengths [N]."""
        ws = loss.mixed_styles(self.G, z, c, self.config.style_mixing, self.rng)
        lengths = loss.path_lengths(self.G, ws, pl_noise, self.noise, self.rng)
        penalty, self.pl_mean = loss.path_length_penalty(
            lengths, self.pl_mean, self.config.pl_decay * share
        )
        _backward(penalty.mean() * (self.config.pl_weight * self.config.pl_interval * share))
        self._measure("path_length", lengths.detach().mean())
        return lengths.detach()

    def d_main(
        self,
        z: Tensor,
        real: Tensor,
        c_fake: Tensor | None,
        c: Tensor | None,
        share: float = 1.0,
    ) -> Tensor:
        """Gradients of the discriminator's loss on generated and real pictures; returns the loss."""
        with torch.no_grad():
            ws = loss.mixed_styles(
                self.G, z, c_fake, self.config.style_mixing, self.rng, track=True
            )
            fake = self.G.synthesis(ws, self.noise, self.rng, self.half)
        fake_loss = loss.discriminator_fake_loss(self.D(self._augmented(fake), c_fake, self.half))
        _backward(fake_loss * share)
        logits = self.D(self._augmented(real), c, self.half)
        real_loss = loss.discriminator_real_loss(logits)
        _backward(real_loss * share)
        self._measure("loss_d_fake", fake_loss)
        self._measure("loss_d_real", real_loss)
        self._sign(logits)
        return (fake_loss + real_loss).detach()

    def d_r1(self, real: Tensor, c: Tensor | None, share: float = 1.0) -> Tensor:
        """Gradients of gamma / 2 * R1 times interval; returns the penalties [N]."""
        penalty, logits = loss.r1_penalty(
            self.D, real, c, self._augmented if self.augment is not None else None
        )
        _backward(penalty.mean() * (self.gamma / 2 * self.config.r1_interval * share))
        self._measure("r1", penalty.detach().mean())
        self._sign(logits)
        return penalty.detach()

    # The step

    def advance(self, real: Tensor, c: Tensor | None = None, c_fake: Tensor | None = None) -> None:
        """One step on a batch of real pictures [N, 3, H, W] in -1..1 with one-hot labels [N, c_dim].

        `c_fake` are labels for generated pictures, drawn like the real ones.
        """
        config, n = self.config, real.shape[0]
        turn = bisect_right(self.turns, self.step)
        self.rng.manual_seed(step_seed(config.seed, self.step, turn))

        self.D.requires_grad_(False)
        z = self._latents(n)
        for part, share in self._parts(n):
            self.g_main(z[part], _of(c_fake, part), share)
        self.update(self.g_opt, self.g_params)
        if config.pl_interval and self.step % config.pl_interval == 0:
            small = max(n // config.pl_batch_shrink, 1)
            pl_noise = torch.randn(small, *real.shape[1:], device=self.device, generator=self.rng)
            z = self._latents(small)
            for part, share in self._parts(small, config.pl_batch_shrink):
                self.g_path_length(z[part], _of(c_fake, part), pl_noise[part], share)
            self.update(self.g_opt, self.g_params)

        for p in self.d_params:
            p.requires_grad_(True)
        z = self._latents(n)
        for part, share in self._parts(n):
            self.d_main(z[part], real[part], _of(c_fake, part), _of(c, part), share)
        self.update(self.d_opt, self.d_params)
        if config.r1_interval and self.step % config.r1_interval == 0:
            for part, share in self._parts(n):
                self.d_r1(real[part], _of(c, part), share)
            self.update(self.d_opt, self.d_params)

        self.update_ema(self.ema_beta())
        self.step += 1
        if self.augment is not None and config.ada == "ada" and self.controller.due(self.step):
            mean_sign = self.signs[0] / self.signs[1]
            self.augment.p.copy_(self.controller.next(self.augment.p, mean_sign, n))
            self.signs.zero_()

    def update_ema(self, beta: float) -> None:
        """G_ema <- beta G_ema + (1 - beta) G; buffers are copied."""
        with torch.no_grad():
            ema: list[Tensor] = list(self.G_ema.parameters())
            now: list[Tensor] = list(self.G.parameters())
            torch._foreach_lerp_(ema, now, 1 - beta)
            for to, source in zip(self.G_ema.buffers(), self.G.buffers(), strict=True):
                to.copy_(source)

    def measures(self) -> dict[str, float | None]:
        """Means of MEASURES since they were last taken, None where nothing was measured."""
        sums, counts = self.sums.tolist(), self.counts.tolist()
        return {
            name: (s / k if k else None) for name, s, k in zip(MEASURES, sums, counts, strict=True)
        }

    def take_measures(self) -> dict[str, float | None]:
        """`measures()`, and the next ones start anew."""
        found = self.measures()
        self.sums.zero_()
        self.counts.zero_()
        return found

    @property
    def strength(self) -> float:
        """Probability of augmentation; waits for the device."""
        return 0.0 if self.augment is None else float(self.augment.p)

    def is_sound(self) -> bool:
        """Whether the measures since the last tick and all weights are finite; waits for the device."""
        with torch.no_grad():
            networks = (self.G, self.G_ema, self.D)
            weights: list[Tensor] = [p for n in networks for p in n.parameters()]
            norms = torch.stack(torch._foreach_norm(weights))
            return bool(torch.isfinite(norms).all() & torch.isfinite(self.sums).all())

    # Parts

    def _parts(self, n: int, shrink: int = 1) -> Iterator[tuple[slice, float]]:
        """(where, share of n) of each micro-batch of n pictures."""
        size = max(self.micro_batch // shrink, 1)
        for start in range(0, n, size):
            end = min(start + size, n)
            yield slice(start, end), (end - start) / n

    def _latents(self, n: int) -> Tensor:
        return torch.randn(n, self.G.z_dim, device=self.device, generator=self.rng)

    def _augmented(self, images: Tensor) -> Tensor:
        if self.augment is None:
            return images
        out: Tensor = self.augment(images, generator=self.rng)
        return out

    def update(self, optimiser: torch.optim.Adam, parameters: list[nn.Parameter]) -> None:
        """One optimiser update; a gradient that is not a number counts as 0, infinity as 1e5."""
        for p in parameters:
            if p.grad is not None:
                torch.nan_to_num(p.grad, nan=0.0, posinf=1e5, neginf=-1e5, out=p.grad)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def ema_beta(self) -> float:
        """Decay of one step: 0.5^(1 / half-life), the half-life ramped up where the recipe says so."""
        half_life = self.config.ema_half_life_steps
        if self.config.ema_rampup > 0:
            half_life = min(half_life, max((self.step + 1) * self.config.ema_rampup, 1e-8))
        return float(0.5 ** (1 / half_life))

    def _measure(self, name: str, value: Tensor) -> None:
        at = MEASURES.index(name)
        self.sums[at] += value.detach().float()
        self.counts[at] += 1

    def _sign(self, logits: Tensor) -> None:
        sign = logits.detach().sign()
        self._measure("sign_real", sign.mean())
        self.signs[0] += sign.sum()
        self.signs[1] += sign.numel()


def _of(labels: Tensor | None, part: slice) -> Tensor | None:
    return None if labels is None else labels[part]


def _backward(value: Tensor) -> None:
    value.backward()  # type: ignore[no-untyped-call]
