"""The site holds what it should, and nothing that is private."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from merzmory.errors import ArchiveError, FormatError, SettingsDifferError
from merzmory.gallery import pictures, site
from merzmory.manifest import do, lay_out, read_manifest
from merzmory.provenance import SOURCE_TYPE, read_mp4, read_xmp


class Page(HTMLParser):
    """Every start tag of a page with its attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def files(self) -> set[str]:
        found = set()
        for _, attributes in self.tags:
            for key in ("src", "href", "poster"):
                found.add(attributes.get(key) or "")
            for candidate in (attributes.get("srcset") or "").split(", "):
                found.add(candidate.split(" ")[0])
        return {file for file in found if file and not file.startswith("#")}


@pytest.fixture
def page(gallery: Path) -> Page:
    return Page(gallery / "index.html")


def test_every_file_that_is_named_is_there_and_none_else(gallery: Path, page: Page) -> None:
    there = {str(path.relative_to(gallery)) for path in gallery.rglob("*") if path.is_file()}
    assert page.files() == there - {"index.html", "settings.json", "manifest.jsonl"}


def test_nothing_comes_from_elsewhere(gallery: Path) -> None:
    for name in ("index.html", "gallery.css", "gallery.js"):
        text = (gallery / name).read_text("utf-8")
        assert not re.search(r"""(?:https?:)?//[a-z0-9-]+\.[a-z]|@import|url\(""", text), name


def test_pictures_are_responsive_and_do_not_jump(page: Page, gallery: Path) -> None:
    images = page.all("img")
    assert len(images) == 1 + 7 + 7 * 3
    for image in images:
        assert image["alt"]
        assert image["src"]
        with Image.open(gallery / image["src"]) as opened:
            shape = opened.width / opened.height
        assert int(image["width"] or 0) / int(image["height"] or 0) == pytest.approx(
            shape, rel=0.01
        )
    assert sum(image.get("loading") == "lazy" for image in images) == 28
    for file in (gallery / "pictures").iterdir():
        with Image.open(file) as opened:
            assert file.stem == f"{file.stem[:4]}-{opened.width}"
            assert opened.width in {480, 700}


def test_pictures_say_that_they_are_made_by_ai(gallery: Path, page: Page) -> None:
    for file in sorted((gallery / "pictures").iterdir()):
        with Image.open(file) as image:
            packet = image.info["xmp"]
        assert SOURCE_TYPE in packet.decode()
        record = read_xmp(packet)
        assert (record["psi"], record["step"]) == (0.7, 200)
        assert record["seed"] == 39 + record["number"]
    assert read_mp4(gallery / "film/film.mp4") == {"fps": 12}
    words = " ".join(page.words.split())
    assert "made by AI" in words
    assert "trained on Anna’s own photographs" in words
    assert "not sources" in words


def test_nothing_private_is_published(gallery: Path) -> None:
    private = [
        b"Private Album", b"anna/", b"IMG_4711", b"SecretCamera", b"50.11", b"8.68",
        b"2014-05-17", b"2014:05:17",
    ]  # fmt: skip
    for file in gallery.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not [word for word in private if word in data], file
    for file in (gallery / "nearest").iterdir():
        with Image.open(file) as image:
            assert not image.getexif()
            assert not {"exif", "xmp", "icc_profile"} & set(image.info)


def test_nearest_are_in_order_and_written_once(gallery: Path, page: Page) -> None:
    lines = read_manifest(gallery)
    assert [line["number"] for line in lines] == list(range(1, 8))
    for line in lines:
        assert [photo["rank"] for photo in line["nearest"]] == [1, 2, 3]
        assert [photo["mirrored"] for photo in line["nearest"]] == [False, True, False]
        assert [photo["month"] for photo in line["nearest"]] == ["May 2014", "May 2014", ""]
    named = {photo["file"] for line in lines for photo in line["nearest"]}
    assert {f"nearest/{path.name}" for path in (gallery / "nearest").iterdir()} == named
    assert len(named) == 9  # of 21 matches
    # picture 2's nearest is the square that is second nearest to picture 1
    assert lines[1]["nearest"][0]["file"] == lines[0]["nearest"][1]["file"]
    assert page.words.count("distance") == 21


def test_the_title_is_text(gallery: Path, page: Page) -> None:
    assert "<h1>Was &lt;bleibt&gt; &amp; geht</h1>" in (gallery / "index.html").read_text("utf-8")
    assert "bleibt" not in {tag for tag, _ in page.tags}


