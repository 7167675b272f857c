"""What a person says of a photograph: flag, stars, colour label, date. It outranks every measure.

Marks belong to the bytes (sha256): they outlive a new reading, a move and a renaming. They are
appended, never changed; what was said together is taken back together.
"""

from __future__ import annotations

import datetime
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from merzmory.archive import tables as t
from merzmory.archive.assets import DUPLICATE, KEPT, REJECTED, Box, Row
from merzmory.errors import ArchiveError, ConfigError

PICK, REJECT = "pick", "reject"
FLAGS = (PICK, REJECT)
MOST_STARS = 5
LABELS = ("red", "yellow", "green", "blue", "purple")  # the keys 6 to 9 of the trade, and purple
STAGE = "mark"  # of the decisions that a person made
_FIRST_YEAR = 1826  # the oldest photograph there is
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d)?)?)?)?")
_BOX = re.compile(r"(\d+),(\d+),(\d+),(\d+)")
_DIGITS = re.compile(r"[0-9a-f]{6,64}")  # of a sha256


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing said of one picture; the value "" takes back what was said before."""

    sha256: str
    kind: str  # a field of Marks
    value: str


@dataclass(frozen=True, slots=True)
class Marks:
    """All that stands of what was said of a picture; "" where nothing was."""

    flag: str = ""
    stars: str = ""
    label: str = ""
    date: str = ""  # ISO 8601, or its year, or its year and month
    box: str = ""  # x0,y0,x1,y1 in upright pixels: what is cut from it
    note: str = ""

    @property
    def reviewed(self) -> bool:
        """Whether somebody judged the picture: a flag, stars or a label."""
        return bool(self.flag or self.stars or self.label)

    @property
    def told(self) -> bool:
        """Whether a sidecar has something to tell of it."""
        return self.reviewed or bool(self.date)


NOTHING = Marks()
KINDS = tuple(field.name for field in fields(Marks))


def mark(sha256: str, kind: str, value: str) -> Mark:
    """A mark, checked.

    Raises:
        ConfigError: the kind or its value is unknown.
    """
    value = value.strip()
    wrong = ""
    if kind not in KINDS:
        wrong = f"There is no mark {kind!r}: choose one of {', '.join(KINDS)}."
    elif kind == "flag" and value not in ("", *FLAGS):
        wrong = f"There is no flag {value!r}: choose {' or '.join(FLAGS)}."
    elif kind == "stars" and value not in ("", *map(str, range(MOST_STARS + 1))):
        wrong = f"{value} stars are not possible: give 0 to {MOST_STARS}."
    elif kind == "label" and value not in ("", *LABELS):
        wrong = f"There is no label {value!r}: choose one of {', '.join(LABELS)}."
    elif kind == "date" and value and not _is_date(value):
        wrong = (
            f"The date {value!r} is not one of a photograph: write the year as 1962, or 1962-07, "
            "or 1962-07-14."
        )
    elif kind == "box" and value and box(value) is None:
        wrong = f"The box {value!r} is none: write x0,y0,x1,y1 in pixels, such as 0,0,800,800."
    if wrong:
        raise ConfigError(wrong)
    return Mark(sha256, kind, "" if kind == "stars" and value == "0" else value)


def box(value: str) -> Box | None:
    """The box x0, y0, x1, y1 that a mark's value says; None where it says none."""
    found = _BOX.fullmatch(value.replace(" ", ""))
    if found is None:
        return None
    x0, y0, x1, y1 = map(int, found.groups())
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def judged(said: Marks, *, picked_only: bool, min_stars: int) -> tuple[str, str] | None:
    """(verdict, reason) where the person decides; None where the measures do."""
    if said.flag == REJECT:
        return REJECTED, "You set it aside."
    stars = int(said.stars or 0)
    if stars < min_stars:
        gave = f"You gave it {stars} stars" if stars else "You gave it no stars"
        return REJECTED, f"{gave}, and cull.min_stars is {min_stars}."
    if said.flag == PICK:
        return KEPT, "You picked it."
    if picked_only:
        return REJECTED, "You did not pick it, and cull.picked_only is on."
    return None


def find(rows: Sequence[Row], words: Iterable[str]) -> list[str]:
    """The pictures (sha256) that paths, folders, file names or first digits of a sha256 mean.

    Each comes once, in the order of the words; a folder means every picture below it.

    Raises:
        ArchiveError: a word means nothing here, more than one picture, or a file without one.
    """
    by_path = {row.path: row for row in rows}
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(re.split(r"[\\/]", row.path)[-1], []).append(row)
    found: dict[str, None] = {}
    for word in words:
        for row in _meant(word, rows, by_path, by_name):
            found[row.sha256 or ""] = None
    return list(found)


