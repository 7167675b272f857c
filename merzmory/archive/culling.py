"""What is set aside, and why: decisions over measures. Nothing is decoded and nothing is deleted.

A set of thresholds is a ruling. Rulings stand side by side in the catalogue, so two experiments
on one archive do not disturb each other, and a threshold that moves costs a query.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from merzmory.archive import marks, people
from merzmory.archive.assets import DUPLICATE, KEPT, REJECTED, Asset, Decision
from merzmory.archive.bursts import bursts
from merzmory.archive.duplicates import Double, doubles, pairs
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.looking import People, eyes, name_of
from merzmory.archive.marks import NOTHING, Marks
from merzmory.archive.photograph import ALGORITHM
from merzmory.errors import ArchiveError
from merzmory.manifest import Work, digest
from merzmory.records import Announce, Progress

_VERSION = 3  # of the rules below; a new one rules again
_SCREEN = 0.6  # of Asset.screen: at least two signs
_CAPTION = 0.1  # of the height
_COLOURED = 0.04  # of Asset.colour: less is black and white
_UNSURE = 0.7  # of a limit: from there a picture is kept, and its reason says what it may be
MAYBE = "It may be"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a ruling goes by; the units and defaults are the config's."""

    near_bits: int
    confirm_bits: int
    max_blur: float
    min_detail: float
    max_lost: float
    max_clipped: float
    min_side: int
    screenshots: str
    memes: str
    max_text: float
    colour: str
    bursts: str
    picked_only: bool
    min_stars: int

    def settings(self) -> dict[str, Any]:
        """What names the ruling."""
        return {**asdict(self), "version": _VERSION}


def ruling(**knobs: Any) -> str:
    """The name of the ruling by these `Thresholds`, for `Catalogue.keepers` and `rows`."""
    return digest(Thresholds(**knobs).settings())


def plan(
    *, archive: Path, yunet: Path | None = None, sface: Path | None = None, **knobs: Any
) -> Work:
    """Lay out judging every picture of `archive` by `Thresholds(**knobs)`.

    One shard, or none where nothing changed. What a person marked speaks first. Then a picture is
    rejected that lost more than `max_lost` to damage, is smaller than `min_side` pixels, is blurred
    by both measures (re-blur above `max_blur` and no tile with `min_detail`), is black or white by
    more than `max_clipped`, or is a screenshot, a meme, a document or not in the `colour` that is
    wanted. Of frames within `near_bits` of 64 and `confirm_bits` of 256 the best stays; of a burst
    all stay, or with `bursts` = "best" the sharpest. What is kept but may be one of these says so in
    its reason.

    Where somebody is left out or blurred, new pictures are looked at first, by the weights `yunet`
    and `sface` if they are given; pictures that show who is left out are rejected before all else,
    with those that show the same.

    Raises:
        ArchiveError: nothing has been ingested.
        FormatError: the catalogue is damaged.
        WeightsError: `yunet` or `sface` cannot be used.
    """
    thresholds = Thresholds(**knobs)
    name = digest(thresholds.settings())
    if not archive.is_dir():
        raise _not_ingested()
    catalogue = catalogue_of(archive)
    assets = catalogue.assets()
    if not assets:
        raise _not_ingested()
    said, known = catalogue.marks(), People(archive)
    waits = known.chosen() and bool(known.unseen(name_of(yunet, sface)))
    pictures = _digest(assets, said, known.left_out())
    if not waits and catalogue.ruled_over(name) == pictures and catalogue.is_latest(name):
        return Work("cull", archive, 0, lambda _i, _a: None, lambda: archive)

    def run_shard(_index: int, announce: Announce) -> None:
        if waits:
            known.look(eyes(yunet, sface), announce)
        left_out = known.left_out()
        decisions = list(judge(assets, thresholds, said, left_out))
        over = _digest(assets, said, left_out)
        catalogue.decide(name, thresholds.settings(), over, decisions)
        kept = sum(decision.verdict == KEPT for decision in decisions)
        announce(Progress("cull", len(assets), len(assets), "photos", note=f"{kept} are kept"))

    return Work("cull", archive, 1, run_shard, lambda: archive)


