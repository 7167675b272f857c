"""What the films of a config show: its pictures, what stands below them, what they turn into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from merzmory import provenance
from merzmory.config import Config
from merzmory.errors import ConfigError
from merzmory.film import montage
from merzmory.film.captions import place_words
from merzmory.film.scroll import Scroll
from merzmory.film.slides import frame_size
from merzmory.frame import ratio_of
from merzmory.gallery.site import month
from merzmory.manifest import Work, is_finished, read_manifest
from merzmory.originals import decode
from merzmory.story import archives, holding, lineage
from merzmory.story.step import Step
from merzmory.workspace import Workspace

_HEX = 16  # digits of a photograph's id in a record: enough to find it, in an archive of any size
_SCROLL = 30.0  # seconds of the film strip
KNOBS = {"fps", "fade", "music", "loudness", "codec", "motion", "fill"}


def film(config: Config, workspace: Workspace) -> Work:
    """The enlarged pictures as a film, each beside its nearest photograph where that is asked."""
    result, knobs = lineage.film(config, workspace), config.film
    folder = lineage.upscaled(config, workspace).finished()
    every, lines = read_manifest(folder), holding.shown(config, workspace, folder)
    pictures, titles = [folder / line["file"] for line in lines], [_title(line) for line in lines]
    matched = _matched(config, workspace, lines)
    captions = _captions(config, workspace, matched)
    if knobs.texts is not None:
        own = own_texts(knobs.texts, len(every))  # a line a picture, of those held back, too
        captions = [own[every.index(line)] for line in lines]
    how: dict[str, Any] = knobs.model_dump(include=KNOBS)
    seconds, wipes = knobs.seconds_per_picture, frozenset[int]()
    shape, read = lineage.frame(config, workspace), decode.upright_srgb
    if knobs.beside != "none":
        squares = lineage.dataset(config, workspace).finished()
        beside = [squares / match["file"] for match in matched]

        def either(path: Path) -> Image.Image:
            return shape.read_square(path) if path.parent == squares else read(path)

        pictures = [path for pair in zip(pictures, beside, strict=True) for path in pair]
        titles = [title for one in titles for title in (one, "")]
        captions = [text for one in captions for text in ("", one)]
        seconds, how["motion"] = seconds / 2, 0.0  # what is compared stands still
        if knobs.beside == "wipe":
            wipes = frozenset(range(1, len(pictures), 2))
    return montage.slideshow(
        pictures=pictures,
        folder=result.folder,
        settings=result.settings,
        seconds_per_picture=seconds,
        size=frame_size(knobs.size, _ratio(config, workspace)),
        captions=captions,
        titles=titles,
        wipes=wipes,
        read=either if knobs.beside != "none" else read,
        record=partial(_record, config, workspace, lines, matched),
        source=provenance.TRAINED if knobs.beside == "none" else provenance.COMPOSITE,
        **how,
    )


def roll(config: Config, workspace: Workspace) -> Work:
    """The film strip of forgetting, scrolled past from its first row to its last."""
    result, knobs = rolled(config, workspace), config.film
    sheet = lineage.strip(config, workspace).finished() / f"strip-{config.sample.network}.png"
    size = frame_size(knobs.size, ratio_of(knobs.aspect) if knobs.aspect else 16 / 9)
    count = round(_SCROLL * knobs.fps)

    @cache
    def scroll() -> Scroll:
        return Scroll(np.asarray(decode.upright_srgb(sheet)), count, size)

    return montage.walk_film(
        frames=count,
        frame=lambda index: scroll()(index),
        folder=result.folder,
        fps=knobs.fps,
        size=size,
        music=knobs.music,
        settings=result.settings,
        kind="roll",
        codec=knobs.codec,
        loudness=knobs.loudness,
        record=lambda: {**provenance.inherited(sheet), "kind": "roll"},
    )


def manner(config: Config, workspace: Workspace, **said: Any) -> dict[str, Any]:
    """How walks sound and are written, and what they say of themselves: their network, and `said`."""
    knobs = config.film.model_dump(include={"music", "codec", "loudness"})
    return {**knobs, "record": lambda: {**lineage.birth(config, workspace), **said}}


def rolled(config: Config, workspace: Workspace) -> lineage.Result:
    """The film strip as a film: where it lies."""
    settings = {
        **config.film.model_dump(include={"fps", "size", "aspect"}),
        **lineage.heard(config),
        "strip": lineage.strip(config, workspace).folder.name,
        "network": config.sample.network,
    }
    return lineage.Result("roll", workspace.result("roll", settings), settings)


def own_texts(file: Path, count: int) -> list[str]:
    """`count` captions from a text file, a line a picture.

    Raises:
        ConfigError: it cannot be read, or has more lines than there are pictures.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read as text (UTF-8): check film.texts.") from error
    if len(lines) > count:
        raise ConfigError(
            f"{file} has {len(lines)} lines and there are {count} pictures: write a line a picture."
        )
    return lines + [""] * (count - len(lines))


def told(which: str, taken: str | None, place: tuple[float, float] | None, album: str) -> str:
    """A caption: month, and album or rounded degrees, as far as `which` asks and they are known."""
    when = month(taken) if which in ("date", "both") else ""
    where = place_words(album, place) if which in ("place", "both") else ""
    return " · ".join(filter(None, (when, where)))


def _captions(
    config: Config,
    workspace: Workspace,
    matched: Sequence[Mapping[str, Any]],
) -> list[str]:
    knobs = config.film
    if knobs.captions == "none":
        return [""] * len(matched)
    known = {photo.id: photo for photo in archives.keepers(config, workspace)}
    found = []
    for match in matched:
        photo = known.get(match["photo"])
        album = photo.origin.album if photo is not None and photo.origin is not None else ""
        text = told(knobs.captions, match.get("taken"), match.get("place"), album)
        found.append(f"nearest: {text}" if text else "")  # never source: likeness, not descent
    return found


def nearest(config: Config, workspace: Workspace) -> dict[str, list[str]]:
    """The ids of the photographs nearest to each sample, by rank; {} where none were looked for."""
    folder = lineage.matches(config, workspace).folder
    found: dict[str, list[str]] = {}
    if is_finished(folder):
        for match in sorted(read_manifest(folder), key=lambda line: int(line["rank"])):
            found.setdefault(match["sample"], []).append(str(match["photo"])[:_HEX])
    return found


def _matched(
    config: Config, workspace: Workspace, lines: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The nearest photograph of each picture, in order.

    Raises:
        MerzmoryError: none were looked for.
    """
    matches = read_manifest(lineage.matches(config, workspace).finished())
    first = {match["sample"]: match for match in matches if int(match["rank"]) == 1}
    return [first[line.get("source_file", line["file"])] for line in lines]


def _record(
    config: Config,
    workspace: Workspace,
    lines: Sequence[Mapping[str, Any]],
    matched: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    return {
        **lineage.birth(config, workspace),
        "kind": "film",
        "psi": config.sample.psi,
        "seeds": [line["seed"] for line in lines if line.get("seed") is not None],
        "nearest": [str(match["photo"])[:_HEX] for match in matched],
    }


def _ratio(config: Config, workspace: Workspace) -> float:
    if config.film.aspect:
        return ratio_of(config.film.aspect)
    side = archives.resolution(config, workspace)
    width, height = lineage.frame(config, workspace).size(side)
    return width / height


def _title(line: Mapping[str, Any]) -> str:
    return f"Seed {line['seed']}" if line.get("seed") is not None else str(line["file"])


ROLL = Step("roll", "Letting the film strip pass by", roll)
