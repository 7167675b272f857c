"""Directions in w that change one thing at a time, found without any label, and sliders along them.

sefa       Shen and Zhou 2021 (arXiv 2007.06600): unit n with the largest |A n|, eigenvectors of A^T A, where A
           stacks the affine maps from w to the styles of the chosen layers
ganspace   Härkönen et al. 2020 (arXiv 2004.02546): principal components of w over random z

An amount of 1 is one standard deviation of the network's own w along the direction. Signs are chosen so that
a direction's largest number is positive: both methods leave them open.

Sliders are a `.json`: {"format": 1, "kind": "directions", "directions": [{"name", "method", "number", "layers":
[first, behind the last], "deviation", "share", "vector": [...]}]}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from merzmory.errors import ConfigError, FormatError
from merzmory.gan import generate
from merzmory.gan.layers import FullyConnected
from merzmory.gan.networks import StyleGenerator
from merzmory.gan.networks import Synthesis as Synthesis2
from merzmory.gan.stylegan3 import Synthesis as Synthesis3
from merzmory.latent import vectors
from merzmory.latent.explore import Explorer
from merzmory.latent.layers import Range
from merzmory.latent.vectors import Vector, named
from merzmory.manifest import write_aside

METHODS = ("sefa", "ganspace")
FORMAT = 1
SEEDS = 4096  # z whose w say how far w reaches
_BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A slider: a unit vector of w, float32 [w_dim], for the layers first .. behind - 1.

    `deviation` is the standard deviation of w along it, `share` its part of all eigenvalues.

    Raises:
        FormatError: the vector or a number is none, or the name is none.
    """

    name: str
    method: str
    number: int
    layers: Range
    deviation: float
    share: float
    vector: NDArray[np.float32]

    def __post_init__(self) -> None:
        named(self.name)
        numbers = np.array([self.deviation, self.share, *self.vector.reshape(-1)], np.float64)
        if self.vector.ndim != 1 or not self.vector.size or not np.isfinite(numbers).all():
            raise FormatError("A direction is a row of finite numbers: find the directions anew.")


def find(
    generator: StyleGenerator,
    method: str,
    layers: Range,
    count: int,
    *,
    label: int | None = None,
    seeds: int = SEEDS,
) -> list[Direction]:
    """The `count` strongest directions for `layers`, the strongest first.

    ganspace finds the same for all layers, since w is the same; `label` is the class whose w are measured.

    Raises:
        ConfigError: there is no such method.
        EngineError: the network has labels and `label` is none of them.
    """
    if method not in METHODS:
        raise ConfigError(f"There is no method {method!r:.20}: choose {' or '.join(METHODS)}.")
    spread = covariance(sampled(generator, seeds, label))
    matrix = spread if method == "ganspace" else squared(generator, layers)
    values, found = principal(matrix)
    total = float(values.sum()) or 1.0
    return [
        Direction(
            name=f"{method} {number + 1}",
            method=method,
            number=number,
            layers=layers,
            deviation=float(np.sqrt(max(vector @ spread @ vector, 0.0))),
            share=float(values[number]) / total,
            vector=vector.astype(np.float32),
        )
        for number, vector in enumerate(found[:count])
    ]


def sampled(generator: StyleGenerator, seeds: int, label: int | None = None) -> NDArray[np.float64]:
    """w of the seeds 0 .. seeds - 1, [seeds, w_dim]."""
    rows = [
        generate.mapping(
            generator,
            generate.latents(range(at, min(at + _BATCH, seeds)), generator.z_dim),
            label=label,
        )[:, 0]
        for at in range(0, seeds, _BATCH)
    ]
    return torch.cat(rows).cpu().double().numpy()


