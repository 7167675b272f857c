"""A film as Work: stretches of some seconds, each a shard, then its sound, then all of it joined.

A film that was stopped goes on behind its last whole stretch, and becomes the same file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merzmory import provenance
from merzmory.film import pixels, sound
from merzmory.film.codecs import Codec
from merzmory.film.encode import Chapter, Frame, join, write_sound, write_stretch
from merzmory.film.loudness import LOUDNESS
from merzmory.manifest import Work, lay_out
from merzmory.records import Announce, Progress

POSTER = "poster.jpg"
STRETCH = 10.0  # seconds
_STRETCHES = "stretches"


def film_in(folder: Path) -> Path:
    """The film of a finished folder: film.mp4, or film.mov."""
    movie = folder / "film.mov"
    return movie if movie.is_file() else folder / "film.mp4"


def stretches(count: int, together: int) -> list[range]:
    """0 .. count-1 in stretches of about `together`.

    The last takes the rest: where B-frames are joined, a stretch of a frame or two would have no
    room for their decoding times, and the film's length would be told wrong.
    """
    number = max(1, round(count / together))
    starts = [n * together for n in range(number)]
    return [range(a, b) for a, b in zip(starts, [*starts[1:], count], strict=True)]


@dataclass(frozen=True, slots=True)
class Music:
    """What is heard: a file, or the bed of `seed` at `bpm`; brought to `loudness` (LUFS)."""

    file: Path | None
    seed: int
    bpm: float
    loudness: float = LOUDNESS


@dataclass(frozen=True, slots=True)
class Reel:
    """A film in the making. What depends on the music is asked for by a shard, not before."""

    kind: str
    fps: int
    codec: Codec
    music: Music
    count: int  # stretches
    stretch: Callable[[int], range]  # the frames of each
    total: Callable[[], int]  # frames of the film
    frame: Frame
    lines: Callable[[int], list[dict[str, Any]]]  # of a stretch, without "file"
    poster: Callable[[], int] = lambda: 0  # a frame of the first stretch
    chapters: Callable[[], list[Chapter]] = list
    record: Callable[[], Mapping[str, Any]] = dict
    source: str = provenance.TRAINED

    def work(self, folder: Path, settings: Mapping[str, Any]) -> Work:
        """The Work of film.mp4 (or .mov), poster.jpg and the lines.

        Raises:
            SettingsDifferError: `folder` was finished with other settings.
        """
        return lay_out(self.kind, folder, settings, self.count + 1, self._make, join=self._join)

    @property
    def file(self) -> str:
        """The film's name in its folder."""
        return f"film{self.codec.suffix}"

    def _make(self, part: Path, index: int, announce: Announce) -> Iterable[Any]:
        places = part / _STRETCHES
        places.mkdir(exist_ok=True)
        if index == self.count:
            self._sound(part, announce)
            return []
        if index == 0 and self.music.file is not None:
            announce(Progress(self.kind, 0, 1, note="listening for the beat"))
        frames, total = self.stretch(index), self.total()
        poster = self.poster() if index == 0 else -1

        def frame(number: int) -> NDArray[np.uint8]:
            made = self.frame(number)
            if number == poster:
                said = provenance.xmp(self._told(), self.source)
                Image.fromarray(pixels.rgb(made)).save(part / POSTER, quality=90, xmp=said)
            return made

        write_stretch(
            self._place(part, index), frame, frames, self.fps,
            codec=self.codec, announce=announce, step=self.kind, total=total,
        )  # fmt: skip
        return [{"file": self.file, **line} for line in self.lines(index)]

    def _sound(self, part: Path, announce: Announce) -> None:
        total, heard = self.total(), self.music
        note = "playing the music" if heard.file is None else "levelling the music"
        announce(Progress(self.kind, total, total, "frames", note))
        wav = part / _STRETCHES / "levelled.wav"
        sound.write(
            wav, heard.file, seconds=total / self.fps, seed=heard.seed, bpm=heard.bpm,
            loudness=heard.loudness,
        )  # fmt: skip
        write_sound(self._heard(part), wav, self.codec)
        wav.unlink()

    def _join(self, part: Path, _lines: list[dict[str, Any]]) -> None:
        if not (part / self.file).exists():  # or it was stopped behind this
            seconds = self.total() / self.fps
            join(
                part / self.file,
                [self._place(part, index) for index in range(self.count)],
                sound=self._heard(part),
                chapters=self.chapters(),
                seconds=seconds,
                record={
                    **self._told(),
                    "frames": self.total(),
                    "fps": self.fps,
                    "music": "bed" if self.music.file is None else "own",
                },
                source=self.source,
            )
        shutil.rmtree(part / _STRETCHES, ignore_errors=True)

    def _told(self) -> dict[str, Any]:
        return {"kind": self.kind, **self.record()}

    def _place(self, part: Path, index: int) -> Path:
        return part / _STRETCHES / f"{index:05d}{self.codec.suffix}"

    def _heard(self, part: Path) -> Path:
        return part / _STRETCHES / f"sound{self.codec.sound_suffix}"
