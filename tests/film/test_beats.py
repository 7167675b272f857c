"""A bed is music that can be relied on; beats are found where they were put."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merzmory.film import beats

RATE = 44100


@pytest.fixture(scope="module")
def bed() -> beats.Sound:
    return beats.bed(20, seed=1, bpm=80)


def band(sound: beats.Sound, low: float, high: float) -> float:
    """The share of power between two frequencies."""
    power = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    return float(power[(hertz >= low) & (hertz < high)].sum() / power.sum())


def test_bed_is_stereo_and_as_long_as_asked(bed: beats.Sound) -> None:
    assert bed.shape == (20 * RATE, 2)
    assert bed.dtype == np.float32
    assert 0.2 < np.corrcoef(bed.T)[0, 1] < 0.95  # wide, and still one place


def test_bed_neither_clips_nor_falls_silent(bed: beats.Sound) -> None:
    assert np.abs(bed).max() == pytest.approx(0.7, abs=1e-4)
    assert abs(float(bed.mean())) < 1e-3
    seconds = np.sqrt((bed[2 * RATE :] ** 2).reshape(-1, RATE, 2).mean(axis=(1, 2)))
    assert seconds.min() > 0.04
    assert seconds.max() / seconds.min() < 4  # nothing that startles


def test_bed_is_warm(bed: beats.Sound) -> None:
    assert band(bed, 120, 1000) > 0.5
    assert band(bed, 6000, RATE / 2) < 1e-4


def test_bed_has_no_clicks(bed: beats.Sound) -> None:
    """A jump between neighbouring samples would be far above a 2 kHz tone's steepest slope."""
    assert np.abs(np.diff(bed, axis=0)).max() < 2 * np.pi * 2000 / RATE * 0.7


def test_seed_and_only_the_seed_makes_the_bed(bed: beats.Sound) -> None:
    assert np.array_equal(bed, beats.bed(20, seed=1, bpm=80))
    assert not np.array_equal(bed[:RATE], beats.bed(1, seed=2, bpm=80))


def test_the_beats_of_a_bed_are_heard_where_it_says(bed: beats.Sound) -> None:
    mono = bed.mean(axis=1)
    assert beats.tempo(beats.onsets(mono, RATE)) == pytest.approx(80, rel=0.01)
    put = beats.bed_beats(20, bpm=80)
    away = [np.abs(put - found).min() for found in beats.beats(mono, RATE)]
    assert np.mean(np.array(away) < 0.07) > 0.9


@pytest.mark.parametrize("bpm", [63, 80, 96, 119, 127, 150])
def test_clicks_are_found(bpm: int) -> None:
    rng = np.random.default_rng(bpm)
    sound = (rng.standard_normal(20 * RATE) * 0.01).astype(np.float32)
    put = np.arange(0.37, 19.5, 60 / bpm)
    click = np.sin(np.arange(800) * 0.15) * np.exp(-np.arange(800) / 200)
    for second in put:
        at = int(second * RATE)
        sound[at : at + 800] += click.astype(np.float32)
    found = beats.beats(sound, RATE)
    away = np.array([found[np.abs(found - second).argmin()] - second for second in put])
    assert np.mean(np.abs(away) < 0.07) > 0.95
    assert abs(np.median(away)) < 0.005
    inside = found[(found > put[0] - 0.1) & (found < put[-1] + 0.1)]
    assert abs(len(inside) - len(put)) <= 1


@pytest.mark.parametrize("seconds", [0.0, 0.01, 10.0])
def test_silence_has_no_beat(seconds: float) -> None:
    assert len(beats.beats(np.zeros(round(seconds * RATE), np.float32), RATE)) == 0


@given(st.floats(0.05, 60))
def test_shots_are_whole_beats_or_beats_are_whole_shots(seconds: float) -> None:
    bpm = beats.shot_tempo(seconds)
    count = seconds * bpm / 60
    assert min(abs(count - round(count)), abs(1 / count - round(1 / count))) < 1e-6
    assert 36 <= bpm <= 144


def test_wav_gives_the_samples_back(tmp_path: Path) -> None:
    sound = np.array([[0, 0.5], [-1, 1.5]], np.float32)  # 1.5 is clipped
    beats.write_wav(tmp_path / "a.wav", sound, 48000)
    with wave.open(str(tmp_path / "a.wav")) as found:
        assert (found.getnchannels(), found.getframerate(), found.getsampwidth()) == (2, 48000, 2)
        whole = np.frombuffer(found.readframes(9), "<i2").reshape(-1, 2)
    assert whole.tolist() == [[0, 16384], [-32767, 32767]]
