"""Every knob of the engine, once: the architecture of a network and the recipe of a training."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

ENGINE_VERSION = 1  # raised when the same recipe would give other numbers


class EngineError(Exception):
    """What went wrong in one sentence: the thing, the limit and the remedy."""


class DiskFullError(EngineError):
    """A write that did not fit on the disk; it can be tried again once there is room."""


def refuse_unknown(architecture: type[Any], values: Mapping[str, Any]) -> None:
    """Raises EngineError where a file's JSON has keys that `architecture` has not."""
    unknown = sorted(set(values) - {f.name for f in dataclasses.fields(architecture)})
    if unknown:
        raise EngineError(
            f"the network's description holds {', '.join(unknown)}, which this version does "
            "not know: open it with the version that wrote it"
        )


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Architecture of a StyleGAN2 generator and its discriminator; travels as JSON in the weights file.

    The discriminator's own numbers (`d_*`) default to the generator's when None.
    """

    resolution: int  # px, a power of two from 4
    img_channels: int = 3
    c_dim: int = 0  # number of labels (one-hot), 0 = unconditional
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 32768  # channels(res) = min(channel_base // res, channel_max)
    channel_max: int = 512
    conv_clamp: float | None = None  # activations are clamped to +-this; None = off
    num_fp16_res: int = 0  # how many top resolutions may run in half precision
    w_avg_beta: float = 0.998  # decay of the running mean of w
    d_channel_base: int | None = None
    d_channel_max: int | None = None
    d_conv_clamp: float | None = None
    d_architecture: Literal["resnet", "orig"] = "resnet"
    d_mapping_layers: int = 8  # only with labels
    mbstd_group: int | None = 4  # pictures a group, None = the batch
    mbstd_channels: int = 1  # 0 = no minibatch standard deviation

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise EngineError(
                f"a network of {self.resolution} px cannot be built, "
                "the resolution must be a power of two from 8 px"
            )

    @property
    def num_ws(self) -> int:
        """Number of style vectors of one picture: 2 log2(resolution) - 2."""
        return 2 * int(math.log2(self.resolution)) - 2

    def channels(self, resolution: int) -> int:
        """Feature maps of the generator at a resolution (px)."""
        return min(self.channel_base // resolution, self.channel_max)

    def d_channels(self, resolution: int) -> int:
        """Feature maps of the discriminator at a resolution (px)."""
        base = self.channel_base if self.d_channel_base is None else self.d_channel_base
        most = self.channel_max if self.d_channel_max is None else self.d_channel_max
        return min(base // resolution, most)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The architecture of a weights file's JSON; unknown keys raise EngineError."""
        refuse_unknown(cls, values)
        return cls(**values)


