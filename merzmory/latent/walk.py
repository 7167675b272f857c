"""A walk: a path through latent space, as a frame for each moment.

    seeds        from seed to seed
    noise        a circle in z, closed: pictures wander around one of them and come back
    psi          out of the average picture and back into it, seed after seed
    labels       the same z in each label of the network
    vectors      favourites, projected photographs, files of vectors, in their order

In z the walk goes through the mapping network; in w it goes straight between pictures, each as it
looks under its own psi.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from merzmory.errors import ConfigError
from merzmory.frame import SQUARE, Frame
from merzmory.gan import generate
from merzmory.latent import motion
from merzmory.latent.explore import Explorer
from merzmory.latent.labels import in_turn
from merzmory.latent.motion import Clock, Curve, Doubles
from merzmory.latent.timelapse import drawn
from merzmory.latent.vectors import Vector

KINDS = SEEDS, NOISE, PSI, LABELS = "seeds", "noise", "psi", "labels"
_AT_ONCE = 2**22  # pixels that a forward makes: 16 pictures of 512 px, 4 of 1024
_MOST = 16  # pictures of a forward: more gain little


@dataclass(frozen=True, slots=True)
class Manner:
    """How a walk goes, in the words of a config's [walk] section."""

    through: str
    keyframes: int
    first_seed: int
    space: Literal["", "z", "w"]
    curve: Literal["", "circle", "line", "spline"]
    seconds: float
    hold: float
    ease: float
    loop: bool
    radius: float
    psi: float
    psi_from: float
    psi_to: float
    label: str
    fps: int
    pictures: int
    captions: bool
    preview: bool
    preview_fps: int

    @property
    def rate(self) -> int:
        """Frames a second."""
        return self.preview_fps if self.preview else self.fps

    @property
    def frames(self) -> int:
        """How many frames there are, at least one."""
        return max(1, round(self.seconds * self.rate))


@dataclass(frozen=True, slots=True, eq=False)
class _Track:
    """A path, in z under a psi and a class, or in style vectors; captions by keyframe."""

    space: Literal["z", "ws"]
    point: Callable[[float], Doubles]
    clock: Clock
    psi: float = 1.0
    label: int | None = None
    captions: Sequence[str] = ()