def _meant(
    word: str,
    rows: Sequence[Row],
    by_path: Mapping[str, Row],
    by_name: Mapping[str, Sequence[Row]],
) -> list[Row]:
    place = str(Path(word).expanduser().absolute())
    exact = by_path.get(word) or by_path.get(place)
    if exact is not None:
        if not _holds_a_picture(exact):
            raise ArchiveError(f"{exact.path} cannot be marked: {exact.reason}")
        return [exact]
    ending = word.replace("\\", "/").strip("/")
    named = [row for row in by_name.get(ending.rsplit("/", 1)[-1], ()) if _ends(row, ending)]
    if not named:
        below = [row for row in rows if _lies_below(row, place, ending) and _holds_a_picture(row)]
        if below:
            return below
    if not named and _DIGITS.fullmatch(word):
        named = [row for row in rows if (row.sha256 or "").startswith(word)]
    pictures = [row for row in named if _holds_a_picture(row)]
    if named and not pictures:
        raise ArchiveError(f"{named[0].path} cannot be marked: {named[0].reason}")
    if not pictures:
        raise ArchiveError(
            f"There is no photograph {word} in this archive: give its path, its file name, or the "
            "first digits of its sha256 (`merzmory photos CONFIG --json` shows them)."
        )
    if len({row.sha256 for row in pictures}) > 1:
        others = next(row for row in pictures if row.sha256 != pictures[0].sha256)
        raise ArchiveError(
            f"{word} may be {pictures[0].path} or {others.path}: give more of the path."
        )
    return pictures


def _ends(row: Row, ending: str) -> bool:
    return f"/{row.path}".replace("\\", "/").endswith(f"/{ending}")


def _lies_below(row: Row, place: str, ending: str) -> bool:
    """Whether a file lies in the folder `place`, or in one of the archive's that ends so."""
    return row.path.startswith(place + os.sep) or f"/{ending}/" in row.path.replace("\\", "/")


def _holds_a_picture(row: Row) -> bool:
    return bool(row.sha256) and row.verdict in (KEPT, DUPLICATE, REJECTED)


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    whole = value + "-01-01"[len(value) - 4 :] if len(value) < 10 else value
    try:
        date = datetime.datetime.fromisoformat(whole)
    except ValueError:
        return False
    tomorrow = datetime.datetime.now() + datetime.timedelta(days=2)
    return date.year >= _FIRST_YEAR and date <= tomorrow


# in the catalogue


def append(connection: Connection, said: Iterable[Mark], now: str) -> tuple[str, int]:
    """Write the marks that change something, as one batch: (its name, how many; "" for none)."""
    before = standing(connection)
    batch = secrets.token_hex(8)
    lines = []
    for one in said:
        old = before.get(one.sha256, NOTHING)
        if getattr(old, one.kind) != one.value:
            before[one.sha256] = replace(old, **{one.kind: one.value})
            lines.append(
                {
                    "sha256": one.sha256, "kind": one.kind, "value": one.value,
                    "batch": batch, "at": now,
                }
            )  # fmt: skip
    if not lines:
        return "", 0
    connection.execute(insert(t.mark), lines)
    return batch, len(lines)


def undo(connection: Connection, now: str) -> list[Mark]:
    """Take the last batch that stands back: its marks; none where nothing stands."""
    last = connection.scalar(
        select(t.mark.c.batch)
        .where(t.mark.c.undone.is_(None))
        .order_by(t.mark.c.id.desc())
        .limit(1)
    )
    if last is None:
        return []
    mine = t.mark.c.batch == last
    wanted = (
        select(t.mark.c.sha256, t.mark.c.kind, t.mark.c.value).where(mine).order_by(t.mark.c.id)
    )
    taken = [Mark(*row) for row in connection.execute(wanted)]
    connection.execute(update(t.mark).where(mine).values(undone=now))
    return taken


def standing(connection: Connection) -> dict[str, Marks]:
    """What stands of all that was said, by sha256: of each kind the last that was not undone."""
    wanted = (
        select(t.mark.c.sha256, t.mark.c.kind, t.mark.c.value)
        .where(t.mark.c.undone.is_(None))
        .order_by(t.mark.c.id)
    )
    said: dict[str, dict[str, str]] = {}
    for sha256, kind, value in connection.execute(wanted):
        said.setdefault(sha256, {})[kind] = value
    found = {
        sha256: Marks(**{kind: value for kind, value in kinds.items() if kind in KINDS})
        for sha256, kinds in said.items()
    }
    return {sha256: marks for sha256, marks in found.items() if marks != NOTHING}
