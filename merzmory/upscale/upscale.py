"""Small pictures to large ones: a folder of pictures through an engine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from merzmory import provenance
from merzmory.errors import FormatError, WeightsError
from merzmory.manifest import Work, lay_out, read_manifest
from merzmory.records import Announce, Progress
from merzmory.upscale import engines


def plan(
    *,
    pictures: Path,
    folder: Path,
    engine: str = "lanczos",
    scale: int = 4,
    weights: Path | None = None,
    tile: int = engines.TILE,
    device: str = "auto",
    settings: Mapping[str, Any],
    shard_size: int = 8,
) -> Work:
    """Every picture of the finished folder `pictures`, `scale` times as wide and high, as PNG.

    A line keeps what the picture's own line says, and adds "source_file", "width", "height",
    "engine" and "scale". `tile` (pixels of input) and `device` bound memory and time and are not
    part of what the result is made from; the bytes of the `weights` file are.

    Raises:
        ConfigError: there is no such engine, or the scale is out of range.
        WeightsError: the `weights` file cannot be read.
    """
    engines.check(engine, scale)
    lines = read_manifest(pictures)
    shards = [lines[i : i + shard_size] for i in range(0, len(lines), shard_size)]
    made_from = {**settings, "engine": engine, "scale": scale}
    if weights is not None and engine != "lanczos":
        made_from["weights_sha256"] = _sha256(weights)

    # the weights' name may be a path on this machine; their bytes say as much
    public = {key: value for key, value in made_from.items() if key != "weights"}

    @cache
    def ready() -> engines.Upscaler:
        return engines.engine(engine, scale=scale, weights=weights, tile=tile, device=device)

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        made = []
        for number, line in enumerate(shards[index], index * shard_size + 1):
            large = engines.enlarge(_read(pictures / line["file"]), ready())
            written = {
                **line,
                "file": str(PurePosixPath(line["file"]).with_suffix(".png")),
                "source_file": line["file"],
                "width": large.width,
                "height": large.height,
                "engine": engine,
                "scale": scale,
            }
            path = part / written["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            provenance.save_png(large, path, {**public, **written})
            made.append(written)
            announce(Progress("upscale", number, len(lines), "pictures"))
        return made

    return lay_out("upscaled", folder, made_from, len(shards), make)


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            opened.load()
            whole: Image.Image = opened.copy()
            return whole
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(
            f"{path} cannot be read as a picture: move its folder away and run the command again."
        ) from error


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error.strerror}): check the path.") from error