def abilities(networks: Collection[str]) -> list[str]:
    """What can be done with a file that holds these of G, G_ema and D."""
    can = ["sample", "walk", "explore", "project"] if {"G", "G_ema"} & set(networks) else []
    if "D" in networks:
        can += ["score", "train"] if can else ["score"]
    return can


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The recipe of one training; the unit of the loop is the step (one update of G and D on one batch).

    Literature values: Karras 2020 (ADA), appendix C, and the official configurations for 256 to 1024 px.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    base: str = (
        "starter"  # which network to start from (resolved above the engine), "" = from scratch
    )
    steps: int = 500  # steps
    batch: int = 16  # pictures a step
    seed: int = 0  # of initialisation, data order, latents, noise and augmentation
    learning_rate: float = 0.0025  # Adam, G and D
    gamma: float | None = None  # R1 weight; None = 0.0002 * resolution^2 / batch
    ema_half_life_steps: float = 312.5  # steps until G_ema has forgotten half of the past
    ema_rampup: float = 0.0  # half-life at most this fraction of the steps so far, 0 = off

    ada: Literal["off", "ada", "fixed"] = "ada"  # augmentation: none, adaptive, or at ada_initial
    ada_target: float = 0.6  # mean sign of D on real pictures that adaptive strength aims at
    ada_initial: float = 0.0  # probability 0..1 at step 0
    ada_kimg: float = 100.0  # thousand pictures in which the strength can move by 1
    ada_max: float = 0.85  # probability that is never exceeded
    augment: str = "bgc"  # groups: b blit, g geometry, c colour, f filter, n noise, c cutout
    mirror: bool = False  # real pictures flipped left-right with probability 1/2 (not for text)

    style_mixing: float = 0.9  # probability of two latents in one picture
    freeze_d: int = 0  # layers of D, from the picture's side, that keep the base's weights
    r1_interval: int = 16  # steps between R1 regularisations, 0 = off
    pl_interval: int = 4  # steps between path length regularisations, 0 = off
    pl_weight: float = 2.0
    pl_decay: float = 0.01  # of the running mean path length
    pl_batch_shrink: int = 2  # path length uses batch / this

    snapshots: tuple[int, ...] | None = (
        None  # steps; None = 0, 1, 2, 5, 10, 20, 50 ... and the last
    )
    preview_count: int = 16  # pictures on a preview sheet
    preview_seed: int = 0  # first of the preview's fixed seeds
    preview_psi: float = 1.0  # truncation of previews, 1 = none
    preview_every_steps: int = 0  # additional previews, 0 = only at snapshots
    tick_steps: int = 10  # steps a line of stats.jsonl
    checkpoint_every_seconds: float = 120.0  # s of training between checkpoints
    checkpoint_every_steps: int = 0  # additional checkpoints, 0 = none
    keep_checkpoints: int = (
        2  # newest full-state checkpoints kept at least, while the disk has room
    )
    checkpoint_gb: float = 1.0  # GB: more of them are kept as long as all together take less
    metric_pictures: int = 64  # real and generated pictures compared at each snapshot, 0 = none
    micro_batch: int = 0  # pictures in memory at once, gradients are summed up; 0 = the batch

    device: str = "auto"  # auto = cuda, then mps, then cpu; or a torch device
    threads: int = 0  # CPU threads, 0 = torch's own choice
    precision: Literal["fp32", "bf16", "fp16"] = (
        "fp32"  # of the main losses; R1 and path length are fp32
    )

    # Architecture, only without a base (the resolution is the dataset's).
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 32768
    channel_max: int = 512
    mbstd_group: int = 4

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "seed",
            "r1_interval",
            "pl_interval",
            "freeze_d",
            "preview_every_steps",
            "checkpoint_gb",
            "metric_pictures",
            "micro_batch",
        ):
            if getattr(self, name) < 0:
                raise EngineError(f"{name} is {getattr(self, name)}, it must not be negative")
        for name in ("batch", "tick_steps", "keep_checkpoints", "preview_count", "pl_batch_shrink"):
            if getattr(self, name) < 1:
                raise EngineError(f"{name} is {getattr(self, name)}, it must be at least 1")
        for name in (
            "learning_rate",
            "ema_half_life_steps",
            "ada_kimg",
            "checkpoint_every_seconds",
        ):
            if not getattr(self, name) > 0:
                raise EngineError(f"{name} is {getattr(self, name)}, it must be above 0")
        for name in ("ada_initial", "ada_max", "style_mixing", "pl_decay", "ada_target"):
            if not 0 <= getattr(self, name) <= 1:
                raise EngineError(f"{name} is {getattr(self, name)}, it must lie between 0 and 1")

    def resolved_gamma(self, resolution: int) -> float:
        """R1 weight at a resolution (px): the given one, or the heuristic 0.0002 resolution^2 / batch."""
        return self.gamma if self.gamma is not None else 0.0002 * resolution**2 / self.batch

    def snapshot_steps(self) -> list[int]:
        """Steps with a snapshot, ascending: 0 and the last always; a longer training keeps the earlier ones."""
        if self.snapshots is not None:
            chosen = {s for s in self.snapshots if 0 <= s <= self.steps}
        else:
            chosen = {m * 10**e for e in range(len(str(self.steps))) for m in (1, 2, 5)}
        return sorted({s for s in chosen if s <= self.steps} | {0, self.steps})


def train_config(values: dict[str, Any]) -> TrainConfig:
    """A recipe from plain values (JSON); unknown keys and wrong types raise EngineError."""
    hints = typing.get_type_hints(TrainConfig)
    known = [f.name for f in dataclasses.fields(TrainConfig)]
    clean: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise EngineError(f"{name} is not a knob of the training: known are {', '.join(known)}")
        clean[name] = _typed(name, value, hints[name])
    return TrainConfig(**clean)


def _typed(name: str, value: Any, hint: Any) -> Any:
    """`value` as the field's type, or EngineError."""
    origin = typing.get_origin(hint)
    if origin is types.UnionType or origin is typing.Union:
        if value is None:
            return None
        hint = next(h for h in typing.get_args(hint) if h is not type(None))
        origin = typing.get_origin(hint)
    if origin is Literal:
        choices = typing.get_args(hint)
        if value in choices:
            return value
        raise EngineError(f"{name} is {value!r}, it must be one of {', '.join(map(str, choices))}")
    if origin is tuple and isinstance(value, list | tuple) and all(type(v) is int for v in value):
        return tuple(value)
    if hint is float and type(value) in (int, float):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    wanted = getattr(hint, "__name__", str(hint))
    raise EngineError(f"{name} is {value!r}, it must be a {wanted}")
