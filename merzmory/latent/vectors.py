"""Points of latent space, and the files that hold them.

A `Vector` is a z, a w, or a w for each layer ("W+"). Files hold any number of them, float32, and read
back equal to the bit; nothing in them is a pickle.

`.json`, format 1:

    {"format": 1, "kind": "vectors", "vectors": [
      {"name": "the glass", "space": "z", "values": [0.1, ...], "psi": 0.8, "label": "",
       "about": {"seed": 12, "run": "run-1a2b3c4d", "step": 500, "network": "ema"}}]}

`.npz`, format 1: the array `vectors`, the same JSON text without its values, and the arrays
`values_0`, `values_1` ... in its order. An `.npz` of other programs is read where it holds an array `w` or
`ws` (style vectors, [num_ws, w_dim], maybe with leading 1s, or [w_dim]) or `z`.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from merzmory.errors import FormatError, MerzmoryError
from merzmory.manifest import write_aside

Values = NDArray[np.float32]
Space = Literal["z", "w"]

FORMAT = 1
SUFFIXES = (".json", ".npz")
_LARGEST = 256 * 2**20  # bytes of a file, and of what is packed in it
_MOST = 2**20  # numbers of one vector: 64 layers of 8192 are half of it
_LONGEST = 64  # letters of a name


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A point: z [z_dim], w [w_dim] or W+ [num_ws, w_dim], float32, as it is before truncation.

    `psi` is the truncation that it was looked at with, `label` the name of its class ("" without
    labels), `about` where it comes from, as plain JSON.

    Raises:
        FormatError: the values are no such vector, psi is none, or the name is none.
    """

    space: Space
    values: Values
    name: str = ""
    psi: float = 1.0
    label: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = self.values
        if (
            self.space not in get_args(Space)
            or values.ndim not in ((1,), (1, 2))[self.space == "w"]
        ):
            raise FormatError(
                f"A vector is a z, a w or a w for each layer, not {self.space!r:.20} of shape "
                f"{values.shape!s:.40}: choose another file."
            )
        if not 0 < values.size <= _MOST or not np.isfinite(values).all():
            raise FormatError(
                f"A vector holds 1 to {_MOST} finite numbers: choose a file that was not damaged."
            )
        if type(self.psi) not in (int, float) or not -4 <= self.psi <= 4:
            raise FormatError(f"psi is {self.psi!r:.20}: give a number from -4 to 4.")
        named(self.name or "none")

    def same_as(self, other: Vector) -> bool:
        """Whether both are equal to the bit, with all that is said about them."""
        return _said(self) == _said(other) and np.array_equal(self.values, other.values)


def named(name: str) -> str:
    """`name`, if it can be one.

    Raises:
        FormatError: it is empty, longer than 64 letters, or has letters that cannot be seen.
    """
    if not (0 < len(name) <= _LONGEST and name.isprintable() and name == name.strip()):
        raise FormatError(
            f"{name[:20]!r} cannot be a name: use 1 to {_LONGEST} letters, without line breaks or "
            "spaces at its ends."
        )
    return name


def save(path: Path, vectors: Sequence[Vector]) -> None:
    """Write `vectors` as `.json` or `.npz`, aside and then renamed; equal vectors give equal bytes.

    Raises:
        FormatError: `path` has another suffix.
        StorageError: it cannot be written.
    """
    if _suffix(path) == ".json":
        write_aside(path, json.dumps(document("vectors", vectors), ensure_ascii=False).encode())
        return
    about = {"format": FORMAT, "kind": "vectors", "vectors": [_said(one) for one in vectors]}
    arrays = {f"values_{n}": one.values for n, one in enumerate(vectors)}
    data = io.BytesIO()
    said = json.dumps(about, ensure_ascii=False, sort_keys=True)
    np.savez(data, vectors=np.array(said), **arrays)  # type: ignore[arg-type]
    write_aside(path, data.getvalue())


def load(path: Path) -> list[Vector]:
    """The vectors of a `.json` or `.npz`.

    Raises:
        FormatError: no such file, another suffix, damaged, too large, newer, or without a vector.
    """
    suffix = _suffix(path)
    with damages(path):
        found = _of_npz(path) if suffix == ".npz" else read(json.loads(text(path)))
        if not found:
            raise FormatError("It holds no vector: choose another file.")
        return found


