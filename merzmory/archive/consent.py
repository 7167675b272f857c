"""What is said of the people in the photographs: a name, and keep, leave out or blur; who is who.

It is appended, never changed; what was said together is taken back together.
"""

from __future__ import annotations

import datetime
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select, update

from merzmory.archive import tables as t
from merzmory.archive.faces import Box

KEEP, EXCLUDE, BLUR = "keep", "exclude", "blur"
CHOICES = (KEEP, BLUR, EXCLUDE)  # from the mildest to the strictest


@dataclass(slots=True)
class Said:
    """What stands of all that was said."""

    names: dict[int, str] = field(default_factory=dict)
    choices: dict[int, str] = field(default_factory=dict)
    into: dict[int, int] = field(default_factory=dict)
    moved: dict[str, list[tuple[Box, int]]] = field(default_factory=dict)  # by sha256

    def root(self, person: int) -> int:
        """The person whom this one was merged into."""
        met = set()
        while person in self.into and person not in met:
            met.add(person)
            person = self.into[person]
        return person

    def group(self, root: int) -> list[int]:
        """All whom this person was made of."""
        return sorted({root, *(one for one in self.into if self.root(one) == root)})

    def name(self, root: int) -> str:
        """The root's name, or that of one merged into it."""
        return next(filter(None, (self.names.get(n, "") for n in [root, *self.group(root)])), "")

    def choice(self, root: int) -> str:
        """The strictest that was chosen for anybody of the group."""
        chosen = [self.choices.get(number, KEEP) for number in self.group(root)]
        return max(chosen, key=CHOICES.index)

    def spoken_of(self, person: int) -> bool:
        """Whether anything stands of this person."""
        group = self.group(self.root(person))
        moved = {to for moves in self.moved.values() for _, to in moves}
        return len(group) > 1 or any(
            n in self.names or n in self.choices or n in moved for n in group
        )


def standing(connection: Connection) -> Said:
    """What stands of all that was said and was not undone."""
    c, said = t.consent.c, Said()
    wanted = select(c.person, c.kind, c.value).where(c.undone.is_(None)).order_by(c.id)
    for person, kind, value in connection.execute(wanted):
        if kind == "name":
            said.names[person] = value
        elif kind == "choice":
            said.choices[person] = value
        elif kind == "into":
            said.into[person] = int(value)
        elif kind == "face":
            face = json.loads(value)
            x0, y0, x1, y1 = face["box"]
            said.moved.setdefault(face["sha256"], []).append(((x0, y0, x1, y1), person))
    return said


def append(connection: Connection, said: Iterable[tuple[int, str, str]]) -> None:
    """Write what is said, (person, kind, value) each, as one batch that is undone together."""
    batch, at = secrets.token_hex(8), now()
    connection.execute(
        insert(t.consent),
        [
            {"person": person, "kind": kind, "value": value, "batch": batch, "at": at}
            for person, kind, value in said
        ],
    )


def undo(connection: Connection) -> list[str]:
    """Take the last that was said together back: what it was; none where nothing stands."""
    c = t.consent.c
    last = connection.scalar(
        select(c.batch).where(c.undone.is_(None)).order_by(c.id.desc()).limit(1)
    )
    if last is None:
        return []
    mine = select(c.person, c.kind, c.value).where(c.batch == last).order_by(c.id)
    taken = [f"{kind} of {who}" for who, kind, _value in connection.execute(mine)]
    connection.execute(update(t.consent).where(c.batch == last).values(undone=now()))
    return list(dict.fromkeys(taken))


def now() -> str:
    """The time in UTC, as ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat()