def frames(
    *,
    network: Path,
    which: Literal["ema", "raw"],
    manner: Manner,
    vectors: Sequence[Vector] = (),
    size: tuple[int, int],
    device: str,
    labels: Sequence[str] = (),
    shape: Frame = SQUARE,
) -> Callable[[int], NDArray[np.uint8]]:
    """A function from frame number to picture [H, W, 3] of a walk, for any number in any order.

    Pictures are made a block at a time; blocks are cut by frame number alone, so a frame shows the
    same bits however it is asked for. Two blocks are kept. Noise is constant: it would flicker.
    `vectors` are walked through where `manner.through` names none of seeds, noise, psi, labels.
    A frame is what a square in `shape` shows; several `manner.pictures`, or captions, lie on a
    page of `size` (width, height), where the others begin as many keyframes later.

    Raises:
        EngineError: the network cannot be opened, or a seed is out of range.
        ConfigError: the settings do not go together; there is no such label.
        FormatError: a vector does not belong to the network.
    """
    explorer = Explorer.open(network, which, device, labels)
    tracks = [_track(explorer, manner, vectors, number) for number in range(manner.pictures)]
    clock = tracks[0].clock
    captions = tracks[0].captions if manner.captions else ()
    moments: dict[float, int] = {}  # equal moments (a hold) are made once
    where = [moments.setdefault(clock.at(number), len(moments)) for number in range(clock.frames)]
    distinct = list(moments)
    at_once = max(1, min(_MOST, _AT_ONCE // explorer.generator.resolution**2))
    block = max(1, at_once // len(tracks))
    kept: dict[int, NDArray[np.uint8]] = {}

    def made(wanted: int) -> NDArray[np.uint8]:
        """Block `wanted`: [block, pictures, S, S, 3]."""
        if wanted not in kept:
            for old in list(kept)[:-1]:
                del kept[old]
            some = [distinct[min(wanted * block + n, len(distinct) - 1)] for n in range(block)]
            ws = torch.stack([_ws(explorer, track, some) for track in tracks], dim=1)
            flat = generate.synthesis(explorer.generator, ws.flatten(0, 1), batch=at_once)
            kept[wanted] = flat.reshape(block, len(tracks), *flat.shape[1:])
        return kept[wanted]

    def frame(number: int) -> NDArray[np.uint8]:
        moment = where[min(number, clock.frames - 1)]
        shown = made(moment // block)[moment % block]
        if len(shown) == 1 and not any(captions):
            return np.asarray(shape.shown(Image.fromarray(shown[0])))
        text = captions[round(distinct[moment]) % len(captions)] if any(captions) else ""
        return drawn(shown, text, size, shape)

    return frame


def caption(vector: Vector) -> str:
    """What stands below a picture: the day, month or year of its photograph, or its year."""
    return day(str(vector.about.get("taken") or vector.about.get("year") or ""))


def day(taken: str) -> str:
    """An ISO 8601 date, or as much of one as there is, for people: "14 May 2019", "May 2019", "2019"."""
    parts = taken[:10].split("-")
    try:
        numbers = [int(part) for part in parts]
        date = datetime.date(*[*numbers, 1, 1][:3])
    except ValueError:
        return ""
    of_month = f"{date.day} " if len(numbers) == 3 else ""
    month = f"{date:%B} " if len(numbers) > 1 else ""
    return f"{of_month}{month}{date.year}"


def _track(explorer: Explorer, manner: Manner, vectors: Sequence[Vector], number: int) -> _Track:
    """The path of picture `number`."""
    through, count = manner.through, manner.frames
    first = manner.first_seed
    label = in_turn(explorer.labels, manner.label, "walk.label")[0]
    named = "" if label is None else explorer.labels[label]
    if through == NOISE:
        centre, a, b = (
            explorer.seed(first + 3 * number + n, named).values.astype(np.float64) for n in range(3)
        )
        turn = Clock(1, count, ease=0)
        circle = motion.ring(centre, a, b, manner.radius)
        return _Track("z", circle, turn, manner.psi, label)
    if through == LABELS:
        if not explorer.labels:
            raise ConfigError(
                "This network knows no labels to walk through: set walk.through to seeds."
            )
        found = [explorer.seed(first + number, name, manner.psi) for name in explorer.labels]
        return _in_w(explorer, manner, found)
    if through == SEEDS and manner.keyframes < 2:
        raise ConfigError(
            "A walk from seed to seed needs two keyframes at least: set walk.keyframes to 2 or more, or "
            "walk.through to noise or psi, which move around one picture."
        )
    if through in (SEEDS, PSI):
        seeds = range(first + number * manner.keyframes, first + (number + 1) * manner.keyframes)
        found = [explorer.seed(seed, named, manner.psi) for seed in seeds]
    else:
        if len(vectors) < 2:
            raise ConfigError(
                f"A walk through {through} needs two pictures at least and there "
                f"{'is one' if vectors else 'are none'}: keep or project more, or set "
                "walk.through to seeds."
            )
        turned = number % len(vectors)
        found = [*vectors[turned:], *vectors[:turned]]
    if through == PSI:
        return _in_w(explorer, manner, found, (manner.psi_from, manner.psi_to))
    alike = {(vector.space, vector.psi, vector.label) for vector in found}
    plain = len(alike) == 1 and found[0].space == "z"
    if manner.space == "w" or not (plain or manner.space):
        return _in_w(explorer, manner, found)
    if not plain:
        raise ConfigError(
            f"The pictures of {through} do not all have a z under one psi and label: set "
            'walk.space to w, or leave it "".'
        )
    points = np.stack([explorer.checked(vector).values for vector in found]).astype(np.float64)
    which = explorer.labels.index(found[0].label) if explorer.generator.c_dim else None
    path = motion.through(points, manner.curve or "circle", loop=manner.loop)
    return _Track("z", path, _clock(manner, len(points)), found[0].psi, which, _said(found))


def _in_w(
    explorer: Explorer, manner: Manner, found: Sequence[Vector], psis: Sequence[float] = ()
) -> _Track:
    """Through style vectors: each under its own psi, or under all `psis` in turn."""
    curve: Curve = manner.curve or "line"
    if curve == "circle":
        raise ConfigError(
            "Great circles are paths of z, and this walk goes through w: set walk.curve to line or "
            "spline."
        )
    points = np.stack(
        [
            explorer.ws(vector, psi)[0].double().cpu().numpy()
            for vector in found
            for psi in (psis or (vector.psi,))
        ]
    )
    path = motion.through(points, curve, loop=manner.loop)
    return _Track("ws", path, _clock(manner, len(points)), captions=_said(found))


def _clock(manner: Manner, keyframes: int) -> Clock:
    hold = manner.hold * manner.rate
    return Clock(keyframes, manner.frames, hold, manner.ease, manner.loop)


def _said(found: Sequence[Vector]) -> list[str]:
    return [caption(vector) for vector in found]


def _ws(explorer: Explorer, track: _Track, moments: Sequence[float]) -> torch.Tensor:
    """Style vectors [len(moments), num_ws, w_dim]."""
    points = torch.from_numpy(np.stack([track.point(moment) for moment in moments])).float()
    if track.space == "ws":
        return points
    return generate.mapping(explorer.generator, points, track.psi, label=track.label).cpu()
