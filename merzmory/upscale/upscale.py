"""Small pictures to large ones: a folder of pictures through an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from merzmory import provenance
from merzmory.errors import FormatError, WeightsError
from merzmory.manifest import Work, lay_out, read_manifest, sha256_of
from merzmory.records import Announce, Progress
from merzmory.upscale import engines
from merzmory.upscale.upscaler import Upscaler


def plan(
    *,
    pictures: Path,
    folder: Path,
    engine: str,
    scale: int = 4,
    weights: Path | None = None,
    tile: int = engines.TILE,
    device: str = "auto",
    strength: float = 1.0,
    denoise: float = 1.0,
    twin: Path | None = None,
    settings: Mapping[str, Any],
    nearest: Callable[[], Mapping[str, Sequence[str]]] = dict,
    shard_size: int = 8,
) -> Work:
    """Every picture of the finished folder `pictures`, `scale` times as wide and high, as PNG.

    A line keeps what the picture's own line says, and adds "source_file", "width", "height",
    "engine" and "scale". Below a `strength` of 1 lanczos's picture is mixed in; below a `denoise`
    of 1 the parameters of the network `twin`. `tile` (pixels of input) and `device` bound memory
    and time and are not part of what the result is made from; the bytes of the files are. A picture
    says inside what the smaller one said, and the ids that `nearest()` has for that file.

    Raises:
        ConfigError: there is no such engine, or a number is out of range.
        WeightsError: the `weights` or `twin` file cannot be read.
    """
    engines.check(engine, scale, strength, denoise)
    lines = read_manifest(pictures)
    shards = [lines[i : i + shard_size] for i in range(0, len(lines), shard_size)]
    made_from = {**settings, "engine": engine, "scale": scale}
    if weights is not None and engine != "lanczos":
        made_from["weights_sha256"] = _sha256(weights)
        if denoise < 1 and twin is not None:
            made_from["twin_sha256"] = _sha256(twin)

    # the weights' name may be a path on this machine; their bytes say as much
    public = {key: value for key, value in made_from.items() if key not in ("weights", "twin")}

    @cache
    def ready() -> Upscaler:
        return engines.engine(
            engine, scale=scale, weights=weights, tile=tile, device=device, strength=strength,
            denoise=denoise, twin=twin,
        )  # fmt: skip

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        begun = index * shard_size

        def heard(now: Progress) -> None:  # of a picture that has several tiles
            note = f"tile {now.done} of {now.total}"
            announce(Progress("upscale", begun + len(made), len(lines), "pictures", note=note))

        made: list[dict[str, Any]] = []
        told = nearest()
        for line, large in _together(pictures, shards[index], ready(), tile, heard):
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
            born = provenance.inherited(pictures / line["file"])
            near = told.get(line["file"])
            said = {**born, **public, **written, "kind": "upscaled"}
            provenance.save_png(large, path, {**said, "nearest": near} if near else said)
            made.append(written)
            announce(Progress("upscale", begun + len(made), len(lines), "pictures"))
        return made

    return lay_out("upscaled", folder, made_from, len(shards), make)


def _together(
    folder: Path,
    lines: Sequence[dict[str, Any]],
    by: Upscaler,
    tile: int,
    heard: Announce,
) -> Iterator[tuple[dict[str, Any], Image.Image]]:
    """Each line with its picture enlarged; as many of one size together as fill a tile."""
    waiting: list[tuple[dict[str, Any], Image.Image]] = []

    def enlarged() -> Iterator[tuple[dict[str, Any], Image.Image]]:
        if waiting:
            large = engines.enlarge_all([picture for _, picture in waiting], by, heard)
            yield from zip([line for line, _ in waiting], large, strict=True)
            waiting.clear()

    for line in lines:
        picture = _read(folder / line["file"])
        if waiting and (
            picture.size != waiting[0][1].size
            or (len(waiting) + 1) * picture.width * picture.height > tile**2
        ):
            yield from enlarged()
        waiting.append((line, picture))
    yield from enlarged()


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
        return sha256_of(file)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error.strerror}): check the path.") from error
