"""What a film costs: against moviepy's compositor, in memory, and in time with its sound.

    python benchmarks/film.py compare         CPU-seconds of one film, by both
    python benchmarks/film.py memory          peak memory of a short film and of one ten times as long
    python benchmarks/film.py sync            flashes and clicks of ten minutes, found back

Each side runs in a process of its own; CPU-seconds are its own and its encoder's. Both have the
same encoder with the same settings. moviepy's fades are linear, ours are eased, and ours begins and
ends in near-black; only ours finds the beats and levels the music.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (1280, 720)
SLIDES, SECONDS, FADE, FPS = 20, 2.05, 1.0, 25  # 1025 frames


def main() -> None:
    what, *rest = sys.argv[1:] or ["compare"]
    if rest:  # one side
        print(json.dumps(SIDES[what](Path(rest[0]), *map(float, rest[1:]))))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if what == "compare":
            for number in range(SLIDES):
                pictures(folder, number)
            music(folder / "music.wav", SLIDES * SECONDS)
            sides = [side(name, folder) for name in ("theirs", "ours", "theirs_moved", "moved")]
            print(f"{SLIDES} slides, {SLIDES * SECONDS:g} s, {SIZE[0]} x {SIZE[1]}, {FPS} fps")
            names = ("moviepy's compositor", "ours", "moviepy's, moving", "ours, moving")
            for name, found in zip(names, sides, strict=True):
                print(
                    f"{name:22} {found['cpu']:6.1f} CPU-s ({found['encoder']:.1f} ffmpeg's) "
                    f"{found['mb']:5.0f} MB"
                )
            still, moving = (sides[n]["cpu"] / sides[n + 1]["cpu"] for n in (0, 2))
            print(f"ratio {still:.2f} with still pictures, {moving:.2f} with moving ones (ours do)")
        elif what == "memory":
            for number in range(4):
                pictures(folder, number)
            for seconds in (20, 200):
                found = side("long", folder, seconds)
                print(f"{seconds:4d} s of film: {found['mb']:.0f} MB")
        else:
            print(json.dumps(side("sync", folder, float(600))))


def side(name: str, *arguments: Any) -> dict[str, float]:
    """One side's numbers, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, f"side-{name}", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def pictures(folder: Path, number: int) -> None:
    """A part of one of scikit-image's photographs, enlarged by Lanczos as the project's pictures are."""
    from skimage import data

    names = ("astronaut", "coffee", "chelsea", "rocket")
    whole = Image.fromarray(getattr(data, names[number % len(names)])())
    turn = number // len(names)  # each time another part of it
    width = whole.width - 12 * turn
    height = round(width * SIZE[1] / SIZE[0])
    top = (whole.height - height) * turn // 4
    part = whole.crop((6 * turn, top, 6 * turn + width, top + height))
    part.resize(SIZE, Image.Resampling.LANCZOS).save(folder / f"{number:02d}.png")


def music(path: Path, seconds: float) -> None:
    from merzmory.film import beats

    bpm = beats.shot_tempo(SECONDS)  # a cut on a beat is where moviepy's film cuts
    beats.write_wav(path, beats.bed_blocks(seconds, 1, bpm=bpm), 44100)


def _used(**more: float) -> dict[str, float]:
    own, encoder = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu = own.ru_utime + own.ru_stime + encoder.ru_utime + encoder.ru_stime
    more |= {"encoder": encoder.ru_utime + encoder.ru_stime}
    scale = 1024 if sys.platform != "darwin" else 1024**2
    return {"cpu": cpu, "mb": own.ru_maxrss / scale, **more}


def theirs(folder: Path, motion: float = 0.0) -> dict[str, float]:
    """The film by moviepy's CompositeVideoClip and CrossFadeIn, written as ours is."""
    from moviepy import AudioFileClip, CompositeVideoClip, ImageClip
    from moviepy.video.fx import CrossFadeIn

    from merzmory.film import pixels
    from merzmory.film.codecs import CODECS
    from merzmory.film.encode import _FILTER, _THREADS

    clips = []
    for number in range(SLIDES):
        start = max(0.0, number * SECONDS - FADE / 2)
        end = min(SLIDES * SECONDS, (number + 1) * SECONDS + FADE / 2)
        clip = ImageClip(str(folder / f"{number:02d}.png"), duration=end - start)
        if motion:  # as ours: larger by `motion` at one end of the shot
            clip = clip.resized(lambda t, d=clip.duration: 1 + motion * t / d)
            clip = clip.with_position("center")
        clip = clip.with_start(start)
        clips.append(clip.with_effects([CrossFadeIn(FADE)]) if number else clip)
    film = CompositeVideoClip(clips, size=SIZE).with_duration(SLIDES * SECONDS)
    film = film.with_audio(AudioFileClip(str(folder / "music.wav")))
    film.write_videofile(
        str(folder / "theirs.mp4"), fps=FPS, codec="libx264", preset="medium", threads=_THREADS,
        audio_codec="aac", audio_bitrate="192k", logger=None,
        temp_audiofile=str(folder / "theirs.m4a"),
        ffmpeg_params=["-vf", _FILTER[pixels.RGB], *CODECS["h264"].params],
    )  # fmt: skip
    return _used()


