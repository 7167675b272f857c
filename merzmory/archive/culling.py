"""What is set aside, and why: decisions over measures. Nothing is decoded and nothing is deleted.

A set of thresholds is a ruling. Rulings stand side by side in the catalogue, so two experiments
on one archive do not disturb each other, and a threshold that moves costs a query.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from merzmory.archive.assets import DUPLICATE, KEPT, REJECTED, Asset, Decision
from merzmory.archive.duplicates import doubles
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.photograph import ALGORITHM
from merzmory.errors import ArchiveError
from merzmory.manifest import Work, digest
from merzmory.records import Announce, Progress

_VERSION = 1  # of the rules below; a new one rules again


def ruling(
    *,
    near_bits: int,
    confirm_bits: int,
    max_blur: float,
    min_detail: float,
    max_clipped: float,
    min_side: int,
) -> str:
    """The name of these thresholds' ruling, for `Catalogue.keepers` and `rows`."""
    return digest(_settings(near_bits, confirm_bits, max_blur, min_detail, max_clipped, min_side))


def plan(
    *,
    archive: Path,
    near_bits: int,
    confirm_bits: int,
    max_blur: float,
    min_detail: float,
    max_clipped: float,
    min_side: int,
) -> Work:
    """Lay out judging every picture of `archive`: one shard, or none where nothing changed.

    A picture is rejected that is smaller than `min_side` pixels, that is blurred by both measures
    (re-blur above `max_blur` and no tile with `min_detail`), or of which more than `max_clipped`
    is black or white. Of frames within `near_bits` of 64 and `confirm_bits` of 256 the best stays.

    Raises:
        ArchiveError: nothing has been ingested.
        FormatError: the catalogue is damaged.
    """
    settings = _settings(near_bits, confirm_bits, max_blur, min_detail, max_clipped, min_side)
    name = digest(settings)
    if not archive.is_dir():
        raise _not_ingested()
    catalogue = catalogue_of(archive)
    assets = catalogue.assets()
    if not assets:
        raise _not_ingested()
    pictures = hashlib.sha256(
        "\n".join([f"{ALGORITHM}", *(asset.sha256 for asset in assets)]).encode()
    ).hexdigest()
    if catalogue.ruled_over(name) == pictures and catalogue.is_latest(name):
        return Work("cull", archive, 0, lambda _i, _a: None, lambda: archive)

    def run_shard(_index: int, announce: Announce) -> None:
        decisions = list(judge(assets, settings))
        catalogue.decide(name, settings, pictures, decisions)
        kept = sum(decision.verdict == KEPT for decision in decisions)
        announce(Progress("cull", len(assets), len(assets), "photos", note=f"{kept} are kept"))

    return Work("cull", archive, 1, run_shard, lambda: archive)


def judge(assets: Sequence[Asset], settings: Mapping[str, Any]) -> Iterator[Decision]:
    """A decision on each picture: its quality first, then whether a better frame shows the same."""
    sound: list[Asset] = []
    for asset in assets:
        decision = _quality(asset, settings)
        if decision is None:
            sound.append(asset)
        else:
            yield decision
    found = doubles(sound, near_bits=settings["near_bits"], confirm_bits=settings["confirm_bits"])
    twice = {double.sha256: double for double in found}
    for asset in sound:
        double = twice.get(asset.sha256)
        if double is None:
            yield Decision(asset.sha256, "", KEPT, "It is sound.")
        else:
            yield Decision(
                asset.sha256, "near", DUPLICATE,
                f"It shows the same as {{kept}}, which is the better frame ({double.bits} of 256 "
                "bits differ).",
                float(double.bits), float(settings["confirm_bits"]), double.kept,
            )  # fmt: skip


def _quality(asset: Asset, settings: Mapping[str, Any]) -> Decision | None:
    side = min(asset.width, asset.height)
    if side < settings["min_side"]:
        return Decision(
            asset.sha256, "size", REJECTED,
            f"It is {asset.width} x {asset.height} pixels, and a training square needs "
            f"{settings['min_side']}.",
            float(side), float(settings["min_side"]),
        )  # fmt: skip
    for share, what in ((asset.dark, "black"), (asset.light, "white")):
        if share > settings["max_clipped"]:
            return Decision(
                asset.sha256, "exposure", REJECTED,
                f"{share:.0%} of it is {what}; the limit is {settings['max_clipped']:.0%}.",
                share, settings["max_clipped"],
            )  # fmt: skip
    if asset.blur > settings["max_blur"] and asset.detail < settings["min_detail"]:
        return Decision(
            asset.sha256, "blur", REJECTED,
            f"It is blurred: {asset.blur:.2f} of 1, the limit is {settings['max_blur']:.2f}, and "
            f"its sharpest part shows {asset.detail:.0f} where {settings['min_detail']:.0f} is "
            "sharp.",
            asset.blur, settings["max_blur"],
        )  # fmt: skip
    return None


def _settings(
    near_bits: int,
    confirm_bits: int,
    max_blur: float,
    min_detail: float,
    max_clipped: float,
    min_side: int,
) -> dict[str, Any]:
    return {
        "near_bits": near_bits, "confirm_bits": confirm_bits, "max_blur": max_blur,
        "min_detail": min_detail, "max_clipped": max_clipped, "min_side": min_side,
        "version": _VERSION,
    }  # fmt: skip


def _not_ingested() -> ArchiveError:
    return ArchiveError(
        "No photographs have been read into this archive yet: run `merzmory ingest` with the same "
        "config first."
    )
