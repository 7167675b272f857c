"""Keepers to training squares: one PNG a photograph, and a line that says where it was cut."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from merzmory.dataset.align import Points, warped
from merzmory.dataset.crop import ALIGNED, NAMES, Box, Cut, Look, cut
from merzmory.dataset.labels import labels
from merzmory.dataset.readiness import Seen, readiness
from merzmory.dataset.veil import veiled
from merzmory.errors import ArchiveError, ConfigError
from merzmory.frame import MIRROR, WHOLE, Frame, colour_of
from merzmory.manifest import Work, digest, lay_out, write_aside
from merzmory.originals import access as originals
from merzmory.originals import decode
from merzmory.records import Announce, Photo, Progress

_LEAST_SIDE = 8  # pixels: the generator begins at 4 and doubles
_SPARE = 2  # a JPEG is decoded at no less than twice the resolution, so the filter has its pixels


@dataclass(frozen=True, slots=True)
class Cutter:
    """How a square is made of a photograph.

    `crop` is one of `crop.NAMES`, `bars` a colour or "mirror". `boxes` are what a person drew and
    `points` the eyes, noses and mouths of faces, each by the photograph's id.

    Raises:
        ConfigError: `resolution` is no power of two of at least 8, or `crop` or `bars` is unknown.
    """

    resolution: int
    crop: str = "face"
    frame: Frame = field(default_factory=Frame)
    bars: str = "black"
    boxes: Mapping[str, Box] = field(default_factory=dict)
    points: Mapping[str, Sequence[Points]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        side = self.resolution
        if side < _LEAST_SIDE or side & (side - 1):
            raise ConfigError(
                f"A training square of {side} pixels does not fit the network: set "
                "dataset.resolution to a power of two from 8 up (64, 128, 256, 512, 1024)."
            )
        if self.crop not in NAMES:
            raise ConfigError(
                f"There is no crop {self.crop!r}: set dataset.crop to one of "
                f"{', '.join(sorted(NAMES))}."
            )
        if self.bars != MIRROR:
            colour_of(self.bars)

    def settings(self) -> dict[str, Any]:
        """What the squares' settings say of it."""
        said: dict[str, Any] = {"resolution": self.resolution, "crop": self.crop}
        if not self.frame.is_plain:
            said["frame"] = self.frame.settings()
        if self.frame.window != WHOLE:
            said["bars"] = self.bars
        if self.boxes:
            said["boxes"] = digest({photo: list(box) for photo, box in self.boxes.items()})
        if self.points and self.crop == ALIGNED:
            said["points"] = digest({photo: list(found) for photo, found in self.points.items()})
        if self.points and self.crop == ALIGNED:
            said["points"] = digest({photo: list(found) for photo, found in self.points.items()})
        return said

    def decoded(self, photo: Photo) -> int | None:
        """How many pixels of `photo`'s shorter side the square needs; None: all there are."""
        small = photo.id in self.boxes or (self.crop == ALIGNED and photo.id in self.points)
        ratio = self.frame.ratio  # of a photograph that lies across it, the box is so much smaller
        return None if small else math.ceil(_SPARE * self.resolution * max(ratio, 1 / ratio))

    def find(self, photo: Photo, image: Image.Image) -> Cut:
        """Where `photo` is cut; `image` shows it at any size."""
        return cut(
            Look(photo.width, photo.height, image, photo.faces, photo.id),
            method=self.crop,
            ratio=self.frame.ratio,
            least=self.resolution,
            points=self.points.get(photo.id, ()),
            hand=self.boxes.get(photo.id),
        )

    def square(self, photo: Photo, image: Image.Image, found: Cut) -> Image.Image:
        """What `found` cuts from `photo`, of which `image` is the whole at any size."""
        across, down = image.width / photo.width, image.height / photo.height
        if found.turned is not None:
            return warped(image, found.turned, self.resolution, across)
        x0, y0, x1, y1 = found.box
        box = (
            x0 * across, y0 * down, min(x1 * across, image.width), min(y1 * down, image.height),
        )  # fmt: skip
        return self.frame.square(image, self.resolution, box=box, bars=self.bars)

    def would_enlarge(self, photo: Photo) -> bool:
        """`enlarges`, of a photograph that is not opened: every method cuts as much."""
        look = Look(photo.width, photo.height)
        ratio, hand = self.frame.ratio, self.boxes.get(photo.id)
        return self.enlarges(cut(look, method="centre", ratio=ratio, hand=hand))

    def enlarges(self, found: Cut) -> bool:
        """Whether the square has more pixels, in one direction, than the photograph gave."""
        if found.turned is not None:
            return found.turned.side < self.resolution
        x0, y0, x1, y1 = found.box
        left, top, right, bottom = self.frame.pixels(self.resolution)
        return x1 - x0 < right - left or y1 - y0 < bottom - top


