"""Pictures, walks and sheets as films with music: what is shown when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merzmory.errors import ArchiveError, ConfigError
from merzmory.film import beats, sound
from merzmory.film.codecs import codec as codec_of
from merzmory.film.encode import Chapter, Frame
from merzmory.film.loudness import LOUDNESS
from merzmory.film.reel import STRETCH, Music, Reel, stretches
from merzmory.film.slides import MOTION, Look, Size, Slides, frame_size, hung
from merzmory.manifest import Work
from merzmory.originals import decode
from merzmory.provenance import TRAINED
from merzmory.records import Shot


def slideshow(
    *,
    pictures: Sequence[Path],
    folder: Path,
    seconds_per_picture: float,
    fade: float,
    fps: int,
    size: Size,
    music: Path | None,
    settings: Mapping[str, Any],
    seed: int = 0,
    motion: float = MOTION,
    fill: bool = False,
    captions: Sequence[str] = (),
    titles: Sequence[str] = (),
    wipes: frozenset[int] = frozenset(),
    read: Callable[[Path], Image.Image] = decode.upright_srgb,
    codec: str = "h264",
    loudness: float = LOUDNESS,
    record: Callable[[], Mapping[str, Any]] = dict,
    source: str = TRAINED,
) -> Work:
    """The Work of a film of `pictures`: film.mp4 (or .mov), poster.jpg and a line a `Shot`.

    Cuts fall on the music's beats: those of `music`, or those of a bed made from `seed`.
    `fade` is the seconds of a cross-fade; it is at most the length of a shot. Shots in `wipes`
    are wiped in. `captions` stand in the pictures, `titles` (or "Picture 1") name the chapters,
    "" begins none. The film carries `record()` and `source` (`provenance.xmp`).

    Raises:
        ArchiveError: there are no pictures.
        ConfigError: the codec cannot be written; `music` holds no sound (by a shard).
        SettingsDifferError: `folder` was finished with other settings.
    """
    if not pictures:
        raise ArchiveError("There are no pictures to make a film of: make some samples first.")
    bpm = beats.shot_tempo(seconds_per_picture)
    together = max(1, round(STRETCH / seconds_per_picture))  # shots of a stretch
    shots = stretches(len(pictures), together)

    @cache
    def cuts() -> list[int]:
        seconds = seconds_per_picture * len(pictures)
        found = sound.beats_of(music, seconds) if music else beats.bed_beats(seconds, bpm=bpm)
        return cut_frames(len(pictures), seconds_per_picture, fps, found)

    @cache
    def slides() -> Slides:
        return Slides(
            pictures, cuts(), round(fade * fps), frame_size(size),
            look=Look(motion, fill), captions=captions, wipes=wipes, read=read,
            kind=codec_of(codec).pixels,
        )  # fmt: skip

    def lines(index: int) -> list[dict[str, Any]]:
        spans = [(n, cuts()[n], cuts()[n + 1]) for n in shots[index]]
        return [asdict(Shot(pictures[n].name, a / fps, (b - a) / fps)) for n, a, b in spans]

    def chapters() -> list[Chapter]:
        named = titles or [f"Picture {n + 1}" for n in range(len(pictures))]
        return [(cut / fps, name) for cut, name in zip(cuts(), named, strict=False) if name]

    return Reel(
        kind="film",
        fps=fps,
        codec=codec_of(codec),
        music=Music(music, seed, bpm, loudness),
        count=len(shots),
        stretch=lambda index: range(cuts()[shots[index].start], cuts()[shots[index].stop]),
        total=lambda: cuts()[-1],
        frame=lambda index: slides()(index),
        lines=lines,
        poster=lambda: cuts()[1] // 2,
        chapters=chapters,
        record=record,
        source=source,
    ).work(folder, settings)


def walk_film(
    *,
    frames: int,
    frame: Frame,
    folder: Path,
    fps: int,
    size: Size,
    music: Path | None,
    settings: Mapping[str, Any],
    kind: str = "walk",
    seed: int = 0,
    codec: str = "h264",
    loudness: float = LOUDNESS,
    record: Callable[[], Mapping[str, Any]] = dict,
    source: str = TRAINED,
) -> Work:
    """The Work of a film of frames that a generator makes: `frame(i)` is uint8 [h, w, 3].

    Each index is asked once, in order. Small frames are enlarged to `size` by Lanczos. `kind` is
    the folder's kind and the shot's name.

    Raises:
        ConfigError: there is no frame; the codec cannot be written; `music` holds no sound (by a
            shard).
        SettingsDifferError: `folder` was finished with other settings.
    """
    if frames < 1:
        raise ConfigError("A walk needs at least one frame: give it more seconds.")
    box, spans = frame_size(size), stretches(frames, max(1, round(STRETCH * fps)))
    shot = asdict(Shot(kind, 0.0, frames / fps))
    return Reel(
        kind=kind,
        fps=fps,
        codec=codec_of(codec),
        music=Music(music, seed, beats.BPM, loudness),
        count=len(spans),
        stretch=lambda n: spans[n],
        total=lambda: frames,
        frame=lambda index: hung(frame(index), box),
        lines=lambda n: [shot] if n == 0 else [],
        record=record,
        source=source,
    ).work(folder, settings)


def cut_frames(
    count: int, seconds: float, fps: int, found: NDArray[np.float64] | None = None
) -> list[int]:
    """The frames at which `count` shots of about `seconds` begin, and the film's length.

    A cut moves to the nearest of the beats `found` (seconds), where one lies within a third
    of a shot; the first shot begins with the film.
    """
    cuts = [0]
    for number in range(1, count + 1):
        ideal = number * seconds
        if found is not None and len(found):
            near = float(found[np.abs(found - ideal).argmin()])
            if abs(near - ideal) <= seconds / 3:
                ideal = near
        cuts.append(max(cuts[-1] + 1, round(ideal * fps)))
    return cuts
