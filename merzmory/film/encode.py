"""Frames to stretches of film, stretches and sound to a film that plays everywhere.

moviepy is clip, sound and writer: one `VideoClip` with one frame function, never its compositor,
which costs several times as much. A film is written as stretches of some seconds, so that one that
was stopped goes on behind its last whole stretch; they are joined without being encoded again.
"""

from __future__ import annotations

import errno
import math
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from moviepy import AudioFileClip, VideoClip
from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter
from numpy.typing import NDArray

from merzmory.errors import ConfigError, FormatError, storage_errors
from merzmory.film import pixels
from merzmory.film.codecs import CODECS, Codec, ffmpeg
from merzmory.provenance import TRAINED, mp4_boxes, stamp_mp4
from merzmory.records import Announce, Progress, silent

Frame = Callable[[int], NDArray[np.uint8]]
Chapter = tuple[float, str]  # from when (seconds), and its title

_H264 = CODECS["h264"]
_THREADS = 4
_SAID = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
_FILTER = {  # by what a codec takes
    pixels.YUV: _SAID,
    pixels.RGB: f"scale=out_color_matrix=bt709:out_range=tv,{_SAID}",
}
# no version of a library is written in, or equal films would differ from machine to machine
_EXACT = ["-fflags", "+bitexact", "-flags:v", "+bitexact"]
_NOTHING = ["-map_metadata", "-1"]  # of what the input says about itself
_BUT_CHAPTERS = ["-map_metadata:g", "-1", "-map_metadata:s", "-1"]


