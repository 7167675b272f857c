"""A film is decoded by the bundled ffmpeg, another program than the one that is tested."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Film:
    """What a player would see and hear."""

    frames: NDArray[np.uint8]  # [T, H, W, 3]
    sound: NDArray[np.float32]  # [N, 2] at 44100 Hz
    said: str  # ffmpeg's description of the streams

    @property
    def fps(self) -> float:
        found = re.search(r"([\d.]+) fps", self.said)
        assert found
        return float(found.group(1))


def _decode(path: Path) -> Film:
    tool = imageio_ffmpeg.get_ffmpeg_exe()
    said = subprocess.run(
        [tool, "-hide_banner", "-i", str(path)], capture_output=True, text=True, check=False
    ).stderr
    size = re.search(r"Video: .*?, (\d+)x(\d+)[, ]", said)
    assert size, said
    width, height = int(size.group(1)), int(size.group(2))
    quiet = [tool, "-v", "error", "-i", str(path)]
    # -fps_mode passthrough: neither doubled nor dropped frames are hidden
    raw = subprocess.run(
        [
            *quiet,
            "-map",
            "0:v",
            "-fps_mode",
            "passthrough",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-",
        ],
        capture_output=True,
        check=True,
    ).stdout
    sound = b""
    if "Audio:" in said:
        sound = subprocess.run(
            [*quiet, "-map", "0:a", "-ac", "2", "-ar", "44100", "-f", "f32le", "-"],
            capture_output=True,
            check=True,
        ).stdout
    return Film(
        np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3),
        np.frombuffer(sound, "<f4").reshape(-1, 2),
        said,
    )


@pytest.fixture
def decode() -> Callable[[Path], Film]:
    """Decode a film with the bundled ffmpeg."""
    return _decode


@pytest.fixture
def colours(tmp_path: Path) -> list[Path]:
    """Four pictures of one colour each."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    found = []
    for name, colour in {
        "red": (200, 30, 30),
        "green": (30, 160, 40),
        "blue": (40, 50, 210),
        "grey": (128, 128, 128),
    }.items():
        found.append(folder / f"{name}.png")
        Image.new("RGB", (96, 96), colour).save(found[-1])
    return found
