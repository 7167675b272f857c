"""Which changed pieces of photographs are matched to their original, and how fast among 100,000.

    python benchmarks/match.py                    the sample archive's photographs
    python benchmarks/match.py ~/Pictures         your own, read-only; twenty are enough
    python benchmarks/match.py --base ffhq-256 --weights outputs/weights --only recall
    python benchmarks/match.py --only search      the search alone

Squares are cut from every photograph, and some are asked for again after a change, as they are
and mirrored, because training mirrors. Recall is how often the right square comes first; pHash is
the 64-bit hash that doubles are found with. The search is exact, and timed in seconds of a core.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory.archaeology import index
from merzmory.archaeology.embedders import (
    EMBEDDERS,
    Embedder,
    Pictures,
    embed_unit,
    embedder,
    unit,
)
from merzmory.archaeology.network import Here
from merzmory.archive import hashes
from merzmory.archive.sources.sample import SampleSource
from merzmory.errors import MerzmoryError
from merzmory.originals import decode
from merzmory.weights import ledger

Change = Callable[[Image.Image], Image.Image]
Floats = npt.NDArray[np.float32]
Likeness = Callable[[Sequence[Image.Image], Sequence[Image.Image]], Floats]
_SIDE = 128  # pixels of a square
_A_PHOTO = 24  # squares of a photograph


def recompressed(picture: Image.Image) -> Image.Image:
    """Half the size, JPEG of quality 40."""
    data = io.BytesIO()
    picture.resize((_SIDE // 2, _SIDE // 2), Image.Resampling.LANCZOS).save(
        data, "JPEG", quality=40
    )
    return Image.open(data).convert("RGB")


def cropped(picture: Image.Image) -> Image.Image:
    """The middle 85 of 100 of each side."""
    edge = round(_SIDE * 0.075)
    return picture.crop((edge, edge, _SIDE - edge, _SIDE - edge))


def shifted(picture: Image.Image) -> Image.Image:
    """Without a tenth at the left and at the top."""
    return picture.crop((_SIDE // 10, _SIDE // 10, _SIDE, _SIDE))


def coloured(picture: Image.Image) -> Image.Image:
    """Less colour, lighter, warmer."""
    red, green, blue = ImageEnhance.Color(picture).enhance(0.6).split()
    return Image.merge("RGB", (red.point(lambda v: 1.1 * v), green, blue.point(lambda v: 0.85 * v)))


def blurred(picture: Image.Image) -> Image.Image:
    """Blur and noise."""
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(2)), np.int16)
    noise = np.random.default_rng(0).integers(-12, 13, soft.shape)
    return Image.fromarray((soft + noise).clip(0, 255).astype(np.uint8))


CHANGES: dict[str, Change] = {
    "recompressed": recompressed,
    "cropped": cropped,
    "shifted": shifted,
    "mirrored": ImageOps.mirror,
    "coloured": coloured,
    "blurred": blurred,
}


def squares(files: Sequence[Path], count: int) -> list[Image.Image]:
    """Squares cut at random from photographs, at most `count`."""
    dice, found = np.random.default_rng(1), []
    for file in files:
        try:
            picture = decode.upright_srgb(file, longest=8 * _SIDE)
        except MerzmoryError:
            continue
        if min(picture.size) < _SIDE:
            continue
        for _ in range(_A_PHOTO if min(picture.size) > 3 * _SIDE else 1):
            side = int(dice.integers(_SIDE, min(picture.size) + 1))
            x, y = (int(dice.integers(0, room - side + 1)) for room in picture.size)
            found.append(picture.resize((_SIDE, _SIDE), box=(x, y, x + side, y + side)))
    return [found[n] for n in dice.permutation(len(found))[:count]]


def pixels(pictures: Sequence[Image.Image], mirrored: bool = False) -> Pictures:
    """uint8 [N, S, S, 3]; a picture that a change made smaller is enlarged again."""
    same = [
        np.asarray(p if p.size == (_SIDE, _SIDE) else p.resize((_SIDE, _SIDE))) for p in pictures
    ]
    stacked = np.stack(same)
    return np.ascontiguousarray(stacked[:, :, ::-1]) if mirrored else stacked


def by_vectors(by: Embedder) -> Likeness:
    """How alike pictures are to an embedder: [queries, archive], high is alike."""

    def likeness(queries: Sequence[Image.Image], archive: Sequence[Image.Image]) -> Floats:
        known = embed_unit(by, pixels(archive)).T
        both = [embed_unit(by, pixels(queries, turn)) @ known for turn in (False, True)]
        return np.maximum(*both)

    return likeness


def by_bits(queries: Sequence[Image.Image], archive: Sequence[Image.Image]) -> Floats:
    """The same by the bits of pHash that are equal."""

    def bits(pictures: Sequence[Image.Image]) -> Floats:
        digits = [hashes.perceptual(picture.convert("L"), 8) for picture in pictures]
        rows = np.frombuffer(bytes.fromhex("".join(digits)), np.uint8).reshape(len(digits), -1)
        return np.unpackbits(rows, axis=1).astype(np.float32) * 2 - 1

    turned = [ImageOps.mirror(query) for query in queries]
    return np.maximum(bits(queries) @ bits(archive).T, bits(turned) @ bits(archive).T)


def recall(likeness: Likeness, archive: Sequence[Image.Image], asked: int) -> dict[str, float]:
    """By change: the share of `asked` changed squares whose original comes first."""
    wanted = np.arange(asked)
    return {
        name: float((likeness([c(p) for p in archive[:asked]], archive).argmax(1) == wanted).mean())
        for name, c in CHANGES.items()
    }


def speed(rows: int, length: int, queries: int) -> tuple[float, float, float]:
    """(questions a CPU second one by one, in one batch; MB on the disk) of an exact search."""
    dice = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = np.lib.format.open_memmap(
            folder / index.VECTORS, "w+", np.dtype(np.float16), (rows, length)
        )
        for start in range(0, rows, 4096):
            some = dice.standard_normal((min(4096, rows - start), length), np.float32)
            file[start : start + 4096] = unit(some)
        file.flush()
        megabytes = (folder / index.VECTORS).stat().st_size / 1e6
        asked = unit(dice.standard_normal((queries, length), np.float32))
        times = []
        for batch in (asked[:1], asked):
            began = time.process_time()
            index.search(folder, batch, 10)
            times.append(len(batch) / (time.process_time() - began))
    return times[0], times[1], megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="photographs; else the sample archive")
    parser.add_argument("--only", choices=["recall", "search"])
    parser.add_argument("--squares", type=int, default=600)
    parser.add_argument("--asked", type=int, default=150)
    parser.add_argument("--base", default="starter", help="whose discriminator is tried")
    parser.add_argument("--weights", type=Path, default=Path("outputs/weights"))
    asked = parser.parse_args()
    if asked.only != "search":
        with tempfile.TemporaryDirectory() as place:
            folder = asked.folder
            if folder is None:
                files = [Path(found.path) for found in SampleSource(Path(place)).files()]
            else:
                files = sorted(file for file in folder.rglob("*") if file.is_file())
            archive = squares(files, asked.squares)
        count = min(asked.asked, len(archive))
        here = Here(asked.weights, ledger.find(asked.base, asked.weights))
        print(f"recall@1 of {count} squares among {len(archive)}\n")
        print(f"{'':<14}" + "".join(f"{name:>13}" for name in (*CHANGES, "mean", "ms/picture")))
        for name in ("phash", *EMBEDDERS):
            try:
                likeness = by_bits if name == "phash" else by_vectors(embedder(name, here))
            except MerzmoryError:
                print(f"{name:<14}its weights are not here")
                continue
            began = time.perf_counter()
            found = recall(likeness, archive, count)
            took = time.perf_counter() - began
            each = 1000 * took / (len(CHANGES) * (len(archive) + 2 * count))
            shares = "".join(f"{share:>13.2f}" for share in found.values())
            print(f"{name:<14}{shares}{np.mean(list(found.values())):>13.2f}{each:>13.2f}")
    if asked.only != "recall":
        print(f"\n{'originals':>10}{'numbers':>9}{'MB':>8}{'one by one':>15}{'in batches':>15}")
        for rows in (10_000, 100_000):
            for length in (512, 2340):
                single, batch, size = speed(rows, length, 200)
                print(f"{rows:>10,}{length:>9}{size:>8.0f}{single:>9.1f}/CPU s{batch:>9.1f}/CPU s")


if __name__ == "__main__":
    main()
