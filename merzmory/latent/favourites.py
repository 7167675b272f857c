"""Favourites: points of latent space that a person gave a name, in one file of an experiment.

`favourites.json` is a file of vectors (`latent.vectors`), of the kind "favourites": each has its network (run,
step, ema or raw) and its place (seed, path through the grids) in `about`. A change locks the file, reads it, and
writes it aside and renames it: of two programs that change it at once, neither loses what the other said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from merzmory.errors import ConfigError, StorageError, storage_errors
from merzmory.latent import vectors
from merzmory.latent.vectors import Vector
from merzmory.manifest import write_aside

FILE = "favourites.json"
_PATIENCE = 20.0  # s that a change waits for another's


@dataclass(frozen=True, slots=True)
class Favourites:
    """The favourites in a file, in the order in which they were named; none where there is no file."""

    path: Path

    def all(self) -> list[Vector]:
        """Every favourite.

        Raises:
            FormatError: the file is damaged, or newer.
        """
        if not self.path.exists():
            return []
        with vectors.damages(self.path):
            return vectors.read(json.loads(vectors.text(self.path)), "favourites")

    def get(self, name: str) -> Vector:
        """The favourite of a name.

        Raises:
            ConfigError: there is none.
            FormatError: as `all`.
        """
        found = self.all()
        return found[self._place(found, name)]

    def add(self, vector: Vector, name: str) -> Vector:
        """Give `vector` a name, and keep it.

        Raises:
            ConfigError: the name is taken.
            FormatError: the name is none, or the file is damaged.
            StorageError: the file cannot be written.
        """
        kept = replace(vector, name=vectors.named(name))
        with self._changing() as found:
            self._free(found, name)
            found.append(kept)
        return kept

    def rename(self, old: str, new: str) -> None:
        """Give a favourite another name; raises as `get` and `add`."""
        with self._changing() as found:
            at = self._place(found, old)
            self._free(found, vectors.named(new))
            found[at] = replace(found[at], name=new)

    def remove(self, name: str) -> None:
        """Forget a favourite; raises as `get` and `add`."""
        with self._changing() as found:
            del found[self._place(found, name)]

    @contextmanager
    def _changing(self) -> Iterator[list[Vector]]:
        with storage_errors(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
            try:
                lock.acquire(timeout=_PATIENCE)
            except Timeout as error:
                raise StorageError(
                    f"{self.path} is held by another program: close it and give the command again."
                ) from error
        try:
            found = self.all()
            yield found
            document = vectors.document("favourites", found)
            write_aside(self.path, json.dumps(document, ensure_ascii=False).encode())
        finally:
            lock.release()

    def _place(self, found: list[Vector], name: str) -> int:
        names = [one.name for one in found]
        if name not in names:
            known = ", ".join(names[:12]) or "none yet"
            raise ConfigError(f"There is no favourite {name!r:.70}: there are {known}.")
        return names.index(name)

    def _free(self, found: list[Vector], name: str) -> None:
        if name in {one.name for one in found}:
            raise ConfigError(
                f"There is a favourite {name!r:.70} already: choose another name, or remove it first."
            )
