"""Music for a film: a bed that the project plays itself, and the beats of any sound.

`bed` is additive and FM synthesis in numpy: pads over a slow chord sequence, a plucked line,
a bass and a soft pulse at a stated tempo, in a synthetic room. Equal arguments give equal samples.

`beats` follows Ellis, "Beat Tracking by Dynamic Programming" (2007): spectral flux, tempo from
its autocorrelation under a log-normal prior, then the best chain of beats.
"""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from merzmory.errors import storage_errors

Sound = NDArray[np.float32]

BPM = 72.0  # beats a minute of the bed, unless a film asks for others
_CHORD = 8  # beats
_TAPS = 255  # of a low-pass
_LEVEL = 0.7  # of full scale, the loudest sample of a bed

# MIDI notes, bass first; the chords of a row share tones, so that the pads hardly move
_CHORDS = (
    ((38, 57, 62, 64, 66), (35, 57, 62, 64, 66), (43, 59, 62, 66, 69), (45, 57, 61, 64, 71)),
    ((43, 59, 62, 66, 69), (40, 59, 62, 64, 67), (38, 57, 62, 66, 69), (45, 57, 62, 64, 69)),
    ((40, 59, 64, 66, 67), (36, 60, 64, 66, 71), (43, 59, 62, 66, 69), (38, 57, 62, 66, 69)),
)
_SCALE = (0, 2, 4, 7, 9)  # major pentatonic, semitones above D


def bed(seconds: float, seed: int, rate: int = 44100, *, bpm: float = BPM) -> Sound:
    """A quiet, warm piece of music: float32 [N, 2] within -0.7 .. 0.7, N = seconds * rate.

    `seed` chooses the key, the chords and the melody. Beat k falls on k * 60 / `bpm` seconds.
    """
    mix = np.concatenate(list(bed_blocks(seconds, seed, rate, bpm=bpm)))
    peak = float(np.abs(mix).max())
    return np.asarray(mix * (_LEVEL / peak if peak > 0 else 0.0), dtype=np.float32)