def judge(
    assets: Sequence[Asset],
    thresholds: Thresholds,
    said: Mapping[str, Marks],
    left_out: Mapping[str, str] | None = None,
) -> Iterator[Decision]:
    """A decision on each picture: who is left out, what was marked, quality, then doubles.

    `left_out` gives the sentence for each picture that shows somebody who is left out. All that
    show the same leave with it, whatever was marked: the face may only have been found in one.

    A frame that the person set aside takes the worse frames of its stack with it: they show what is
    not wanted. A better one stays, and so does one that was picked.
    """
    sound: list[Asset] = []
    by_hand: dict[str, Decision] = {}
    unwanted: dict[str, Decision] = {}
    gone = _left_out(assets, thresholds, left_out or {})
    yield from gone.values()
    for asset in assets:
        if asset.sha256 in gone:
            continue
        mine = said.get(asset.sha256, NOTHING)
        decision = _by_hand(asset, thresholds, mine)
        if decision is not None and (decision.verdict == KEPT or mine.flag == marks.REJECT):
            (by_hand if decision.verdict == KEPT else unwanted)[asset.sha256] = decision
            sound.append(asset)
            continue
        decision = decision or next(
            (found for check in _CHECKS if (found := check(asset, thresholds))), None
        )
        if decision is None:
            sound.append(asset)
        else:
            yield decision
    twice = {
        double.sha256: double
        for double in doubles(
            sound, near_bits=thresholds.near_bits, confirm_bits=thresholds.confirm_bits,
            picked=by_hand,
        )
    }  # fmt: skip
    single = [a for a in sound if a.sha256 not in twice and a.sha256 not in unwanted]
    in_bursts = dict(_in_bursts(single, thresholds, by_hand))
    for asset in sound:
        if asset.sha256 in by_hand:
            yield by_hand[asset.sha256]
        elif asset.sha256 in unwanted:
            yield unwanted[asset.sha256]
        elif asset.sha256 in twice:
            double = twice[asset.sha256]
            yield _double(double, thresholds, unwanted=double.kept in unwanted)
        elif asset.sha256 in in_bursts:
            yield in_bursts[asset.sha256]
        else:
            doubt = _doubt(asset, thresholds)
            yield Decision(asset.sha256, "doubt" * bool(doubt), KEPT, doubt or "It is sound.")


def _left_out(
    assets: Sequence[Asset], thresholds: Thresholds, left_out: Mapping[str, str]
) -> dict[str, Decision]:
    """The decisions on the pictures that leave with somebody, by sha256."""
    gone = {
        asset.sha256: Decision(asset.sha256, people.STAGE, REJECTED, left_out[asset.sha256])
        for asset in assets
        if asset.sha256 in left_out
    }
    if not gone:
        return gone
    near_bits, confirm_bits = thresholds.near_bits, thresholds.confirm_bits
    found = pairs(assets, near_bits=near_bits, confirm_bits=confirm_bits)
    for places in zip(found.one.tolist(), found.other.tolist(), strict=True):
        for one, other in (places, places[::-1]):
            shown, same = assets[one].sha256, assets[other].sha256
            if shown in left_out and same not in gone:
                shows = left_out[shown].removeprefix("It ")
                gone[same] = Decision(
                    same, people.STAGE, REJECTED,
                    f"It shows the same as {{kept}}, which {shows}", kept=shown,
                )  # fmt: skip
    return gone


def _by_hand(asset: Asset, thresholds: Thresholds, said: Marks) -> Decision | None:
    verdict = marks.judged(said, picked_only=thresholds.picked_only, min_stars=thresholds.min_stars)
    return Decision(asset.sha256, marks.STAGE, *verdict) if verdict else None


def _size(asset: Asset, thresholds: Thresholds) -> Decision | None:
    side = min(asset.width, asset.height)
    if side >= thresholds.min_side:
        return None
    return Decision(
        asset.sha256, "size", REJECTED,
        f"It is {asset.width} x {asset.height} pixels, and a training square needs "
        f"{thresholds.min_side}.",
        float(side), float(thresholds.min_side),
    )  # fmt: skip


def _exposure(asset: Asset, thresholds: Thresholds) -> Decision | None:
    for share, what in ((asset.dark, "black"), (asset.light, "white")):
        if share > thresholds.max_clipped:
            return Decision(
                asset.sha256, "exposure", REJECTED,
                f"{share:.0%} of it is {what}; the limit is {thresholds.max_clipped:.0%}.",
                share, thresholds.max_clipped,
            )  # fmt: skip
    return None


def _blur(asset: Asset, thresholds: Thresholds) -> Decision | None:
    if asset.blur <= thresholds.max_blur or asset.detail >= thresholds.min_detail:
        return None
    return Decision(
        asset.sha256, "blur", REJECTED,
        f"It is blurred: {asset.blur:.2f} of 1, the limit is {thresholds.max_blur:.2f}, and its "
        f"sharpest part shows {asset.detail:.0f} where {thresholds.min_detail:.0f} is sharp.",
        asset.blur, thresholds.max_blur,
    )  # fmt: skip


def _colour(asset: Asset, thresholds: Thresholds) -> Decision | None:
    wanted, has = thresholds.colour, "colour" if asset.colour >= _COLOURED else "bw"
    if wanted in ("any", has):
        return None
    what = "in colour" if has == "colour" else "black and white"
    return Decision(
        asset.sha256, "colour", REJECTED,
        f"It is {what} ({asset.colour:.2f} of 1), and cull.colour is {wanted}.",
        asset.colour, _COLOURED,
    )  # fmt: skip


