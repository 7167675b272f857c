"""The people in the photographs: which faces are whose, and what follows from what is said of them.

Prints say which faces are alike, a person says who is who, and that outranks the prints. A person's
number stays when photographs come or go. Nothing of this is made before it is asked for, and all of
it can be forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, delete, func, insert, select, update

from merzmory.archive import consent
from merzmory.archive import tables as t
from merzmory.archive.assets import READ
from merzmory.archive.consent import BLUR, EXCLUDE, KEEP, Said
from merzmory.archive.faceprint import Prints
from merzmory.archive.faces import Box, Face, Point, overlap
from merzmory.archive.gathering import gather
from merzmory.errors import ConfigError

STAGE = "people"  # of the decisions that follow from a choice
_SAME = 0.3  # intersection over union from which two detectors found one face


class Seen(NamedTuple):
    """A face of a picture, and whose it is (None: not gathered yet)."""

    sha256: str
    number: int
    face: Face
    person: int | None


class Sight(NamedTuple):
    """What is known of a picture's faces: those to be seen, their points, and those to be blurred."""

    faces: tuple[Box, ...]
    points: tuple[tuple[Point, ...], ...] = ()
    blurred: tuple[Box, ...] = ()


@dataclass(slots=True)
class Person:
    """Faces that are one person's."""

    number: int
    name: str = ""
    choice: str = KEEP
    seen: list[Seen] = field(default_factory=list)

    @property
    def called(self) -> str:
        """Anna, or else person 3."""
        return self.name or f"person {self.number}"


# what was found


def unseen(connection: Connection, by: str, *, every: bool) -> list[str]:
    """The pictures (sha256) that `by` has not looked at; with `every` also those without a face."""
    here = select(t.location.c.sha256).where(t.location.c.missing_since.is_(None))
    wanted = (
        select(t.asset.c.sha256)
        .outerjoin(t.glance, t.glance.c.sha256 == t.asset.c.sha256)
        .where(t.asset.c.verdict == READ, t.asset.c.sha256.in_(here))
        .where((t.glance.c.by.is_(None)) | (t.glance.c.by != by))
        .order_by(t.asset.c.sha256)
    )
    if not every:
        wanted = wanted.where(t.asset.c.faces != "[]")
    return list(connection.scalars(wanted))


def record(
    connection: Connection, sha256: str, faces: Sequence[Face], prints: Prints, by: str
) -> None:
    """Write what was found in a picture in place of what was found before.

    A person of whom something was said keeps the face, also where it is not found again.
    """
    said = consent.standing(connection)
    before = [
        seen for seen in _seen(connection, sha256) if seen.person and said.spoken_of(seen.person)
    ]
    rows = [
        {
            "face": face, "print": prints[number].tobytes(),
            "person": _whose(face.box, [(old.face.box, old.person or 0) for old in before]),
        }
        for number, face in enumerate(faces)
    ]  # fmt: skip
    for old in before:
        if not any(overlap(old.face.box, face.box) >= _SAME for face in faces):
            rows.append({"face": old.face, "print": None, "person": old.person})
    connection.execute(delete(t.face).where(t.face.c.sha256 == sha256))
    connection.execute(delete(t.glance).where(t.glance.c.sha256 == sha256))
    connection.execute(insert(t.glance).values(sha256=sha256, by=by))
    for number, row in enumerate(rows):
        face = row["face"]
        assert isinstance(face, Face)
        connection.execute(
            insert(t.face).values(
                sha256=sha256, number=number, box=json.dumps(face.box),
                points=json.dumps(face.points) if face.points else None,
                print=row["print"], person=row["person"] or None,
            )
        )  # fmt: skip


