"""Sound is as long as the film, as loud as wanted, and in time with the pictures."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from merzmory.errors import ConfigError
from merzmory.film import beats, codecs, encode, loudness, sound

Decode = Callable[[Path], Any]
RATE = sound.RATE


def tone(path: Path, seconds: float, level: float = 0.5, hertz: float = 440) -> Path:
    t = np.arange(round(seconds * RATE)) / RATE
    beats.write_wav(path, (level * np.sin(2 * np.pi * hertz * t)).astype(np.float32), RATE)
    return path


def as_ffmpeg_hears(path: Path) -> tuple[float, float]:
    """LUFS and dBTP by the ebur128 filter, a program of other people."""
    said = subprocess.run(
        [codecs.ffmpeg(), "-hide_banner", "-nostdin", "-i", str(path),
         "-af", "ebur128=peak=true", "-f", "null", "-"],
        capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    summary = said[said.rindex("Summary:") :]
    loud, peak = re.search(r"I:\s+(\S+) LUFS", summary), re.search(r"Peak:\s+(\S+) dBFS", summary)
    assert loud
    assert peak
    return float(loud[1]), float(peak[1])


def test_the_weighting_is_the_standards() -> None:
    """The coefficients that BS.1770 prints for 48 kHz."""
    shelf, high_pass = loudness.weighting(48000)
    assert shelf == pytest.approx(
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241,
         0.73248077421585], abs=1e-8,
    )  # fmt: skip
    assert high_pass == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621], abs=1e-8)


def test_a_full_scale_tone_measures_as_the_standard_says() -> None:
    """One channel of 997 Hz at 0 dBFS is -3.01 LUFS (BS.1770-5), and so is its true peak 0 dB."""
    t = np.arange(5 * 48000) / 48000
    one = np.zeros((len(t), 2), np.float32)
    one[:, 0] = np.sin(2 * np.pi * 997 * t)
    found = loudness.measure(np.array_split(one, 17), 48000)
    assert found.lufs == pytest.approx(-3.01, abs=0.02)
    assert found.true_peak == pytest.approx(0, abs=0.05)


def test_a_peak_between_samples_is_found() -> None:
    """A quarter of the sampling rate at 45 degrees: its samples stay 3 dB below its peak."""
    n = np.arange(44100)
    wave = np.sin(2 * np.pi * n / 4 + np.pi / 4).astype(np.float32)[:, None]
    assert np.abs(wave).max() == pytest.approx(0.7071, abs=1e-3)
    assert loudness.measure([wave], 44100).true_peak == pytest.approx(0, abs=0.3)


def test_silence_has_no_loudness_and_stays_silent() -> None:
    quiet = np.zeros((44100, 2), np.float32)
    found = loudness.measure([quiet], 44100)
    assert found.lufs == found.true_peak == -np.inf
    assert loudness.gain(found, -16) == 1


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 999), st.lists(st.integers(1, 30000), min_size=1, max_size=6))
def test_the_limiter_keeps_the_ceiling_and_the_length(seed: int, lengths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    blocks = [rng.standard_normal((n, 2)).astype(np.float32) for n in lengths]
    out = list(loudness.limited(blocks, 44100, 1.5))
    whole = np.concatenate(out)
    assert len(whole) == sum(lengths)
    peak = loudness.measure([whole], 44100).true_peak
    assert peak <= loudness.CEILING + 0.15


def test_blocks_do_not_matter_to_the_limiter() -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((60000, 2)).astype(np.float32)
    together = np.concatenate(list(loudness.limited([noise], 44100, 0.8)))
    apart = np.concatenate(list(loudness.limited(np.array_split(noise, 13), 44100, 0.8)))
    assert np.abs(together - apart).max() < 1e-4


@pytest.mark.parametrize("level", [0.02, 0.9])
def test_music_is_levelled_as_others_measure_it(tmp_path: Path, level: float) -> None:
    music = tone(tmp_path / "tone.wav", 3, level)
    sound.write(tmp_path / "out.wav", music, seconds=9, seed=0, bpm=72, loudness=-20)
    loud, peak = as_ffmpeg_hears(tmp_path / "out.wav")
    assert loud == pytest.approx(-20, abs=0.2)
    assert peak <= -1.4
    assert not (tmp_path / "out.f32").exists()


def test_a_bed_that_is_wanted_loud_is_limited(tmp_path: Path) -> None:
    sound.write(tmp_path / "out.wav", None, seconds=12, seed=5, bpm=72, loudness=-8)
    loud, peak = as_ffmpeg_hears(tmp_path / "out.wav")
    assert peak <= -1.3
    assert -10 < loud < -7


@pytest.mark.parametrize("seconds", [0.7, 9.0])
def test_music_is_looped_or_cut_and_faded(tmp_path: Path, seconds: float) -> None:
    music = tone(tmp_path / "tone.wav", seconds)
    sound.write(tmp_path / "out.wav", music, seconds=4, seed=0, bpm=72, loudness=-12)
    found = np.concatenate(list(sound.heard(tmp_path / "out.wav", RATE, channels=2)))
    assert len(found) == 4 * RATE
    loud = np.sqrt((found**2).reshape(-1, 8820).mean(axis=1))
    assert loud[12:24].min() > 0.15
    assert loud[0] < 0.1
    assert loud[-1] < 0.1


@pytest.mark.parametrize("content", [None, b"not music", b""])
def test_what_is_no_music_is_named(tmp_path: Path, content: bytes | None) -> None:
    music = tmp_path / "song.mp3"
    if content is not None:
        music.write_bytes(content)
    with pytest.raises(ConfigError, match=r"song\.mp3 holds no sound .* film\.music=FILE"):
        sound.write(tmp_path / "out.wav", music, seconds=2, seed=0, bpm=72)


def test_two_channels_become_one(tmp_path: Path) -> None:
    left_only = np.zeros((44100, 2), np.float32)
    left_only[:, 0] = 0.5
    beats.write_wav(tmp_path / "a.wav", left_only, 44100)
    found = np.concatenate(list(sound.heard(tmp_path / "a.wav", 22050, seconds=0.5)))
    assert len(found) == 11025
    assert np.abs(found[100:-100] - 0.25).max() < 0.12


@pytest.mark.parametrize(("fps", "name"), [(24, "h264"), (30, "h264"), (25, "prores")])
def test_flashes_and_clicks_stay_together(
    tmp_path: Path, decode: Decode, fps: int, name: str
) -> None:
    """Six seconds, a flash and a click each second: both are found back within a few samples."""
    codec, seconds = codecs.codec(name), 6
    click = np.zeros((seconds * RATE, 2), np.float32)
    for second in range(1, seconds):
        click[second * RATE : second * RATE + 400] = 0.8 * np.sin(np.arange(400) * 0.2)[:, None]
    beats.write_wav(tmp_path / "clicks.wav", click, RATE)

    def flash(index: int) -> NDArray[np.uint8]:
        return np.full((48, 64, 3), 235 if index and index % fps == 0 else 16, np.uint8)

    film = tmp_path / f"sync{codec.suffix}"
    places = [tmp_path / f"{n}{codec.suffix}" for n in range(3)]
    for place, start in zip(places, (0, fps + 7, 4 * fps), strict=True):
        stop = {0: fps + 7, fps + 7: 4 * fps}.get(start, seconds * fps)
        encode.write_stretch(place, flash, range(start, stop), fps, codec=codec)
    heard = tmp_path / f"sound{codec.sound_suffix}"
    encode.write_sound(heard, tmp_path / "clicks.wav", codec)
    encode.join(film, places, sound=heard, seconds=seconds, record={})
    found = decode(film)
    seen = np.flatnonzero(found.frames[:, 24, 32, 0] > 128) / fps
    loud = np.abs(found.sound[:, 0]) > 0.3
    onsets = np.flatnonzero(loud[1:] & ~loud[:-1])
    onsets = onsets[np.diff(onsets, prepend=-RATE) > RATE // 2] / RATE
    assert len(seen) == len(onsets) == seconds - 1
    assert np.abs(seen - onsets).max() < 0.003  # a frame is 0.033 s or more
