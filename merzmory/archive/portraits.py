"""Contact sheets of the people: a row a person, a sheet each, and those who were seen only once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from PIL import Image

from merzmory.archive.consent import KEEP
from merzmory.archive.looking import People, tile
from merzmory.archive.people import Person, Seen
from merzmory.manifest import Work, digest, lay_out
from merzmory.records import Announce, Progress
from merzmory.sheet import sheet

_TILE = 128  # pixels
_ACROSS = 8  # faces of a row
_ROWS = 12  # persons of a sheet
_SHOWN = 40  # faces of a person at most
_SHEETS = 60  # persons with a sheet of their own at most: the most frequent


def state(persons: Sequence[Person]) -> str:
    """A name for who is in the pictures and what is said of them."""
    return digest(
        {
            "persons": [
                [p.number, p.name, p.choice, *(f"{s.sha256} {s.face.box}" for s in p.seen)]
                for p in persons
            ]
        }
    )


def plan(
    *, people: People, paths: Mapping[str, str], folder: Path, settings: Mapping[str, Any]
) -> Work:
    """Lay out `people-00.png` on, `person-003.png`, each of the most frequent, and `once-00.png` on.

    A person's own sheet ends with the faces of others that are most like theirs: who of these is
    the same belongs together. `paths` says where each picture (sha256) lies. A line of the manifest
    is a person: number, name, choice, photographs.
    """
    persons = people.persons()
    often = [person for person in persons if len(person.seen) > 1]
    once = [person for person in persons if len(person.seen) == 1]
    pages = [often[i : i + _ROWS] for i in range(0, len(often), _ROWS)]
    single = [once[i : i + _ROWS * _ACROSS] for i in range(0, len(once), _ROWS * _ACROSS)]
    own = often[:_SHEETS]

    def make(part: Path, _index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        count = len(pages) + len(own) + len(single)
        for number, page in enumerate(pages):
            _overview(page, paths, number, len(pages)).save(part / f"people-{number:02d}.png")
            announce(Progress("people", number + 1, count, "sheets"))
        for number, person in enumerate(own, len(pages) + 1):
            near = people.nearest(person, _ACROSS)
            _one(person, near, paths).save(part / f"person-{person.number:03d}.png")
            announce(Progress("people", number, count, "sheets"))
        for number, page in enumerate(single):
            _once(page, paths).save(part / f"once-{number:02d}.png")
            announce(Progress("people", count - len(single) + number + 1, count, "sheets"))
        return [
            {
                "number": person.number, "name": person.name, "choice": person.choice,
                "photographs": sorted({seen.sha256 for seen in person.seen}),
            }
            for person in persons
        ]  # fmt: skip

    return lay_out("people", folder, settings, 1, make)


def _overview(
    page: Sequence[Person], paths: Mapping[str, str], number: int, pages: int
) -> Image.Image:
    return sheet(
        [[_tile(seen, paths) for seen in _spread(person.seen, _ACROSS)] for person in page],
        tile=_TILE,
        title="People in the photographs",
        note=f"sheet {number + 1} of {pages}; in how many photographs, and what you chose",
        row_labels=[_said(person) for person in page],
    )


def _once(page: Sequence[Person], paths: Mapping[str, str]) -> Image.Image:
    rows = [page[i : i + _ACROSS] for i in range(0, len(page), _ACROSS)]
    return sheet(
        [[_tile(person.seen[0], paths) for person in row] for row in rows],
        tile=_TILE,
        title="Seen only once",
        note="the same person may be here twice: merge the numbers",
        captions=[[_said(person) for person in row] for row in rows],
    )


def _one(
    person: Person, near: Sequence[tuple[Seen, float]], paths: Mapping[str, str]
) -> Image.Image:
    shown = _spread(person.seen, _SHOWN)
    rows = [shown[i : i + _ACROSS] for i in range(0, len(shown), _ACROSS)]
    tiles = [[_tile(seen, paths) for seen in row] for row in rows]
    captions = [[PurePath(paths.get(seen.sha256, "")).name for seen in row] for row in rows]
    labels = [""] * len(rows)
    if near:
        tiles.append([_tile(seen, paths) for seen, _ in near])
        captions.append([f"person {seen.person} · {like:.2f}" for seen, like in near])
        labels.append("others, nearest first")
    return sheet(
        tiles,
        tile=_TILE,
        title=_said(person),
        note=f"{len(shown)} of {len(person.seen)} faces",
        row_labels=labels,
        captions=captions,
    )


def _said(person: Person) -> str:
    photos = len({seen.sha256 for seen in person.seen})
    name = f" {person.name}" if person.name else ""
    choice = f" · {person.choice}" if person.choice != KEEP else ""
    return f"{person.number}{name} · {photos}{choice}"


def _spread(seen: Sequence[Seen], count: int) -> Sequence[Seen]:
    if len(seen) <= count:
        return seen
    return [seen[i * (len(seen) - 1) // (count - 1)] for i in range(count)]


def _tile(seen: Seen, paths: Mapping[str, str]) -> Image.Image | None:
    found = tile(paths[seen.sha256], seen.face.box, _TILE) if seen.sha256 in paths else None
    return Image.fromarray(found) if found is not None else None
