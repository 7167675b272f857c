"""What the tables say, read back as nouns: assets, decisions, and the row of every file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, select

from merzmory.archive import marks, people
from merzmory.archive import tables as t
from merzmory.archive.assets import (
    DUPLICATE,
    KEPT,
    READ,
    REJECTED,
    Asset,
    Box,
    Decision,
    Location,
    Row,
)
from merzmory.records import Origin

_BATCH = 1000  # rows read at a time


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a row says of its picture."""

    taken: str | None
    latitude: float | None
    longitude: float | None
    width: int
    height: int


def rows(connection: Connection, ruling: str | None) -> Iterator[Row]:
    """Each present file with its verdict: ingest's, then exact copies, then the ruling's.

    They come one by one: what is held is 300 bytes for each picture.
    """
    firsts = firsts_of(connection)
    ruled = standing(connection, ruling) if ruling else {}
    by_hand = marks.standing(connection)
    left_out = people.left_out(connection)
    settings = _settings(connection, ruling)
    unruled = "It is sound." if ruling else "It was read; nothing has been culled yet."
    for place, asset in _places(connection):
        verdict, reason = place.verdict, place.reason
        if verdict == READ and place.sha256:
            first, said = firsts[place.sha256], ruled.get(place.sha256)
            verdict, reason = (said.verdict, said.reason) if said else (KEPT, unruled)
            spoken = marks.judged(by_hand.get(place.sha256, marks.NOTHING), **settings)
            if place.sha256 in left_out:  # a choice of people outranks every mark
                verdict, reason = REJECTED, left_out[place.sha256]
            elif left_out and said and said.stage == people.STAGE:
                pass  # it shows the same as one of them
            elif spoken:  # at once, before the next culling
                verdict, reason = spoken
            elif said and said.stage in (marks.STAGE, people.STAGE):
                what = "mark" if said.stage == marks.STAGE else "choice"
                verdict, reason = (
                    KEPT,
                    f"You took your {what} back, and nothing has been culled since.",
                )
            if first != place.path:
                verdict, reason = DUPLICATE, f"It holds the same bytes as {first}."
            elif said and said.kept in firsts:
                reason = reason.replace("{kept}", firsts[said.kept])
        mine = by_hand.get(place.sha256 or "", marks.NOTHING)
        origin = _dated(place.origin, mine.date)
        taken, uncertain = _taken(asset, origin)
        yield Row(
            place.path, place.sha256, verdict, reason, taken, _place(asset, origin),
            asset.width if asset else 0, asset.height if asset else 0, place.bytes,
            uncertain, origin, mine.flag, int(mine.stars or 0), mine.label,
        )  # fmt: skip


def firsts_of(connection: Connection) -> dict[str, str]:
    """The oldest file of each picture, then the first by name: its path, by sha256."""
    here = select(t.location.c.sha256, t.location.c.path).where(
        t.location.c.missing_since.is_(None), t.location.c.sha256.is_not(None)
    )
    wanted = here.order_by(t.location.c.mtime_ns, t.location.c.path)
    firsts: dict[str, str] = {}
    for sha256, path in connection.execute(wanted.execution_options(yield_per=_BATCH)):
        firsts.setdefault(sha256, os.fsdecode(path))
    return firsts


def _places(connection: Connection) -> Iterator[tuple[Location, _Measured | None]]:
    """The files that are there, by path, and what was measured of their pictures."""
    place, asset = t.location.c, t.asset.c
    wanted = (
        select(
            place.path, place.bytes, place.mtime_ns, place.sha256, place.verdict, place.reason,
            place.origin, asset.taken, asset.latitude, asset.longitude, asset.width, asset.height,
        )
        .outerjoin_from(t.location, t.asset, asset.sha256 == place.sha256)
        .where(place.missing_since.is_(None))
        .order_by(place.path)
    )  # fmt: skip
    for row in connection.execute(wanted.execution_options(yield_per=_BATCH)):
        path, size, changed, sha256, verdict, reason, origin, *measured = row
        yield (
            Location(os.fsdecode(path), size, changed, sha256, verdict, reason, origin_of(origin)),
            None if measured[3] is None else _Measured(*measured),
        )