def test_originals_can_be_left_at_home(inputs: dict[str, Any], tmp_path: Path) -> None:
    rest = {**inputs, "film": None, "photographer": "", "subtitle": ""}
    folder = do(site.plan(**rest, folder=tmp_path / "g", show_originals=False, settings={}))
    page = Page(folder / "index.html")
    assert not (folder / "nearest").exists()
    assert not (folder / "film").exists()
    assert "dig" not in {attributes.get("id") for _, attributes in page.tags}
    assert "rchaeology" not in page.words
    assert "one person’s own photographs" in page.words
    assert len(page.all("img")) == 8
    assert all(line["nearest"] == [] for line in read_manifest(folder))


@pytest.mark.parametrize("noindex", [True, False])
def test_robots_are_kept_out_unless_they_are_let_in(
    inputs: dict[str, Any], tmp_path: Path, noindex: bool
) -> None:
    folder = do(site.plan(**inputs, folder=tmp_path / "g", noindex=noindex, settings={}))
    robots = [m for m in Page(folder / "index.html").all("meta") if m.get("name") == "robots"]
    assert bool(robots) is noindex
    assert all("noindex" in (meta["content"] or "") for meta in robots)


def test_shards_in_any_order_make_the_same_site(
    inputs: dict[str, Any], gallery: Path, tmp_path: Path
) -> None:
    work = site.plan(**inputs, folder=tmp_path / "g", settings={"title": "x"}, shard_size=2)
    assert work.shards == 4
    for index in (2, 0, 3, 1):
        work.run_shard(index, lambda _progress: None)
    work.finish()
    for file in gallery.rglob("*"):
        if file.is_file():
            assert (tmp_path / "g" / file.relative_to(gallery)).read_bytes() == file.read_bytes()


def test_finished_work_is_found_without_its_inputs(inputs: dict[str, Any], gallery: Path) -> None:
    gone = {**inputs, "pictures": Path("gone"), "matches": Path("gone")}
    work = site.plan(**gone, folder=gallery, settings={"title": "x"})
    assert work.shards == 0
    assert work.finish() == gallery
    with pytest.raises(SettingsDifferError, match="title"):
        site.plan(**gone, folder=gallery, settings={"title": "y"})


def test_what_is_missing_is_named(inputs: dict[str, Any], tmp_path: Path) -> None:
    rest = {**inputs, "folder": tmp_path / "g", "settings": {}}
    with pytest.raises(FormatError, match="nowhere"):
        site.plan(**{**rest, "pictures": tmp_path / "nowhere"})
    empty = do(lay_out("upscaled", tmp_path / "empty", {}, 1, lambda _p, _i, _a: []))
    with pytest.raises(ArchiveError, match="no pictures to hang"):
        site.plan(**{**rest, "pictures": empty})
    with pytest.raises(ArchiveError, match=r"IMG_4711-1\.png cannot be read"):
        do(site.plan(**{**rest, "originals": tmp_path / "nowhere"}))
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ("2014-05-17T12:00:00", "May 2014"),
        ("2014:12:17 12:00:00", "December 2014"),
        ("2014-00-01", ""),
        ("2014", ""),
        ("yesterday", ""),
        (None, ""),
    ],
)
def test_month(taken: str | None, words: str) -> None:
    assert site.month(taken) == words


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((3, 3, 3), "black"), ((250, 250, 250), "white"), ((128, 128, 130), "grey"),
        ((200, 20, 20), "red"), ((30, 40, 110), "dark blue"), ((110, 70, 40), "dark brown"),
        ((40, 150, 60), "green"), ((160, 200, 250), "light blue"), ((240, 200, 40), "yellow"),
    ],
)  # fmt: skip
def test_colours_have_common_names(colour: tuple[int, int, int], name: str) -> None:
    assert pictures.colour_name(*colour) == name


def test_main_colours_are_those_that_cover_most() -> None:
    image = Image.new("RGB", (100, 100), (30, 40, 110))
    image.paste((250, 250, 250), (0, 0, 100, 30))
    image.paste((200, 20, 20), (0, 0, 9, 9))
    assert pictures.main_colours(image) == "dark blue and white"


def test_what_the_licences_allow_is_said(inputs: dict[str, Any], tmp_path: Path) -> None:
    said = "Not for sale: the licence <of> its base forbids it."
    folder = do(site.plan(**inputs, folder=tmp_path / "g", notice=lambda: said, settings={}))
    page = (folder / "index.html").read_text("utf-8")
    assert '<p id="licence">Not for sale: the licence &lt;of&gt; its base forbids it.</p>' in page
    plain = do(site.plan(**inputs, folder=tmp_path / "h", settings={}))
    assert 'id="licence"' not in (plain / "index.html").read_text("utf-8")
