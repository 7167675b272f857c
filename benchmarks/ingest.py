"""Photographs a second: reading an archive, against decoding every pixel for one hash.

    python benchmarks/ingest.py                                 24 generated photographs
    python benchmarks/ingest.py ~/Pictures                      your own JPEGs, read-only
    python benchmarks/ingest.py ~/Pictures --megapixels 12      the same, saved again at that size

The same files in one run. CPU time is one process's, the median of the photographs; wall time is
that of all of them, plainly in one process and by ingest's workers on two cores. Finding faces is
told apart.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import imagehash
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory import decode
from merzmory.archive import hashes, ingest, people, photograph
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


def hashed(path: Path) -> None:
    """Checksum and both hashes of the whole picture alone."""
    held = photograph.hold(str(path))
    assert held is not None and held.data is not None
    with decode.opened(io.BytesIO(held.data)) as picture:
        grey, _colour, _size = decode.glimpsed(picture, longest=photograph.LOOK_AT)
    tiny = hashes.reduced(np.asarray(grey))
    hashes.perceptual(tiny, 8)
    hashes.perceptual(tiny, 16)


def cpu(works: list[Callable[[Path], None]], paths: list[Path]) -> list[float]:
    """CPU seconds a photograph of each work, the median; the works take turns."""
    spent: list[list[float]] = [[] for _ in works]
    for path in (paths[0], *paths):
        for work, each in zip(works, spent, strict=True):
            start = time.process_time()
            work(path)
            each.append(time.process_time() - start)
    return [statistics.median(each[1:]) for each in spent]


def plainly(paths: list[Path]) -> float:
    """Wall seconds of the naive way, one photograph after the other."""
    start = time.perf_counter()
    for path in paths:
        naive(path)
    return time.perf_counter() - start


def whole(source: Path, archive: Path, *, faces: bool) -> float:
    """Wall seconds of an ingest into a new catalogue, starting two workers included."""
    with tempfile.TemporaryDirectory() as blind:
        if not faces:  # an OpenCV without cascades finds none
            Path(blind, "sitecustomize.py").write_text("import cv2\ndel cv2.CascadeClassifier\n")
            os.environ["PYTHONPATH"] = blind
        try:
            start = time.perf_counter()
            do(ingest.plan(
                source=FolderSource(source), archive=archive, shard_size=64, workers=2,
            ))  # fmt: skip
            return time.perf_counter() - start
        finally:
            os.environ.pop("PYTHONPATH", None)


def save_again(paths: list[Path], folder: Path, megapixels: float) -> list[Path]:
    """Copies of photographs at another size, quality 92, with their metadata."""
    folder.mkdir()
    saved = []
    for number, path in enumerate(paths):
        with Image.open(path) as picture:
            scale = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
            size = (round(picture.width * scale), round(picture.height * scale))
            about = {k: picture.info[k] for k in ("exif", "icc_profile") if k in picture.info}
            again = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        saved.append(folder / f"IMG_{number:04d}.jpg")
        again.save(saved[-1], quality=92, **about)
    return saved


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of JPEGs")
    parser.add_argument("--photos", type=int, default=24, help="how many, at most (default 24)")
    parser.add_argument("--megapixels", type=float, help="save them again at this size first")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder
        if folder is None:
            folder = Path(place) / "generated"
            make_photographs(folder, asked.photos)
        folder = folder.expanduser()
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
        paths = found[:: max(1, len(found) // asked.photos)][: asked.photos]
        if not paths:
            raise SystemExit(f"{folder} holds no JPEGs.")
        photos = Path(place) / "photos"
        if asked.megapixels:
            paths = save_again(paths, photos, asked.megapixels)
        else:
            photos.mkdir()
            for number, path in enumerate(paths):
                shutil.copy(path, photos / f"IMG_{number:04d}.jpg")
        print(f"{len(paths)} photographs, {_size(paths[0])} the first\n")
        print("| what                                         | ms CPU | photos/s | ratio |")
        print("| -------------------------------------------- | -----: | -------: | ----: |")
        titles = (
            "full decode, imagehash, sha256",
            "ingest: hashes and sha256 alone",
            "ingest: and EXIF, quality",
            "ingest: and faces",
        )
        spent = cpu([naive, hashed, without_faces, ours], paths)
        for title, seconds in zip(titles, spent, strict=True):
            ratio = spent[0] / seconds
            print(f"| {title:44} | {seconds * 1e3:6.1f} | {1 / seconds:8.1f} | {ratio:5.2f} |")
        print("\n| wall time, two cores                         |      s | photos/s | ratio |")
        print("| -------------------------------------------- | -----: | -------: | ----: |")
        base = plainly(paths)
        archive = Path(place) / "archive"
        for title, seconds in (
            ("full decode, imagehash, sha256: one process", base),
            ("whole ingest, no faces", whole(photos, archive / "1", faces=False)),
            ("whole ingest", whole(photos, archive / "2", faces=True)),
            ("again, nothing changed", whole(photos, archive / "2", faces=True)),
        ):
            rate, ratio = len(paths) / seconds, base / seconds
            print(f"| {title:44} | {seconds:6.2f} | {rate:8.1f} | {ratio:5.2f} |")


def _size(path: Path) -> str:
    with Image.open(path) as picture:
        size = f"{picture.width} x {picture.height}"
    return f"{size}, {path.stat().st_size / 1e6:.1f} MB"


if __name__ == "__main__":
    main()
