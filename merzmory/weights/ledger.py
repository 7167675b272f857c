"""The ledger of weights: where a base or network comes from, and what its licence allows.

    entries         what is known, from ledger.toml
    brought         what somebody brought along: it lies in the cache with what was said of it
    find            the file of a name: inside the project, in the cache, or a path of the user's
    known_file      what the ledger or its owner says of a file
    status          what is here and what is missing

The cache holds NAME.SUFFIX; `acquire` brings them there.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache as once
from importlib import resources
from math import gcd
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from merzmory.errors import WeightsError
from merzmory.manifest import sha256_of
from merzmory.weights import passports
from merzmory.weights.passports import Passport

# a base can be trained
Kind = Literal["base", "generator", "upscaler", "embedder", "metric", "faces"]


@dataclass(frozen=True, slots=True)
class Weight:
    """One entry of the ledger. `bytes` and `sha256` are None where nobody has confirmed them.

    `megabytes` is what is said of the size then, to reckon with.
    """

    name: str
    kind: Kind
    title: str
    urls: tuple[str, ...]
    licence: str
    licence_url: str
    licence_phrase: str  # what it means, in a few words
    may_sell: bool | Literal["ask"]  # what is made with it
    needs_accept: bool
    bytes: int | None = None
    megabytes: int | None = None
    sha256: str | None = None
    resolution: int | None = None  # pixels
    window: tuple[
        int, ...
    ] = ()  # x0, y0, x1, y1: the picture in its square, where bars surround it
    aspect: str = ""  # width:height of that picture
    notes: str = ""
    embedded: str = ""  # its path inside the package
    file: str = ""  # its name in the cache, of one that was brought along

    def cached(self, cache: Path) -> Path:
        """Where the file lies in the cache, or would."""
        suffix = Path(urlsplit(self.urls[0]).path).suffix if self.urls else ""
        return cache / (self.file or f"{self.name}{suffix}")

    @property
    def size(self) -> int | None:
        """Bytes, about; None where nobody says."""
        if self.bytes is None and self.megabytes is not None:
            return self.megabytes * 10**6
        return self.bytes


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a weight is here."""

    weight: Weight
    path: Path | None  # None: missing


@once
def entries() -> Mapping[str, Weight]:
    """Every weight that the project knows, by name, in the order of ledger.toml."""
    text = (resources.files("merzmory.weights") / "ledger.toml").read_text("utf-8")
    return read_ledger(text)


def read_ledger(text: str) -> dict[str, Weight]:
    """The entries of a ledger written as TOML."""
    tables = tomllib.loads(text)
    found = {}
    for name, entry in tables["weights"].items():
        values: dict[str, Any] = {**entry, "urls": tuple(entry["urls"])}
        values["window"] = tuple(entry.get("window", ()))
        licence = tables["licences"][values.pop("licence")]
        found[name] = Weight(
            name=name,
            licence=licence["name"],
            licence_url=licence["url"],
            licence_phrase=licence["phrase"],
            may_sell=licence["may_sell"],
            needs_accept=licence.get("needs_accept", False),
            **values,
        )
    return found


def brought(cache: Path) -> dict[str, Weight]:
    """What somebody brought along, by name; raises as `passports.read`."""
    found = (_of_owner(file, said) for file, said in passports.all_in(cache) if said.title)
    return {weight.name: weight for weight in found}


