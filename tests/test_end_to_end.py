"""The main job through its front door: whole, found again, killed and taken up, refused."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from merzmory import provenance

COMMAND = Path(sys.executable).with_name("merzmory")
SMALL = {
    "archive.sample_photos": 100,
    "train.steps": 6,
    "train.batch": 4,
    "train.threads": 1,
    "train.checkpoint_every_steps": 2,
    "strip.seeds": 2,
    "timelapse.seeds": 2,
    "timelapse.seconds": 1,
    "timelapse.size": 90,
    "curve.pictures": 8,
    "sample.count": 3,
    "walk.seconds": 1,
    "walk.size": 128,
    "film.size": 128,
    "film.seconds_per_picture": 1,
    "film.fade": 0.2,
}
# what says when, how fast, or where: not what was made
TELEMETRY = {"timings.jsonl", "config.toml", "run.json", "merzmory.log"}


def start(outputs: Path, **settings: object) -> subprocess.Popen[str]:
    overrides = {**SMALL, "outputs": outputs, **settings}
    flags = [part for key, value in overrides.items() for part in ("--set", f"{key}={value}")]
    return subprocess.Popen(
        [COMMAND, "run", "demo", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(outputs.parent)},  # the device's lock is the test's own
    )


def run(outputs: Path, **settings: object) -> tuple[int, str, str]:
    process = start(outputs, **settings)
    out, err = process.communicate(timeout=500)
    return process.returncode, out, err


def made(outputs: Path) -> dict[str, str]:
    """Every result's name and the digest of its content, wherever `outputs` lies."""
    folder, here = outputs / "demo", str(outputs).encode()
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            path.read_bytes().replace(here, b"outputs")
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in TELEMETRY
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    outputs = tmp_path_factory.mktemp("whole") / "outputs"
    code, out, err = run(outputs)
    assert code == 0, out + err
    yield outputs


def test_the_story_is_told(whole: Path) -> None:
    kinds = {re.sub(r"-[0-9a-f]{8}$", "", p.name) for p in (whole / "demo").iterdir()}
    wanted = {
        "dataset",
        "run",
        "strip",
        "timelapse",
        "curve",
        "scores",
        "samples",
        "matches",
        "upscaled",
        "walk",
        "film",
        "gallery",
    }
    assert wanted <= kinds
    assert not list(whole.rglob("*.part"))


def test_every_result_says_how_it_was_made(whole: Path) -> None:
    for folder in (whole / "demo").glob("*-????????"):
        assert (folder / "config.toml").is_file(), folder
        if not folder.name.startswith("run-"):
            settings = json.loads((folder / "settings.json").read_text("utf-8"))
            assert settings["format"] == 1
            assert (folder / "manifest.jsonl").read_text("utf-8").strip()


def test_every_picture_and_film_says_what_made_it(whole: Path) -> None:
    photos = {line["photo"][:16] for line in lines_of(whole, "dataset")}
    for pattern in (
        "samples-*/*.png", "upscaled-*/*.png", "strip-*/*.png", "matches-*/sheets/*.png",
        "film-*/film.mp4", "film-*/poster.jpg", "walk-*/film.mp4", "timelapse-*/film.mp4",
        "gallery-*/pictures/*.webp", "gallery-*/film/*.*",
    ):  # fmt: skip
        files = sorted((whole / "demo").glob(pattern))
        assert files, pattern
        for file in files:
            record, source = provenance.told(file)
            assert source.endswith("lgorithmicMedia"), file
            assert record["base"] == "starter", file
            assert record["may_sell"] == "ask", file
            assert record["step"] == 6, file
            assert set(record.get("nearest", [])) <= photos
            assert str(whole) not in json.dumps(record)
    [picture] = (whole / "demo").glob("upscaled-*/seed000001.png")
    assert len(provenance.read(picture)["nearest"]) == 3


def lines_of(outputs: Path, kind: str) -> list[dict[str, str]]:
    [manifest] = (outputs / "demo").glob(f"{kind}-*/manifest.jsonl")
    return [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]


def test_pictures_have_the_promised_size(whole: Path) -> None:
    samples = sorted((whole / "demo").glob("samples-*/seed*.png"))
    upscaled = sorted((whole / "demo").glob("upscaled-*/*.png"))
    assert len(samples) == len(upscaled) == 3
    for file, side in ((samples[0], 64), (upscaled[0], 256)):
        with Image.open(file) as picture:
            assert picture.size == (side, side)


def test_the_second_run_finds_everything(whole: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (whole / "demo").rglob("*") if p.is_file()}
    code, out, err = run(whole)
    assert code == 0, out + err
    after = {p: p.stat().st_mtime_ns for p in (whole / "demo").rglob("*") if p.is_file()}
    log = whole / "demo" / "merzmory.log"
    assert {**before, log: 0} == {**after, log: 0}


def test_killed_three_times_it_ends_the_same(whole: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    chance = random.Random(int.from_bytes(os.urandom(4)))
    moments = [chance.uniform(4, 25) for _ in range(3)]
    print("killed after", moments)
    for moment in moments:
        process = start(outputs)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    code, out, err = run(outputs)
    assert code == 0, out + err
    assert made(outputs) == made(whole)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("empty", "no photographs|empty"),
        ("text", "no photographs|no picture"),
        ("three", "at least 10"),
        ("missing", "no folder|does not exist"),
    ],
)
def test_an_archive_that_does_not_do(kind: str, sentence: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    if kind != "missing":
        folder.mkdir()
    if kind == "text":
        (folder / "notes.txt").write_text("not a picture")
    if kind == "three":
        for number in range(3):
            noise = Image.effect_noise((200, 160), 80 + number).convert("RGB")
            noise.save(folder / f"{number}.jpg")
    code, _, err = run(tmp_path / "outputs", **{"archive.folder": folder})
    assert code == 2
    assert re.search(sentence, err, re.I), err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_an_outputs_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = run(tmp_path / "file" / "outputs")
    assert code == 2
    assert "outputs=" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("megabytes", [3, 6, 14])  # full in the archive, the server, the training
def test_a_full_disk_is_a_sentence_and_loses_nothing(megabytes: int, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    try:
        code, _, err = run(small / "outputs")
        assert code == 2
        assert "is full" in err or "is too full" in err
        assert "Traceback" not in err
        assert len(err.strip().splitlines()) == 1
        whole = [p for p in small.rglob("settings.json") if ".part" not in str(p)]
        assert all((p.parent / "manifest.jsonl").exists() for p in whole)
    finally:
        time.sleep(3)  # the server has gone
        subprocess.run(["umount", "-l", str(small)], check=True)
