"""A sample archive for trying everything out, offline: snapshots of five everyday photographs.

They are cut from the colour photographs inside scikit-image (astronaut: NASA, public domain;
chelsea and coffee: CC0; motorcycle: Middlebury stereo benchmark 2014; rocket: SpaceX, CC0), and
are as untidy as a real archive: sideways frames, re-saved and trimmed copies, shaken frames, a
greyscale one, a CMYK one, a file that is cut off, and a note that is no picture.
"""

from __future__ import annotations

import datetime
import io
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageFilter

from merzmory.archive import quality
from merzmory.archive.sources.folder import FolderSource
from merzmory.archive.sources.source import Found, as_path
from merzmory.errors import ArchiveError, ConfigError
from merzmory.manifest import digest, do, lay_out
from merzmory.records import Announce

_VERSION = 1
_SHORTEST, _LONGEST = 160, 320  # pixels of a side
_EACH = 30  # snapshots of one photograph at most
_SHAPES = (1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 1.0)  # width by height
_TRIES = 60  # places looked at for a snapshot: the one that overlaps least is taken
_LEAST_DETAIL = 150.0  # variance of the Laplacian: sky alone is no snapshot
_MOST_CLIPPED = 0.4  # share of black or white
_PHOTOGRAPHS = "photographs"


@dataclass(frozen=True, slots=True)
class _Scene:
    file: str
    day: datetime.datetime  # of its first snapshot
    place: tuple[float, float] | None  # latitude, longitude in degrees


_SCENES = (
    _Scene("astronaut.png", datetime.datetime(2014, 5, 3, 10, 12), (29.5593, -95.09)),
    _Scene("chelsea.png", datetime.datetime(2015, 11, 21, 16, 40), None),
    _Scene("coffee.png", datetime.datetime(2016, 2, 14, 9, 5), (45.5088, -73.5691)),
    _Scene("motorcycle_left.png", datetime.datetime(2017, 8, 6, 14, 30), None),
    _Scene("rocket.jpg", datetime.datetime(2018, 9, 29, 19, 55), (28.5618, -80.577)),
)


