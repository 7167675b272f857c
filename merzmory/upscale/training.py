"""The training of the starter upscaler: sharp pictures out of suffered ones, until it can be shipped.

Every number of a step is a function of (seed, step): stopped anywhere and begun again, a training ends
with the same bits on the same machine with the same number of threads.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from merzmory.errors import ConfigError, SettingsDifferError, WeightsError
from merzmory.gan.checkpoint import read_tensors, write_tensors
from merzmory.records import Announce, Progress, silent
from merzmory.upscale.lessons import Lessons, identity
from merzmory.upscale.networks import SRVGGNetCompact
from merzmory.upscale.upscaler import Pictures

CHECKPOINT = "checkpoint.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")  # of Adam
_SLOPE = 0.25  # PReLU's at the start
_EPSILON = 1e-3  # of light: below it the loss is a square


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a starter upscaler is made by."""

    features: int = 48
    depth: int = 12  # convolutions between the first and the last
    scale: int = 4
    seed: int = 1
    steps: int = 9_000
    warmup_steps: int = 200
    decay_steps: int = 7_500  # at the end, in which the rate falls to nothing as a cosine
    batch: int = 16
    crop: int = 96  # pixels of the sharp crop
    shapes: float = 0.12  # share of the crops that are drawn instead of photographed
    longest: int = 1200  # pixels; larger pictures are reduced, which makes them sharp to the pixel
    learning_rate: float = 1e-3
    ema_decay: float = 0.999  # a step
    bf16: bool = True  # the network's arithmetic; parameters stay float32

    def rate(self, step: int) -> float:
        """The learning rate of a step; before the decay it does not depend on `steps`."""
        left = min(1.0, (self.steps - step) / self.decay_steps)
        warm = min(1.0, (step + 1) / self.warmup_steps)
        return self.learning_rate * warm * 0.5 * (1 - float(np.cos(np.pi * left)))


def read_recipe(file: Path) -> Recipe:
    """The [train] table of a TOML file over the defaults.

    Raises:
        ConfigError: the file is missing or no TOML, or a key is unknown or of another type.
    """
    try:
        table = tomllib.loads(file.read_text("utf-8")).get("train", {})
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as a recipe: check the path.") from error
    known = {field.name: field.default for field in dataclasses.fields(Recipe)}
    for key, value in table.items():
        if type(value) is not type(known.get(key)):
            raise ConfigError(
                f"{key} = {value!r} in {file} is no knob of the training of the starter upscaler, or of "
                f"another type: known are {', '.join(known)}."
            )
    return Recipe(**table)


def train(
    run: Path,
    *,
    pictures: Sequence[Pictures],
    recipe: Recipe,
    every: int = 250,
    announce: Announce = silent,
) -> Path:
    """Start the training in the folder `run`, or go on from its checkpoint; returns the checkpoint.

    A checkpoint is written aside and renamed every `every` steps and at the end. `steps` may be
    another number than before as long as the decay has not begun.
    Announces Progress("train", step, steps, "steps") with the loss at every checkpoint.

    Raises:
        SettingsDifferError: the run has another recipe or other pictures.
        ArchiveError: no picture is as large as a crop.
        EngineError: the checkpoint is damaged or cannot be written.
    """
    lessons = Lessons(pictures, recipe.crop, recipe.scale, recipe.shapes)
    state = _State(recipe)
    made_from = {**dataclasses.asdict(recipe), "pictures": identity(pictures)}
    file = run / CHECKPOINT
    if file.exists():
        state.restore(file, made_from)
    losses: list[float] = []
    while state.step < recipe.steps:
        losses.append(state.advance(*lessons.batch(recipe.batch, (recipe.seed, state.step))))
        if state.step % every == 0 or state.step == recipe.steps:
            state.save(file, made_from)
            details = {"loss": float(np.mean(losses)), "rate": recipe.rate(state.step - 1)}
            announce(Progress("train", state.step, recipe.steps, "steps", details=details))
            losses.clear()
    return file


def export(run: Path, file: Path, notes: Mapping[str, str]) -> Path:
    """The averaged network of a run as `file`, float16, with its architecture and `notes` inside.

    Raises:
        WeightsError: there is no checkpoint in `run`.
        EngineError: it is damaged, or the file cannot be written.
    """
    if not (run / CHECKPOINT).exists():
        raise WeightsError(f"{run} holds no {CHECKPOINT}: train there first.")
    tensors, metadata = read_tensors(run / CHECKPOINT)
    made_from = json.loads(metadata["made_from"])
    network = {
        "kind": SRVGGNetCompact.__name__,
        **{key: made_from[key] for key in ("features", "depth", "scale")},
    }
    averaged = {
        key.removeprefix("ema."): value.half()
        for key, value in tensors.items()
        if key.startswith("ema.")
    }
    known = {
        "format": "1", "kind": "upscaler", "network": json.dumps(network, sort_keys=True),
        "step": metadata["step"], "recipe": json.dumps(made_from, sort_keys=True),
    }  # fmt: skip
    write_tensors(file, averaged, {**notes, **known})
    return file


