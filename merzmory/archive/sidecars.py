"""XMP beside photographs and inside them: read where asked, written into a folder of ours."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from merzmory.archive import xmp
from merzmory.archive.marks import NOTHING, Mark, Marks, mark
from merzmory.errors import ArchiveError, ConfigError, FormatError, storage_errors
from merzmory.manifest import write_aside
from merzmory.originals import access as originals
from merzmory.originals import decode

_READ = ("flag", "stars", "label")
NEW, MERGED, LEFT = "new", "merged", "left"


@dataclass(frozen=True, slots=True)
class Told:
    """What XMP tells of one photograph, and where; `trouble` names what could not be read."""

    path: str
    sha256: str
    said: Marks
    trouble: str = ""

    def marks(self) -> list[Mark]:
        """The marks that were told; what was not told is no mark."""
        told = [(kind, getattr(self.said, kind)) for kind in _READ]
        return [mark(self.sha256, kind, value) for kind, value in told if value]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A sidecar: written "new", "merged" with a foreign one's content, or "left" as it was."""

    path: Path
    how: str
    reason: str = ""


def read(photographs: Iterable[tuple[str, str]]) -> Iterator[Told]:
    """What is told of each photograph (path, sha256): by its sidecars, then by itself.

    FILE.jpg.xmp speaks before FILE.xmp, and both before what lies inside the photograph. Those of
    which nothing is told are left out.
    """
    for path, sha256 in photographs:
        said, troubles = NOTHING, []
        for where, data in _documents(path):
            try:
                told = xmp.read(data)
            except FormatError as error:
                troubles.append(f"{where}: {error}")
                continue
            missing = {k: getattr(told, k) for k in _READ if not getattr(said, k)}
            said = replace(said, **missing)
        if said != NOTHING or troubles:
            yield Told(path, sha256, said, " ".join(troubles))


def write(
    said: Mapping[str, Marks], *, folder: Path | None, root: Path | None
) -> Iterator[Sidecar]:
    """Write FILE.jpg.xmp for each path in `said`: below `folder`, laid out as below `root`.

    What a foreign sidecar tells besides is taken over into the new one; the foreign one stays as it
    is. With no `folder` they are written beside the photographs, and a foreign sidecar there is
    left; photographs inside a ZIP get none.

    Raises:
        ConfigError: `folder` lies among the photographs.
        StorageError: it cannot be written.
    """
    if folder is not None and root is not None:
        folder = folder.resolve()
        if folder.is_relative_to(root.resolve()):
            raise ConfigError(
                f"{folder} lies among the photographs of {root}: choose a folder elsewhere, or say "
                "--beside to write beside them."
            )
    for path, marks in sorted(said.items()):
        yield _beside(path, marks) if folder is None else _below(path, marks, folder, root)


def _beside(path: str, said: Marks) -> Sidecar:
    target = Path(f"{path}.xmp")
    if not Path(path).is_file():  # a member of a ZIP, a URL
        return Sidecar(target, LEFT, "The photograph does not lie in a folder.")
    found = next(_sidecars(path), None)
    if found is None:
        return _written(target, said, None, NEW)
    where, data = found
    try:
        ours = xmp.is_ours(data)
    except FormatError:
        ours = False
    if not ours:
        return Sidecar(Path(where), LEFT, "Another program wrote it.")
    return _written(Path(where), said, None, NEW)


def _below(path: str, said: Marks, folder: Path, root: Path | None) -> Sidecar:
    found = next(_sidecars(path), None)
    plain = (found[0] if found else f"{path}.xmp").replace(originals.BETWEEN, os.sep)
    inside = Path(plain)
    if root is not None and inside.is_relative_to(root):
        inside = inside.relative_to(root)
    else:
        inside = inside.relative_to(inside.anchor)
    target = folder / inside
    data = target.read_bytes() if target.is_file() else (found[1] if found else None)
    with storage_errors(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
    return _written(target, said, data, MERGED if found else NEW)


def _written(target: Path, said: Marks, into: bytes | None, how: str) -> Sidecar:
    try:
        data = xmp.written(said, into)
    except FormatError as error:
        return Sidecar(target, LEFT, f"The sidecar that is there cannot be read. {error}")
    write_aside(target, data)
    return Sidecar(target, how)


def _documents(path: str) -> Iterator[tuple[str, bytes]]:
    yield from _sidecars(path)
    data = _embedded(path)
    if data:
        yield path, data


def _sidecars(path: str) -> Iterator[tuple[str, bytes]]:
    """The sidecars that lie beside a photograph: (path, content), FILE.jpg.xmp first."""
    stem = path[: len(path) - len(Path(path).suffix)]
    seen = set()
    for name in (f"{path}.xmp", f"{path}.XMP", f"{stem}.xmp", f"{stem}.XMP"):
        try:
            originals.status(name)  # a pipe is not opened
            with originals.opened(name) as file:
                data = file.read(xmp.LARGEST + 1)  # one more, so that it is refused by name
        except (OSError, ArchiveError):
            continue
        if name.lower() not in seen:  # a disk that does not tell .xmp from .XMP
            seen.add(name.lower())
            yield name, data


def _embedded(path: str) -> bytes | None:
    """The XMP inside a picture's file; None without one."""
    try:
        with originals.opened(path) as file, decode.opened(file) as picture:
            data = picture.info.get("xmp")
    except (OSError, ArchiveError):
        return None
    return data.encode() if isinstance(data, str) else data
