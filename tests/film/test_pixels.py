"""A frame in luma and halved chromas is the frame in RGB: neither another colour, nor elsewhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from merzmory.film import pixels
from merzmory.film.codecs import ffmpeg
from merzmory.film.slides import Look, Slides

Picture = NDArray[np.uint8]


def soft(width: int, height: int) -> Picture:
    """Colours that change slowly, another one at each edge."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([40 + 200 * x, 230 - 190 * y, 60 + 150 * x * y], axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),  # the 75 % bars' big sister: BT.709, 8 bits
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_colours_are_those_of_bt_709(
    colour: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    picture = np.broadcast_to(np.array(colour, np.uint8), (4, 6, 3)).copy()
    for frame in (pixels.yuv(picture), pixels.plain(colour, (6, 4), pixels.YUV)):
        found = [plane.ravel().tolist() for plane in pixels.planes(frame)]
        for plane, value in zip(found, expected, strict=True):
            assert max(abs(v - value) for v in plane) <= 1
    assert np.abs(pixels.rgb(pixels.yuv(picture)).astype(int) - colour).max() <= 2


def test_ffmpeg_converts_alike() -> None:
    edges = np.full((96, 128, 3), 40, np.uint8)
    edges[:, 33:] = (200, 30, 30)  # between the columns of a chroma
    edges[41:] = (30, 60, 220)
    edges[41:, 65:] = (230, 220, 40)
    told = [ffmpeg(), "-v", "error", "-f", "rawvideo", "-s", "128x96", "-pix_fmt", "rgb24"]
    told += ["-i", "-", "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p"]
    done = subprocess.run(
        [*told, "-f", "rawvideo", "-"], input=edges.tobytes(), capture_output=True, check=True
    )
    theirs = np.frombuffer(done.stdout, np.uint8).reshape(144, 128)
    for ours, other in zip(pixels.planes(pixels.yuv(edges)), pixels.planes(theirs), strict=True):
        apart = ours.astype(int) - other
        assert np.abs(np.median(apart)) <= 1
        assert np.abs(apart).max() <= 6  # its filter rings a little where colours meet
        assert np.abs(apart.mean()) < 0.5


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_frame_is_its_planes(half_width: int, half_height: int) -> None:
    frame = pixels.plain((200, 30, 30), (2 * half_width, 2 * half_height), pixels.YUV)
    assert pixels.size_of(frame) == (2 * half_width, 2 * half_height)
    luma, blue, red = pixels.planes(frame)
    assert luma.shape == (2 * half_height, 2 * half_width)
    assert blue.shape == red.shape == (half_height, half_width)
    red[:] = 7
    assert (frame == 7).sum() == red.size


@pytest.mark.parametrize("sides", [(97, 61), (61, 97), (200, 113), (130, 74), (33, 300)])
@pytest.mark.parametrize("look", [Look(), Look(0), Look(0.15, fill=True)])
def test_slides_are_the_same_in_both(tmp_path: Path, sides: tuple[int, int], look: Look) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(soft(*sides)[:: 1 if name == "a.png" else -1]).save(tmp_path / name)
    plain, halved = (
        Slides(
            [tmp_path / "a.png", tmp_path / "b.png"] * 2, [0, 9, 18, 27, 36], 6, (130, 74),
            look=look, captions=["May 2014 · Köln"] * 4, wipes=frozenset({2}), kind=kind,
        )
        for kind in (pixels.RGB, pixels.YUV)
    )  # fmt: skip
    for index in (0, 4, 8, 9, 10, 17, 18, 19, 22, 35):
        expected, found = pixels.planes(pixels.yuv(plain(index))), pixels.planes(halved(index))
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            # halving and moving change places, so that chromas differ where the picture ends
            apart = np.abs(one.astype(int) - other)
            assert apart.mean() < 0.5
            assert apart.max() <= (6 if number else 2)
