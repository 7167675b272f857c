"""Photographs a second: reading an archive, against decoding every pixel for one hash.

    python benchmarks/ingest.py                  24 generated photographs of 12 megapixels
    python benchmarks/ingest.py ~/Pictures       your own JPEGs, read-only

The same files in one run, one process; the first rows are CPU time a photograph, the median.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory.archive import ingest, people, photograph
from merzmory.archive.sources.folder import FolderSource
from merzmory.manifest import do

_SIZE = (4000, 3000)
_SUFFIXES = {".jpg", ".jpeg"}


def make_photographs(folder: Path, count: int) -> None:
    """JPEGs of 12 megapixels with the detail of a camera's: about 3 to 4 MB each."""
    folder.mkdir(parents=True)
    for number in range(count):
        dice = np.random.default_rng(number)
        picture = np.zeros((_SIZE[1], _SIZE[0], 3), np.float32)
        for scale, weight in ((400, 70.0), (60, 30.0), (8, 14.0), (1, 18.0)):
            shape = (_SIZE[1] // scale + 1, _SIZE[0] // scale + 1, 3)
            layer = Image.fromarray(dice.integers(0, 256, shape, np.uint8))
            smooth = np.asarray(layer.resize(_SIZE, Image.Resampling.BICUBIC), np.float32)
            picture += (smooth - 127) * (weight / 100)
        done = Image.fromarray(np.clip(picture + 127, 0, 255).astype(np.uint8))
        done.save(folder / f"IMG_{number:04d}.jpg", quality=92)


def naive(path: Path) -> None:
    """Every pixel decoded, one perceptual hash, one checksum."""
    hashlib.sha256(path.read_bytes()).hexdigest()
    with Image.open(path) as picture:
        imagehash.phash(picture)


def ours(path: Path) -> None:
    """What ingest does with a file: checksum, both hashes, metadata, quality, faces."""
    held = photograph.hold(str(path))
    assert held is not None
    photograph.measure(held)


def without_faces(path: Path) -> None:
    """The same, but for the faces."""
    find, people.faces = people.faces, lambda _grey: []
    try:
        ours(path)
    finally:
        people.faces = find


def cpu(work: Callable[[Path], None], paths: list[Path]) -> float:
    """CPU seconds a photograph, the median."""
    work(paths[0])
    spent = []
    for path in paths:
        start = time.process_time()
        work(path)
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of JPEGs")
    parser.add_argument("--photos", type=int, default=24, help="how many, at most (default 24)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder
        if folder is None:
            folder = Path(place) / "photos"
            make_photographs(folder, asked.photos)
        folder = folder.expanduser()
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
        paths = found[: asked.photos]
        if not paths:
            raise SystemExit(f"{folder} holds no JPEGs.")
        with Image.open(paths[0]) as first:
            size = first.size
        print(f"{len(paths)} photographs, the first {size[0]} x {size[1]}\n")
        base = cpu(naive, paths)
        print("| what                                         | ms CPU | photos/s | ratio |")
        print("| -------------------------------------------- | -----: | -------: | ----: |")
        for title, seconds in (
            ("full decode, imagehash, sha256", base),
            ("ingest: two hashes, sha256, EXIF, quality", cpu(without_faces, paths)),
            ("the same and faces", cpu(ours, paths)),
        ):
            ratio = base / seconds
            print(f"| {title:44} | {seconds * 1e3:6.1f} | {1 / seconds:8.1f} | {ratio:5.2f} |")
        if asked.folder is None:
            source, archive = FolderSource(folder), Path(place) / "archive"
            for title in ("whole ingest into a new catalogue", "again, nothing changed"):
                start = time.perf_counter()
                do(ingest.plan(source=source, archive=archive, shard_size=64))
                wall = time.perf_counter() - start
                print(f"\n{title}: {len(paths) / wall:.0f} photos/s of wall time ({wall:.2f} s)")


if __name__ == "__main__":
    main()