def theirs_moved(folder: Path) -> dict[str, float]:
    return theirs(folder, 0.06)


def ours(folder: Path, motion: float = 0.0) -> dict[str, float]:
    from merzmory.film.montage import slideshow
    from merzmory.manifest import do

    do(
        slideshow(
            pictures=[folder / f"{number:02d}.png" for number in range(SLIDES)],
            folder=folder / f"ours-{motion}",
            seconds_per_picture=SECONDS,
            fade=FADE,
            fps=FPS,
            size=SIZE,
            music=folder / "music.wav",
            settings={},
            motion=motion,
        )
    )
    return _used()


def moved(folder: Path) -> dict[str, float]:
    return ours(folder, 0.06)


def long(folder: Path, seconds: float) -> dict[str, float]:
    """A film of four pictures in turn, with the bed."""
    from merzmory.film.montage import slideshow
    from merzmory.manifest import do

    count = round(seconds / 2)
    work = slideshow(
        pictures=[folder / f"{number % 4:02d}.png" for number in range(count)],
        folder=folder / f"long-{seconds}", seconds_per_picture=2.0, fade=0.5, fps=12,
        size=(640, 360), music=None, settings={},
    )  # fmt: skip
    do(work)
    return _used()


def sync(folder: Path, seconds: float) -> dict[str, float]:
    """A flash and a click every five seconds, through the whole way of a film."""
    from merzmory.film import beats, sound
    from merzmory.film.codecs import ffmpeg
    from merzmory.film.montage import walk_film
    from merzmory.manifest import do

    every, rate = 5, sound.RATE

    def clicks() -> Any:
        block = np.zeros((every * rate, 2), np.float32)
        block[:400] = 0.8 * np.sin(np.arange(400) * 0.2)[:, None]
        for _ in range(int(seconds) // every):
            yield block

    def flash(index: int) -> NDArray[np.uint8]:
        return np.full((48, 64, 3), 235 if index % (every * FPS) == 0 else 16, np.uint8)

    beats.write_wav(folder / "clicks.wav", clicks(), rate)
    made = do(
        walk_film(
            frames=round(seconds * FPS),
            frame=flash,
            folder=folder / "sync",
            fps=FPS,
            size=(64, 48),
            music=folder / "clicks.wav",
            settings={},
        )
    )
    film = made / "film.mp4"
    quiet = [ffmpeg(), "-v", "error", "-i", str(film)]
    raw = subprocess.run(
        [*quiet, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    said = subprocess.run(
        [ffmpeg(), "-hide_banner", "-i", str(film), "-map", "0:v", "-vf", "showinfo", "-f", "null", "-"],
        capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    times = [float(part.split()[0]) for part in said.split("pts_time:")[1:]]
    light = np.frombuffer(raw, np.uint8).reshape(len(times), -1).mean(axis=1)
    seen = np.array(times)[light > 128]
    heard = np.concatenate(list(sound.heard(film, rate)))
    loud = np.abs(heard) > 0.25 * np.abs(heard[rate * 2 : -rate * 3]).max()
    onsets = np.flatnonzero(loud[1:] & ~loud[:-1])
    onsets = onsets[np.diff(onsets, prepend=-rate) > rate] / rate
    apart = np.array([onsets[np.abs(onsets - at).argmin()] - at for at in seen[1:-1]])
    return {
        "minutes": seconds / 60, "flashes": len(seen), "frames": len(times),
        "worst_ms": float(np.abs(apart).max() * 1000), "drift_ms": float(apart[-1] - apart[0]) * 1000,
        "a_frame_ms": 1000 / FPS,
    }  # fmt: skip


SIDES: dict[str, Any] = {
    f"side-{one.__name__}": one for one in (theirs, theirs_moved, ours, moved, long, sync)
}

if __name__ == "__main__":
    main()