def find(name: str, cache: Path) -> Path:
    """The file of `name`: built in, in the cache, or the file that `name` is the path of.

    Raises:
        WeightsError: it is not here; the error names its licence and the command that brings
            it, or the nearest known name.
    """
    if name not in entries():
        given = Path(name).expanduser()
        if given.is_file():
            return given
        if "://" in name:
            raise WeightsError(
                f"Nothing is fetched unasked: run `merzmory weights add NAME {name}` once, and use "
                "that NAME."
            )
        if given.suffix or len(given.parts) > 1:
            raise WeightsError(f"There is no file {given}: check the path, or give a known name.")
    weight = known(name, cache)
    path = here(weight, cache)
    if path is not None:
        return path
    if weight.embedded:
        raise WeightsError(
            f"The {weight.kind} {name} should be inside the package ({weight.embedded}) and is "
            "not: install merzmory again."
        )
    raise WeightsError(
        f"The {weight.kind} {name} ({weight.title}; {weight.licence}: {weight.licence_phrase}) is "
        f"not here: run `merzmory weights fetch {name}`, or download it from {weight.urls[0]} and "
        f"run `merzmory weights import {name} FILE`."
    )


def status(cache: Path) -> list[Status]:
    """Every entry of the ledger, then what was brought along, and where its file is."""
    both = {**entries(), **brought(cache)}
    return [Status(weight, here(weight, cache)) for weight in both.values()]


def is_here(name: str, cache: Path) -> bool:
    """Whether the ledger knows `name` and its file is here."""
    weight = entries().get(name)
    return weight is not None and here(weight, cache) is not None


def known(name: str, cache: Path) -> Weight:
    """The entry of `name`, in the ledger or brought along.

    Raises:
        WeightsError: there is none; the error names the nearest.
    """
    rows = entries() if name in entries() else {**entries(), **brought(cache)}
    if name in rows:
        return rows[name]
    near = difflib.get_close_matches(name, rows, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "`merzmory weights list` shows what is known."
    raise WeightsError(f"There are no weights named {name}: {hint}")


def known_file(file: Path, sha256: str = "") -> Weight | None:
    """What the ledger says of the file at `file`, or else the one who brought it along.

    `sha256` spares reading it. Of a file without either nothing is known: None.
    """
    if not sha256:
        sha256 = sha256_of(file)
    found = of_file(sha256, file.stem)
    if found is not None:
        return found
    said = passports.read(file)
    return _of_owner(file, said) if said and said.title and said.sha256 == sha256 else None


def of_file(sha256: str, name: str) -> Weight | None:
    """The entry whose file has this SHA-256; this name, where the ledger knows no SHA-256."""
    for weight in entries().values():
        if weight.sha256 == sha256 or (weight.sha256 is None and weight.name == name):
            return weight
    return None


def barred(file: Path) -> Weight | None:
    """The entry of a file whose pictures lie between bars; reads only files that may be one."""
    size, said = file.stat().st_size, passports.read(file)
    likely = any(weight.window and weight.bytes == size for weight in entries().values())
    found = known_file(file) if likely or (said and said.window) else None
    return found if found and found.window else None


def here(weight: Weight, cache: Path) -> Path | None:
    """The file of `weight`; None where it is missing, or not as long as the ledger says."""
    if weight.embedded:
        inside = Path(str(resources.files("merzmory") / weight.embedded))
        return inside if inside.is_file() else None
    path = weight.cached(cache)
    if not path.is_file():
        return None
    return path if weight.bytes in (None, path.stat().st_size) else None


def _of_owner(file: Path, said: Passport) -> Weight:
    side = said.resolution or 0
    phrases = {"yes": "sales allowed", "no": "no sales", "ask": "ask before you sell"}
    sale: dict[str, bool | Literal["ask"]] = {"yes": True, "no": False, "ask": "ask"}
    x0, y0, x1, y1 = said.window or (0, 0, side, side)
    common = gcd(x1 - x0, y1 - y0) or 1
    return Weight(
        name=file.stem,
        kind=said.kind,
        title=said.title,
        urls=(),
        licence=said.licence or "licence not stated",
        licence_url="",
        licence_phrase=f"{phrases[said.may_sell]}, as you stated",
        may_sell=sale[said.may_sell],
        needs_accept=False,
        bytes=said.bytes,
        sha256=said.sha256,
        resolution=said.resolution,
        window=said.window,
        aspect=f"{(x1 - x0) // common}:{(y1 - y0) // common}" if said.window else "",
        file=file.name,
    )