def assign(connection: Connection, alike: float) -> int:
    """Gather the faces that have nobody yet into persons; how many persons are new."""
    said = consent.standing(connection)
    wanted = select(t.face.c.sha256, t.face.c.number, t.face.c.print).where(
        t.face.c.print.is_not(None)
    )
    prints = {(sha, number): data for sha, number, data in connection.execute(wanted)}
    seen = [one for one in _resolved(connection, said) if (one.sha256, one.number) in prints]
    if all(one.person for one in seen):
        return 0
    sizes = [len(prints[one.sha256, one.number]) for one in seen if not one.person]
    seen = [one for one in seen if len(prints[one.sha256, one.number]) == sizes[0]]
    matrix = np.stack([np.frombuffer(prints[s.sha256, s.number], np.float32) for s in seen])
    first = int(connection.scalar(select(func.max(t.person.c.id))) or 0) + 1
    found = gather(
        matrix, [one.sha256 for one in seen], [one.person or 0 for one in seen],
        alike=alike, first=first,
    )  # fmt: skip
    fresh = sorted({person for person in found if person >= first})
    if fresh:
        connection.execute(insert(t.person), [{"id": n, "at": consent.now()} for n in fresh])
    for one, person in zip(seen, found, strict=True):
        if not one.person:
            connection.execute(
                update(t.face)
                .where(t.face.c.sha256 == one.sha256, t.face.c.number == one.number)
                .values(person=person)
            )
    return len(fresh)


def persons(connection: Connection) -> list[Person]:
    """Everybody with a face in a picture that is there, the most frequent first."""
    said, found = consent.standing(connection), dict[int, Person]()
    here = set(
        connection.scalars(select(t.location.c.sha256).where(t.location.c.missing_since.is_(None)))
    )
    for seen in _resolved(connection, said):
        if seen.person and seen.sha256 in here:
            person = found.setdefault(
                seen.person, Person(seen.person, said.name(seen.person), said.choice(seen.person))
            )
            person.seen.append(seen)
    return sorted(found.values(), key=lambda person: (-len(person.seen), person.number))


def nearest(connection: Connection, person: int, count: int) -> list[tuple[Seen, float]]:
    """The faces of others that are most like this person's, each with the mean cosine."""
    said = consent.standing(connection)
    wanted = select(t.face.c.sha256, t.face.c.number, t.face.c.print)
    prints = {(sha, n): data for sha, n, data in connection.execute(wanted) if data}
    everyone = [s for s in _resolved(connection, said) if (s.sha256, s.number) in prints]
    own = [s for s in everyone if s.person == person]
    if not own:
        return []
    size = len(prints[own[0].sha256, own[0].number])
    of = {s: prints[s.sha256, s.number] for s in everyone}
    mean = np.mean([np.frombuffer(of[s], np.float32) for s in own if len(of[s]) == size], axis=0)
    near = [
        (s, float(mean @ np.frombuffer(of[s], np.float32)))
        for s in everyone
        if s.person != person and len(of[s]) == size
    ]
    return sorted(near, key=lambda one: (-one[1], one[0].sha256, one[0].number))[:count]


# what follows from it


def chosen(connection: Connection) -> bool:
    """Whether anybody is left out or blurred."""
    return any(choice != KEEP for choice in consent.standing(connection).choices.values())


def left_out(connection: Connection) -> dict[str, str]:
    """The pictures (sha256) that show somebody who is left out, each with its sentence."""
    said, names = consent.standing(connection), dict[str, list[str]]()
    if EXCLUDE not in said.choices.values():
        return {}
    for seen in _resolved(connection, said):
        if seen.person and said.choice(seen.person) == EXCLUDE:
            person = Person(seen.person, said.name(seen.person))
            names.setdefault(seen.sha256, []).append(person.called)
    return {
        sha: f"It shows {_and(sorted(set(who)))}, whom you left out." for sha, who in names.items()
    }


