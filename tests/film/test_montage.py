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
from merzmory.film.reel import stretches
from merzmory.film.scroll import Scroll
from merzmory.film.slides import WALL, Look, Slides, eased, fit, frame_size, moved
from merzmory.manifest import Work, do, read_manifest
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
    nearer, farther = max(sizes), min(sizes)  # which comes first, its own pixels say
    assert nearer / farther == pytest.approx(1.06, abs=0.01)
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


@given(
    st.integers(40, 4000), st.integers(40, 4000), st.floats(0.25, 4), st.floats(0, 0.5),
    st.binary(min_size=32, max_size=32), st.floats(0, 1),
)  # fmt: skip
def test_the_window_never_leaves_the_picture(
    width: int, height: int, ratio: float, motion: float, key: bytes, share: float
) -> None:
    x, y, across, down = moved(width, height, ratio, Look(motion), key, share)
    assert x >= -1e-9
    assert y >= -1e-9
    assert x + across <= width + 1e-6
    assert y + down <= height + 1e-6
    assert across / down == pytest.approx(ratio)


def test_a_picture_moves_alike_in_every_film(tmp_path: Path, colours: list[Path]) -> None:
    noise = np.random.default_rng(4).integers(0, 255, (90, 160, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "noise.png").read_bytes())
    one = Slides([tmp_path / "noise.png"], [0, 20], 0, (128, 72), look=Look(0.2))
    late = Slides([*colours, tmp_path / "copy.png"], [0, 9, 18, 27, 36, 56], 0, (128, 72),
                  look=Look(0.2))  # fmt: skip
    for index in (0, 7, 19):
        assert np.array_equal(one(index), late(36 + index))
    assert not np.array_equal(one(0), one(19))
    still = Slides([tmp_path / "noise.png"], [0, 20], 0, (128, 72), look=Look(0))
    assert np.array_equal(still(0), still(19))


def test_a_picture_fills_the_frame_where_that_is_asked(colours: list[Path]) -> None:
    slides = Slides(colours[:1], [0, 10], 0, (128, 72), look=Look(fill=True))
    assert (slides(5) == (200, 30, 30)).all()


def test_a_wipe_moves_an_edge(colours: list[Path]) -> None:
    slides = Slides(colours[:2], [0, 20, 40], 10, (64, 64), wipes=frozenset({1}))
    half = slides(20)
    assert half[32, 10].tolist() == [30, 160, 40]
    assert half[32, 50].tolist() == [200, 30, 30]
    assert middle(slides(14)) == [200, 30, 30]
    assert middle(slides(26)) == [30, 160, 40]


def test_captions_stand_below_and_fade_with_their_picture(colours: list[Path]) -> None:
    plain = Slides(colours[:2], [0, 20, 40], 8, (320, 180))
    told = Slides(colours[:2], [0, 20, 40], 8, (320, 180), captions=["May 2014 · Köln", ""])
    differ = [(plain(i).astype(int) != told(i)).any(axis=2) for i in (10, 30)]
    assert not differ[1].any()
    rows, columns = np.nonzero(differ[0])
    assert rows.min() > 180 * 0.75
    assert columns.max() < 320 * 0.7
    assert told(10)[differ[0]].max() > 200  # letters
    change = [np.abs(plain(i).astype(int) - told(i)).max() for i in (10, 20)]
    assert change[1] == pytest.approx(change[0] / 2, rel=0.1)


@pytest.mark.parametrize(
    ("size", "ratio", "expected"),
    [
        (720, 1.0, (720, 720)),
        (720, 1.5, (720, 480)),
        ("1080p", 16 / 9, (1920, 1080)),
        ("1080p", 9 / 16, (1080, 1920)),
        ("4k", 16 / 9, (3840, 2160)),
        ("720p", 1.0, (720, 720)),
        ((101, 77), 3.0, (102, 78)),
    ],
)
def test_frame_size(size: Any, ratio: float, expected: tuple[int, int]) -> None:
    assert frame_size(size, ratio) == expected


def test_a_sheet_is_scrolled_from_end_to_end() -> None:
    rows = np.repeat(np.arange(0, 250, 5, dtype=np.uint8), 8)  # 400 rows
    sheet = np.broadcast_to(rows[:, None, None], (400, 100, 3)).copy()
    scroll = Scroll(sheet, 50, (100, 60))
    assert scroll(0)[0, 0, 0] == 0
    assert scroll(49)[-1, 0, 0] == 245
    tops = [int(scroll(i)[0, 0, 0]) for i in range(50)]
    assert tops == sorted(tops)
    wide = Scroll(sheet.transpose(1, 0, 2).copy(), 50, (60, 100))
    assert wide(49)[0, -1, 0] == 245


@given(st.integers(1, 500), st.integers(1, 60))
def test_stretches_are_whole_and_none_is_short(count: int, together: int) -> None:
    found = stretches(count, together)
    assert [n for span in found for n in span] == list(range(count))
    assert min(len(span) for span in found) >= min(count, together / 2)


def test_a_film_that_was_stopped_goes_on_and_is_the_same(tmp_path: Path) -> None:
    asked: list[int] = []

    def film(folder: Path, dies_at: int = -1) -> Work:
        def frame(index: int) -> NDArray[np.uint8]:
            asked.append(index)
            if index == dies_at:
                raise KeyboardInterrupt
            return np.full((64, 64, 3), index % 250, np.uint8)

        return montage.walk_film(
            frames=60, frame=frame, folder=folder, fps=2, size=64, music=None, settings={}
        )

    with pytest.raises(KeyboardInterrupt):
        do(film(tmp_path / "stopped", dies_at=35))
    assert asked == list(range(36))
    asked.clear()
    do(film(tmp_path / "stopped"))
    assert asked == list(range(20, 60))
    do(film(tmp_path / "whole"))
    films = [(tmp_path / name / "film.mp4").read_bytes() for name in ("stopped", "whole")]
    assert films[0] == films[1]
    assert {p.name for p in (tmp_path / "stopped").iterdir()} == {
        "film.mp4", "poster.jpg", "settings.json", "manifest.jsonl",
    }  # fmt: skip


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
