"""`merzmory ingest` and `photos` of a folder or a ZIP, and of a config as before."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from merzmory import config
from merzmory.cli import app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photographs, one of them twice, and notes."""
    place = tmp_path / "My pictures"
    place.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        big = Image.fromarray(pixels).resize((256, 256), Image.Resampling.NEAREST)
        big.save(place / f"{number}.png")
    (place / "copy.png").write_bytes((place / "0.png").read_bytes())
    (place / "notes.txt").write_text("notes")
    return place


def _said(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def _rows(text: str) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {Path(row["path"]).name: row for row in rows}


def test_a_folder_and_its_zip(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    where = ("--workspace", tmp_path / "out")
    for place, source in ((folder, "folder"), (packed, "zip")):
        said = _said("ingest", place, *where)
        assert "5 files (3 kept, 1 duplicate, 1 skipped)" in said
        assert "photos" in said and "--workspace" in said and str(place) in said
        rows = _rows(_said("photos", place, *where, "--json"))
        assert {name: row["verdict"] for name, row in rows.items()} == {
            "0.png": "kept", "1.png": "kept", "2.png": "kept",
            "copy.png": "duplicate", "notes.txt": "skipped",
        }  # fmt: skip
        for row in rows.values():
            assert row["source"] == source and row["reason"].endswith(".")
            assert {"path", "sha256", "date", "taken", "place", "width", "origin"} <= set(row)
        assert "found, nothing to do" in _said("ingest", place, *where)
    assert len(list((tmp_path / "out" / "archives").iterdir())) == 2


def test_a_config_is_ingested_as_before(folder: Path, tmp_path: Path) -> None:
    sets = ["--set", f"archive.folder={folder}", "--set", f"outputs={tmp_path / 'out'}"]
    said = _said("ingest", "demo", *sets)
    assert "5 files (3 kept, 1 duplicate, 1 skipped)" in said and "cull demo --set" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ingest", "/no/such/folder"], "There is no folder or ZIP /no/such/folder"),
        (["ingest", "no.zip"], "no.zip"),
        (["photos", "nowhere.toml"], "There is no config nowhere.toml"),
    ],
)
def test_what_is_not_there_is_one_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*words, "--workspace", str(tmp_path / "out")])
    assert done.exit_code == 2
    [line] = [line for line in done.stderr.splitlines() if line]
    assert said in line


def test_a_word_means_a_config_before_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    assert config.asked("demo", ["a=b"]) == ("demo", ["a=b"])
    name, words = config.asked("pictures", [], tmp_path / 'a "b"')
    made = config.load(name, words)
    assert made.archive.folder == tmp_path / "pictures"
    assert made.outputs == tmp_path / 'a "b"'
    assert config.load(*config.asked("s3://bucket/x", [])).archive.folder == "s3://bucket/x"
    assert config.asked("./demo", [])[1] == [f'archive.folder="{tmp_path / "demo"}"']
