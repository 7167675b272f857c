"""Breadcrumbs: the origins that one came by, to walk back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from merzmory.errors import FormatError
from merzmory.latent import vectors
from merzmory.latent.explore import Cell, Explorer, Place
from merzmory.manifest import write_aside


@dataclass(frozen=True, slots=True)
class Trail:
    """Places one behind the other, at least one; the last is where one stands.

    A file is the JSON of `vectors`, of the kind "trail", with {"seed", "distance", "psi"} of each grid.
    """

    places: tuple[Place, ...]

    @property
    def here(self) -> Place:
        """Where one stands."""
        return self.places[-1]

    def go(self, explorer: Explorer, cell: Cell) -> Trail:
        """With the origin moved to a cell; raises as `Explorer.at`."""
        return self.to(explorer.moved(self.here, cell))

    def to(self, place: Place) -> Trail:
        """With another place: a new seed, a favourite, another distance."""
        return Trail((*self.places, place))

    def back(self) -> Trail:
        """A step back; at the first place, the same."""
        return Trail(self.places[:-1] or self.places)

    def save(self, path: Path) -> None:
        """Write the trail aside, then rename it."""
        grids = [{"seed": p.seed, "distance": p.distance, "psi": p.psi} for p in self.places]
        document = vectors.document("trail", [p.origin for p in self.places], grids=grids)
        write_aside(path, json.dumps(document, ensure_ascii=False).encode())

    @classmethod
    def load(cls, path: Path) -> Trail:
        """The trail of a file.

        Raises:
            FormatError: no such file, damaged, or newer.
        """
        with vectors.damages(path):
            document = json.loads(vectors.text(path))
            origins = vectors.read(document, "trail")
            places = [
                Place(origin, int(grid["seed"]), float(grid["distance"]), float(grid["psi"]))
                for origin, grid in zip(origins, document["grids"], strict=True)
            ]
            if not places:
                raise FormatError("It holds no place: begin a new one.")
            return cls(tuple(places))
