"""The explorer: a grid of pictures around an origin that always shows the same picture in a cell.

RunwayML's two knobs, with its defaults: *sampling distance* is the standard deviation of the noise that
one step of the grid adds to z, *truncation* is psi. How its grid added them up is not known; here a step is

    z' = (z + distance n) / sqrt(1 + distance^2) = rho z + s n,  n ~ N(0, I),  rho = 1 / sqrt(1 + distance^2)

renormalised, so that far from the origin pictures are neither stranger nor more alike. Both directions of
the grid step so at once (an Ornstein-Uhlenbeck sheet; Walsh 1986, chapter 3), which no path can tell apart:

    z(c, 0) = rho z(c-1, 0) + s n(c, 0)                                    and so z(0, r), and to all sides
    z(c, r) = rho (z(c-1, r) + z(c, r-1)) - rho^2 z(c-1, r-1) + s^2 n(c, r)

Cells that lie (dc, dr) apart correlate by rho^(|dc| + |dr|). n(c, r) is drawn from (grid seed, c, r) alone.
In w, n is a random w minus the mean w, so that moves have the covariance that the network's w have.

The last bits of a picture depend on how many are computed at once: all are computed one by one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merzmory.errors import ConfigError, FormatError
from merzmory.gan import checkpoint, generate
from merzmory.gan.device import choose_device
from merzmory.gan.generate import Pixels
from merzmory.gan.networks import StyleGenerator
from merzmory.latent.labels import in_turn
from merzmory.latent.vectors import Vector

Cell = tuple[int, int]  # column to the right, row downwards; (0, 0) is the origin
Doubles = NDArray[np.float64]

DISTANCE = 0.5
PSI = 0.8
REACH = 100  # cells from an origin: the sheet is summed up from there
_MOVES = 20_000  # moves in w that are remembered, 4 KB each
_CENTRE_OF = 1024  # seeds 0.. whose mean w is the centre of w


@dataclass(frozen=True, slots=True)
class Place:
    """Where a grid lies: its origin, the seed of its moves, the sampling distance, and psi.

    Raises:
        ConfigError: a number is out of range.
    """

    origin: Vector
    seed: int = 0
    distance: float = DISTANCE
    psi: float = PSI

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"The grid's seed is {self.seed}: give one from 0 to {2**32 - 1}.")
        if not 0 <= self.distance <= 1000:  # a NaN is not
            raise ConfigError(
                f"The sampling distance is {self.distance}: give 0 (all alike) to 1000; RunwayML's "
                f"was {DISTANCE}."
            )
        if not -2 <= self.psi <= 2:
            raise ConfigError(f"The truncation is {self.psi}: give a number from -2 to 2.")


def centre_out(columns: Iterable[int], rows: Iterable[int]) -> list[Cell]:
    """The cells of a view in the order in which they are made: from its middle outwards."""
    across, down = list(columns), list(rows)
    if not across or not down:
        return []
    c, r = across[len(across) // 2], down[len(down) // 2]
    cells = [(column, row) for row in down for column in across]
    return sorted(cells, key=lambda at: ((at[0] - c) ** 2 + (at[1] - r) ** 2, at[1], at[0]))


def view(columns: int, rows: int) -> tuple[range, range]:
    """The columns and rows of a view with the origin in its middle."""
    return range(-(columns // 2), columns - columns // 2), range(-(rows // 2), rows - rows // 2)


class Explorer:
    """A generator to look around in: vectors of cells, and their pictures.

    Works for StyleGAN2 with and without labels and for StyleGAN3, in z, w and W+.
    """

    def __init__(self, generator: StyleGenerator, labels: Sequence[str] = ()) -> None:
        self.generator = generator
        self.labels = list(labels) or [str(n) for n in range(generator.c_dim)]
        self._moves: dict[tuple[int, int, int, int | None], Doubles] = {}
        self._centres: dict[int | None, Doubles] = {}

    @classmethod
    def open(
        cls, network: Path, which: Literal["ema", "raw"], device: str, labels: Sequence[str] = ()
    ) -> Explorer:
        """The explorer of a network file; raises EngineError as `checkpoint.load_generator`."""
        return cls(checkpoint.load_generator(network, which, choose_device(device)), labels)

    def seed(self, seed: int, label: str = "", psi: float = PSI) -> Vector:
        """The z of a seed, as `merzmory sample` draws it, in class `label`, or by turns as it does.

        Raises:
            EngineError: the seed is out of range.
            ConfigError: there is no such label.
        """
        values = generate.latents([seed], self.generator.z_dim)[0].numpy()
        turn = in_turn(self.labels, label, "the label")
        which = turn[seed % len(turn)]
        chosen = "" if which is None else self.labels[which]
        return Vector("z", values, f"seed {seed}", psi, chosen, {"seed": seed})

    def checked(self, vector: Vector) -> Vector:
        """`vector`, if it belongs to this network; raises FormatError with what is wrong."""
        own, shape = self.generator, vector.values.shape
        fitting: list[tuple[int, ...]] = [(own.z_dim,)]
        if vector.space == "w":
            fitting = [(own.w_dim,), (own.num_ws, own.w_dim)]
        if shape not in fitting:
            raise FormatError(
                f"The vector {vector.name or 'without name'} is a {vector.space} of "
                f"{' x '.join(map(str, shape))} numbers and this network takes "
                f"{' or '.join(' x '.join(map(str, fit)) for fit in fitting)}: open it with the "
                "network that it was made with."
            )
        self._label(vector)
        return vector

    def in_w(self, vector: Vector) -> Vector:
        """The same point as a w, before truncation."""
        if self.checked(vector).space == "w":
            return vector
        ws = generate.mapping(self.generator, _tensor(vector.values), label=self._label(vector))
        return replace(vector, space="w", values=ws[0, 0].cpu().numpy())

    def ws(self, vector: Vector, psi: float) -> Tensor:
        """Style vectors [1, num_ws, w_dim] of a vector under truncation."""
        if self.checked(vector).space == "z":
            z = _tensor(vector.values)
            return generate.mapping(self.generator, z, psi, label=self._label(vector))
        average = self.generator.mapping.w_avg
        w = torch.from_numpy(vector.values).to(average.device)
        near = w if psi == 1 else torch.lerp(average.expand_as(w), w, psi)
        return near.expand(self.generator.num_ws, -1)[None].contiguous()

    def picture(self, vector: Vector, psi: float) -> Pixels:
        """The picture of a vector, uint8 [H, W, C], with constant noise."""
        pixels: Pixels = generate.synthesis(self.generator, self.ws(vector, psi))[0]
        return pixels

    def at(self, place: Place, cells: Sequence[Cell]) -> list[Vector]:
        """The vectors of cells, in the origin's space.

        Raises:
            ConfigError: a cell lies farther than REACH from the origin.
            FormatError: the origin does not belong to this network.
        """
        origin = self.checked(place.origin)
        for cell in cells:
            if max(abs(cell[0]), abs(cell[1])) > REACH:
                raise ConfigError(
                    f"The cell {cell[0]},{cell[1]} lies more than {REACH} from the origin: move the "
                    "origin nearer first."
                )
        if len(self._moves) > _MOVES:
            self._moves.clear()
        start = origin.values.astype(np.float64)
        if origin.space == "z":
            size = float(np.sqrt(np.square(start).mean())) or 1.0  # about 1 for the z of a seed

            def in_z(side: int, row: int, columns: int) -> Doubles:
                return size * noise(place.seed, side, row, columns, len(start))

            found = sheet_of(start, in_z, place.distance, cells)
        else:
            label = self._label(origin)
            centre = self._mean_w(label)

            def in_w(side: int, row: int, columns: int) -> Doubles:
                return self._drawn_in_w(place.seed, side, row, columns, label) - centre

            found = sheet_of(start - centre, in_w, place.distance, cells)
            found = {cell: w + centre for cell, w in found.items()}
        return [
            self._named(place, cell, found[cell].astype(np.float32)) if cell != (0, 0) else origin
            for cell in cells
        ]

    def pictures(
        self, place: Place, cells: Sequence[Cell], batch: int = 4
    ) -> Iterator[tuple[Cell, Pixels]]:
        """Each cell with its picture, in the order given; stop asking, and nothing more is computed.

        Vectors are made for `batch` cells at once, and pictures one by one: neither depends on it.
        """
        for first in range(0, len(cells), batch):
            some = cells[first : first + batch]
            for cell, vector in zip(some, self.at(place, some), strict=True):
                yield cell, self.picture(vector, place.psi)

    def moved(self, place: Place, cell: Cell) -> Place:
        """The place with its origin in `cell`: the same picture in its middle, and new ones around."""
        [origin] = self.at(place, [cell])
        text = f"{place.seed} {cell[0]} {cell[1]}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        return replace(place, origin=origin, seed=seed)

    def _named(self, place: Place, cell: Cell, values: NDArray[np.float32]) -> Vector:
        origin = place.origin
        values = origin.values if place.distance == 0 else values
        step = [place.seed, place.distance, *cell]
        about = {**origin.about, "path": [*path_of(origin), step]}
        return replace(origin, values=values, name="", psi=place.psi, about=about)

    def _label(self, vector: Vector) -> int | None:
        if not self.generator.c_dim:
            return None  # a vector that knows its album may be shown by a network without any
        if vector.space == "w" and not vector.label:
            return 0  # a w shows itself; only the moves of its grid need a class
        if vector.label not in self.labels:
            raise FormatError(
                f"The vector {vector.name or 'without name'} is of the label {vector.label or 'none'}, "
                f"and this network knows {', '.join(self.labels[:12])}: choose one of those."
            )
        return self.labels.index(vector.label)

    def _drawn_in_w(
        self, seed: int, side: int, row: int, columns: int, label: int | None
    ) -> Doubles:
        drawn = noise(seed, side, row, columns, self.generator.z_dim)
        for column in range(columns + 1):
            at = seed, side * column, row, label
            if at not in self._moves:  # one by one, as pictures are
                z = _tensor(drawn[column].astype(np.float32))
                w = generate.mapping(self.generator, z, label=label)[0, 0]
                self._moves[at] = w.cpu().double().numpy()
        return np.stack([self._moves[seed, side * n, row, label] for n in range(columns + 1)])

    def _mean_w(self, label: int | None) -> Doubles:
        if label not in self._centres:
            z = generate.latents(range(_CENTRE_OF), self.generator.z_dim)
            w = generate.mapping(self.generator, z, label=label)[:, 0]
            self._centres[label] = w.cpu().double().mean(dim=0).numpy()
        return self._centres[label]


def path_of(vector: Vector) -> list[list[float]]:
    """[grid seed, distance, column, row] of each grid on the way to a vector, as far as it is told."""
    told = vector.about.get("path")
    steps = told if isinstance(told, list) else []
    return [step for step in steps if isinstance(step, list) and len(step) == 4]


def sheet_of(
    origin: Doubles,
    noise: Callable[[int, int, int], Doubles],
    distance: float,
    cells: Iterable[Cell],
) -> dict[Cell, Doubles]:
    """The sheet of this module's first lines at `cells`.

    `noise(side, row, columns)` is n of the columns 0, side .. side * columns, side being 1 or -1.
    """
    rho = 1 / math.sqrt(1 + distance**2)
    s = distance * rho
    found: dict[Cell, Doubles] = {}
    for right in (1, -1):
        for down in (1, -1):
            here = {
                at for at in cells if (at[0] >= 0) == (right > 0) and (at[1] >= 0) == (down > 0)
            }
            columns = max((abs(c) for c, _ in here), default=0)
            above: list[Doubles] = []
            for r in range(max((abs(r) for _, r in here), default=-1) + 1):
                n = noise(right, down * r, columns)
                row: list[Doubles] = []
                for c in range(columns + 1):
                    if c == 0 and r == 0:
                        row.append(origin)
                    elif c == 0 or r == 0:
                        row.append(rho * (above[0] if c == 0 else row[-1]) + s * n[c])
                    else:
                        both = rho * (row[-1] + above[c]) - rho**2 * above[c - 1]
                        row.append(both + s**2 * n[c])
                    if (right * c, down * r) in here:
                        found[right * c, down * r] = row[-1]
                above = row
    return found


def noise(seed: int, side: int, row: int, columns: int, size: int) -> Doubles:
    """n of the columns 0, side .. side * columns of a row, standard normal [columns + 1, size].

    A row has a stream for its columns 0, 1, 2 ... and one for -1, -2 ...: more columns change none.
    RandomState's streams are the same in every version of numpy (NEP 19).
    """
    name = [seed, 2 * abs(row) - (row < 0)]
    first = np.random.RandomState([*name, 0])
    if side > 0:
        return first.randn(columns + 1, size)
    left = np.random.RandomState([*name, 1]).randn(columns, size)
    return np.concatenate([first.randn(1, size), left])


def _tensor(values: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.array(values))[None]
