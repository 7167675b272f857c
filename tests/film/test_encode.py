"""Frames in, an MP4 that plays out: every frame once, sound as long as the film."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from merzmory.errors import ConfigError, StoppedError, StorageError
from merzmory.film import beats, codecs, encode
from merzmory.provenance import read_mp4
from merzmory.records import Progress

Decode = Callable[[Path], Any]


def numbered(index: int) -> NDArray[np.uint8]:
    """A frame that shows its index in six black or white bars."""
    bars = [(index >> bit) & 1 for bit in range(6)]
    row = np.repeat(np.array(bars, np.uint8) * 235 + 10, 16)
    return np.broadcast_to(row[None, :, None], (64, 96, 3)).copy()


def number_of(frame: NDArray[np.uint8]) -> int:
    bars = frame[32, 8::16].mean(axis=1) > 128
    return int(sum(1 << bit for bit, on in enumerate(bars) if on))


def tone(path: Path, seconds: float) -> Path:
    t = np.arange(round(seconds * 44100)) / 44100
    beats.write_wav(path, (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 44100)
    return path


@pytest.mark.parametrize(("frames", "fps"), [(60, 30), (37, 24), (58, 29), (1, 25)])
def test_every_frame_is_there_once_in_order(
    tmp_path: Path, decode: Decode, frames: int, fps: int
) -> None:
    asked: list[int] = []

    def frame(index: int) -> NDArray[np.uint8]:
        asked.append(index)
        return numbered(index)

    encode.encode(tmp_path / "a.mp4", frame, frames=frames, fps=fps, record={})
    film = decode(tmp_path / "a.mp4")
    assert [number_of(picture) for picture in film.frames] == list(range(frames))
    assert asked == list(range(frames))
    assert film.fps == fps
    assert "yuv420p(tv, bt709" in film.said
    assert "Audio" not in film.said


def test_equal_input_gives_an_equal_file(tmp_path: Path) -> None:
    music = tone(tmp_path / "tone.wav", 2)
    for name in ("a.mp4", "b.mp4"):
        encode.encode(tmp_path / name, numbered, frames=40, fps=20, sound=music, record={})
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_colours_survive(tmp_path: Path, decode: Decode) -> None:
    colour = np.array([200, 60, 30], np.uint8)
    encode.encode(
        tmp_path / "a.mp4",
        lambda _i: np.broadcast_to(colour, (64, 64, 3)).copy(),
        frames=3,
        fps=10,
        record={},
    )
    assert np.abs(decode(tmp_path / "a.mp4").frames[1, 32, 32].astype(int) - colour).max() <= 4


def test_progress_is_announced_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[Progress] = []
    encode.encode(
        tmp_path / "a.mp4",
        numbered,
        frames=50,
        fps=25,
        record={},
        announce=heard.append,
    )
    done = [progress.done for progress in heard]
    assert done == sorted(done)
    assert (done[-1], heard[-1].total) == (50, 50)
    assert capfd.readouterr() == ("", "")


def test_a_stop_leaves_no_film(tmp_path: Path) -> None:
    def frame(index: int) -> NDArray[np.uint8]:
        if index == 7:
            raise StoppedError("Stopped.")
        return numbered(index)

    with pytest.raises(StoppedError):
        encode.encode(tmp_path / "a.mp4", frame, frames=50, fps=25, record={})
    assert list(tmp_path.iterdir()) == []


def test_odd_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"65 x 64 pixels .* even"):
        encode.encode(
            tmp_path / "a.mp4",
            lambda _i: np.zeros((64, 65, 3), np.uint8),
            frames=1,
            fps=1,
            record={},
        )


def test_a_film_that_was_cut_off_is_not_called_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moviepy does not look at ffmpeg's exit code, so a full disk passes it silently."""

    def cut_off(self: encode._Writer) -> None:
        whole(self)
        Path(self.filename).write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0\0\0\x10\0mdat")

    whole = encode._Writer.close
    monkeypatch.setattr(encode._Writer, "close", cut_off)
    with pytest.raises(StorageError, match="full") as caught:
        encode.encode(tmp_path / "a.mp4", numbered, frames=5, fps=5, record={})
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_stretches_are_joined_frame_by_frame(tmp_path: Path, decode: Decode) -> None:
    places = [tmp_path / f"it's {n}.mp4" for n in range(3)]
    for place, frames in zip(places, (range(7), range(7, 20), range(20, 24)), strict=True):
        encode.write_stretch(place, numbered, frames, 24)
    chapters = [(0.0, "One = 1; #\\ it's"), (0.25, "Zwei: Köln")]
    encode.join(tmp_path / "a.mp4", places, chapters=chapters, seconds=1, record={"a": 1})
    film = decode(tmp_path / "a.mp4")
    assert [number_of(picture) for picture in film.frames] == list(range(24))
    assert film.fps == 24
    for _start, title in chapters:
        assert f"title           : {title}" in film.said
    assert read_mp4(tmp_path / "a.mp4") == {"a": 1}
    assert {p.name for p in tmp_path.iterdir()} == {"a.mp4", *(p.name for p in places)}


@pytest.mark.parametrize("name", codecs.CODECS)
def test_every_codec_keeps_the_frames(tmp_path: Path, decode: Decode, name: str) -> None:
    codec = codecs.codec(name)
    music = tone(tmp_path / "tone.wav", 0.5)
    film = tmp_path / f"film{codec.suffix}"
    encode.encode(film, numbered, frames=12, fps=24, sound=music, codec=codec, record={"seed": 3})
    found = decode(film)
    assert [number_of(picture) for picture in found.frames] == list(range(12))
    assert f"Video: {name}" in found.said
    assert "bt709" in found.said
    assert len(found.sound) / 44100 == pytest.approx(0.5, abs=0.03)
    assert read_mp4(film) == {"seed": 3}


def test_a_codec_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"no codec 'vhs': choose one of h264, hevc"):
        codecs.codec("vhs")
    monkeypatch.setattr(codecs, "_encoders", lambda: frozenset({"libx264"}))
    with pytest.raises(ConfigError, match=r"cannot write av1 \(it has no libsvtav1\): choose h264"):
        codecs.codec("av1")


def test_ffmpeg_is_the_bundled_program() -> None:
    said = subprocess.run([codecs.ffmpeg(), "-version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("ffmpeg version")


@pytest.mark.parametrize(("pixels", "expected"), [(720, 720), (719, 720), (0.3, 2), (65, 66)])
def test_even(pixels: float, expected: int) -> None:
    assert encode.even(pixels) == expected