def loss(made: Tensor, sharp: Tensor) -> Tensor:
    """Charbonnier's: an absolute difference that is smooth at nothing (Lai et al. 2017, 1704.03915)."""
    return ((made - sharp).square() + _EPSILON**2).sqrt().mean()


class _State:
    """Network, running average and optimiser, and the step that advances them."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.step = recipe, 0
        # channels last: faster on a CPU
        self.network = blank(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99), fused=True
        )

    def advance(self, small: Pictures, sharp: Pictures) -> float:
        """One step on a batch; returns its loss."""
        x, target = (torch.from_numpy(p).permute(0, 3, 1, 2).float() / 255 for p in (small, sharp))
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bf16):
            made = self.network(x)
        value = loss(made.float(), target)
        self.optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        decay = min(self.recipe.ema_decay, self.step / (self.step + 10))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for mean, parameter in pairs:
                mean.lerp_(parameter, 1 - decay)
        return float(value.detach())

    def save(self, file: Path, made_from: Mapping[str, object]) -> None:
        tensors: dict[str, Tensor] = {}
        averages = dict(self.average.named_parameters())
        for name, parameter in self.network.named_parameters():
            tensors |= {f"net.{name}": parameter, f"ema.{name}": averages[name]}
            tensors |= {f"{m}.{name}": self.optimiser.state[parameter][m] for m in _MOMENTS}
        metadata = {"format": "1", "kind": "upscaler training", "step": str(self.step)}
        write_tensors(file, tensors, {**metadata, "made_from": json.dumps(made_from)})

    def restore(self, file: Path, made_from: Mapping[str, object]) -> None:
        tensors, metadata = read_tensors(file)
        known, step = json.loads(metadata["made_from"]), int(metadata["step"])
        differ = {key for key in {*known, *made_from} if known.get(key) != made_from.get(key)}
        if step <= min(known["steps"], self.recipe.steps) - self.recipe.decay_steps:
            differ -= {"steps"}
        if differ:
            raise SettingsDifferError(file.parent, differ)
        averages = dict(self.average.named_parameters())
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.copy_(tensors[f"net.{name}"])
                averages[name].copy_(tensors[f"ema.{name}"])
                moments = {
                    m: torch.empty_like(parameter).copy_(tensors[f"{m}.{name}"]) for m in _MOMENTS
                }
                self.optimiser.state[parameter] = {"step": torch.tensor(float(step)), **moments}
        self.step = step


def blank(recipe: Recipe) -> SRVGGNetCompact:
    """The network before its first step: it enlarges bilinearly.

    Its first three features carry the picture through all layers, and the last layer mixes them and
    nothing else. What it shall learn to add starts from features whose variance is kept from layer to
    layer (He et al. 2015, 1502.01852, equation 15).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = SRVGGNetCompact(recipe.features, recipe.depth, recipe.scale)
        _initialise(network)
    return network


def _initialise(network: SRVGGNetCompact) -> None:
    *inner, last = (layer for layer in network.body if isinstance(layer, nn.Conv2d))
    for convolution in inner:
        nn.init.kaiming_normal_(convolution.weight, a=_SLOPE)
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        nn.init.dirac_(convolution.weight[:3])
    for layer in network.body:
        if isinstance(layer, nn.PReLU):
            nn.init.constant_(layer.weight, _SLOPE)
            nn.init.ones_(layer.weight[:3])
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    scale = network.scale
    # of each new pixel from the old one's centre, in old pixels
    offset = (torch.arange(scale) + 0.5) / scale - 0.5
    taps = torch.stack([(-offset).clamp(min=0), 1 - offset.abs(), offset.clamp(min=0)], 1)
    kernels = torch.einsum("ay,bx->abyx", taps, taps).reshape(scale**2, 3, 3)
    kernels[:, 1, 1] -= 1  # the network adds the nearest pixel itself
    with torch.no_grad():
        for channel in range(3):
            last.weight[channel * scale**2 : (channel + 1) * scale**2, channel] = kernels
