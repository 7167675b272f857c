"""The sound of a film: music from a file or the bed, as long as the film, levelled and faded.

It goes through a file of samples on the disk, so that it never lies in memory as a whole: the first
pass measures how loud it is, the second writes it as loud as wanted.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merzmory.errors import ConfigError, storage_errors
from merzmory.film import beats
from merzmory.film.codecs import ffmpeg
from merzmory.film.loudness import LOUDNESS, Meter, gain, limited

Sound = NDArray[np.float32]

RATE = 44100  # Hz
FADE_IN = 1.0  # seconds
FADE_OUT = 2.5  # seconds
_BLOCK = 1 << 16  # samples


def write(
    wav: Path,
    music: Path | None,
    *,
    seconds: float,
    seed: int,
    bpm: float,
    loudness: float = LOUDNESS,
) -> None:
    """Write the sound of a film as a WAV of 44,100 Hz, stereo, exactly as long as the film.

    `music` starts again where it ends; None is the bed of `seed` at `bpm`. It is brought to
    `loudness` (LUFS, at most 24 dB up), its true peaks stay below -1.5 dBTP, its ends are faded.

    Raises:
        ConfigError: `music` holds no sound.
        StorageError: the disk is full.
    """
    length = max(1, round(seconds * RATE))
    bed = beats.bed_blocks(seconds, seed, RATE, bpm=bpm)  # nothing is played yet
    blocks = bed if music is None else again_and_again(music)
    raw, meter = wav.with_suffix(".f32"), Meter(RATE)
    try:
        with storage_errors(wav.parent), raw.open("wb") as out:
            for block in _faded(blocks, length):
                meter.hear(block)
                out.write(block.astype("<f4").tobytes())
        beats.write_wav(wav, limited(_read(raw), RATE, gain(meter.measured, loudness)), RATE)
    finally:
        raw.unlink(missing_ok=True)


def heard(path: Path, rate: int, *, channels: int = 1, seconds: float = 0) -> Iterator[Sound]:
    """The sound in a file, block by block: float32 [N], or [N, channels]; 0 seconds is all of it.

    Raises:
        ConfigError: the file is missing or holds no sound.
    """
    command = [ffmpeg(), "-v", "error", "-nostdin"]
    command += ["-t", f"{seconds:.3f}"] if seconds else []
    command += ["-i", f"file:{path}", "-vn", "-ac", str(channels), "-ar", str(rate)]
    size, some = 4 * channels * _BLOCK, False
    with subprocess.Popen(
        [*command, "-f", "f32le", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as decoder:
        assert decoder.stdout is not None
        try:
            while data := decoder.stdout.read(size):
                whole = len(data) // (4 * channels) * 4 * channels
                block = np.frombuffer(data[:whole], "<f4").astype(np.float32)
                some = some or len(block) > 0
                yield block if channels == 1 else block.reshape(-1, channels)
        finally:
            decoder.kill()  # nobody may want the rest
    if not some:
        raise ConfigError(
            f"{path} holds no sound that can be read: choose another music file "
            "(--set film.music=FILE), or leave it out for the music that is made here."
        )


def beats_of(music: Path, seconds: float) -> NDArray[np.float64]:
    """The beats of `seconds` of `music`, which starts again where it ends.

    Raises:
        ConfigError: it holds no sound.
    """
    samples = 0

    def counted() -> Iterator[Sound]:
        nonlocal samples
        for block in heard(music, RATE, seconds=seconds + 10):
            samples += len(block)
            yield block

    found = beats.beats(counted(), RATE)
    length = samples / RATE
    rounds = np.arange(int(seconds / length) + 1) * length
    return np.concatenate([found + start for start in rounds])


def again_and_again(music: Path) -> Iterator[Sound]:
    """Stereo blocks [N, 2] of `music`, which never end.

    Raises:
        ConfigError: it holds no sound.
    """
    while True:
        yield from heard(music, RATE, channels=2)


def _faded(blocks: Iterable[Sound], length: int) -> Iterator[Sound]:
    """The first `length` samples, faded in and out."""
    rise = min(FADE_IN, length / RATE / 4) * RATE
    fall = min(FADE_OUT, length / RATE / 3) * RATE
    at = 0
    for block in blocks:
        kept = block[: length - at]
        now = np.arange(at, at + len(kept)) + 0.5
        level = np.clip(np.minimum(now / rise, (length - now) / fall), 0, 1)
        yield np.asarray(kept * level[:, None], dtype=np.float32)
        at += len(kept)
        if at >= length:
            return


def _read(raw: Path) -> Iterator[Sound]:
    with raw.open("rb") as data:
        while block := data.read(8 * _BLOCK):
            yield np.frombuffer(block, "<f4").reshape(-1, 2).astype(np.float32)
