"""Frames and sound to an MP4 that plays everywhere, and sound files to samples.

moviepy is clip, audio and writer: one `VideoClip` with one frame function, never its
compositor, which costs 25 times as much Python time. The ffmpeg that comes with
imageio-ffmpeg runs as a separate program.
"""

from __future__ import annotations

import errno
import math
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from moviepy import AudioFileClip, VideoClip
from moviepy.audio.fx import AudioFadeIn, AudioFadeOut, AudioLoop
from numpy.typing import NDArray

from merzmory.errors import ConfigError, FormatError, storage_errors
from merzmory.provenance import mp4_boxes, stamp_mp4
from merzmory.records import Announce, Progress, silent

Frame = Callable[[int], NDArray[np.uint8]]

FADE_IN = 1.0  # seconds of sound
FADE_OUT = 2.5  # seconds of sound
_AUDIO_RATE = 44100  # Hz
# x264's output depends on the number of threads: a fixed number makes equal films everywhere
_THREADS = 4
_VIDEO = [
    "-crf", "18", "-profile:v", "high", "-vf",
    "scale=out_color_matrix=bt709:out_range=tv,"
    "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709",
]  # fmt: skip
_CONTAINER = [
    "-movflags", "+faststart", "-map_metadata", "-1",
    "-fflags", "+bitexact", "-flags:v", "+bitexact",
]  # fmt: skip


def encode(
    path: Path,
    frame: Frame,
    *,
    frames: int,
    fps: int,
    audio: Path | None,
    record: Mapping[str, Any],
    announce: Announce = silent,
    step: str = "film",
) -> None:
    """Write `path` (H.264, yuv420p, AAC): `frames` frames, each `frame(i)` uint8 [H, W, 3].

    H and W are even. `frame` is asked in order, each index once. Sound that is too short is
    looped, sound that is too long is cut, and both are faded. Equal input gives an equal file.
    `step` names the announcements. The film is written aside and renamed; it carries `record` (`provenance.read_mp4`).

    Raises:
        ConfigError: `audio` holds no sound, or the frames have odd sizes.
        StorageError: the disk is full, or `path` cannot be written.
    """
    first = frame(0)
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        raise ConfigError(
            f"A film of {width} x {height} pixels does not play everywhere: choose even sizes."
        )
    seconds = frames / fps
    last = [0, first]  # moviepy asks for frame 0 twice

    def at(t: float) -> Any:
        index = min(frames - 1, round(t * fps))
        if index != last[0]:
            last[:] = [index, frame(index)]
            if index % max(1, frames // 100) == 0:
                announce(Progress(step, index, frames, "frames"))
        return last[1]

    # half a frame more: moviepy counts int(duration * fps) frames, and 299.99 would be 299
    clip = VideoClip(at, duration=(frames + 0.5) / fps)
    aside = path.with_name(f"{path.stem}.aside{path.suffix}")
    temporary = path.with_name(f"{path.stem}.sound.m4a")
    source = _open_sound(audio) if audio is not None else None
    try:
        if source is not None:
            clip = clip.with_audio(_fitted(source, seconds))
        with storage_errors(path.parent):
            _write(clip, aside, fps, temporary)
            stamp_mp4(aside, record)
            aside.replace(path)
    finally:
        if source is not None:
            _close(source)
        aside.unlink(missing_ok=True)
        temporary.unlink(missing_ok=True)
    announce(Progress(step, frames, frames, "frames"))


def samples(path: Path, rate: int, seconds: float) -> NDArray[np.float32]:
    """At most the first `seconds` of sound in a file, as one channel: float32 [N], -1 .. 1.

    Raises:
        ConfigError: the file is missing or holds no sound.
    """
    command = [
        ffmpeg(),
        "-v",
        "error",
        "-nostdin",
        "-t",
        f"{seconds:.3f}",
        "-i",
        f"file:{path}",
        "-vn",
    ]
    command += ["-ac", "1", "-ar", str(rate), "-f", "f32le", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        raise ConfigError(
            f"{path} holds no sound that can be read: choose another file with "
            "--set film.music=FILE, or leave it out for the music that is made here."
        )
    return np.frombuffer(done.stdout, dtype="<f4").astype(np.float32)


def ffmpeg() -> str:
    """The ffmpeg that comes with imageio-ffmpeg.

    Raises:
        ConfigError: there is none for this machine.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise ConfigError(
            "No ffmpeg was found for this machine: install one and name it in the environment "
            "variable IMAGEIO_FFMPEG_EXE."
        ) from error


def _open_sound(path: Path) -> Any:
    samples(path, _AUDIO_RATE, 0.5)  # moviepy's own errors are no sentences
    return AudioFileClip(str(path))


def _fitted(sound: Any, seconds: float) -> Any:
    """`sound` looped or cut to `seconds`, and faded."""
    if sound.duration < seconds:
        sound = sound.with_effects([AudioLoop(duration=seconds)])
    fades = [AudioFadeIn(min(FADE_IN, seconds / 4)), AudioFadeOut(min(FADE_OUT, seconds / 3))]
    return sound.subclipped(0, seconds).with_effects(fades)


def _close(sound: Any) -> None:
    """End the decoder; moviepy leaves the pipes of one that has ended open."""
    decoder = sound.reader.proc
    sound.close()
    if decoder is not None:
        decoder.stdout.close()
        decoder.stderr.close()


def _write(clip: Any, path: Path, fps: int, temporary: Path) -> None:
    ffmpeg()
    try:
        clip.write_videofile(
            str(path),
            fps=fps,
            codec="libx264",
            audio_fps=_AUDIO_RATE,
            audio_codec="aac",
            audio_bitrate="192k",
            temp_audiofile=str(temporary),
            preset="medium",
            threads=_THREADS,
            ffmpeg_params=[*_VIDEO, *_CONTAINER],
            logger=None,
        )
    except OSError as error:  # moviepy's own text hides ffmpeg's errno
        if "No space left" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    # moviepy does not look at ffmpeg's exit code: a film that was cut off has no moov box
    try:
        whole = "moov" in {kind for kind, _, _ in mp4_boxes(path)}
    except (FormatError, FileNotFoundError):
        whole = False
    if not whole:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def even(pixels: float) -> int:
    """The nearest even number of pixels, at least 2: yuv420p halves the colours."""
    return max(2, 2 * math.floor(pixels / 2 + 0.5))
