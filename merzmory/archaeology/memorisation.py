"""When is near too near? A scale for the distances of one archive and one embedder.

What is near depends on the photographs: two frames of one afternoon lie nearer than a cat and a
harbour. So the scale is taken from the archive itself:

    copies    photographs against what they became: re-saved, cropped, shifted, recoloured, blurred,
              and the doubles that culling found
    others    each photograph against the nearest different one

    near copy   as near as 95 of 100 copies, and nearer than 95 of 100 others
    echo        nearer than 90 of 100 others
    none        not nearer than your photographs are to one another

A level is a question for your eyes, never a verdict, and by chance of 100 of your own photographs
ten are the echo of another one: frames of one scene.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from merzmory.archaeology.embedders import Embedder, Pictures, Vectors, embed_unit
from merzmory.archaeology.index import Distances, load_within, search
from merzmory.errors import FormatError, MerzmoryError
from merzmory.frame import SQUARE, Frame
from merzmory.manifest import Work, lay_out, read_manifest, write_aside
from merzmory.originals import decode
from merzmory.records import Announce, Progress

SCALE = "scale.json"
LEVELS = ("none", "echo", "near copy")
_COPIES = 0.95  # share of changed photographs that a near copy may be as far as
_MISTAKEN = 0.05  # share of different photographs that may be called a near copy
_CHANCE = 0.10  # ... and an echo
_PROBES = 120  # photographs that are changed
_DOUBLES = 200  # doubles that are looked at
_SIDE = 256  # pixels of a double's square
_BATCH = 32

Change = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True, slots=True)
class Scale:
    """Distances up to which a picture is a near copy or an echo, and how good that is.

    `recognised` is the share of the copies within `near_copy`, `mistaken` that of the others; None
    in an archive of one photograph, which has no others.
    """

    near_copy: float
    echo: float
    copies: int
    others: int
    recognised: float
    mistaken: float | None

    def level(self, distance: float) -> str:
        """One of `LEVELS`."""
        if distance <= self.near_copy:
            return "near copy"
        return "echo" if distance <= self.echo else "none"


def plan(
    *,
    dataset: Path,
    index: Path,
    folder: Path,
    by: Embedder,
    doubles: Callable[[], Sequence[tuple[str, str]]],
    shape: Frame = SQUARE,
    settings: Mapping[str, Any],
) -> Work:
    """scale.json: the `Scale` of the `index` of `dataset`, which is finished when the shard runs.

    `doubles` gives pairs of files that show the same photograph; what cannot be opened is left
    out. A line of the manifest is a kind of copy: {"copy", "count", "median", "within"}, the last
    the share that is recognised.
    """

    def make(part: Path, _index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        lines = read_manifest(dataset)
        chosen = lines[:: -(-len(lines) // _PROBES)]
        pictures = [shape.read_square(dataset / line["file"]) for line in chosen]
        own, found = _embedded(by, pictures), dict[str, Distances]()
        for done, (name, change) in enumerate(CHANGES.items(), 1):
            copies = [change(picture) for picture in pictures]
            found[name] = _moved(by, own, copies)
            announce(Progress("match", done, len(CHANGES) + 1, "kinds of copies"))
        pairs = [pair for names in doubles()[:_DOUBLES] if (pair := _pair(*names))]
        if pairs:
            own = _embedded(by, [one for one, _ in pairs])
            found["double"] = _moved(by, own, [two for _, two in pairs])
        announce(Progress("match", len(CHANGES) + 1, len(CHANGES) + 1, "kinds of copies"))
        scale = scaled(np.concatenate(list(found.values())), load_within(index))
        text = json.dumps({"format": 1, **asdict(scale), "embedder": by.kind}, indent=1)
        write_aside(part / SCALE, text.encode())
        return [
            {
                "copy": name,
                "count": len(values),
                "median": round(float(np.median(values)), 4),
                "within": round(float((values <= scale.near_copy).mean()), 3),
            }
            for name, values in found.items()
        ]

    return lay_out("scale", folder, settings, 1, make)


def scaled(copies: Distances, others: Distances) -> Scale:
    """The scale by the distances of copies to their photographs, and of others to their nearest."""
    reach = float(np.quantile(copies, _COPIES))
    near, echo = reach, reach
    if len(others):
        near = min(reach, _below(others, _MISTAKEN))
        echo = max(near, _below(others, _CHANCE))
    return Scale(
        near_copy=round(near, 5),
        echo=round(echo, 5),
        copies=len(copies),
        others=len(others),
        recognised=round(float((copies <= near).mean()), 3),
        mistaken=round(float((others <= near).mean()), 3) if len(others) else None,
    )


def read_scale(folder: Path) -> Scale:
    """The scale in a finished folder.

    Raises:
        FormatError: it is missing or damaged.
    """
    try:
        found = json.loads((folder / SCALE).read_text("utf-8"))
        return Scale(**{key: found[key] for key in Scale.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{folder / SCALE} is missing or damaged: move {folder} away and run the command again."
        ) from error


def nearest(index: Path, by: Embedder, pictures: Pictures, shape: Frame = SQUARE) -> Distances:
    """How far the nearest square of the index lies from each picture or its mirror image: [N].

    `pictures` are squares uint8 [N, S, S, 3] and are compared as `shape` shows them.
    """
    shown = pictures
    if not shape.is_plain:
        shown = np.stack([np.asarray(shape.shown(Image.fromarray(p))) for p in pictures])
    both = _two_sided(by, shown)
    return np.minimum(*(search(index, vectors, 1)[1][:, 0] for vectors in both))


def _below(values: Distances, share: float) -> float:
    """The largest distance that at most `share` of `values` reach; less than all of a few."""
    ordered = np.sort(values)
    return float(np.nextafter(ordered[int(share * len(ordered))], np.float32(-1)))


def _two_sided(by: Embedder, pictures: Pictures) -> tuple[Vectors, Vectors]:
    turned = np.ascontiguousarray(pictures[:, :, ::-1])
    return embed_unit(by, pictures), embed_unit(by, turned)


def _embedded(by: Embedder, pictures: Sequence[Image.Image]) -> Vectors:
    some = (pictures[at : at + _BATCH] for at in range(0, len(pictures), _BATCH))
    return np.concatenate([embed_unit(by, _stacked(batch)) for batch in some])


def _moved(by: Embedder, originals: Vectors, copies: Sequence[Image.Image]) -> Distances:
    """How far each copy, or its mirror image, lies from its original."""
    found = []
    for at in range(0, len(copies), _BATCH):
        both = _two_sided(by, _stacked(copies[at : at + _BATCH]))
        own = originals[at : at + _BATCH]
        near = np.maximum(*((own * vectors).sum(axis=1) for vectors in both))
        found.append(np.maximum(1 - near, 0).astype(np.float32))
    return np.concatenate(found)


def _stacked(pictures: Sequence[Image.Image]) -> Pictures:
    return np.stack([np.asarray(picture) for picture in pictures])


def _pair(one: str, other: str) -> tuple[Image.Image, Image.Image] | None:
    """The middle squares of two files; None where one cannot be opened any more."""
    try:
        both = [decode.upright_srgb(Path(file), shortest=_SIDE) for file in (one, other)]
    except (MerzmoryError, OSError):
        return None
    first, second = (ImageOps.fit(picture, (_SIDE, _SIDE)) for picture in both)
    return first, second


def _resaved(picture: Image.Image) -> Image.Image:
    data = io.BytesIO()
    small = picture.resize((max(16, picture.width // 2), max(16, picture.height // 2)))
    small.save(data, "JPEG", quality=40)
    return Image.open(data).convert("RGB").resize(picture.size, Image.Resampling.BICUBIC)


def _cropped(picture: Image.Image) -> Image.Image:
    x, y = picture.width * 0.05, picture.height * 0.05
    box = (x, y, picture.width - x, picture.height - y)
    return picture.resize(picture.size, Image.Resampling.BICUBIC, box)


def _shifted(picture: Image.Image) -> Image.Image:
    box = (picture.width * 0.06, picture.height * 0.06, picture.width, picture.height)
    return picture.resize(picture.size, Image.Resampling.BICUBIC, box)


def _recoloured(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(ImageEnhance.Color(picture).enhance(0.7)).enhance(1.1)


def _blurred(picture: Image.Image) -> Image.Image:
    soft = picture.filter(ImageFilter.GaussianBlur(picture.width / 96))
    noise = np.random.default_rng(0).integers(-8, 9, (*soft.size[::-1], 3))
    return Image.fromarray((np.asarray(soft, np.int16) + noise).clip(0, 255).astype(np.uint8))


CHANGES: dict[str, Change] = {
    "re-saved": _resaved,
    "cropped": _cropped,
    "shifted": _shifted,
    "recoloured": _recoloured,
    "blurred": _blurred,
}