class SampleSource:
    """The sample archive, cut below `into` when it is first looked at, and a folder from then."""

    def __init__(self, into: Path | str, photos: int = 140, seed: int = 1) -> None:
        """`photos` snapshots beside the copies and the odd files.

        Raises:
            ConfigError: `photos` is more than the five photographs give.
        """
        if not len(_SCENES) <= photos <= _EACH * len(_SCENES):
            raise ConfigError(
                f"The sample archive gives {len(_SCENES)} to {_EACH * len(_SCENES)} snapshots, not "
                f"{photos}: set archive.sample_photos in that range."
            )
        self.into, self.photos, self.seed = as_path(into), photos, seed

    @property
    def label(self) -> str:
        """Its name."""
        return "sample"

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it is cut."""
        return {
            "source": "sample", "photos": self.photos, "seed": self.seed, "version": _VERSION,
        }  # fmt: skip

    @property
    def folder(self) -> Path:
        """Where the sample's photographs lie, once they are cut."""
        return self.into / f"sample-photographs-{digest(self.settings)}"

    def files(self, closed: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """The sample's files; they are cut here if they are not there yet.

        Raises:
            ArchiveError: this scikit-image does not bring the photographs.
            StorageError: the disk is full, or `into` cannot be written.
        """

        def make(part: Path, _index: int, _announce: Announce) -> Iterable[dict[str, Any]]:
            return list(_cut(part / _PHOTOGRAPHS, self.photos, random.Random(self.seed)))

        do(lay_out("sample-archive", self.folder, self.settings, 1, make))
        yield from FolderSource(self.folder / _PHOTOGRAPHS).files(closed)


def _cut(folder: Path, photos: int, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Write the archive into `folder`; a line for each file."""
    number = 0
    snapshots: list[tuple[Path, Image.Image, datetime.datetime]] = []
    spares: list[tuple[Image.Image, datetime.datetime]] = []
    for index, scene in enumerate(_SCENES):
        picture = _scene(scene.file)
        share = photos * (index + 1) // len(_SCENES) - photos * index // len(_SCENES)
        *boxes, spare = _boxes(picture, share + 1, dice)
        spares.append((picture.crop(spare), scene.day + datetime.timedelta(days=1)))
        for nth, box in enumerate(boxes):
            number += 1
            taken = scene.day + datetime.timedelta(hours=7 * (nth // 6), seconds=97 * nth)
            path = folder / f"{scene.day:%Y}" / f"{scene.day:%m-%d}" / f"IMG_{number:04d}.jpg"
            frame = picture.crop(box)
            turn = {2: 6, 5: 8, 8: 3}.get(number % 11, 1)
            place = scene.place if nth % 4 == 0 else None
            _save(frame, path, taken, turn=turn, place=place)
            snapshots.append((path, frame, taken))
            yield {"file": _name(path, folder), "cut": scene.file, "box": box}
    yield from _untidiness(folder, snapshots, spares)


def _untidiness(
    folder: Path,
    snapshots: list[tuple[Path, Image.Image, datetime.datetime]],
    spares: list[tuple[Image.Image, datetime.datetime]],
) -> Iterator[dict[str, Any]]:
    """Copies, shaken frames and odd files, as every archive has them."""
    step = max(1, len(snapshots) // 12)
    chosen = snapshots[3::step][:10]
    for nth, (path, frame, taken) in enumerate(chosen):
        if nth < 4:  # sent through a messenger: saved again, smaller
            copy = folder / "Messenger" / f"received_{nth + 1}.jpg"
            small = frame.resize((frame.width * 9 // 10, frame.height * 9 // 10))
            _save(small, copy, taken + datetime.timedelta(days=2), plain=True, quality_=62)
        elif nth < 7:  # trimmed in an editor
            copy = folder / "Edited" / f"{path.stem}-edited.jpg"
            trim = max(2, frame.width // 60)
            edge = (trim, trim, frame.width - trim, frame.height - trim)
            _save(frame.crop(edge), copy, taken + datetime.timedelta(days=1), quality_=85)
        else:  # copied twice from the card
            copy = folder / "Card" / path.name
            _write(copy, path.read_bytes(), taken + datetime.timedelta(days=30))
        yield {"file": _name(copy, folder), "copy_of": _name(path, folder)}
    for nth, (path, frame, taken) in enumerate(snapshots[1::step][:6]):
        shaken = path.with_name(f"{path.stem}-shaken.jpg")
        _save(frame.filter(ImageFilter.GaussianBlur(5 + nth % 3)), shaken, taken)
        yield {"file": _name(shaken, folder), "blurred": _name(path, folder)}
    odd = folder / "Odd"
    coffee, motorcycle, rocket = spares[2:5]
    _save(coffee[0].convert("L"), odd / "greyscale.jpg", coffee[1])
    _save(motorcycle[0].convert("CMYK"), odd / "for-the-printer.jpg", motorcycle[1])
    whole = io.BytesIO()
    rocket[0].save(whole, "JPEG", quality=92)
    _write(odd / "cut-off.jpg", whole.getvalue()[: len(whole.getvalue()) * 2 // 5], rocket[1])
    _write(odd / "notes.txt", b"Sort these one day.\n", rocket[1])
    for name in ("greyscale.jpg", "for-the-printer.jpg", "cut-off.jpg", "notes.txt"):
        yield {"file": f"Odd/{name}"}


def _scene(name: str) -> Image.Image:
    """One of scikit-image's own photographs, RGB.

    Raises:
        ArchiveError: it is not there.
    """
    import skimage

    path: Path = Path(skimage.__file__).parent / "data" / name
    if not path.is_file():
        raise ArchiveError(
            f"This scikit-image does not bring the photograph {name}: install scikit-image 0.25 or "
            "newer from its wheel, or give your own with --set archive.folder=FOLDER."
        )
    with Image.open(path) as picture:
        developed: Image.Image = picture.convert("RGB")
    return developed


def _boxes(
    picture: Image.Image, count: int, dice: random.Random
) -> list[tuple[int, int, int, int]]:
    """`count` places to cut from, each overlapping the ones before as little as the dice allow."""
    boxes: list[tuple[int, int, int, int]] = []
    for nth in range(count):
        best: tuple[float, tuple[int, int, int, int]] | None = None
        tries = 0
        while tries < _TRIES or best is None:
            tries += 1
            shape = _SHAPES[nth % len(_SHAPES)]
            longest = min(_LONGEST, picture.width, picture.height)
            long = _SHORTEST * 3 // 2 + int(dice.random() * (longest - _SHORTEST * 3 // 2 + 1))
            width, height = (
                (long, round(long / shape)) if shape >= 1 else (round(long * shape), long)
            )
            x = int(dice.random() * (picture.width - width + 1))
            y = int(dice.random() * (picture.height - height + 1))
            box = (x, y, x + width, y + height)
            overlap = max((_overlap(box, other) for other in boxes), default=0.0)
            if (best is None or overlap < best[0]) and _worth(picture, box):
                best = (overlap, box)
        boxes.append(best[1])
    return boxes


def _worth(picture: Image.Image, box: tuple[int, int, int, int]) -> bool:
    """Whether there is something to see inside the box."""
    found = quality.measure(np.asarray(picture.crop(box).convert("L")))
    return found.detail >= _LEAST_DETAIL and found.dark + found.light <= _MOST_CLIPPED


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def _save(
    frame: Image.Image,
    path: Path,
    taken: datetime.datetime,
    *,
    turn: int = 1,
    place: tuple[float, float] | None = None,
    plain: bool = False,
    quality_: int = 92,
) -> None:
    """A JPEG as a camera writes it; `plain` without metadata, as a messenger does."""
    stored = frame
    back = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}.get(turn)
    if turn == 3:
        stored = frame.transpose(Image.Transpose.ROTATE_180)
    elif back is not None:
        stored = frame.transpose(back)
    data = io.BytesIO()
    if plain:
        stored.save(data, "JPEG", quality=quality_)
    else:
        stored.save(data, "JPEG", quality=quality_, exif=_exif(taken, turn, place))
    _write(path, data.getvalue(), taken)


def _exif(taken: datetime.datetime, turn: int, place: tuple[float, float] | None) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "MERZmory", "Sample camera"
    exif[0x0112] = turn
    exif[0x0132] = f"{taken:%Y:%m:%d %H:%M:%S}"
    exif[ExifTags.IFD.Exif] = {0x9003: f"{taken:%Y:%m:%d %H:%M:%S}"}
    if place:
        latitude, longitude = place
        exif[ExifTags.IFD.GPSInfo] = {
            1: "N" if latitude >= 0 else "S", 2: _dms(latitude),
            3: "E" if longitude >= 0 else "W", 4: _dms(longitude),
        }  # fmt: skip
    return exif


def _dms(degrees: float) -> tuple[float, float, float]:
    seconds = round(abs(degrees) * 3600, 2)
    return float(seconds // 3600), float(seconds % 3600 // 60), round(seconds % 60, 2)


def _write(path: Path, data: bytes, taken: datetime.datetime) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    when = taken.replace(tzinfo=datetime.UTC).timestamp()
    os.utime(path, (when, when))


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