def _settings(connection: Connection, ruling: str | None) -> dict[str, Any]:
    """What of a ruling's settings a person's marks go by."""
    text = connection.scalar(select(t.ruling.c.settings).where(t.ruling.c.id == ruling))
    settings = json.loads(text) if text else {}
    return {
        "picked_only": settings.get("picked_only", False),
        "min_stars": settings.get("min_stars", 0),
    }


def _dated(origin: Origin | None, date: str) -> Origin | None:
    """`origin` with the date that a person gave; a year or a month alone is uncertain."""
    if not date:
        return origin
    uncertain = len(date) < len("1962-07-14")
    return replace(
        origin or Origin("folder"), taken=date, taken_from="by hand", uncertain=uncertain
    )


def _taken(asset: _Measured | None, origin: Origin | None) -> tuple[str | None, bool]:
    """(date, whether it is a guess): the camera's before the source's, a guess last."""
    if origin and origin.taken and origin.taken_from == "by hand":
        return origin.taken, origin.uncertain
    if asset and asset.taken:
        return asset.taken, False
    return (origin.taken, origin.uncertain) if origin else (None, False)


def _place(asset: _Measured | None, origin: Origin | None) -> tuple[float, float] | None:
    if asset is None or asset.latitude is None or asset.longitude is None:
        return origin.place if origin else None
    return asset.latitude, asset.longitude


def origin_text(origin: Origin | None) -> str | None:
    """An origin as the catalogue keeps it: JSON of what it says, without what it leaves open."""
    if origin is None:
        return None
    said = {key: value for key, value in asdict(origin).items() if value}
    return json.dumps(said, sort_keys=True, ensure_ascii=False)


def origin_of(text: str | None) -> Origin | None:
    """The origin that `origin_text` wrote."""
    if text is None:
        return None
    said = json.loads(text)
    place = said.pop("place", None)
    return Origin(**said, place=(place[0], place[1]) if place else None)


def standing(connection: Connection, ruling: str) -> dict[str, Decision]:
    """The last decision on each asset under `ruling`."""
    names = [field.name for field in fields(Decision)]
    wanted = (
        select(*(t.decision.c[name] for name in names))
        .where(t.decision.c.ruling == ruling)
        .order_by(t.decision.c.id)
    )
    return {row.sha256: Decision(*row) for row in connection.execute(wanted)}


def sound(sha256: str) -> Decision:
    """The decision on a picture of which a ruling says nothing."""
    return Decision(sha256, "", KEPT, "It is sound.")


def assets(connection: Connection, *, verdict: str | None = None) -> Iterator[Asset]:
    """Every asset ever measured, by sha256; or those with `verdict` that still lie somewhere."""
    wanted = select(t.asset).order_by(t.asset.c.sha256)
    if verdict is not None:
        here = select(t.location.c.sha256).where(t.location.c.missing_since.is_(None))
        wanted = wanted.where(t.asset.c.verdict == verdict, t.asset.c.sha256.in_(here))
    found = connection.execute(wanted.execution_options(yield_per=_BATCH))
    for row in found.mappings():
        yield asset_of(row)


def faces(connection: Connection) -> dict[str, tuple[Box, ...]]:
    """The faces of the pictures in which any were found, by sha256."""
    wanted = select(t.asset.c.sha256, t.asset.c.faces).where(t.asset.c.faces != "[]")
    return {sha256: _boxes(text) for sha256, text in connection.execute(wanted)}


def asset_of(row: Any) -> Asset:
    """An asset from its line of the table."""
    values = {key: value for key, value in row.items() if key != "algorithm"}
    return Asset(**{**values, "faces": _boxes(values["faces"])})


def _boxes(text: str) -> tuple[Box, ...]:
    return tuple((box[0], box[1], box[2], box[3]) for box in json.loads(text))
