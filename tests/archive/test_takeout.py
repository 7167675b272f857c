"""Google Takeout: sidecars by their cut names, several ZIPs, albums, edits, the bin."""

from __future__ import annotations

import hashlib
import json
import shutil
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merzmory.archive import ingest
from merzmory.archive.sources.source import Found
from merzmory.archive.sources.takeout import TakeoutSource, sidecars
from merzmory.manifest import do
from merzmory.originals import access as originals

_YEAR = "Takeout/Google Photos/Photos from 2020"


def _put(folder: Path, **files: Any) -> Path:
    """Pictures and notes of one year, unpacked; a dict is JSON."""
    for name, content in files.items():
        path = folder / _YEAR / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            json.dumps(content).encode() if isinstance(content, dict) else content.encode()
        )
    return folder


def _files(folder: Path) -> dict[str, Found]:
    return {Path(file.path).name: file for file in TakeoutSource(folder).files()}


def _note(seconds: int = 1_600_000_000, **more: Any) -> dict[str, Any]:
    return {"title": "x.jpg", "photoTakenTime": {"timestamp": str(seconds)}, **more}


@pytest.fixture(scope="module")
def takeout(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three ZIPs of an export in a folder."""
    folder = tmp_path_factory.mktemp("takeout")
    for archive in sorted((shared / "photos" / "exports").glob("takeout-*.zip")):
        shutil.copy(archive, folder)
    return folder


def test_every_photograph_finds_its_sidecar(takeout: Path, shared: Path) -> None:
    truth = json.loads((shared / "photos" / "exports" / "TRUTH.json").read_text("utf-8"))
    notes: dict[str, bytes] = {}
    for archive in takeout.iterdir():
        with zipfile.ZipFile(archive) as zipped:
            notes |= {n: zipped.read(n) for n in zipped.namelist() if n.endswith(".json")}
    found = {originals.parts(file.path)[1]: file for file in TakeoutSource(takeout).files()}
    pictures = {name: file for name, file in found.items() if file.origin}
    assert set(pictures) == {row[0] for row in truth["takeout(three zips)"]}
    for name, sha256, sidecar, _what in truth["takeout(three zips)"]:
        file = pictures[name]
        origin = file.origin
        assert origin and hashlib.sha256(originals.read(file.path, 2**20)).hexdigest() == sha256
        if sidecar is None:
            assert origin.taken is None and origin.taken_from == ""
            continue
        said = json.loads(notes[sidecar])
        assert origin.name == said["title"] and origin.place == (55.2, 37.6)
        assert origin.taken_from == "sidecar" and origin.taken
        assert origin.taken.startswith("2020-09-") and origin.taken.endswith("+00:00")


def test_what_is_set_aside_and_why(takeout: Path, tmp_path: Path) -> None:
    do(ingest.plan(source=TakeoutSource(takeout), archive=tmp_path / "a", shard_size=16))
    rows = ingest.catalogue_of(tmp_path / "a").rows()
    assert len(rows) == 3 + sum(len(zipfile.ZipFile(z).namelist()) for z in takeout.iterdir())
    said = {originals.parts(row.path)[1].split("Google Photos/")[-1]: row for row in rows}
    year = "Photos from 2020/"
    assert "IMG_1-edited.jpg is read in its place" in said[f"{year}IMG_1.jpg"].reason
    assert said[f"{year}IMG_1-edited.jpg"].verdict == "kept"
    assert said[f"{year}PXL_2.PORTRAIT-modifié.jpg"].verdict == "kept"
    assert said[f"{year}PXL_2.PORTRAIT.jpg"].verdict == "skipped"
    assert "bin" in said[f"{year}trashed.jpg"].reason
    assert "motion photo" in said[f"{year}PXL_3.MP"].reason
    assert said[f"{year}PXL_3.MP.jpg"].verdict == "kept"
    assert "damaged" in said[f"{year}broken.jpg.supplemental-metadata.json"].reason
    assert "no part" in said[f"{year}orphan.jpg.supplemental-metadata.json"].reason
    assert "album" in said["Chair yoga/metadata.json"].reason
    assert "album" in said["Sans titre/métadonnées.json"].reason
    copies = [said[f"{year}IMG_4.jpg"], said["Chair yoga/IMG_4.jpg"]]
    assert sorted(row.verdict for row in copies) == ["duplicate", "kept"]
    assert all(row.origin and row.origin.album == "Chair yoga" for row in copies)


# The rule as Google applies it, written the other way round: from a title to the two names.
_stems = st.text("abcXYZ019 _-.é照🙂", min_size=1, max_size=60).filter(
    lambda s: s.strip(". ") == s and not s.endswith(("-edited", "-mix"))
)


@given(
    stem=_stems,
    suffix=st.sampled_from([".jpg", ".JPG", ".png", ".heic", ".MP.jpg"]),
    number=st.sampled_from([0, 0, 1, 2, 12]),
    edited=st.sampled_from(["", "-edited", "-bearbeitet", "-編集済み"]),
    supplement=st.booleans(),
)
def test_a_sidecar_is_found_by_the_naming_rule(
    stem: str, suffix: str, number: int, edited: str, supplement: bool
) -> None:
    stem = stem[: 51 - len(suffix) - len(edited)].rstrip(". ") or "a"  # as long as names are
    count = f"({number})" if number else ""
    ending, inner = suffix.rpartition(".")[2], suffix.rpartition(".")[0]
    media = f"{stem}{inner}{edited}{count}.{ending}"
    whole = f"{stem}{suffix}" + (".supplemental-metadata" if supplement else "")
    sidecar = f"{whole[:46]}{count}.json"
    assert sidecar in list(sidecars(media))
    assert len(sidecar) <= 51 + len(count)


def test_the_nearest_name_wins(tmp_path: Path) -> None:
    files = _files(
        _put(
            tmp_path,
            **{
                "a.jpg": "1", "a(1).jpg": "2", "b(2).jpg": "3",
                "a.jpg.supplemental-metadata.json": _note(1), "a.jpg.json": _note(9),
                "a.jpg.supplemental-metadata(1).json": _note(2),
                "b(2).jpg.supplemental-metadata.json": _note(3),
            },
        )
    )  # fmt: skip
    taken = {name: file.origin.taken for name, file in files.items() if file.origin}
    assert {name: date and date[-8:-6] for name, date in taken.items()} == {
        "a.jpg": "01", "a(1).jpg": "02", "b(2).jpg": "03"
    }  # fmt: skip


def test_names_in_either_unicode_form(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Café.jpg")
    note = unicodedata.normalize("NFC", "Café.jpg.supplemental-metadata.json")
    found = TakeoutSource(_put(tmp_path, **{name: "x", note: _note()})).files()
    assert [file.origin.taken for file in found if file.origin] == ["2020-09-13T12:26:40+00:00"]


def test_what_google_made_gives_way_to_the_photograph(tmp_path: Path) -> None:
    files = _files(
        _put(tmp_path, **{"a.jpg": "1", "a-effects.jpg": "2", "b-mix.jpg": "3", "c(1).jpg": "4",
                          "c-edited(1).jpg": "5"})
    )  # fmt: skip
    assert files["a.jpg"].skip == files["b-mix.jpg"].skip == files["c-edited(1).jpg"].skip == ""
    assert "Google made it from a.jpg" in files["a-effects.jpg"].skip
    assert "c-edited(1).jpg is read" in files["c(1).jpg"].skip


@pytest.mark.parametrize(
    ("said", "taken", "place"),
    [
        ({"geoData": {"latitude": 0.0, "longitude": 0.0}}, True, None),
        ({"geoData": {"latitude": 0, "longitude": 0},
          "geoDataExif": {"latitude": 1.5, "longitude": 2}}, True, (1.5, 2.0)),
        ({"geoData": {"latitude": 91, "longitude": 2}}, True, None),
        ({"geoData": {"latitude": "north"}}, True, None),
        ({"geoData": "here", "photoTakenTime": "then"}, False, None),
        ({"photoTakenTime": {"timestamp": "0"}}, False, None),
        ({"photoTakenTime": {"timestamp": "-86400"}}, True, None),
        ({"photoTakenTime": {"timestamp": "99999999999999999999"}}, False, None),
    ],
)  # fmt: skip
def test_dates_and_places(
    said: dict[str, Any], taken: bool, place: tuple[float, float] | None, tmp_path: Path
) -> None:
    files = _files(_put(tmp_path, **{"a.jpg": "x", "a.jpg.json": _note(**said)}))
    origin = files["a.jpg"].origin
    assert origin and bool(origin.taken) == taken and origin.place == place


def test_an_archived_photograph_is_read_and_notes_may_be_anything(tmp_path: Path) -> None:
    files = _files(
        _put(tmp_path, **{"a.jpg": "x", "a.jpg.json": _note(archived=True, description="Hello"),
                          "b.jpg": "y", "b.jpg.json": "[1, 2]", "user.json": "{}"})
    )  # fmt: skip
    assert files["a.jpg"].skip == "" and files["a.jpg"].origin
    assert files["a.jpg"].origin.caption == "Hello"
    assert files["b.jpg"].origin and files["b.jpg"].origin.taken is None
    assert "about your account" in files["user.json"].skip


def test_an_album_without_its_note_is_called_by_its_folder(tmp_path: Path) -> None:
    for place in ("Summer", "Photos from 2021", "2017-05-06 #2"):
        folder = tmp_path / "Takeout" / "Google Photos" / place
        folder.mkdir(parents=True)
        (folder / f"{place}.jpg").write_bytes(b"x")
    old = tmp_path / "Takeout" / "Google Photos" / "Summer 1" / "metadata.json"
    old.parent.mkdir()
    (old.parent / "old.jpg").write_bytes(b"y")
    old.write_text(json.dumps({"albumData": {"title": "Summer, 1"}}))
    albums = {name: file.origin.album for name, file in _files(tmp_path).items() if file.origin}
    assert albums == {
        "Summer.jpg": "Summer", "Photos from 2021.jpg": "", "2017-05-06 #2.jpg": "",
        "old.jpg": "Summer, 1",
    }  # fmt: skip