def text(path: Path) -> str:
    """The text of a file of ours, which is not larger than any of ours; raises as opening it does."""
    if path.stat().st_size > _LARGEST:
        raise FormatError(f"It is larger than {_LARGEST >> 20} MB: choose another file.")
    return path.read_text("utf-8")


@contextmanager
def damages(path: Path) -> Iterator[None]:
    """What reading a file written by others may raise, as one sentence that names it.

    Raises:
        FormatError: no such file, damaged, too large, or newer.
    """
    try:
        yield
    except MerzmoryError as error:
        raise FormatError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise FormatError(f"There is no file {path}: check its name.") from error
    except (
        OSError, ValueError, TypeError, LookupError, AttributeError, MemoryError, RecursionError, EOFError,
        NotImplementedError, RuntimeError, OverflowError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise FormatError(f"{path} is damaged or of another kind: choose another file.") from error


def document(kind: str, vectors: Sequence[Vector], **more: Any) -> dict[str, Any]:
    """The vectors as plain JSON of a `kind`, format 1."""
    lines = [{**_said(one), "values": one.values.tolist()} for one in vectors]
    return {"format": FORMAT, "kind": kind, **more, "vectors": lines}


def read(document: Any, kind: str = "vectors") -> list[Vector]:
    """The vectors of a `document` of a `kind`.

    Raises:
        FormatError: it is newer, or a vector is none.
        ValueError, TypeError, KeyError, AttributeError: it is of another form.
    """
    check(document, kind)
    return [_vector(line, np.asarray(line["values"])) for line in document["vectors"]]


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FormatError(f"{path} has no name for vectors: let it end in .npz or .json.")
    return suffix


def _said(one: Vector) -> dict[str, Any]:
    return {
        "name": one.name, "space": one.space, "psi": one.psi, "label": one.label,
        "about": dict(one.about),
    }  # fmt: skip


def _vector(line: Mapping[str, Any], values: NDArray[Any]) -> Vector:
    texts = (line["name"], line["space"], line["label"])
    if values.dtype.kind not in "fiu" or any(type(text) is not str for text in texts):
        raise ValueError("a vector's line")
    with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and refused
        plain = values.astype(np.float32)
    about = line.get("about", {})
    return Vector(line["space"], plain, line["name"], line["psi"], line["label"], dict(about))


def check(document: Any, kind: str) -> None:
    """Raise FormatError for a newer document, and ValueError, KeyError, TypeError for one of another kind."""
    version = document["format"]
    if type(version) is not int or document["kind"] != kind:
        raise ValueError("of another kind")
    if version > FORMAT:
        raise FormatError(
            f"Its format is {version} and this version reads up to {FORMAT}: update merzmory."
        )


def _of_npz(path: Path) -> list[Vector]:
    if path.stat().st_size > _LARGEST:
        raise FormatError(f"It is larger than {_LARGEST >> 20} MB: choose another file.")
    with zipfile.ZipFile(path) as packed:
        if sum(item.file_size for item in packed.infolist()) > _LARGEST:
            raise FormatError(f"More than {_LARGEST >> 20} MB are packed in it: no vectors are.")
        for item in packed.infolist():  # before numpy takes memory for what is not there
            if _size(packed, item) > item.file_size:
                raise ValueError("less data than its shape says")
    with np.load(path, allow_pickle=False) as arrays:
        if "vectors" not in arrays:
            return _foreign(path.stem, arrays)
        about = json.loads(str(arrays["vectors"][()]))
        check(about, "vectors")
        return [_vector(line, arrays[f"values_{n}"]) for n, line in enumerate(about["vectors"])]


def _size(packed: zipfile.ZipFile, item: zipfile.ZipInfo) -> int:
    """How many bytes an array says that it has."""
    with packed.open(item) as file:
        version = np.lib.format.read_magic(file)
        is_first = version == (1, 0)
        head = (
            np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
        )
        shape, _order, dtype = head(file)
    return math.prod(shape) * int(dtype.itemsize)


def _foreign(stem: str, arrays: Mapping[str, NDArray[Any]]) -> list[Vector]:
    for key, space in (("ws", "w"), ("w", "w"), ("z", "z")):
        if key in arrays:
            values = arrays[key]
            while values.ndim > 1 and values.shape[0] == 1:
                values = values[0]
            name = "".join(ch for ch in stem if ch.isprintable()).strip()[:_LONGEST].strip()
            return [_vector({"name": name, "space": space, "psi": 1.0, "label": ""}, values)]
    return []
