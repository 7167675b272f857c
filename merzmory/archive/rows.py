"""What the tables say, read back as nouns: assets, decisions, and the row of every file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import Connection, select

from merzmory.archive import marks
from merzmory.archive import tables as t
from merzmory.archive.assets import DUPLICATE, KEPT, READ, Asset, Decision, Location, Row
from merzmory.records import Origin

_BATCH = 1000  # rows read at a time


def rows(connection: Connection, ruling: str | None, assets: Mapping[str, Asset]) -> Iterator[Row]:
    """Each present file with its verdict: ingest's, then exact copies, then the ruling's."""
    wanted = (
        select(t.location).where(t.location.c.missing_since.is_(None)).order_by(t.location.c.path)
    )
    places = [
        Location(
            os.fsdecode(row["path"]), row["bytes"], row["mtime_ns"],
            row["sha256"], row["verdict"], row["reason"], origin_of(row["origin"]),
        )
        for row in connection.execute(wanted).mappings()
    ]  # fmt: skip
    firsts: dict[str, Location] = {}  # the oldest file of each picture, then the first by name
    for place in sorted(places, key=lambda p: (p.mtime_ns, p.path)):
        if place.sha256:
            firsts.setdefault(place.sha256, place)
    ruled = standing(connection, ruling) if ruling else {}
    by_hand = marks.standing(connection)
    settings = _settings(connection, ruling)
    unruled = "It is sound." if ruling else "It was read; nothing has been culled yet."
    for place in places:
        asset = assets.get(place.sha256 or "")
        verdict, reason = place.verdict, place.reason
        if verdict == READ and place.sha256:
            first, said = firsts[place.sha256], ruled.get(place.sha256)
            verdict, reason = (said.verdict, said.reason) if said else (KEPT, unruled)
            spoken = marks.judged(by_hand.get(place.sha256, marks.NOTHING), **settings)
            if spoken:  # at once, before the next culling
                verdict, reason = spoken
            elif said and said.stage == marks.STAGE:
                verdict, reason = (
                    KEPT,
                    "You took your mark back, and nothing has been culled since.",
                )
            if first is not place:
                verdict, reason = DUPLICATE, f"It holds the same bytes as {first.path}."
            elif said and said.kept in firsts:
                reason = reason.replace("{kept}", firsts[said.kept].path)
        mine = by_hand.get(place.sha256 or "", marks.NOTHING)
        origin = _dated(place.origin, mine.date)
        taken, uncertain = _taken(asset, origin)
        yield Row(
            place.path, place.sha256, verdict, reason, taken, _place(asset, origin),
            asset.width if asset else 0, asset.height if asset else 0, place.bytes,
            uncertain, origin, mine.flag, int(mine.stars or 0), mine.label,
        )  # fmt: skip


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


def _taken(asset: Asset | None, origin: Origin | None) -> tuple[str | None, bool]:
    """(date, whether it is a guess): the camera's before the source's, a guess last."""
    if origin and origin.taken and origin.taken_from == "by hand":
        return origin.taken, origin.uncertain
    if asset and asset.taken:
        return asset.taken, False
    return (origin.taken, origin.uncertain) if origin else (None, False)


def _place(asset: Asset | None, origin: Origin | None) -> tuple[float, float] | None:
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


def asset_of(row: Any) -> Asset:
    """An asset from its line of the table."""
    values = {key: value for key, value in row.items() if key != "algorithm"}
    boxes: list[list[int]] = json.loads(values.pop("faces"))
    return Asset(**values, faces=tuple((b[0], b[1], b[2], b[3]) for b in boxes))