def plan(
    *,
    photos: Sequence[Photo],
    folder: Path,
    cutter: Cutter,
    shard_size: int,
    label: str = "",
    seen: Sequence[Seen] = (),
    settings: Mapping[str, Any] | None = None,
) -> Work:
    """Lay out cutting a square from each photograph into `folder`.

    A line of the manifest: file, photo (id), path, box (x0, y0, x1, y1 in the upright photograph's
    pixels), method, taken, place, width, height, label where the squares are labelled by `label`
    ("album" or "year"), corners (x, y of upper left, upper right, lower right, lower left) where
    the square lies turned, and upsampled where it has more pixels than the photograph gave.
    `seen` is what was measured of the photographs, for readiness.json, whose verdict is announced;
    `settings` is what else the dataset was made from.

    Raises:
        ArchiveError: there are fewer than ten photographs.
        ConfigError: the photographs cannot be told apart by `label`.
        SettingsDifferError: `folder` was made with other settings.
    """
    ready = readiness(len(photos), cutter.resolution, seen=seen)
    if ready.verdict == "STOP":
        raise ArchiveError(" ".join(ready.reasons))
    named = labels(photos, label)

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        (part / "images").mkdir(exist_ok=True)
        lines = []
        first = index * shard_size
        for number, photo in enumerate(photos[first : first + shard_size], first):
            line = _cut(photo, part, f"images/{number:06d}.png", cutter)
            lines.append(line | {"label": named[number]} if named else line)
            announce(Progress("build", number + 1, len(photos), "squares", note=ready.verdict))
        return lines

    def join(part: Path, lines: list[dict[str, Any]]) -> None:
        enlarged = sum(line.get("upsampled", False) for line in lines)
        found = readiness(len(lines), cutter.resolution, upsampled=enlarged, seen=seen)
        write_aside(part / "readiness.json", json.dumps(asdict(found), indent=1).encode())

    made_from = {**(settings or {}), **cutter.settings()}
    if label:
        made_from["labels"] = label
    shards = -(-len(photos) // shard_size)
    return lay_out("dataset", folder, made_from, shards, make, join=join)


def developed(photo: Photo, side: int | None) -> Image.Image:
    """The photograph upright; a JPEG reduced as far as leaves its shorter side `side` pixels.

    Over its `blurred` faces lies a veil.

    Raises:
        ArchiveError: it is gone, or is not the photograph that was read.
    """
    try:
        with originals.opened(photo.path) as data, decode.opened(data) as picture:
            image, size = decode.developed(picture, shortest=side, mend=True)
    except (OSError, decode.PictureError) as error:
        raise _changed(photo) from error
    if size != (photo.width, photo.height):
        raise _changed(photo)
    return veiled(image, photo.blurred, max(image.size) / max(size))


def _cut(photo: Photo, part: Path, file: str, cutter: Cutter) -> dict[str, Any]:
    """Write one square, and return its line."""
    image = developed(photo, cutter.decoded(photo))
    found = cutter.find(photo, image)
    cutter.square(photo, image, found).save(part / file)
    line: dict[str, Any] = {
        "file": file, "photo": photo.id, "path": photo.path,
        "box": list(found.box), "method": found.method,
        "taken": photo.taken, "place": photo.place, "width": photo.width, "height": photo.height,
    }  # fmt: skip
    origin = photo.origin
    if origin is not None and origin.owner and origin.licence:  # the gallery has to name them
        line["credit"] = {
            "owner": origin.owner, "title": origin.name, "licence": origin.licence,
            "url": origin.url,
        }  # fmt: skip
    if found.turned is not None:
        line["corners"] = found.turned.corners.round(2).tolist()
    return line | {"upsampled": True} if cutter.enlarges(found) else line


def _changed(photo: Photo) -> ArchiveError:
    return ArchiveError(
        f"{photo.path} is gone or has changed since it was read: run `merzmory ingest` and "
        "`merzmory cull` again, or connect the disk that holds it."
    )
