"""An exact index of a dataset: the vectors of its squares in one float16 file.

    vectors.npy    float16 [N, D], row n is line n of the manifest
    within.npy     float32, ascending: how near the archive's photographs lie to one another

Up to some hundred thousand photographs a matrix product is fast enough (70 ms of a core a question at
100,000 x 512, 1.4 ms in batches), and unlike a graph it forgets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from merzmory.archaeology.embedders import Embedder, Vectors, embed_files
from merzmory.errors import ArchiveError, FormatError
from merzmory.frame import SQUARE, Frame
from merzmory.manifest import Work, lay_out, read_manifest
from merzmory.records import Announce, Progress

VECTORS = "vectors.npy"
WITHIN = "within.npy"
_ROWS = 4096  # vectors a matrix product
_BATCH = 64  # pictures in memory at once
_PROBES = 1000  # squares that calibrate the distance

Indices = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float32]


def plan(
    *,
    dataset: Path,
    folder: Path,
    by: Embedder,
    dataset_id: str,
    shape: Frame = SQUARE,
    shard_size: int = 512,
) -> Work:
    """The index of the finished `dataset` folder; a manifest line is {"file", "photo"}.

    A square is compared as what it shows in `shape`.

    Raises:
        ArchiveError: the dataset holds no squares.
    """
    lines = read_manifest(dataset)
    if not lines:
        raise ArchiveError(
            f"{dataset} holds no squares to compare with: add photographs and build it again."
        )
    shards = [lines[i : i + shard_size] for i in range(0, len(lines), shard_size)]

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        found = []
        for start in range(0, len(shards[index]), _BATCH):
            batch = shards[index][start : start + _BATCH]
            found.append(embed_files(by, [dataset / line["file"] for line in batch], shape=shape))
            done = index * shard_size + start + len(batch)
            announce(Progress("index", done, len(lines), "squares"))
        np.save(part / _piece(index), np.concatenate(found).astype(np.float16))
        return [{"file": line["file"], "photo": line["photo"]} for line in shards[index]]

    def join(part: Path, joined: list[dict[str, Any]]) -> None:
        pieces = [part / _piece(index) for index in range(len(shards))]
        if all(piece.exists() for piece in pieces):  # else a kill fell behind the whole
            whole = np.lib.format.open_memmap(
                part / VECTORS, "w+", np.dtype(np.float16), (len(joined), by.dimensions)
            )
            row = 0
            for piece in pieces:
                vectors = np.load(piece)
                whole[row : row + len(vectors)] = vectors
                row += len(vectors)
            whole.flush()
        chosen = range(0, len(joined), -(-len(joined) // _PROBES))
        squares = [dataset / joined[row]["file"] for row in chosen]
        mirrored = embed_files(by, squares, mirrored=True, shape=shape)
        photos = [line["photo"] for line in joined]
        np.save(part / WITHIN, _within(part, list(chosen), mirrored, photos))
        for piece in pieces:
            piece.unlink(missing_ok=True)

    settings = {"dataset": dataset_id, "embedder": by.kind}
    return lay_out("index", folder, settings, len(shards), make, join=join)


def search(folder: Path, queries: Vectors, k: int) -> tuple[Indices, Distances]:
    """The `k` nearest rows of each query, nearest first: ([Q, k], [Q, k]).

    Distances are cosine distances, 0 for equals; equally near rows come in the index's order.
    `k` is cut to the size of the index. Memory is bounded by 4096 rows and by Q x k.

    Raises:
        FormatError: the index is missing or damaged, or its vectors have another length.
    """
    return search_rows(open_rows(folder / VECTORS), queries, k, folder)


def search_rows(
    vectors: npt.NDArray[Any], queries: Vectors, k: int, folder: Path
) -> tuple[Indices, Distances]:
    """`search` among the rows [N, F] of an array that is read as it is needed."""
    if queries.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise FormatError(
            f"{folder} holds vectors of {vectors.shape[1]} numbers and the question has shape "
            f"{queries.shape}: make the index again with the same embedder."
        )
    k = min(k, len(vectors))
    best = np.empty((len(queries), 0), np.uint64)
    for start in range(0, len(vectors), _ROWS):
        block = np.asarray(vectors[start : start + _ROWS], np.float32)
        distances = np.maximum(1.0 - queries @ block.T, 0.0).astype(np.float32)
        # as integers, floats that are not negative keep their order; behind them stands the row
        numbers = np.arange(start, start + len(block), dtype=np.uint64)
        keys = (distances.view(np.uint32).astype(np.uint64) << np.uint64(32)) | numbers
        best = np.concatenate([best, keys], axis=1)
        if best.shape[1] > k:
            best = np.partition(best, k - 1, axis=1)[:, :k]
    best = np.sort(best, axis=1)
    rows = (best & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return rows, (best >> np.uint64(32)).astype(np.uint32).view(np.float32)


def photo_search(
    folder: Path, vectors: Vectors, mirrored: Vectors, photos: Sequence[str], k: int
) -> list[list[tuple[int, float, bool]]]:
    """The `k` nearest photographs of each picture: (row, distance, mirrored), nearest first.

    `vectors` and `mirrored` are the pictures' and their mirror images'; `photos` names the
    photograph of each row. A photograph comes once, with its nearest square and side.
    """
    _, tally = np.unique(np.asarray(photos), return_counts=True)
    deep = (k - 1) * int(tally.max()) + 1  # enough rows to hold k photographs, whichever they are
    found = []
    plain_rows, plain = search(folder, vectors, deep)
    turned_rows, turned = search(folder, mirrored, deep)
    for q in range(len(vectors)):
        both = [(float(d), False, int(r)) for r, d in zip(plain_rows[q], plain[q], strict=True)]
        both += [(float(d), True, int(r)) for r, d in zip(turned_rows[q], turned[q], strict=True)]
        found.append(unique_photos(sorted(both), photos, k))
    return found


def unique_photos(
    ordered: Iterable[tuple[float, bool, int]], photos: Sequence[str], k: int
) -> list[tuple[int, float, bool]]:
    """The first `k` of (distance, mirrored, row), a photograph once: (row, distance, mirrored)."""
    nearest: dict[str, tuple[int, float, bool]] = {}
    for distance, mirror, row in ordered:
        nearest.setdefault(photos[row], (row, distance, mirror))
        if len(nearest) == k:
            break
    return list(nearest.values())


def percentile(folder: Path, distance: float) -> float | None:
    """How many of 100 photographs of the archive lie nearer than `distance` to another one.

    0 says: nearer than any two photographs of the archive are. None in an archive of one photo.
    """
    within = load_within(folder)
    if not len(within):
        return None
    return round(100 * float(np.searchsorted(within, distance, "left")) / len(within), 1)


def load_within(folder: Path) -> Distances:
    """How far photographs of the archive lie from the nearest other one, ascending."""
    return open_rows(folder / WITHIN)


def _within(folder: Path, rows: list[int], mirrored: Vectors, photos: Sequence[str]) -> Distances:
    """Leave-one-out: of each of `rows`, the distance of the nearest other photograph's square."""
    own = np.asarray(open_rows(folder / VECTORS)[rows], np.float32)
    nearest = []
    for row, near in zip(rows, photo_search(folder, own, mirrored, photos, 2), strict=True):
        nearest += [distance for hit, distance, _ in near if photos[hit] != photos[row]][:1]
    return np.sort(np.asarray(nearest, np.float32))


def open_rows(path: Path) -> npt.NDArray[Any]:
    try:
        opened: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FormatError(
            f"{path} is missing or damaged: move {path.parent} away and run the command again."
        ) from error
    return opened


def _piece(index: int) -> str:
    return f"piece-{index:06d}.npy"