def covariance(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of [N, D], [D, D]."""
    away = rows - rows.mean(axis=0)
    return np.asarray(away.T @ away / max(len(rows) - 1, 1))


def squared(generator: StyleGenerator, layers: Range) -> NDArray[np.float64]:
    """A^T A [w_dim, w_dim] of the affine maps that read the style vectors of `layers`."""
    total = np.zeros((generator.w_dim, generator.w_dim))
    for layer, affine in affines(generator):
        if layers[0] <= layer < layers[1]:
            a = (affine.weight * affine.weight_gain).detach().cpu().double().numpy()
            total += a.T @ a
    return total


def affines(generator: StyleGenerator) -> list[tuple[int, FullyConnected]]:
    """(layer, its map from w to styles) in order.

    A ToRGB of StyleGAN2 counts only where no convolution reads the same vector: the last.
    """
    synthesis = generator.synthesis
    found: list[FullyConnected] = []
    if isinstance(synthesis, Synthesis3):
        found = [synthesis.input.affine] + [getattr(synthesis, n).affine for n in synthesis.names]
    elif isinstance(synthesis, Synthesis2):
        for r in synthesis.resolutions:
            block = getattr(synthesis, f"b{r}")
            found += [block.conv1.affine] if r == 4 else [block.conv0.affine, block.conv1.affine]
        found.append(block.torgb.affine)
    return list(enumerate(found))


def principal(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues, the largest first, and unit eigenvectors as rows; the largest number of each is positive."""
    values, columns = np.linalg.eigh(matrix)
    rows = columns.T[::-1]
    largest = np.abs(rows).argmax(axis=1)
    signs = np.sign(rows[np.arange(len(rows)), largest])
    return values[::-1].clip(0), rows * signs[:, None]


def slid(explorer: Explorer, vector: Vector, sliders: Sequence[tuple[Direction, float]]) -> Vector:
    """`vector` moved along several directions, as W+ before truncation; the name falls away.

    Raises:
        FormatError: the vector or a direction does not belong to the network.
    """
    own = explorer.generator
    values = np.broadcast_to(
        explorer.in_w(vector).values.astype(np.float64), (own.num_ws, own.w_dim)
    ).copy()
    for direction, amount in sliders:
        first, behind = direction.layers
        if direction.vector.shape != (own.w_dim,) or not 0 <= first < behind <= own.num_ws:
            raise FormatError(
                f"The slider {direction.name} is of another network: find the directions of this one."
            )
        values[first:behind] += amount * direction.deviation * direction.vector
    moved = {direction.name: amount for direction, amount in sliders}
    before = vector.about.get("sliders")
    about = {**vector.about, "sliders": {**(before if isinstance(before, dict) else {}), **moved}}
    return replace(vector, space="w", values=values.astype(np.float32), name="", about=about)


def save(path: Path, directions: Sequence[Direction]) -> None:
    """Write sliders aside, then rename them."""
    lines = [
        {
            "name": one.name, "method": one.method, "number": one.number, "layers": list(one.layers),
            "deviation": one.deviation, "share": one.share, "vector": one.vector.tolist(),
        }
        for one in directions
    ]  # fmt: skip
    document = {"format": FORMAT, "kind": "directions", "directions": lines}
    write_aside(path, json.dumps(document, indent=1, ensure_ascii=False).encode())


def load(path: Path) -> list[Direction]:
    """The sliders of a file.

    Raises:
        FormatError: no such file, damaged, newer, or of another kind.
    """
    with vectors.damages(path):
        document = json.loads(vectors.text(path))
        vectors.check(document, "directions")
        return [_direction(line) for line in document["directions"]]


def chosen(
    directions: Sequence[Direction], amounts: Mapping[str, float]
) -> list[tuple[Direction, float]]:
    """The directions that `amounts` names, with their amounts.

    Raises:
        ConfigError: there is no slider of a name.
    """
    known = {one.name: one for one in directions}
    for name in amounts:
        if name not in known:
            raise ConfigError(f"There is no slider {name!r:.70}: there are {', '.join(known)}.")
    return [(known[name], amount) for name, amount in amounts.items()]


def renamed(directions: Sequence[Direction], names: Sequence[str]) -> list[Direction]:
    """The directions, the first of them by `names`.

    Raises:
        ConfigError: two would have the same name, or there are more names than directions.
        FormatError: a name is none.
    """
    named = [replace(one, name=name) for one, name in zip(directions, names, strict=False)]
    named += directions[len(names) :]
    if len(names) > len(directions) or len({one.name for one in named}) < len(named):
        raise ConfigError(
            f"{len(names)} names are given for {len(directions)} directions: give at most as many, each "
            "once."
        )
    return named


def _direction(line: Mapping[str, Any]) -> Direction:
    first, behind = line["layers"]
    return Direction(
        name=line["name"],
        method=str(line["method"]),
        number=int(line["number"]),
        layers=(int(first), int(behind)),
        deviation=float(line["deviation"]),
        share=float(line["share"]),
        vector=np.asarray(line["vector"], np.float32),
    )
