"""Keepers to training squares: one PNG a photograph, and a line that says where it was cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from merzmory import decode, originals
from merzmory.dataset.crop import METHODS, square
from merzmory.dataset.readiness import readiness
from merzmory.errors import ArchiveError, ConfigError
from merzmory.manifest import Work, lay_out, write_aside
from merzmory.records import Announce, Photo, Progress

_LEAST_SIDE = 8  # pixels: the generator begins at 4 and doubles
_SPARE = 2  # a JPEG is decoded at no less than twice the resolution, so the filter has its pixels


def plan(
    *,
    photos: Sequence[Photo],
    folder: Path,
    resolution: int,
    crop: str,
    shard_size: int,
    settings: Mapping[str, Any] | None = None,
) -> Work:
    """Lay out cutting a square of `resolution` pixels from each photograph into `folder`.

    A line of the manifest: file, photo (id), path, box (x0, y0, x1, y1 in the upright photograph's
    pixels), method, taken, place, width, height, and upsampled where the square is smaller
    than `resolution`. `settings` is what else the dataset was made from.

    Raises:
        ArchiveError: there are fewer than ten photographs.
        ConfigError: `resolution` is no power of two of at least 8, or `crop` is unknown.
        SettingsDifferError: `folder` was made with other settings.
    """
    if resolution < _LEAST_SIDE or resolution & (resolution - 1):
        raise ConfigError(
            f"A training square of {resolution} pixels does not fit the network: set "
            "dataset.resolution to a power of two from 8 up (64, 128, 256, 512, 1024)."
        )
    if crop not in METHODS:
        raise ConfigError(
            f"There is no crop {crop!r}: set dataset.crop to one of {', '.join(sorted(METHODS))}."
        )
    ready = readiness(len(photos), resolution)
    if ready.verdict == "STOP":
        raise ArchiveError(" ".join(ready.reasons))

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        (part / "images").mkdir(exist_ok=True)
        lines = []
        first = index * shard_size
        for number, photo in enumerate(photos[first : first + shard_size], first):
            lines.append(_cut(photo, part, f"images/{number:06d}.png", resolution, crop))
            announce(Progress("build", number + 1, len(photos), "squares", note=ready.verdict))
        return lines

    def join(part: Path, lines: list[dict[str, Any]]) -> None:
        enlarged = sum(line.get("upsampled", False) for line in lines)
        found = readiness(len(lines), resolution, upsampled=enlarged)
        write_aside(part / "readiness.json", json.dumps(asdict(found), indent=1).encode())

    made_from = {**(settings or {}), "resolution": resolution, "crop": crop}
    shards = -(-len(photos) // shard_size)
    return lay_out("dataset", folder, made_from, shards, make, join=join)


def _cut(photo: Photo, part: Path, file: str, resolution: int, crop: str) -> dict[str, Any]:
    """Write one square, and return its line."""
    try:
        with originals.opened(photo.path) as data, decode.opened(data) as picture:
            image, size = decode.developed(picture, shortest=_SPARE * resolution)
    except (OSError, decode.PictureError) as error:
        raise _changed(photo) from error
    if size != (photo.width, photo.height):
        raise _changed(photo)
    box, method = square(*size, method=crop, image=image, faces=photo.faces)
    side = box[2] - box[0]
    across, down = image.width / size[0], image.height / size[1]  # 1, 1/2, 1/4 or 1/8
    window = (
        box[0] * across, box[1] * down,
        min(box[2] * across, image.width), min(box[3] * down, image.height),
    )  # fmt: skip
    cut = image.resize((resolution, resolution), Image.Resampling.LANCZOS, box=window)
    cut.save(part / file)
    line: dict[str, Any] = {
        "file": file, "photo": photo.id, "path": photo.path, "box": list(box), "method": method,
        "taken": photo.taken, "place": photo.place, "width": photo.width, "height": photo.height,
    }  # fmt: skip
    return line | {"upsampled": True} if side < resolution else line


def _changed(photo: Photo) -> ArchiveError:
    return ArchiveError(
        f"{photo.path} is gone or has changed since it was read: run `merzmory ingest` and "
        "`merzmory cull` again, or connect the disk that holds it."
    )
