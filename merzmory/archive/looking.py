"""Looking for people: each picture once, when a person asks for it, with what detectors there are.

People      an archive's people, in its catalogue
eyes        the best detector and prints there are
look        find the faces that were not looked for yet, make prints, gather persons
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from merzmory.archive import consent, people
from merzmory.archive import rows as read
from merzmory.archive.assets import Asset, Box
from merzmory.archive.database import Database
from merzmory.archive.faceprint import Picture, Printer, SFace, Shape
from merzmory.archive.faces import Face, YuNet
from merzmory.archive.ingest import CATALOGUE
from merzmory.archive.people import Person
from merzmory.archive.photograph import LOOK_AT
from merzmory.errors import ArchiveError
from merzmory.originals import access as originals
from merzmory.originals import decode
from merzmory.records import Announce, Progress, silent

_BY_INGEST = "haar"


@dataclass(frozen=True, slots=True)
class Eyes:
    """How faces are found and compared; without a detector by what ingest found."""

    detector: YuNet | None
    printer: Printer
    by: str  # its name in the catalogue: pictures that another looked at are looked at again

    def find(self, asset: Asset, picture: Picture, scale: float) -> list[Face]:
        """The faces of a picture that is shown at `scale` of its size."""
        if self.detector is not None:
            return self.detector.find(picture)
        size = picture.shape[1], picture.shape[0]
        return [Face(box).scaled(scale, size) for box in asset.faces]


def name_of(yunet: Path | None, sface: Path | None) -> str:
    """`Eyes.by` of what `eyes` gives."""
    if yunet is None:
        return f"{_BY_INGEST} {Shape.name}"
    return f"{YuNet.name} {SFace.name if sface else Shape.name}"


def eyes(yunet: Path | None, sface: Path | None) -> Eyes:
    """The best there is: `yunet` and `sface` are the files of their weights, where they are here.

    Raises:
        WeightsError: one of the files is not what it should be.
    """
    detector = YuNet(yunet) if yunet else None
    printer = SFace(sface) if sface and detector else Shape()
    return Eyes(detector, printer, name_of(yunet, sface))


class People:
    """Who is in an archive's pictures, and what is said of them."""

    def __init__(self, archive: Path) -> None:
        """The people in the catalogue of the folder `archive`.

        Raises:
            FormatError: the catalogue is damaged, or newer than this version.
        """
        self._database = Database(archive / CATALOGUE)

    def unseen(self, by: str) -> list[str]:
        """The pictures (sha256) in which the eyes of this name did not look yet."""
        every = not by.startswith(_BY_INGEST)  # else only where ingest found a face
        with self._database.reading() as connection:
            return people.unseen(connection, by, every=every)

    def persons(self) -> list[Person]:
        """Everybody, the most frequent first."""
        with self._database.reading() as connection:
            return people.persons(connection)

    def chosen(self) -> bool:
        """Whether anybody is left out or blurred."""
        with self._database.reading() as connection:
            return people.chosen(connection)

    def left_out(self) -> dict[str, str]:
        """The pictures (sha256) with somebody who is left out, each with its sentence."""
        with self._database.reading() as connection:
            return people.left_out(connection)

    def nearest(self, person: Person, count: int) -> list[tuple[people.Seen, float]]:
        """The faces of others that are most like this person's, with their mean cosine."""
        with self._database.reading() as connection:
            return people.nearest(connection, person.number, count)

    def undo(self) -> list[str]:
        """Take the last that was said back: what it was; none where nothing stands."""
        with self._database.writing() as connection:
            return consent.undo(connection)

    @contextmanager
    def saying(self) -> Iterator[Connection]:
        """A transaction in which `people.name`, `choose`, `merge` and `split` are said."""
        with self._database.writing() as connection:
            yield connection

    def forget(self) -> None:
        """Delete every print, every person and all that was said of them, from the file, too."""
        with self._database.writing() as connection:
            people.forget(connection)
        self._database.sweep()

    def look(self, eyes: Eyes, announce: Announce = silent) -> int:
        """Look where nobody looked yet, and gather the faces; how many pictures were looked at.

        A picture that cannot be opened now is left for the next time.
        """
        waiting = self.unseen(eyes.by)
        with self._database.reading() as connection:
            wanted = set(waiting)
            assets = {a.sha256: a for a in read.assets(connection) if a.sha256 in wanted}
            paths = read.firsts_of(connection)
        done = 0
        for sha256 in waiting:
            looked = _looked(paths[sha256], assets[sha256], eyes)
            if looked is not None:
                faces, picture, scale = looked
                prints = eyes.printer.prints(picture, faces)
                size = assets[sha256].width, assets[sha256].height
                whole = [face.scaled(1 / scale, size) for face in faces]
                with self._database.writing() as connection:
                    people.record(connection, sha256, whole, prints, eyes.by)
            done += 1
            announce(Progress("people", done, len(waiting), "photographs"))
        with self._database.writing() as connection:
            people.assign(connection, eyes.printer.alike)
        return done


def tile(path: str, box: Box, side: int) -> Picture | None:
    """A face with some room around it, [side, side, 3]; None where its picture cannot be opened."""
    try:
        with originals.opened(path) as data, decode.opened(data) as picture:
            image, (width, height) = decode.developed(picture, longest=LOOK_AT, mend=True)
    except (OSError, ArchiveError):
        return None
    scale = max(image.size) / max(width, height)
    x0, y0, x1, y1 = (edge * scale for edge in box)
    reach = 0.7 * max(x1 - x0, y1 - y0)
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    around = tuple(round(at + sign * reach) for sign in (-1, 1) for at in middle)
    return np.asarray(image.crop((around[0], around[1], around[2], around[3])).resize((side, side)))


def _looked(path: str, asset: Asset, eyes: Eyes) -> tuple[list[Face], Picture, float] | None:
    """(faces, the picture they were found in, its scale); None where it cannot be opened."""
    try:
        with originals.opened(path) as data, decode.opened(data) as opened:
            image, size = decode.developed(opened, longest=LOOK_AT, mend=True)
    except (OSError, ArchiveError):
        return None
    picture = np.asarray(image, np.uint8)
    scale = max(image.size) / max(size)
    return eyes.find(asset, picture, scale), picture, scale
