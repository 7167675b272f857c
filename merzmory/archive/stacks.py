"""The stacks of duplicates as contact sheets, and the pairs on either side of the threshold.

A threshold is a number until it is looked at: the last pairs that still count as the same, and the
first that do not, show what moving it would do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from merzmory.archive.assets import Asset
from merzmory.archive.catalogue import Catalogue
from merzmory.archive.duplicates import Double, doubles, pairs
from merzmory.archive.marks import PICK
from merzmory.errors import ArchiveError
from merzmory.manifest import Work, lay_out
from merzmory.originals import access as originals
from merzmory.originals import decode
from merzmory.records import Announce, Progress
from merzmory.sheet import LIGHT, sheet

_TILE = 224  # pixels
_ACROSS, _DOWN = 6, 6  # pictures of a stack, stacks of a sheet
_SHEETS = 20  # at most; the manifest names every stack
_BEYOND = 40  # of 256 bits: how far above the threshold pairs are looked for
_BOTH_SIDES = 8  # pairs shown on either side of it
_FRAME = 5  # pixels around the kept frame


def plan(
    *,
    catalogue: Catalogue,
    ruling: str,
    near_bits: int,
    confirm_bits: int,
    folder: Path,
    settings: Mapping[str, Any],
) -> Work:
    """Lay out drawing the stacks that `ruling` formed into `folder`.

    `stacks-00.png` on show a stack a row, the kept frame first and framed; `threshold.png` shows the
    pairs just within and just beyond `confirm_bits`. A line of the manifest is a stack: kept, and
    doubles with path, bits and but_for.

    Raises:
        ArchiveError: the archive has not been culled by this ruling.
    """
    rows = catalogue.rows(ruling)
    paths = {row.sha256: row.path for row in reversed(rows) if row.sha256}
    picked = {row.sha256 for row in rows if row.flag == PICK and row.sha256}
    out = {row.sha256 for row in rows if row.verdict == "rejected"}
    assets = [asset for asset in catalogue.assets() if asset.sha256 not in out]

    def make(part: Path, _index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        found = doubles(assets, near_bits=near_bits, confirm_bits=confirm_bits, picked=picked)
        stacks: dict[str, list[Double]] = {}
        for double in sorted(found, key=lambda double: (double.bits, double.sha256)):
            stacks.setdefault(double.kept, []).append(double)
        ordered = sorted(stacks.items(), key=lambda item: (-len(item[1]), paths[item[0]]))
        pages = [ordered[i : i + _DOWN] for i in range(0, len(ordered), _DOWN)][:_SHEETS]
        for number, page in enumerate(pages):
            note = f"{len(found)} frames in {len(ordered)} stacks, sheet {number + 1}"
            _stacks(page, paths, note).save(part / f"stacks-{number:02d}.png")
            announce(Progress("duplicates", number + 1, len(pages) + 1, "sheets"))
        _threshold(assets, paths, near_bits, confirm_bits).save(part / "threshold.png")
        announce(Progress("duplicates", len(pages) + 1, len(pages) + 1, "sheets"))
        return [
            {
                "kept": paths[kept],
                "doubles": [
                    {"path": paths[d.sha256], "bits": d.bits, "but_for": d.but_for} for d in stack
                ],
            }
            for kept, stack in ordered
        ]

    return lay_out("duplicates", folder, settings, 1, make)


def _stacks(
    page: Sequence[tuple[str, Sequence[Double]]], paths: Mapping[str, str], note: str
) -> Image.Image:
    tiles, captions = [], []
    for kept, stack in page:
        shown = stack[: _ACROSS - 1]
        more = len(stack) - len(shown)
        tiles.append([_framed(paths[kept]), *(_tile(paths[d.sha256]) for d in shown)])
        captions.append([f"kept\n{_name(paths[kept])}"])
        for number, double in enumerate(shown, 1):
            said = f"{double.bits} bits" + f" · {double.but_for}" * bool(double.but_for)
            said += f" · and {more} more" * (number == len(shown) and more > 0)
            captions[-1].append(f"{said}\n{_name(paths[double.sha256])}")
    return sheet(tiles, tile=_TILE, title="Stacks of duplicates", note=note, captions=captions)


def _threshold(
    assets: Sequence[Asset], paths: Mapping[str, str], near_bits: int, confirm_bits: int
) -> Image.Image:
    """The pairs just within the threshold on the left, just beyond it on the right."""
    found = pairs(assets, near_bits=near_bits, confirm_bits=confirm_bits + _BEYOND)
    order = sorted(range(len(found)), key=lambda index: int(found.bits[index]))
    within = [i for i in order if found.bits[i] <= confirm_bits][::-1][:_BOTH_SIDES]
    beyond = [i for i in order if found.bits[i] > confirm_bits][:_BOTH_SIDES]
    tiles: list[list[Image.Image | None]] = []
    captions: list[list[str]] = []
    for number in range(max(len(within), len(beyond))):
        tiles.append([])
        captions.append([])
        for side in (within, beyond):
            if number >= len(side):
                tiles[-1] += [None, None]
                captions[-1] += ["", ""]
                continue
            index = side[number]
            one, other = (assets[int(c[index])].sha256 for c in (found.one, found.other))
            but_for = found.difference(index)
            said = f"{int(found.bits[index])} of 256 bits" + f" · {but_for}" * bool(but_for)
            tiles[-1] += [_tile(paths[one]), _tile(paths[other])]
            captions[-1] += [f"{said}\n{_name(paths[one])}", f"\n{_name(paths[other])}"]
    return sheet(
        tiles,
        tile=_TILE,
        title=f"On either side of the threshold: {confirm_bits} of 256 bits",
        note="cull.confirm_bits moves it; there is nothing to see where no pair comes near it",
        column_labels=["the same", "", "not the same", ""] if tiles else [],
        captions=captions,
    )


def _tile(path: str) -> Image.Image | None:
    """The photograph, small; None where it is gone or no longer readable."""
    try:
        with originals.opened(path) as data, decode.opened(data) as picture:
            small, _size = decode.developed(picture, longest=_TILE, mend=True)
    except (OSError, ArchiveError):
        return None
    return small


def _framed(path: str) -> Image.Image | None:
    small = _tile(path)
    if small is None:
        return None
    small.thumbnail((_TILE - 4 * _FRAME, _TILE - 4 * _FRAME))
    return ImageOps.expand(ImageOps.expand(small, _FRAME, LIGHT.paper), _FRAME, LIGHT.ink)


def _name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]
