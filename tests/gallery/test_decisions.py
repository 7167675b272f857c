"""Near copies are held back until a person decides, and what is decided stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merzmory.errors import ArchiveError, FormatError
from merzmory.gallery import decisions, site
from merzmory.manifest import do, read_manifest

MATCHES = [
    {"sample": "a.png", "rank": 1, "level": "near copy"},
    {"sample": "a.png", "rank": 2, "level": "none"},
    {"sample": "b.png", "rank": 1, "level": "echo"},
    {"sample": "c.png", "rank": 1, "level": "none"},
    {"sample": "d.png", "rank": 1, "level": "near copy"},
]


@pytest.mark.parametrize(
    ("near_copies", "decided", "held"),
    [
        (False, {}, ["a.png", "d.png"]),
        (True, {}, []),
        (False, {"a.png": "publish", "c.png": "hold"}, ["c.png", "d.png"]),
        (True, {"a.png": "hold", "d.png": "publish"}, ["a.png"]),
    ],
)
def test_what_is_held(near_copies: bool, decided: dict[str, str], held: list[str]) -> None:
    assert decisions.held(MATCHES, decided, near_copies=near_copies) == held


def test_the_last_word_counts(tmp_path: Path) -> None:
    assert decisions.read(tmp_path) == {}
    decisions.decide(tmp_path, ["samples-1/a.png", "samples-1/b.png"], "publish")
    decisions.decide(tmp_path, ["samples-1/b.png", "samples-2/a.png"], "hold")
    decisions.decide(tmp_path, ["samples-1/a.png"], "")
    found = decisions.read(tmp_path)
    assert found == {"samples-1/b.png": "hold", "samples-2/a.png": "hold"}
    assert decisions.of_folder(found, "samples-1") == {"b.png": "hold"}


@pytest.mark.parametrize(
    "text", ["no", '{"format": 2, "pictures": {}}', '{"format": 1, "pictures": {"a": "burn"}}']
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / decisions.FILE).write_text(text)
    with pytest.raises(FormatError, match=r"decisions\.json is damaged or of a newer version"):
        decisions.read(tmp_path)


def test_what_is_held_is_nowhere_in_the_site(inputs: dict[str, Any], tmp_path: Path) -> None:
    held = ["seed-1.png", "seed-6.png"]
    folder = do(site.plan(**inputs, held=held, folder=tmp_path / "gallery", settings={}))
    lines = read_manifest(folder)
    assert [line["source_file"] for line in lines] == [f"seed-{n}.png" for n in (0, 2, 3, 4, 5)]
    assert len(list((folder / "pictures").glob("0006*"))) == 0
    everything = [f"seed-{n}.png" for n in range(7)]
    with pytest.raises(ArchiveError, match=r"merzmory decide CONFIG --publish"):
        site.plan(**inputs, held=everything, folder=tmp_path / "none", settings={})
