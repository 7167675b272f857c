"""Slideshows and walks: cuts where they belong, cross-fades half-way in the middle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from merzmory.errors import ArchiveError, ConfigError, SettingsDifferError
from merzmory.film import beats, montage
from merzmory.film.slides import WALL, Slides, eased, fit
from merzmory.manifest import do, read_manifest
from merzmory.provenance import read_mp4

Decode = Callable[[Path], Any]


def middle(frame: NDArray[np.uint8]) -> list[int]:
    return [int(v) for v in frame[frame.shape[0] // 2, frame.shape[1] // 2]]


def test_slideshow_end_to_end(tmp_path: Path, decode: Decode, colours: list[Path]) -> None:
    folder = tmp_path / "film-1"
    knobs: dict[str, Any] = {
        "pictures": colours, "folder": folder, "seconds_per_picture": 1.0, "fade": 0.5, "fps": 20,
        "size": (128, 72), "music": None,
    }  # fmt: skip
    assert do(montage.slideshow(**knobs, settings={"a": 1})) == folder
    names = {path.name for path in folder.iterdir()}
    assert names == {"film.mp4", "poster.jpg", "settings.json", "manifest.jsonl"}
    lines = read_manifest(folder)
    assert [line["source"] for line in lines] == ["red.png", "green.png", "blue.png", "grey.png"]
    assert [line["start"] for line in lines] == [0, 1, 2, 3]
    assert [line["seconds"] for line in lines] == [1, 1, 1, 1]
    assert read_mp4(folder / "film.mp4")["frames"] == 80

    film = decode(folder / "film.mp4")
    assert film.frames.shape == (80, 72, 128, 3)
    assert len(film.sound) / 44100 == pytest.approx(4, abs=0.05)
    assert np.abs(film.sound).max() > 0.1
    for found, expected in [
        (film.frames[0], WALL),
        (film.frames[10], (200, 30, 30)),
        (film.frames[20], (115, 95, 35)),  # half red, half green
        (film.frames[50], (40, 50, 210)),
        (film.frames[60], (84, 89, 169)),
    ]:
        assert np.abs(np.array(middle(found)) - expected).max() <= 6
    assert np.abs(film.frames[30][:, :22].astype(int) - WALL).max() <= 6  # letterbox

    assert montage.slideshow(**knobs, settings={"a": 1}).shards == 0
    with pytest.raises(SettingsDifferError, match="a"):
        montage.slideshow(**knobs, settings={"a": 2})


def test_frames_come_from_their_index_alone(colours: list[Path]) -> None:
    slides = Slides(colours, [0, 10, 20, 30, 40], 6, (64, 64))
    forwards = [slides(i).copy() for i in range(40)]
    again = Slides(colours, [0, 10, 20, 30, 40], 6, (64, 64))
    for i in reversed(range(40)):
        assert np.array_equal(again(i), forwards[i])


def test_without_a_fade_a_cut_is_a_cut(colours: list[Path]) -> None:
    slides = Slides(colours[:2], [0, 5, 10], 0, (64, 64))
    assert [middle(slides(i)) for i in (0, 4)] == [[200, 30, 30]] * 2
    assert [middle(slides(i)) for i in (5, 9)] == [[30, 160, 40]] * 2


def test_a_fade_is_at_most_a_shot(colours: list[Path]) -> None:
    slides = Slides(colours, [0, 4, 9, 13, 17], 100, (64, 64))
    assert slides.fade == 4
    assert middle(slides(4)) == [115, 95, 35]


def test_a_picture_grows_and_its_frame_stays(tmp_path: Path) -> None:
    yy, xx = np.mgrid[0:96, 0:144]
    disc = (((xx - 72) ** 2 + (yy - 48) ** 2 < 30**2)[..., None] * [215, 215, 215] + 40).astype(
        np.uint8
    )
    Image.fromarray(disc).save(tmp_path / "disc.png")
    slides = Slides([tmp_path / "disc.png"], [0, 100], 0, (200, 200))
    first, last = slides(0), slides(99)
    sizes = [float((frame[..., 0] > 128).sum()) ** 0.5 for frame in (first, last)]
    assert sizes[1] / sizes[0] == pytest.approx(1.06, abs=0.01)
    for frame in (first, last):
        assert np.array_equal(frame[:33], np.broadcast_to(WALL, (33, 200, 3)))
        assert frame[34, 100].tolist() == [40, 40, 40]


def test_cuts_follow_the_beats_of_a_song(tmp_path: Path, colours: list[Path]) -> None:
    song = tmp_path / "song.wav"
    sound = np.zeros(6 * 44100, np.float32)
    put = np.arange(0.2, 5.9, 0.5)
    for second in put:
        at = int(second * 44100)
        sound[at : at + 500] += np.hanning(500).astype(np.float32) * np.sin(
            np.arange(500) * 0.3
        ).astype(np.float32)
    beats.write_wav(song, sound, 44100)
    work = montage.slideshow(
        pictures=colours, folder=tmp_path / "film", seconds_per_picture=1.0, fade=0.2, fps=50,
        size=64, music=song, settings={},
    )  # fmt: skip
    starts = [line["start"] for line in read_manifest(do(work))]
    assert starts[0] == 0
    for start in starts[1:]:
        assert np.abs(put - start).min() < 0.04


@given(
    st.integers(1, 30),
    st.floats(0.1, 10),
    st.integers(10, 60),
    st.lists(st.floats(0, 300), max_size=40).map(sorted),
)
def test_shots_are_never_lost(count: int, seconds: float, fps: int, found: list[float]) -> None:
    cuts = montage.cut_frames(count, seconds, fps, np.array(found))
    lengths = np.diff(cuts)
    assert len(cuts) == count + 1
    assert cuts[0] == 0
    assert lengths.min() >= max(1, int(seconds * fps / 3) - 1)
    assert abs(cuts[-1] - count * seconds * fps) <= seconds * fps / 3 + count


def test_walk_is_enlarged_in_order(tmp_path: Path, decode: Decode) -> None:
    asked: list[int] = []

    def frame(index: int) -> NDArray[np.uint8]:
        asked.append(index)
        return np.full((32, 32, 3), 40 + 5 * index, np.uint8)

    work = montage.walk_film(
        frames=24, frame=frame, folder=tmp_path / "walk", fps=12, size=130, music=None, settings={}
    )
    assert asked == []
    folder = do(work)
    assert asked == list(range(24))
    film = decode(folder / "film.mp4")
    assert film.frames.shape == (24, 130, 130, 3)
    grey = [middle(picture)[0] for picture in film.frames]
    assert np.abs(np.array(grey) - (40 + 5 * np.arange(24))).max() <= 4
    assert np.abs(film.sound).max() > 0.1
    assert read_manifest(folder) == [
        {"file": "film.mp4", "source": "walk", "start": 0.0, "seconds": 2.0}
    ]
    with Image.open(folder / "poster.jpg") as poster:
        assert poster.size == (130, 130)


def test_what_cannot_be_filmed_is_named(tmp_path: Path, colours: list[Path]) -> None:
    rest: dict[str, Any] = {
        "folder": tmp_path / "f",
        "seconds_per_picture": 1.0,
        "fade": 0.2,
        "fps": 10,
        "size": 64,
        "settings": {},
    }
    with pytest.raises(ArchiveError, match="no pictures"):
        montage.slideshow(pictures=[], music=None, **rest)
    (tmp_path / "note.txt").write_text("no song")
    with pytest.raises(ConfigError, match=r"note\.txt holds no sound"):
        do(montage.slideshow(pictures=colours, music=tmp_path / "note.txt", **rest))
    colours[1].write_bytes(b"torn")
    with pytest.raises(ArchiveError, match=r"green\.png cannot be read"):
        do(montage.slideshow(pictures=colours, music=None, **rest))
    assert not (tmp_path / "f").exists()
    with pytest.raises(ConfigError, match="at least one frame"):
        montage.walk_film(
            frames=0, frame=lambda _i: np.zeros((2, 2, 3), np.uint8), folder=tmp_path / "w",
            fps=5, size=64, music=None, settings={},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "box", "expected"),
    [
        ((100, 100), (160, 90), (35, 0, 90, 90)),
        ((300, 100), (90, 90), (0, 30, 90, 30)),
        ((64, 64), (512, 512), (0, 0, 512, 512)),
    ],
)
def test_fit(
    shape: tuple[int, int], box: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert fit(*shape, box) == expected


def test_eased_is_level_at_its_ends() -> None:
    assert [eased(x) for x in (-1, 0, 0.5, 1, 2)] == [0, 0, 0.5, 1, 1]
    assert eased(0.01) < 0.001