def _screenshot(asset: Asset, thresholds: Thresholds) -> Decision | None:
    if thresholds.screenshots == "keep" or asset.screen < _SCREEN:
        return None
    return Decision(
        asset.sha256, "screenshot", REJECTED,
        f"It is a screenshot by its name, size or look ({asset.screen:.2f} of 1, the limit is "
        f"{_SCREEN:.2f}).",
        asset.screen, _SCREEN,
    )  # fmt: skip


def _meme(asset: Asset, thresholds: Thresholds) -> Decision | None:
    if thresholds.memes == "keep" or asset.camera or asset.caption < _CAPTION:
        return None
    return Decision(
        asset.sha256, "meme", REJECTED,
        f"A caption takes {asset.caption:.0%} of its height, and no camera wrote into it.",
        asset.caption, _CAPTION,
    )  # fmt: skip


def _text(asset: Asset, thresholds: Thresholds) -> Decision | None:
    if asset.text < thresholds.max_text or thresholds.max_text == 1:
        return None
    return Decision(
        asset.sha256, "text", REJECTED,
        f"Lines of writing cover {asset.text:.0%} of it; the limit is {thresholds.max_text:.0%}.",
        asset.text, thresholds.max_text,
    )  # fmt: skip


def _damage(asset: Asset, thresholds: Thresholds) -> Decision | None:
    if asset.lost <= thresholds.max_lost:
        return None
    return Decision(
        asset.sha256, "damage", REJECTED,
        f"{asset.lost:.0%} of its rows are lost, as the file is cut off or overwritten; the limit is "
        f"{thresholds.max_lost:.0%}: look for a whole copy.",
        asset.lost, thresholds.max_lost,
    )  # fmt: skip


_CHECKS = (  # the first that objects speaks
    _damage, _size, _exposure, _colour, _screenshot, _meme, _text, _blur,
)  # fmt: skip


def _doubt(asset: Asset, thresholds: Thresholds) -> str:
    """What may be wrong with a picture that is kept; "" where nothing speaks for it."""
    if asset.lost:
        return f"It is cut off, but only {asset.lost:.1%} of its rows are lost."
    if thresholds.screenshots != "keep" and asset.screen >= _UNSURE * _SCREEN:
        return f"{MAYBE} a screenshot ({asset.screen:.2f} of 1; {_SCREEN:.2f} is one)."
    if thresholds.memes != "keep" and asset.caption >= _UNSURE * _CAPTION:
        return f"{MAYBE} a picture with a caption ({asset.caption:.0%} of its height)."
    limit = thresholds.max_text
    if limit < 1 and asset.text >= _UNSURE * limit:
        return f"{MAYBE} a document: lines of writing cover {asset.text:.0%} ({limit:.0%} is one)."
    return ""


def _double(double: Double, thresholds: Thresholds, *, unwanted: bool) -> Decision:
    cut = "a border" if double.but_for == "border" else f"its {double.but_for} cut"
    same = "the same as {kept}" + f" but for {cut}" * bool(double.but_for)
    if unwanted:
        reason = f"It shows {same}, which you set aside: pick this one to keep it."
    else:
        reason = f"It shows {same}, which is the better frame ({double.bits} of 256 bits differ)."
    return Decision(
        double.sha256, "near", REJECTED if unwanted else DUPLICATE, reason,
        float(double.bits), float(thresholds.confirm_bits), double.kept,
    )  # fmt: skip


def _in_bursts(
    assets: Sequence[Asset], thresholds: Thresholds, picked: Mapping[str, Decision]
) -> Iterator[tuple[str, Decision]]:
    """Each frame of a burst with the decision on it."""
    verdict = DUPLICATE if thresholds.bursts == "best" else KEPT
    for burst in bursts(assets, picked=picked):
        best, *rest = burst.frames
        count = len(burst.frames)
        yield best, Decision(best, "burst", KEPT, f"It is the sharpest of a burst of {count}.")
        for frame in rest:
            yield (
                frame,
                Decision(
                    frame, "burst", verdict,
                    f"It is one of a burst of {count}, of which {{kept}} is the sharpest.",
                    kept=best,
                ),
            )  # fmt: skip


def _digest(assets: Sequence[Asset], said: Mapping[str, Marks], left_out: Mapping[str, str]) -> str:
    """A name for what is judged: the pictures, and what was said of them and of who is in them."""
    lines = [f"{ALGORITHM}", *(asset.sha256 for asset in assets)]
    judging = [(sha256, m.flag, m.stars) for sha256, m in said.items() if m.flag or m.stars]
    lines += [" ".join(one) for one in sorted(judging)]
    lines += [f"{sha256} {sentence}" for sha256, sentence in sorted(left_out.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _not_ingested() -> ArchiveError:
    return ArchiveError(
        "No photographs have been read into this archive yet: run `merzmory ingest` with the same "
        "config first."
    )
