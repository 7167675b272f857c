"""One photograph in several files is one photograph; the other files say whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from merzmory.archive import ingest
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.pairs import paired
from merzmory.archive.photograph import RAW
from merzmory.archive.sources.folder import FolderSource
from merzmory.archive.sources.source import Found
from merzmory.manifest import do
from merzmory.originals import raw
from tests.cameras import dng


def _said(*paths: str, prefer_raw: bool = False) -> dict[str, str]:
    files = [Found(path, 1, 1) for path in paths]
    return {f.path: f.skip for f in paired(files, raw=RAW, prefer_raw=prefer_raw)}


def test_the_film_of_a_live_photo_says_whose_it_is() -> None:
    said = _said("/a/IMG_1.HEIC", "/a/IMG_1.MOV", "/a/IMG_2.MOV", "/a/img_3.jpg", "/a/IMG_3.mp4")
    assert said["/a/IMG_1.HEIC"] == said["/a/IMG_2.MOV"] == said["/a/img_3.jpg"] == ""
    assert said["/a/IMG_1.MOV"] == "It is the film of IMG_1.HEIC, a Live Photo."
    assert "img_3.jpg" in said["/a/IMG_3.mp4"]


def test_raw_yields_to_the_camera_s_jpeg_or_the_other_way_round() -> None:
    paths = ("/a/DSC_1.JPG", "/a/DSC_1.NEF", "/a/DSC_2.NEF", "/b/DSC_2.JPG")
    said = _said(*paths)
    assert said["/a/DSC_1.NEF"] == "It is the RAW of DSC_1.JPG, which is read in its place."
    assert [said[path] for path in (paths[0], *paths[2:])] == ["", "", ""]  # another folder
    said = _said(*paths, prefer_raw=True)
    assert "DSC_1.NEF, which is read in its place" in said["/a/DSC_1.JPG"]
    assert said["/a/DSC_1.NEF"] == ""


def test_a_developed_tiff_stays_before_its_raw() -> None:
    for prefer_raw in (False, True):
        said = _said("/a/1.CR3", "/a/1.tif", prefer_raw=prefer_raw)
        assert "1.tif" in said["/a/1.CR3"] and said["/a/1.tif"] == ""


def test_an_iphone_s_edited_copy_is_read_in_place_of_the_original() -> None:
    said = _said("/a/IMG_0001.JPG", "/a/IMG_0001.AAE", "/a/IMG_E0001.JPG", "/a/IMG_E0002.JPG")
    assert "IMG_E0001.JPG is read in its place" in said["/a/IMG_0001.JPG"]
    assert said["/a/IMG_E0001.JPG"] == said["/a/IMG_E0002.JPG"] == ""
    assert "how IMG_0001.JPG was edited" in said["/a/IMG_0001.AAE"]
    assert "how a photograph was edited" in _said("/a/IMG_0009.AAE")["/a/IMG_0009.AAE"]


def test_an_empty_or_skipped_file_stands_for_nothing() -> None:
    files = [Found("/a/1.JPG", 0, 1), Found("/a/1.NEF", 9, 1), Found("/a/2.JPG", 9, 1, skip="No."),
             Found("/a/2.NEF", 9, 1)]  # fmt: skip
    assert [found.skip for found in paired(files, raw=RAW)] == ["", "", "No.", ""]


def test_halves_far_apart_in_a_zip_find_each_other() -> None:
    said = _said("/a.zip!/p/IMG_1.MOV", "/a.zip!/q/x.txt", "/a.zip!/p/IMG_1.HEIC", "/b/IMG_1.MOV")
    assert "IMG_1.HEIC" in said["/a.zip!/p/IMG_1.MOV"] and said["/b/IMG_1.MOV"] == ""


@pytest.mark.skipif(not raw.reads_raw(), reason="needs rawpy")
def test_a_preference_that_changes_changes_what_is_read(
    tmp_path: Path, picture: Image.Image
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture.save(folder / "1.jpg")
    (folder / "1.dng").write_bytes(dng())
    (folder / "1.mov").write_bytes(b"film")

    def read(*, prefer_raw: bool) -> dict[str, str]:
        knobs = {"source": FolderSource(folder), "archive": tmp_path / "archive", "shard_size": 4}
        do(ingest.plan(**knobs, prefer_raw=prefer_raw))
        assert ingest.plan(**knobs, prefer_raw=prefer_raw).shards == 0
        rows = catalogue_of(tmp_path / "archive").rows()
        return {Path(row.path).suffix: row.verdict for row in rows}

    assert read(prefer_raw=False) == {".jpg": "kept", ".dng": "skipped", ".mov": "skipped"}
    assert read(prefer_raw=True) == {".jpg": "skipped", ".dng": "kept", ".mov": "skipped"}
    assert read(prefer_raw=False) == {".jpg": "kept", ".dng": "skipped", ".mov": "skipped"}
    (folder / "1.jpg").unlink()
    assert read(prefer_raw=False) == {".dng": "kept", ".mov": "skipped"}


_NAMES = st.lists(
    st.builds(
        "/{}/{}{}".format,
        st.sampled_from("ab"),
        st.sampled_from(["IMG_0001", "IMG_E0001", "img_0001", "x"]),
        st.sampled_from([".JPG", ".jpeg", ".heic", ".NEF", ".dng", ".tif", ".MOV", ".AAE", ".txt"]),
    ),
    unique=True,
)


@given(_NAMES, st.booleans())
def test_whoever_steps_back_steps_back_for_one_that_is_read(
    paths: list[str], prefer_raw: bool
) -> None:
    paths = sorted(paths)
    said = _said(*paths, prefer_raw=prefer_raw)
    assert list(said) == paths
    for path, sentence in said.items():
        if "read in its place" in sentence:
            words = sentence.replace(",", " ").split()
            others = [o for o in paths if o.rpartition("/")[2] in words and o[:3] == path[:3]]
            assert others and others[0] != path
            assert not said[others[0]] or "read in its place" in said[others[0]]
    for folder in ("/a/", "/b/"):
        pictures = [p for p in paths if p.startswith(folder) and p[-3:] not in {"MOV", "AAE"}]
        assert not pictures or any(not said[p] for p in pictures)