def sights(connection: Connection) -> dict[str, Sight]:
    """What is known of the pictures in which faces were found by looking for people, by sha256."""
    said, by_picture = consent.standing(connection), dict[str, list[Seen]]()
    for seen in _resolved(connection, said):
        by_picture.setdefault(seen.sha256, []).append(seen)
    found = {}
    for sha256, faces in by_picture.items():
        hidden = [s for s in faces if s.person and said.choice(s.person) == BLUR]
        shown = [s.face for s in faces if s not in hidden]
        found[sha256] = Sight(
            tuple(face.box for face in shown),
            tuple(face.points for face in shown if face.points),
            tuple(s.face.box for s in hidden),
        )
    return found


# what a person says


def name(connection: Connection, person: int, called: str) -> None:
    """Give somebody a name; "" takes it back.

    Raises:
        ConfigError: there is no such person.
    """
    said = _known(connection, person)
    consent.append(connection, [(n, "name", called.strip()) for n in said.group(said.root(person))])


def choose(connection: Connection, person: int, choice: str) -> None:
    """Keep, leave out or blur somebody.

    Raises:
        ConfigError: there is no such person.
    """
    said = _known(connection, person)
    consent.append(connection, [(n, "choice", choice) for n in said.group(said.root(person))])


def merge(connection: Connection, person: int, other: int) -> None:
    """Say that `other` is `person`; the stricter of the two choices holds.

    Raises:
        ConfigError: one of them is not there, or they are one already.
    """
    _known(connection, person)
    said = _known(connection, other)
    if said.root(person) == said.root(other):
        raise ConfigError(f"{person} and {other} are one person already.")
    consent.append(connection, [(said.root(other), "into", str(said.root(person)))])


def split(connection: Connection, person: int, pictures: Iterable[str]) -> int:
    """Say that the faces of `person` in these pictures (sha256) are somebody else's: the number.

    Raises:
        ConfigError: there is no such person, or not in these pictures.
    """
    said, wanted = _known(connection, person), set(pictures)
    root = said.root(person)
    faces = [s for s in _resolved(connection, said) if s.person == root and s.sha256 in wanted]
    if not faces:
        raise ConfigError(f"Person {person} is in none of these photographs.")
    number = int(connection.scalar(select(func.max(t.person.c.id))) or 0) + 1
    connection.execute(insert(t.person).values(id=number, at=consent.now()))
    moves = [(number, "face", json.dumps({"sha256": s.sha256, "box": s.face.box})) for s in faces]
    consent.append(connection, moves)
    return number


def forget(connection: Connection) -> None:
    """Delete every print, every person and all that was said of them."""
    for table in (t.face, t.glance, t.person, t.consent):
        connection.execute(delete(table))


def _seen(connection: Connection, sha256: str | None = None) -> Iterator[Seen]:
    wanted = select(t.face).order_by(t.face.c.sha256, t.face.c.number)
    if sha256 is not None:
        wanted = wanted.where(t.face.c.sha256 == sha256)
    for row in connection.execute(wanted):
        x0, y0, x1, y1 = json.loads(row.box)
        points = tuple((x, y) for x, y in json.loads(row.points or "[]"))
        yield Seen(row.sha256, row.number, Face((x0, y0, x1, y1), points), row.person)


def _resolved(connection: Connection, said: Said) -> Iterator[Seen]:
    """Every face with the person whose it is after all that was said."""
    for seen in _seen(connection):
        moves: Sequence[tuple[Box, int]] = said.moved.get(seen.sha256, ())
        person = _whose(seen.face.box, moves[::-1]) or seen.person
        yield seen._replace(person=said.root(person) if person else None)


def _whose(box: Box, known: Sequence[tuple[Box, int]]) -> int:
    """The person of the known face that this one is; 0 where it is none of them."""
    best = max(known, key=lambda one: overlap(one[0], box), default=None)
    return best[1] if best and overlap(best[0], box) >= _SAME else 0


def _known(connection: Connection, person: int) -> Said:
    said = consent.standing(connection)
    if all(one.number != said.root(person) for one in persons(connection)):
        raise ConfigError(
            f"There is no person {person}: `merzmory people CONFIG` lists them with their numbers."
        )
    return said


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
