"""Which copies of a photograph are found again, and how fast among 200,000.

    python benchmarks/duplicates.py                  the sample archive's photographs
    python benchmarks/duplicates.py ~/Pictures       your own, read-only; a hundred are enough
    python benchmarks/duplicates.py --only search    the search alone

A copy is found where `duplicates.pairs` pairs it with its original at the thresholds of
`[cull]`. Wrong pairs are counted among the photographs themselves and their copies.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory.archive import crops, duplicates, hashes, near
from merzmory.archive.assets import Asset
from merzmory.archive.sources.sample import SampleSource
from merzmory.config import Cull
from merzmory.originals import decode

_LOOK_AT = 1000  # pixels, as photographs are measured
_LEAST = 500  # pixels of the longer side: less is a thumbnail
_DICE = np.random.default_rng(0)
Change = Callable[[Image.Image], Image.Image]


def jpeg(picture: Image.Image, quality: int = 85) -> Image.Image:
    """The picture after one more JPEG."""
    data = io.BytesIO()
    picture.convert("RGB").save(data, "JPEG", quality=quality)
    return Image.open(data)


def trimmed(share: float, x: float = 0.5, y: float = 0.5) -> Change:
    """The same shape, without `share` of each side; x and y say where the cut lies (0 to 1)."""

    def change(picture: Image.Image) -> Image.Image:
        width, height = (round(side * (1 - share)) for side in picture.size)
        left, top = round((picture.width - width) * x), round((picture.height - height) * y)
        return picture.crop((left, top, left + width, top + height))

    return change


def cut(aspect: float, at: float = 0.5) -> Change:
    """As Instagram cuts: 1080 pixels wide, quality 75."""

    def change(picture: Image.Image) -> Image.Image:
        width = min(picture.width, round(picture.height * aspect))
        height = min(picture.height, round(picture.width / aspect))
        left, top = round((picture.width - width) * at), round((picture.height - height) * at)
        piece = picture.crop((left, top, left + width, top + height))
        return jpeg(piece.resize((1080, round(1080 / aspect)), Image.Resampling.LANCZOS), 75)

    return change


def turned(degrees: float) -> Change:
    """Straightened by `degrees`, without empty corners."""

    def change(picture: Image.Image) -> Image.Image:
        width, height = picture.size
        sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        kept = min(
            width / (width * cosine + height * sine), height / (height * cosine + width * sine)
        )
        return trimmed(1 - kept)(picture.rotate(degrees, Image.Resampling.BICUBIC))

    return change


def squared(colour: str) -> Change:
    """Laid on a square of one colour."""
    return lambda picture: ImageOps.pad(picture, (max(picture.size),) * 2, color=colour)


def brighter(factor: float) -> Change:
    """Brightness times `factor`."""
    return lambda picture: ImageEnhance.Brightness(picture).enhance(factor)


def smaller(width: int) -> Change:
    """`width` pixels wide."""
    return lambda picture: ImageOps.contain(picture, (width, width))


VARIANTS: dict[str, Change] = {
    "recompressed, quality 60": lambda p: jpeg(p, 60),
    "recompressed, quality 25": lambda p: jpeg(p, 25),
    "resized to 320 pixels": smaller(320),
    "brightness + 25 %": brighter(1.25),
    "brightness - 25 %": brighter(0.75),
    "contrast + 30 %": lambda p: ImageEnhance.Contrast(p).enhance(1.3),
    "black and white": lambda p: ImageOps.grayscale(p),
    "Instagram 1:1": cut(crops.ASPECTS["1:1"]),
    "Instagram 4:5": cut(crops.ASPECTS["4:5"]),
    "Instagram 1.91:1": cut(crops.ASPECTS["1.91:1"]),
    "Instagram 1:1, off centre": cut(crops.ASPECTS["1:1"], 0.2),
    "Instagram 4:5, off centre": cut(crops.ASPECTS["4:5"], 0.2),
    "white border, 5 %": lambda p: ImageOps.expand(p, round(max(p.size) * 0.05), "white"),
    "black border, 5 %": lambda p: ImageOps.expand(p, round(max(p.size) * 0.05), "black"),
    "laid on a white square": squared("white"),
    "laid on a black square": squared("black"),
    "trimmed by 2 %": trimmed(0.02),
    "trimmed by 5 %": trimmed(0.05),
    "trimmed by 5 %, off centre": trimmed(0.05, 0.0, 0.0),
    "trimmed by 10 %": trimmed(0.1),
    "trimmed by 20 %": trimmed(0.2),
    "straightened by 1 degree": turned(1),
    "straightened by 2 degrees": turned(2),
    "straightened by 3 degrees": turned(3),
    "straightened by 5 degrees": turned(5),
    "mirrored": ImageOps.mirror,
}


def asset(name: str, picture: Image.Image) -> Asset:
    """What ingest would know of a picture, as far as duplicates ask."""
    small = ImageOps.contain(picture, (_LOOK_AT,) * 2) if max(picture.size) > _LOOK_AT else picture
    tiny = hashes.reduced(np.asarray(small.convert("L")))
    return Asset(
        name, 1, width=picture.width, height=picture.height, crops=crops.crops(tiny),
        phash64=hashes.perceptual(tiny, 8), phash256=hashes.perceptual(tiny, 16),
    )  # fmt: skip


def photographs(folder: Path | None, most: int) -> Iterator[Image.Image]:
    """Decoded photographs of a folder, or of the sample archive."""
    if folder is None:
        with tempfile.TemporaryDirectory() as place:
            yield from _decoded([Path(f.path) for f in SampleSource(Path(place)).files()], most, 0)
        return
    yield from _decoded(sorted(p for p in folder.expanduser().rglob("*") if p.is_file()), most)


def _decoded(paths: list[Path], most: int, least: int = _LEAST) -> Iterator[Image.Image]:
    found = 0
    for path in paths:
        try:
            picture = decode.upright_srgb(path, longest=_LOOK_AT)
        except decode.PictureError:
            continue
        if max(picture.size) >= least and found < most:
            found += 1
            yield picture


def found_again(pictures: list[Image.Image], knobs: Cull) -> None:
    """Print how many copies of each kind are found, by the whole frame and by all hashes."""
    thresholds = {"near_bits": knobs.near_bits, "confirm_bits": knobs.confirm_bits}
    originals = [asset(f"{n}", picture) for n, picture in enumerate(pictures)]
    among = duplicates.pairs(originals, **thresholds)
    known = {(int(a), int(b)) for a, b in zip(among.one, among.other, strict=True)}
    print(f"\n{len(originals)} photographs, {len(known)} pairs of them alike already\n")
    print("| copy                         | whole frame | with cuts and borders | wrong pairs |")
    print("| ---------------------------- | ----------: | --------------------: | ----------: |")
    count = len(originals)
    for title, change in VARIANTS.items():
        copies = [asset(f"{n}+", jpeg(change(p))) for n, p in enumerate(pictures)]
        shares, wrong = [], 0
        for plain in (True, False):
            every = [*originals, *copies]
            if plain:
                every = [replace(one, crops="") for one in every]
            found = duplicates.pairs(every, **thresholds)
            pairs = {(int(a), int(b)) for a, b in zip(found.one, found.other, strict=True)}
            shares.append(sum((n, n + count) in pairs for n in range(count)) / count)
            wrong = sum(
                a % count != b % count and (min(a % count, b % count), max(a % count, b % count))
                not in known
                for a, b in pairs
            )  # fmt: skip
        print(f"| {title:28} | {shares[0]:11.0%} | {shares[1]:21.0%} | {wrong:11} |")


def many(pictures: list[Image.Image], count: int) -> list[Asset]:
    """Hashes of windows into real photographs, some bits of each thrown: `count` photographs."""
    windows = []
    for number in range(min(2000, count)):
        picture = pictures[number % len(pictures)].convert("L")
        side = _DICE.uniform(0.3, 0.9)
        windows.append(asset("", trimmed(1 - side, _DICE.random(), _DICE.random())(picture)))
    prints = crops.prints([window.crops for window in windows])
    which = _DICE.integers(0, len(windows), count)
    shapes = [(3000, 2000), (2000, 3000), (4000, 3000), (3000, 4000), (1080, 1080), (1080, 1350)]
    thrown = np.packbits(_DICE.random((count, 4, 320)) < 0.15, axis=2).view(">u8").astype(np.uint64)
    near_bits = prints.near[which] ^ thrown[:, :, 0]
    fine_bits = prints.fine[which] ^ thrown[:, :, 1:]
    found = []
    for number in range(count):
        digits = "".join(
            f"{int(near_bits[number, view]):016x}"
            + "".join(f"{int(word):016x}" for word in fine_bits[number, view])
            for view in range(4)
        )
        width, height = shapes[number % len(shapes)]
        found.append(
            Asset(
                f"{number}", 1, width=width, height=height, crops=f"0000{digits}",
                phash64=digits[:16], phash256=digits[16:80],
            )
        )  # fmt: skip
    return found


def search(pictures: list[Image.Image], counts: list[int], knobs: Cull) -> None:
    """Print how long the searches take."""
    thresholds = {"near_bits": knobs.near_bits, "confirm_bits": knobs.confirm_bits}
    print(f"\nExact search within {knobs.near_bits} of 64 bits, one process\n")
    print(
        "| photographs | whole frame, s | and cuts and borders, s | every stack, s   | added MB |"
    )
    print(
        "| ----------: | -------------: | ----------------------: | ---------------: | -------: |"
    )
    for count in counts:
        assets = many(pictures, count)
        whole = np.array([int(one.phash64, 16) for one in assets], np.uint64)
        start = time.perf_counter()
        for _ in near.within(whole, knobs.near_bits):
            pass
        first = time.perf_counter() - start
        start = time.perf_counter()
        duplicates.pairs(assets, **thresholds)
        second = time.perf_counter() - start
        start = time.perf_counter()
        duplicates.doubles(assets, **thresholds)
        third = time.perf_counter() - start
        tracemalloc.start()
        duplicates.pairs(assets, **thresholds)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        print(f"| {count:11,} | {first:14.2f} | {second:23.2f} | {third:16.2f} | {peak:8.0f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of photographs")
    parser.add_argument("--photos", type=int, default=150, help="how many, at most (default 150)")
    parser.add_argument("--only", choices=("copies", "search"))
    parser.add_argument("--counts", type=int, nargs="*", default=[10_000, 100_000, 200_000])
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    pictures = list(photographs(asked.folder, asked.photos))
    if not pictures:
        raise SystemExit(f"{asked.folder} holds no photographs.")
    if asked.only != "search":
        found_again(pictures, Cull())
    if asked.only != "copies":
        search(pictures, asked.counts, Cull())


if __name__ == "__main__":
    main()