def bed_blocks(
    seconds: float, seed: int, rate: int = 44100, *, bpm: float = BPM
) -> Iterator[Sound]:
    """The music of `bed`, chord by chord and not levelled: however long it is, it needs no more."""
    length, pulse = max(1, round(seconds * rate)), 60 / bpm  # samples, seconds
    hold = _CHORD * pulse
    rng = np.random.default_rng(seed)
    key = int(rng.integers(-4, 4))  # semitones
    chords = _CHORDS[int(rng.integers(len(_CHORDS)))]
    # a chord rings into the next ones for as long: its pads, and the echoes of its last note
    ahead = round((hold + max(3.0, 2 * pulse + 2.6)) * rate) + 2
    dry, wet = np.zeros((ahead, 2), np.float32), np.zeros((ahead, 2), np.float32)
    hall = _Convolution(_hall(rng, rate))
    smooth = _Convolution(_low_pass_taps(5200, rate))
    beat_count = int(np.ceil(seconds / pulse)) + 1
    degree, number, late = 5, 0, _TAPS // 2  # samples by which the low-pass is late
    while length > 0:
        notes = [note + key for note in chords[number % len(chords)]]
        first = round(number * hold * rate)
        for voice, note in enumerate(notes[1:]):
            _add(wet, 0, rate, _pad(note, rng, voice, hold, rate))
        _add(dry, 0, rate, _bass(notes[0], hold, rate))
        for step in range(min(_CHORD, max(0, beat_count - number * _CHORD))):
            beat = number * _CHORD + step
            _add(dry, step * pulse, rate, _thump(rate, 0.12 if beat % 4 == 0 else 0.07))
            if beat < 4:
                continue  # the line enters behind the first bar
            for half in (0.0, 0.5):
                degree = int(np.clip(degree + rng.integers(-2, 3), 0, 9))
                busy = 0.3 if (beat // 16) % 4 == 3 else 1.0  # every fourth chord pair, it rests
                if rng.random() < busy * (0.72 if half == 0 else 0.28):
                    note = 62 + key + 12 * (degree // 5) + _SCALE[degree % 5]
                    pan = 0.5 + 0.32 * np.sin(0.9 * beat + half)
                    pluck = _pluck(note, rate, rng.uniform(0.08, 0.14))
                    for echo, gain in enumerate((1.0, 0.42, 0.18)):  # 3/4 of a beat apart
                        side = pan if echo % 2 == 0 else 1 - pan
                        stereo = pluck[:, None] * np.array([1 - side, side]) ** 0.5 * gain
                        _add(wet, (step + half + 0.75 * echo) * pulse, rate, stereo)
        number += 1
        count = round(number * hold * rate) - first
        block = smooth(dry[:count] + wet[:count] + 0.5 * hall(wet[:count]))[late:][:length]
        late = 0
        length -= len(block)
        yield block
        rest = np.zeros((count, 2), np.float32)
        dry, wet = np.concatenate([dry[count:], rest]), np.concatenate([wet[count:], rest])


def bed_beats(seconds: float, *, bpm: float = BPM) -> NDArray[np.float64]:
    """Where the beats of a bed fall, in seconds from its start, up to `seconds`."""
    return np.asarray(np.arange(int(seconds * bpm / 60 + 1e-6) + 1) * (60 / bpm))


def shot_tempo(seconds: float) -> float:
    """The tempo near `BPM` at which shots of that length are whole beats, or beats whole shots."""
    count = round(seconds * BPM / 60)
    if count >= 1:
        return 60 * count / seconds
    return 60 / (seconds * round(60 / BPM / seconds))


def write_wav(path: Path, audio: Sound | Iterable[Sound], rate: int) -> None:
    """Write float32 [N, 2] or [N] within -1 .. 1, whole or in blocks, as a WAV of 16 bits.

    Raises:
        StorageError: the disk is full, or `path` cannot be written.
    """
    with storage_errors(path.parent), path.open("wb") as file, wave.open(file, "wb") as out:
        out.setsampwidth(2)
        out.setframerate(rate)
        for number, block in enumerate(_blocks(audio, rate)):
            if number == 0:
                out.setnchannels(1 if block.ndim == 1 else block.shape[1])
            out.writeframes(np.round(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())


def onsets(audio: Sound | Iterable[Sound], rate: int) -> NDArray[np.float64]:
    """How much begins to sound: float64 [T], 100 values a second, of unit deviation.

    `audio` is one channel [N], whole or block by block. Half-wave rectified difference of log
    spectra (window 46 ms), less its local mean (0.5 s). Value t looks at the window centred on
    t / 100 seconds.
    """
    hop, window = rate // 100, 2 * (rate * 23 // 1000)
    shape = np.hanning(window).astype(np.float32)
    before = np.zeros(window // 2 + 1, np.float32)
    waiting, heard = np.zeros(window // 2, np.float32), 0
    found = [np.zeros(0)]
    for block in (*_blocks(audio, 5 * rate), None):
        heard += 0 if block is None else len(block)
        behind = np.zeros(window, np.float32) if block is None else block
        waiting = np.concatenate([waiting, behind])
        count = max(0, (len(waiting) - window) // hop + 1)
        index = np.arange(count)[:, None] * hop + np.arange(window)
        spectrum = np.log1p(100 * np.abs(np.fft.rfft(waiting[index] * shape, axis=1)))
        steps = np.diff(np.vstack([before[None], spectrum]), axis=0)
        found.append(np.maximum(steps, 0).sum(axis=1))
        before = spectrum[-1].astype(np.float32) if count else before
        waiting = waiting[count * hop :]
    flux = np.concatenate(found)[: max(1, heard // hop)]
    local = np.convolve(np.pad(flux, 25, mode="edge"), np.full(51, 1 / 51), "valid")
    risen = np.maximum(flux - local, 0)
    deviation = float(risen.std())
    return np.asarray(risen / deviation if deviation > 1e-9 else risen, dtype=np.float64)


def tempo(envelope: NDArray[np.float64], *, centre: float = 110.0, octaves: float = 0.9) -> float:
    """Beats a minute of an `onsets` envelope, between 40 and 220; 0 where nothing repeats.

    The autocorrelation is weighed by exp(-(log2(bpm / centre) / octaves)^2 / 2) (Ellis 2007).
    """
    if len(envelope) < 200 or not envelope.any():
        return 0.0
    size = 1 << (2 * len(envelope) - 1).bit_length()
    power = np.abs(np.fft.rfft(envelope - envelope.mean(), size)) ** 2
    correlation = np.fft.irfft(power)[: len(envelope)]
    lags = np.arange(27, min(151, len(envelope) // 2))  # 222 .. 40 beats a minute
    prior = np.exp(-0.5 * (np.log2(6000 / lags / centre) / octaves) ** 2)
    score = correlation[lags] * prior
    best = int(score.argmax())
    if score[best] <= 0:
        return 0.0
    shift = 0.0
    if 0 < best < len(lags) - 1:  # a parabola through three lags finds the peak between them
        a, b, c = correlation[lags[best] - 1 : lags[best] + 2]
        shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c < 0 else 0.0
    return float(6000 / (lags[best] + np.clip(shift, -0.5, 0.5)))


def beats(audio: Sound | Iterable[Sound], rate: int) -> NDArray[np.float64]:
    """Where the beats of a sound fall, in seconds; empty where there are none.

    `audio` is one channel [N], whole or block by block.
    """
    envelope = onsets(audio, rate)
    speed = tempo(envelope)
    if speed == 0:
        return np.zeros(0)
    period = 6000 / speed  # hundredths of a second
    smooth = np.convolve(envelope, np.exp(-0.5 * (np.arange(-6, 7) / 2) ** 2), "same")
    back = np.arange(round(period / 2), round(2 * period) + 1)  # the beat before lies that far
    cost = -100 * np.log(back / period) ** 2  # Ellis's tightness
    score, chain = smooth.copy(), np.full(len(smooth), -1)
    for now in range(int(back[0]), len(smooth)):
        reach = back[back <= now]
        candidates = score[now - reach] + cost[: len(reach)]
        best = int(candidates.argmax())
        if candidates[best] > 0:
            score[now] += candidates[best]
            chain[now] = now - reach[best]
    at = len(score) - 1 - int(score[::-1][: round(period) + 1].argmax())
    found = []
    while at >= 0:
        found.append(at)
        at = int(chain[at])
    # a window reaches ahead of its centre and hears a beat about a hundredth early
    return (np.array(found[::-1]) + 1) / 100


def _hertz(note: float) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


def _time(seconds: float, rate: int) -> NDArray[np.float64]:
    return np.asarray(np.arange(round(seconds * rate)) / rate, dtype=np.float64)


def _add(mix: Sound, start: float, rate: int, sound: NDArray[np.float64]) -> None:
    at = round(start * rate)
    part = sound[: max(0, len(mix) - at)]
    mix[at : at + len(part)] += part if part.ndim == 2 else part[:, None]


def _pad(
    note: int, rng: np.random.Generator, voice: int, hold: float, rate: int
) -> NDArray[np.float64]:
    """A swelling voice [N, 2]; partials above the third open and close like a slow filter."""
    release = 3.0  # seconds
    t = _time(hold + release, rate)
    rise = np.sin(0.5 * np.pi * np.clip(t / 2.2, 0, 1)) ** 2
    fall = np.cos(0.5 * np.pi * np.clip((t - hold) / release, 0, 1)) ** 2
    open_ = 0.5 - 0.5 * np.cos(2 * np.pi * (t / hold + voice / 4))
    sound = np.zeros((len(t), 2))
    for side, cents in enumerate((-4.0, 4.0)):
        base = _hertz(note + (cents + rng.uniform(-1, 1)) / 100)
        for partial in range(1, 7):
            phase = rng.uniform(0, 2 * np.pi)
            level = partial**-1.25
            tone = level * np.sin(2 * np.pi * base * partial * t + phase)
            sound[:, side] += tone if partial < 3 else tone * open_
    pan = 0.5 + 0.16 * (voice - 1.5)
    sound *= (0.06 * rise * fall)[:, None] * np.array([1 - pan, pan]) ** 0.5
    return sound


def _bass(note: int, hold: float, rate: int) -> NDArray[np.float64]:
    t = _time(hold + 0.8, rate)
    swell = np.clip(t / 0.4, 0, 1) * np.clip((hold + 0.8 - t) / 1.6, 0, 1)
    base = _hertz(note)
    return 0.085 * swell * (np.sin(2 * np.pi * base * t) + 0.25 * np.sin(4 * np.pi * base * t))


def _pluck(note: int, rate: int, level: float) -> NDArray[np.float64]:
    """An electric-piano tone: two-operator FM whose index decays faster than the tone."""
    t = _time(2.6, rate)
    base = 2 * np.pi * _hertz(note) * t
    tone = np.sin(base + 1.4 * np.exp(-t / 0.25) * np.sin(base))
    soft = np.clip(t / 0.006, 0, 1) * np.clip((2.6 - t) / 0.3, 0, 1)
    return np.asarray(level * soft * np.exp(-t / 0.7) * tone)


def _thump(rate: int, level: float) -> NDArray[np.float64]:
    """A felt mallet on a low drum: 52 Hz, falling from 90 Hz."""
    t = _time(0.5, rate)
    phase = 2 * np.pi * (52 * t + 38 * 0.03 * (1 - np.exp(-t / 0.03)))
    soft = np.clip(t / 0.004, 0, 1) * np.clip((0.5 - t) / 0.1, 0, 1)
    return np.asarray(level * soft * np.exp(-t / 0.13) * np.sin(phase))


def _hall(rng: np.random.Generator, rate: int) -> NDArray[np.float64]:
    """What a hall answers to a click: 2.4 s of decaying noise, darker as it decays."""
    t = _time(2.4, rate)
    noise = rng.standard_normal((len(t), 2)) * np.exp(-t / 0.55)[:, None]
    dark = _Convolution(_low_pass_taps(2400, rate))(noise).astype(np.float64)
    return np.asarray(dark / np.sqrt((dark**2).sum(axis=0)))


def _low_pass_taps(hertz: float, rate: int) -> NDArray[np.float64]:
    """A windowed-sinc low-pass, half its taps late."""
    n = np.arange(_TAPS) - _TAPS // 2
    taps = 2 * hertz / rate * np.sinc(2 * hertz / rate * n) * np.hamming(_TAPS)
    return np.repeat((taps / taps.sum())[:, None], 2, axis=1)


class _Convolution:
    """Blocks [N, 2] convolved with a kernel [K, 2]: what rings on is added to the next block."""

    def __init__(self, kernel: NDArray[np.float64]) -> None:
        self._kernel = kernel
        self._ringing = np.zeros((0, 2))

    def __call__(self, block: NDArray[Any]) -> NDArray[np.float32]:
        length = len(block) + len(self._kernel) - 1
        size = next_fast_len(length, real=True)
        spectrum = rfft(block, size, axis=0) * rfft(self._kernel, size, axis=0)
        out = irfft(spectrum, size, axis=0)[: max(length, len(self._ringing))]
        out[: len(self._ringing)] += self._ringing
        self._ringing = out[len(block) :]
        return np.asarray(out[: len(block)], dtype=np.float32)


def _blocks(audio: Sound | Iterable[Sound], length: int) -> Iterator[Sound]:
    if isinstance(audio, np.ndarray):
        yield from (audio[start : start + length] for start in range(0, len(audio), length))
    else:
        yield from audio
