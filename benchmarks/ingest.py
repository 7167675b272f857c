"""Photographs a second: reading an archive, against decoding every pixel for one hash.

    python benchmarks/ingest.py                                 24 generated photographs
    python benchmarks/ingest.py ~/Pictures                      your own JPEGs, read-only
    python benchmarks/ingest.py ~/Pictures --megapixels 12      the same, saved again at that size
    python benchmarks/ingest.py ~/Pictures --times 4            each four times, told apart by a note

The same files in one run. CPU time is one process's, the median of the photographs; wall time is
that of all of them, plainly in one process and by ingest's workers on two cores. Finding faces is
told apart. The floor is what cannot be left out: the checksum, and reading the JPEG's codes, which
takes the same time for an eighth of the pixels as for all; no way of hashing is beyond its ratio.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
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

from merzmory.archive import faces, hashes, ingest, photograph, workers
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
    find, faces.faces = faces.faces, lambda _grey: []
    try:
        ours(path)
    finally:
        faces.faces = find


def floor(path: Path) -> None:
    """Checksum, and the JPEG's codes read for the fewest pixels that libjpeg gives, in grey."""
    data = path.read_bytes()
    hashlib.sha256(data).hexdigest()
    with Image.open(io.BytesIO(data)) as picture:
        picture.draft("L", (picture.width // 8, picture.height // 8))
        picture.load()


def hashed(path: Path) -> None:
    """Checksum and both hashes alone, for which grey is decoded alone."""
    held = photograph.hold(str(path))
    assert held is not None and held.data is not None
    with Image.open(io.BytesIO(held.data)) as picture:
        picture.draft("L", (picture.width // 4, picture.height // 4))
        tiny = hashes.reduced(np.asarray(picture))
    hashes.perceptual(tiny, 8)
    hashes.perceptual(tiny, 16)


OURS = {
    "floor: sha256, JPEG's codes": floor,
    "ingest: hashes and sha256 alone": hashed,
    "ingest: and EXIF, crops, quality": without_faces,
    "ingest: and faces": ours,
}


def spent(work: Callable[[Path], None], path: Path) -> float:
    """CPU seconds of one photograph."""
    start = time.process_time()
    work(path)
    return time.process_time() - start


def answer() -> None:
    """What OURS spend on each path of the input, as lines of JSON: in a worker's environment."""
    cv2.setNumThreads(1)
    for line in sys.stdin:
        print(json.dumps([spent(work, Path(line[:-1])) for work in OURS.values()]), flush=True)


def cpu(paths: list[Path]) -> dict[str, float]:
    """CPU seconds a photograph, the median, by title; the naive way and ours take turns."""
    child = subprocess.Popen(
        [sys.executable, __file__, "--answer"], env={**os.environ, **workers.ENVIRONMENT},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    rows: list[list[float]] = []
    for path in (paths[0], *paths):
        child.stdin.write(f"{path}\n")
        child.stdin.flush()
        rows.append([*json.loads(child.stdout.readline())])
        rows[-1].insert(0, spent(naive, path))
    child.communicate()
    titles = ["full decode, imagehash, sha256", *OURS]
    columns = zip(*rows[1:], strict=True)
    return {title: statistics.median(column) for title, column in zip(titles, columns, strict=True)}


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


def again(paths: list[Path], times: int) -> list[Path]:
    """The files, and copies of them that hold another comment (JPEG's COM) and so other bytes."""
    copies = []
    for number in range(1, times):
        for path in paths:
            data = path.read_bytes()
            copies.append(path.with_name(f"{path.stem}-{number}.jpg"))
            copies[-1].write_bytes(data[:2] + b"\xff\xfe\0\x04%02d" % number + data[2:])
    return paths + copies


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of JPEGs")
    parser.add_argument("--photos", type=int, default=24, help="how many, at most (default 24)")
    parser.add_argument("--megapixels", type=float, help="save them again at this size first")
    parser.add_argument("--times", type=int, default=1, help="how often each (default once)")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.answer:
        answer()
        return
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
            paths = [
                Path(shutil.copy(path, photos / f"IMG_{number:04d}.jpg"))
                for number, path in enumerate(paths)
            ]
        paths = again(paths, asked.times)
        print(f"{len(paths)} photographs, {_size(paths[0])} the first\n")
        print("| what                                         | ms CPU | photos/s | ratio |")
        print("| -------------------------------------------- | -----: | -------: | ----: |")
        found_out = cpu(paths)
        base = next(iter(found_out.values()))
        for title, seconds in found_out.items():
            ratio = base / seconds
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
