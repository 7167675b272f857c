"""`merzmory slideshow`: any folder becomes a film, and a film that was killed goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from merzmory import cli, provenance
from merzmory.config import checked
from merzmory.errors import ArchiveError, ConfigError
from merzmory.film.captions import place_words
from merzmory.film.encode import write_stretch
from merzmory.story import filming, showreel

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures, of which one lies in Rome and one is dated, and what is none."""
    place = tmp_path / "pictures"
    (place / "Rome").mkdir(parents=True)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2014:05:03 10:00:00"
    for name, colour in {"img10": "red", "img2": "green", "Rome/x": "blue"}.items():
        Image.new("RGB", (96, 64), colour).save(place / f"{name}.png")
    Image.new("RGB", (96, 64), "grey").save(place / "img3.jpg", exif=exif)
    (place / "torn.jpg").write_bytes(b"torn")
    (place / "notes.txt").write_text("no picture")
    return place


def slideshow(*words: str | Path) -> Any:
    return CliRunner().invoke(cli.app, ["slideshow", *map(str, words)])


def test_pictures_are_gathered_as_people_count(folder: Path) -> None:
    found = showreel.gathered([folder])
    assert [one.path.name for one in found.pictures] == [
        "img2.png",
        "img3.jpg",
        "img10.png",
        "x.png",
    ]
    assert [one.album for one in found.pictures] == ["", "", "", "Rome"]
    assert found.left_out[0].startswith("torn.jpg: ")
    by_date = showreel.gathered([folder], by="date")
    assert by_date.pictures[0].path.name == "img3.jpg"
    given = [folder / "Rome" / "x.png", folder / "img2.png"]
    assert [one.path for one in showreel.gathered(given).pictures] == given
    with pytest.raises(ArchiveError, match="There is no"):
        showreel.gathered([folder / "none"])
    with pytest.raises(ConfigError, match="by name or by date"):
        showreel.gathered([folder], by="mood")


def test_a_folder_becomes_a_film(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "film.mp4"
    small = ["--seconds", "0.5", "--size", "96", "--aspect", "16:9", "--set", "film.fps=10"]
    done = slideshow(folder, "--out", out, "--captions", "both", *small)
    assert done.exit_code == 0, done.output
    assert "left out: torn.jpg" in done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mp4", "pictures"]
    record, source = provenance.told(out)
    assert (record["kind"], record["count"], source) == ("slideshow", 4, "")
    assert str(tmp_path) not in out.read_bytes().decode("latin-1")
    assert "May 2014" in out.read_bytes().decode("latin-1")  # a chapter
    again = slideshow(folder, "--out", out)
    assert again.exit_code == 2
    assert "is there already" in " ".join(again.output.split())


def test_a_film_says_what_its_pictures_say(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    for seed in (4, 5):
        record = {"seed": seed, "run": "run-1", "psi": 0.5 + seed}
        provenance.save_png(Image.new("RGB", (64, 64)), made / f"{seed}.png", record)
    knobs = ["--seconds", "0.5", "--size", "64", "--set", "film.fps=8"]
    for places, expected in (
        ([made], "trainedAlgorithmicMedia"),
        ([made / "4.png", folder / "img2.png"], "compositeWithTrainedAlgorithmicMedia"),
    ):
        done = slideshow(*places, "--out", tmp_path / "film.mp4", "--force", *knobs)
        assert done.exit_code == 0, done.output
        record, source = provenance.told(tmp_path / "film.mp4")
        assert source == expected
        assert record["run"] == "run-1"
    assert record["seeds"] == [4]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "film.avi"], r"A film in h264 is a .mp4"),
        (["--codec", "prores"], r"A film in prores is a .mov"),
        (["--size", "huge"], "film.size"),
        (["--aspect", "wide"], "is not a picture's shape"),
        (["--music", "none.mp3"], "holds no sound"),
        (["--texts", "none.txt"], "cannot be read as text"),
        (["--set", "film.sped=2"], "There is no setting film.sped"),
    ],
)
def test_what_does_not_fit_is_a_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = slideshow(folder, *words)
    assert done.exit_code == 2, done.output
    assert sentence in " ".join(done.output.split())


def test_a_film_that_was_killed_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL behind the first stretch; the second run writes the others alone, and the file is the same."""
    pictures = [str(folder / name) for name in ("img2.png", "img10.png")]
    words = [*pictures, "--seconds", "7", "--size", "64", "--set", "film.fps=4"]
    code = (
        "import os, signal\n"
        "from merzmory.film import reel\n"
        "real = reel.write_stretch\n"
        "def write(path, *rest, **more):\n"
        "    if '00001' in path.name: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    real(path, *rest, **more)\n"
        "reel.write_stretch = write\n"
        "from merzmory.cli import main\nmain()"
    )
    out = tmp_path / "killed.mp4"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    died = subprocess.run(
        [sys.executable, "-c", code, "slideshow", *words, "--out", str(out)],
        env=environment, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert died.returncode == -9
    written: list[str] = []

    def noted(path: Path, *rest: Any, **more: Any) -> None:
        written.append(path.name)
        write_stretch(path, *rest, **more)

    first = tmp_path / "killed.mp4.making.part" / "stretches" / "00000.mp4"
    assert first.is_file()
    monkeypatch.setattr("merzmory.film.reel.write_stretch", noted)
    assert slideshow(*words, "--out", out).exit_code == 0
    assert written == ["00001.mp4"]
    assert slideshow(*words, "--out", tmp_path / "whole.mp4").exit_code == 0
    assert out.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert sorted(p.name for p in tmp_path.glob("*.making*")) == []


def test_captions_say_no_more_than_is_asked() -> None:
    cologne = (50.94132, 6.95812)
    assert filming.told("none", "2014-05-03", cologne, "") == ""
    assert filming.told("date", "2014-05-03T10:00:00", cologne, "Rome") == "May 2014"
    assert filming.told("place", "2014-05-03", cologne, "") == "50.9° N 7.0° E"
    assert filming.told("both", "2014-05-03", cologne, "Rome") == "May 2014 · Rome"
    assert filming.told("both", None, None, "") == ""
    assert place_words("", (-33.86, -151.2)) == "33.9° S 151.2° W"


def test_own_texts_are_a_line_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("One\n\nThree\n", "utf-8")
    assert filming.own_texts(file, 4) == ["One", "", "Three", ""]
    with pytest.raises(ConfigError, match="has 3 lines and there are 2 pictures"):
        filming.own_texts(file, 2)


def test_captions_are_off_unless_asked_for() -> None:
    knobs = checked({}, [], "x").film
    assert (knobs.captions, knobs.texts, knobs.beside) == ("none", None, "none")
