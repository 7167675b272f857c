"""Other people's photographs are named, with their licences; one's own are not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from merzmory.dataset import build
from merzmory.gallery import site
from merzmory.gallery.credits import credits_of
from merzmory.manifest import do, read_manifest
from merzmory.records import Origin, Photo

OWNERS = ("zoë", "Ben <b>", "anna")


def photo(folder: Path, number: int, origin: Origin | None) -> Photo:
    path = folder / f"{number}.png"
    Image.effect_noise((64, 64), 80).convert("RGB").save(path)
    return Photo(f"{number:064x}", str(path), 64, 64, origin=origin)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Squares of nine photographs from Flickr, one of one's own Instagram, and two of a folder."""
    found: list[Origin | None] = [
        Origin(
            "flickr", name=f"Alp {number}", owner=OWNERS[number % 3],
            licence="CC BY-SA 2.0" if number % 2 else "CC0 1.0",
            url="javascript:alert(1)" if number == 8 else f"https://www.flickr.com/photos/x/{number}/",
        )
        for number in range(9)
    ]  # fmt: skip
    mine = Origin("instagram", name="SC1", owner="me", url="https://www.instagram.com/p/SC1/")
    photos = [photo(tmp_path, n, o) for n, o in enumerate([*found, mine, None, None])]
    cutter = build.Cutter(32, crop="centre")
    work = build.plan(photos=photos, folder=tmp_path / "dataset", cutter=cutter, shard_size=5)
    return do(work)


def gallery(inputs: dict[str, Any], folder: Path, originals: Path) -> Path:
    rest = {**inputs, "originals": originals, "film": None, "show_originals": False}
    return do(site.plan(**rest, folder=folder, settings={}))


def test_every_owner_and_licence_is_printed(
    inputs: dict[str, Any], dataset: Path, tmp_path: Path
) -> None:
    lines = read_manifest(dataset)
    assert sum("credit" in line for line in lines) == 9
    folder = gallery(inputs, tmp_path / "gallery", dataset)
    page = (folder / "index.html").read_text("utf-8")
    assert 'href="credits.html"' in page and "9 photographs by 3 people" in page
    assert "under CC BY-SA 2.0, CC0 1.0" in page
    assert "photographs by 3 people until" in " ".join(page.split())
    assert "own photographs" not in page
    said = (folder / "credits.html").read_text("utf-8")
    assert re.findall("<h2>(.*?)</h2>", said) == ["anna", "Ben &lt;b&gt;", "zoë"]
    assert said.count("<li>") == 9
    assert 'href="https://www.flickr.com/photos/x/3/">Alp 3</a>' in said
    assert 'href="https://creativecommons.org/licenses/by-sa/2.0/">CC BY-SA 2.0</a>' in said
    assert 'href="https://creativecommons.org/publicdomain/zero/1.0/">CC0 1.0</a>' in said
    assert "javascript" not in said and "Alp 8" in said
    assert "instagram" not in said + page
    assert not re.search(r"""src=|@import|url\(""", said)  # nothing is loaded from elsewhere


def test_one_s_own_photographs_need_none(inputs: dict[str, Any], tmp_path: Path) -> None:
    folder = gallery(inputs, tmp_path / "gallery", inputs["originals"])
    assert not (folder / "credits.html").exists()
    assert "redits" not in (folder / "index.html").read_text("utf-8")


def test_a_photograph_of_several_squares_is_named_once() -> None:
    credit = {"owner": "anna", "title": "", "licence": "Some licence", "url": "https://a/"}
    found = credits_of([{"photo": "1", "credit": credit}] * 2 + [{"photo": "2"}])
    assert found is not None and found.count == 1
    (owner, (only,)) = found.owners[0]
    assert (owner, only.title, only.licence_url) == ("anna", "Untitled", "")
    assert credits_of([{"photo": "2"}]) is None
