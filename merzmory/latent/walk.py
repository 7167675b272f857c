"""A walk: a path through latent space, as a frame for each moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint, generate
from merzmory.gan.device import choose_device
from merzmory.latent.labels import in_turn


def slerp(a: NDArray[np.float64], b: NDArray[np.float64], t: float) -> NDArray[np.float64]:
    """The point `t` (0..1) of the way from `a` to `b` along the great circle (Shoemake 1985).

    Lengths go linearly from |a| to |b|; directions that are parallel fall back to the chord.
    """
    length_a, length_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    cosine = float(np.clip(a @ b / (length_a * length_b), -1.0, 1.0))
    angle = math.acos(cosine)
    length = (1 - t) * length_a + t * length_b
    if angle < 1e-4 or math.pi - angle < 1e-4:
        return (1 - t) * a + t * b
    direction = (
        math.sin((1 - t) * angle) * a / length_a + math.sin(t * angle) * b / length_b
    ) / math.sin(angle)
    return np.asarray(length * direction)


def path(keyframes: NDArray[np.float64], frames: int, *, loop: bool = True) -> NDArray[np.float64]:
    """`frames` points [frames, z] through `keyframes` [K, z], eased at each of them.

    A loop returns to its first keyframe: the frame behind the last one would be the first.
    """
    count = len(keyframes)
    legs = count if loop else count - 1
    points = []
    for frame in range(frames):
        position = legs * frame / (frames if loop else max(frames - 1, 1))
        leg = min(int(position), legs - 1)
        t = position - leg
        eased = t * t * (3 - 2 * t)  # smoothstep: the walk lingers at a keyframe
        points.append(slerp(keyframes[leg % count], keyframes[(leg + 1) % count], eased))
    return np.stack(points)


def frames(
    *,
    network: Path,
    which: Literal["ema", "raw"],
    seeds: Sequence[int],
    count: int,
    psi: float,
    device: str,
    labels: Sequence[str] = (),
    label: str = "",
    shape: Frame = SQUARE,
    batch: int = 8,
) -> Callable[[int], NDArray[np.uint8]]:
    """A function from frame number to picture [H, W, 3] of a looped walk through `seeds`.

    Frames are generated in batches when first asked for; the last two batches are kept, so a
    writer that asks in order holds `2 * batch` pictures. Noise is constant: it would flicker.
    A network that knows `labels` walks inside one: `label`, or the first. A frame is what a square
    in `shape` shows.

    Raises:
        ConfigError: `label` is none of `labels`.
    """
    inside = in_turn(labels, label, "walk.label")[0]
    generator = checkpoint.load_generator(network, which, choose_device(device))
    keyframes = generate.latents(seeds, generator.z_dim).double().numpy()
    z = torch.from_numpy(path(keyframes, count)).float()
    kept: dict[int, NDArray[np.uint8]] = {}

    def frame(number: int) -> NDArray[np.uint8]:
        block = min(number, count - 1) // batch
        if block not in kept:
            for old in sorted(kept)[:-1]:
                del kept[old]
            part = z[block * batch : (block + 1) * batch]
            kept[block] = generate.images(generator, part, psi=psi, label=inside)
        square = Image.fromarray(kept[block][min(number, count - 1) % batch])
        return np.asarray(shape.shown(square))

    return frame