def write_stretch(
    path: Path,
    frame: Frame,
    frames: range,
    fps: int,
    *,
    codec: Codec = _H264,
    announce: Announce = silent,
    step: str = "film",
    total: int | None = None,
) -> None:
    """Write the `frames` of a film without sound; each is `frame(i)`, RGB or YUV (`pixels`).

    Both sides are even. RGB is made YUV here where the codec keeps no more. `frame` is asked in
    order, each index once. Equal input gives an equal file. `step` and `total` (frames of the
    whole film) name the announcements.

    Raises:
        ConfigError: the frames have odd sizes.
        StorageError: the disk is full, or `path` cannot be written.
    """
    first = frame(frames.start)
    width, height = pixels.size_of(first)
    if height % 2 or width % 2:
        raise ConfigError(
            f"A film of {width} x {height} pixels does not play everywhere: choose even sizes."
        )
    whole = total or frames.stop
    ready = pixels.yuv if codec.pixels == pixels.YUV else pixels.rgb
    last = [frames.start, ready(first)]  # moviepy asks for frame 0 twice

    def at(t: float) -> Any:
        index = min(frames.stop - 1, frames.start + round(t * fps))
        if index != last[0]:
            last[:] = [index, ready(frame(index))]
            if index % max(1, whole // 100) == 0:
                announce(Progress(step, index, whole, "frames"))
        return last[1]

    # half a frame more: moviepy counts int(duration * fps) frames, and 299.99 would be 299
    clip = VideoClip(at, duration=(len(frames) + 0.5) / fps)
    aside = path.with_name(f"{path.stem}.aside{path.suffix}")
    try:
        with storage_errors(path.parent):
            _write(clip, aside, (width, height), fps, codec)
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    announce(Progress(step, frames.stop, whole, "frames"))


def write_sound(path: Path, wav: Path, codec: Codec = _H264) -> None:
    """Write the sound of `wav` as the codec's films carry it: AAC of 192 kbit/s, or as it is.

    Raises:
        StorageError: the disk is full, or `path` cannot be written.
    """
    with storage_errors(path.parent):
        if codec.sound_suffix == wav.suffix:
            path.write_bytes(wav.read_bytes())
            return
        sound = AudioFileClip(str(wav))
        try:
            sound.write_audiofile(
                str(path), codec=codec.sound, bitrate="192k", logger=None,
                ffmpeg_params=[*_NOTHING, "-fflags", "+bitexact"],
            )  # fmt: skip
        finally:
            _close(sound)


def join(
    path: Path,
    stretches: Sequence[Path],
    *,
    sound: Path | None = None,
    chapters: Sequence[Chapter] = (),
    seconds: float,
    record: Mapping[str, Any],
    source: str = TRAINED,
) -> None:
    """Join stretches of one size and codec to a film, with its sound (`write_sound`).

    Nothing is encoded again. The film is written aside and renamed; it carries `record` and
    `source` (`provenance.xmp`) and `chapters`, the last of which ends with the film.

    Raises:
        StorageError: the disk is full, or `path` cannot be written.
    """
    aside = path.with_name(f"{path.stem}.aside{path.suffix}")
    names = path.with_name(f"{path.stem}.stretches.txt")
    about = path.with_name(f"{path.stem}.chapters.txt")
    command = [ffmpeg(), "-y", "-v", "error", "-nostdin", "-f", "concat", "-safe", "0"]
    command += ["-i", f"file:{names}"]
    if sound is not None:
        command += ["-i", f"file:{sound}"]
    if chapters:
        command += ["-f", "ffmetadata", "-i", f"file:{about}"]
        command += ["-map_chapters", "2" if sound is not None else "1"]
    command += ["-map", "0:v", *(["-map", "1:a"] if sound is not None else [])]
    command += ["-c", "copy", "-movflags", "+faststart", *_BUT_CHAPTERS, *_EXACT]
    command += [f"file:{aside}"]
    try:
        with storage_errors(path.parent):
            # within single quotes, ffmpeg's concat format escapes only the quote itself
            quoted = (str(p.absolute()).replace("'", "'\\''") for p in stretches)
            names.write_text("".join(f"file 'file:{p}'\n" for p in quoted), "utf-8")
            about.write_text(_chapters(chapters, seconds), "utf-8")
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode or not _is_whole(aside):
                said = done.stderr.decode("utf-8", "replace")
                if "No space left" in said or not said:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
                raise FormatError(
                    f"{path.name} cannot be joined ({said.strip().splitlines()[-1]}): move "
                    f"{path.parent} away and run the command again."
                )
            stamp_mp4(aside, record, source)
            aside.replace(path)
    finally:
        for temporary in (aside, names, about):
            temporary.unlink(missing_ok=True)


def encode(
    path: Path,
    frame: Frame,
    *,
    frames: int,
    fps: int,
    sound: Path | None = None,
    chapters: Sequence[Chapter] = (),
    codec: Codec = _H264,
    record: Mapping[str, Any],
    announce: Announce = silent,
) -> None:
    """Write `path` in one stretch, with the sound of a WAV file that is as long as the film.

    Raises:
        ConfigError: the frames have odd sizes.
        StorageError: the disk is full, or `path` cannot be written.
    """
    stretch = path.with_name(f"{path.stem}.stretch{path.suffix}")
    heard = path.with_name(f"{path.stem}.sound{codec.sound_suffix}")
    try:
        write_stretch(stretch, frame, range(frames), fps, codec=codec, announce=announce)
        if sound is not None:
            write_sound(heard, sound, codec)
        join(
            path, [stretch], sound=heard if sound is not None else None, chapters=chapters,
            seconds=frames / fps, record=record,
        )  # fmt: skip
    finally:
        stretch.unlink(missing_ok=True)
        heard.unlink(missing_ok=True)


def even(pixels: float) -> int:
    """The nearest even number of pixels, at least 2: yuv420p halves the colours."""
    return max(2, 2 * math.floor(pixels / 2 + 0.5))


class _Writer(FFMPEG_VideoWriter):  # type: ignore[misc]
    """moviepy's writer with our command: its own says rgb24, whatever the frames are."""

    def __init__(self, path: Path, size: tuple[int, int], fps: int, codec: Codec) -> None:
        self.filename, self.codec, self.logfile = str(path), codec.encoder, subprocess.PIPE
        command = [ffmpeg(), "-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", codec.pixels]
        command += ["-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "-", "-an"]
        command += ["-c:v", codec.encoder, "-preset", codec.preset, "-threads", str(_THREADS)]
        command += ["-vf", _FILTER[codec.pixels], *codec.params, *_NOTHING, *_EXACT]
        self.proc = subprocess.Popen(
            [*command, f"file:{path}"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip


def _write(clip: Any, path: Path, size: tuple[int, int], fps: int, codec: Codec) -> None:
    try:
        with _Writer(path, size, fps, codec) as writer:
            for frame in clip.iter_frames(fps=fps):
                writer.write_frame(frame)
    except OSError as error:  # moviepy's own text hides ffmpeg's errno
        if "No space left" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    if not _is_whole(path):  # moviepy does not look at ffmpeg's exit code
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _is_whole(path: Path) -> bool:
    """Whether a film was written to its end: one that was cut off has no moov box."""
    try:
        return "moov" in {kind for kind, _, _ in mp4_boxes(path)}
    except (FormatError, FileNotFoundError):
        return False


def _chapters(chapters: Sequence[Chapter], seconds: float) -> str:
    """Chapters as ffmpeg's metadata file: milliseconds, and \\ before its special characters."""
    lines = [";FFMETADATA1"]
    ends = [*(start for start, _ in chapters[1:]), seconds]
    for (start, title), end in zip(chapters, ends, strict=False):
        said = "".join(f"\\{c}" if c in "=;#\\\n" else c for c in title)
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={round(1000 * start)}"]
        lines += [f"END={round(1000 * end)}", f"title={said}"]
    return "\n".join([*lines, ""])


def _close(sound: Any) -> None:
    """End the decoder; moviepy leaves the pipes of one that has ended open."""
    decoder = sound.reader.proc
    sound.close()
    if decoder is not None:
        decoder.stdout.close()
        decoder.stderr.close()
