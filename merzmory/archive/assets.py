"""The nouns of the catalogue: an asset is a picture by its bytes, a location a file on disk."""

from __future__ import annotations

from dataclasses import dataclass

from merzmory.records import Origin

Box = tuple[int, int, int, int]

KEPT, DUPLICATE, REJECTED, SKIPPED, ERROR = "kept", "duplicate", "rejected", "skipped", "error"
VERDICTS = (KEPT, DUPLICATE, REJECTED, SKIPPED, ERROR)
READ = "read"  # what ingest says of a picture it could decode; culling says the rest


@dataclass(frozen=True, slots=True)
class Asset:
    """What was measured of a picture. `sha256` is its identity; sizes are of the upright picture.

    `verdict` is "read", or "skipped" or "error" with the sentence in `reason` and no measures.
    """

    sha256: str
    bytes: int
    verdict: str = READ
    reason: str = ""
    format: str = ""
    width: int = 0
    height: int = 0
    taken: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str | None = None
    phash64: str = ""  # hex
    phash256: str = ""  # hex
    blur: float = 1.0
    detail: float = 0.0
    dark: float = 0.0
    light: float = 0.0
    faces: tuple[Box, ...] = ()
    crops: str = ""  # hex: what `crops.crops` says of centre crops and border
    colour: float = 0.0  # 0 black and white .. 1 saturated
    text: float = 0.0  # share that looks like writing
    caption: float = 0.0  # share of the height that captions take
    screen: float = 0.0  # 0 a camera's picture .. 1 a screenshot
    lost: float = 0.0  # share of the pixels that a damaged file does not give


@dataclass(frozen=True, slots=True)
class Pending:
    """A file to look into, with what its source says of it."""

    path: str
    skip: str = ""
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """A regular file as it was seen. `sha256` is None where its bytes were not needed."""

    path: str
    bytes: int
    mtime_ns: int
    sha256: str | None
    verdict: str
    reason: str = ""
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What culling says of an asset. `reason` may name the kept frame as {kept}."""

    sha256: str
    stage: str
    verdict: str
    reason: str
    value: float | None = None
    threshold: float | None = None
    kept: str | None = None  # sha256 of the frame that is kept in its place


@dataclass(frozen=True, slots=True)
class Row:
    """A regular file under the archive's root, with its one verdict and the reason for it."""

    path: str
    sha256: str | None
    verdict: str
    reason: str
    taken: str | None = None
    place: tuple[float, float] | None = None
    width: int = 0
    height: int = 0
    bytes: int = 0
    uncertain: bool = False  # `taken` is a guess
    origin: Origin | None = None
    flag: str = ""  # what a person said: pick or reject
    stars: int = 0
    label: str = ""  # red, yellow, green, blue, purple
