"""Pictures and walks as films with music: when each is shown, and the finished folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merzmory.errors import ArchiveError, ConfigError
from merzmory.film import beats
from merzmory.film.encode import Frame, encode, samples
from merzmory.film.slides import Picture, Size, Slides, frame_size, hung
from merzmory.manifest import Work, lay_out
from merzmory.records import Announce, Progress, Shot

_RATE = 44100  # Hz
_FILM = "film.mp4"
_POSTER = "poster.jpg"


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
) -> Work:
    """The Work of a film of `pictures`: film.mp4, poster.jpg and a line a `Shot`.

    Cuts fall on the music's beats: those of `music`, or those of a bed made from `seed`.
    `fade` is the seconds of a cross-fade; it is at most the length of a shot.

    Raises:
        ArchiveError: there are no pictures.
        ConfigError: `music` holds no sound (by a shard).
        SettingsDifferError: `folder` was finished with other settings.
    """
    if not pictures:
        raise ArchiveError("There are no pictures to make a film of: make some samples first.")

    def make(part: Path, _index: int, announce: Announce) -> Iterable[Any]:
        seconds = seconds_per_picture * len(pictures)
        bpm = beats.shot_tempo(seconds_per_picture)
        if music is None:
            found = beats.bed_beats(seconds, bpm=bpm)
        else:
            announce(Progress("film", 0, 1, note="listening for the beat"))
            found = _beats_of(music, seconds)
        cuts = cut_frames(len(pictures), seconds_per_picture, fps, found)
        slides = Slides(pictures, cuts, round(fade * fps), frame_size(size))
        _film(part, slides, cuts[-1], fps, music, (seed, bpm), announce)
        _poster(part, slides((cuts[0] + cuts[1]) // 2))
        return [
            {"file": _FILM, **asdict(Shot(path.name, start / fps, (end - start) / fps))}
            for path, start, end in zip(pictures, cuts[:-1], cuts[1:], strict=True)
        ]

    return lay_out("film", folder, settings, 1, make)


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
) -> Work:
    """The Work of a film of frames that a generator makes: `frame(i)` is uint8 [h, w, 3].

    Each index is asked once, in order. Small frames are enlarged to `size` by Lanczos. `kind` is
    the folder's kind and the shot's name.

    Raises:
        ConfigError: there is no frame; `music` holds no sound (by a shard).
        SettingsDifferError: `folder` was finished with other settings.
    """
    if frames < 1:
        raise ConfigError("A walk needs at least one frame: give it more seconds.")
    box = frame_size(size)

    def make(part: Path, _index: int, announce: Announce) -> Iterable[Any]:
        def enlarged(index: int) -> Picture:
            picture = hung(frame(index), box)
            if index == 0:
                _poster(part, picture)
            return picture

        _film(part, enlarged, frames, fps, music, (seed, beats.BPM), announce, kind)
        return [{"file": _FILM, **asdict(Shot(kind, 0.0, frames / fps))}]

    return lay_out(kind, folder, settings, 1, make)


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


def _film(
    part: Path,
    frame: Frame,
    frames: int,
    fps: int,
    music: Path | None,
    bed: tuple[int, float],
    announce: Announce,
    step: str = "film",
) -> None:
    """Write the film with `music`, or with a bed of (seed, beats a minute)."""
    wav = part / "bed.wav"
    if music is None:
        announce(Progress(step, 0, frames, "frames", "playing the music"))
        seed, bpm = bed
        beats.write_wav(wav, beats.bed(frames / fps, seed, _RATE, bpm=bpm), _RATE)
    record = {"frames": frames, "fps": fps, "music": "bed" if music is None else "own"}
    encode(
        part / _FILM,
        frame,
        frames=frames,
        fps=fps,
        audio=wav if music is None else music,
        record=record,
        announce=announce,
        step=step,
    )
    wav.unlink(missing_ok=True)


def _poster(part: Path, frame: Picture) -> None:
    Image.fromarray(frame).save(part / _POSTER, quality=90)


def _beats_of(music: Path, seconds: float) -> NDArray[np.float64]:
    """The beats of `seconds` of `music`, which starts again where it ends."""
    heard = samples(music, _RATE, seconds + 10)
    found, length = beats.beats(heard, _RATE), len(heard) / _RATE
    rounds = np.arange(int(seconds / length) + 1) * length
    return np.concatenate([found + start for start in rounds])
