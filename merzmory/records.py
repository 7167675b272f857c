"""The nouns that rooms hand each other, and how a room says how far it is.

Each is one line of a `manifest.jsonl`; `asdict` and the field names are the format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Origin:
    """What a source knows of a photograph beside its bytes: where it comes from, in its words."""

    source: str  # folder, instagram_export, instagram, takeout, flickr
    name: str = ""  # its original name there
    taken: str | None = None  # ISO 8601
    taken_from: str = ""  # such as post, sidecar, folder name, file name, by hand
    uncertain: bool = False  # `taken` is a guess
    place: tuple[float, float] | None = None  # latitude, longitude in degrees
    caption: str = ""
    album: str = ""
    owner: str = ""  # whose photograph it is, for the credits
    licence: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph in the catalogue. `id` is the SHA-256 of its bytes, in hex.

    `path` may lie inside a ZIP: it is opened by `originals.opened`.
    """

    id: str
    path: str
    width: int  # pixels, upright
    height: int  # pixels, upright
    taken: str | None = None  # ISO 8601, as the camera wrote it
    place: tuple[float, float] | None = None  # latitude, longitude in degrees
    faces: tuple[tuple[int, int, int, int], ...] = ()  # x0, y0, x1, y1 in upright pixels
    origin: Origin | None = None
    uncertain: bool = False  # `taken` is a guess
    points: tuple[
        tuple[tuple[float, float], ...], ...
    ] = ()  # of faces: eyes, nose, mouth's corners
    blurred: tuple[tuple[int, int, int, int], ...] = ()  # faces that must not be seen or learned


@dataclass(frozen=True, slots=True)
class Crop:
    """A training square. `box` is x0, y0, x1, y1 in the photograph's upright pixels."""

    file: str
    photo: str
    box: tuple[int, int, int, int]
    method: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture that a generator made."""

    file: str
    seed: int
    psi: float
    step: int | None  # None: a base that was not fine-tuned here


@dataclass(frozen=True, slots=True)
class Match:
    """A photograph near a picture. `rank` 1 is the nearest; `distance` is the embedder's."""

    sample: str  # file name of the picture inside its own folder
    rank: int
    photo: str  # Photo.id
    path: str  # the original's path, never copied into what is published
    file: str  # the training square, relative to the dataset folder
    box: tuple[int, int, int, int]
    distance: float
    mirrored: bool
    taken: str | None = None
    place: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """A stretch of film: which picture or walk, from when, for how long (seconds)."""

    source: str
    start: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is: `done` of `total` `unit`s; `note` is a short sentence."""

    step: str
    done: int
    total: int
    unit: str = ""
    note: str = ""
    eta_seconds: float | None = None
    details: dict[str, float] = field(default_factory=dict)


Announce = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """An Announce for callers who do not listen."""
