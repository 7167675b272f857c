"""What a person says outranks every measure, is undone together, and outlives a new reading."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from merzmory.archive import culling, ingest
from merzmory.archive.assets import REJECTED, Asset, Row
from merzmory.archive.catalogue import Catalogue
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.marks import KINDS, NOTHING, Mark, find, mark
from merzmory.archive.sources.folder import FolderSource
from merzmory.errors import ArchiveError, ConfigError
from merzmory.manifest import do

KNOBS: dict[str, Any] = {
    "near_bits": 8, "confirm_bits": 40, "max_blur": 0.62, "min_detail": 60.0, "max_clipped": 0.6,
    "max_lost": 0.01, "min_side": 64, "screenshots": "reject", "memes": "reject", "max_text": 0.3,
    "colour": "any", "bursts": "keep", "picked_only": False, "min_stars": 0,
}  # fmt: skip


class Archive:
    """Photographs in a folder, read and culled."""

    def __init__(self, place: Path) -> None:
        self.photos, self.folder = place / "photos", place / "archive"
        self.photos.mkdir()

    def read(self) -> Catalogue:
        do(ingest.plan(source=FolderSource(self.photos), archive=self.folder, shard_size=8))
        return catalogue_of(self.folder)

    def rows(self, **knobs: Any) -> dict[str, Row]:
        knobs = {**KNOBS, **knobs}
        do(culling.plan(archive=self.folder, **knobs))
        rows = catalogue_of(self.folder).rows(culling.ruling(**knobs))
        return {Path(row.path).name: row for row in rows}

    def say(self, name: str, kind: str, value: str) -> None:
        catalogue = catalogue_of(self.folder)
        catalogue.mark([mark(sha256, kind, value) for sha256 in find(catalogue.rows(), [name])])


@pytest.fixture
def archive(tmp_path: Path, pictures: Callable[[int], Image.Image]) -> Iterator[Archive]:
    made = Archive(tmp_path)
    big = pictures(1).resize((384, 256), Image.Resampling.NEAREST)
    big.save(made.photos / "big.png")
    big.resize((192, 128), Image.Resampling.NEAREST).save(made.photos / "small.png")
    pictures(2).save(made.photos / "other.png")
    pictures(3).filter(ImageFilter.GaussianBlur(5)).save(made.photos / "blurred.png")
    made.read()
    yield made


def verdicts(rows: dict[str, Row]) -> dict[str, str]:
    return {Path(name).stem: row.verdict for name, row in rows.items()}


def test_a_reject_is_out_and_a_pick_is_in(archive: Archive) -> None:
    plain = {"big": "kept", "small": "duplicate", "other": "kept", "blurred": "rejected"}
    assert verdicts(archive.rows()) == plain
    archive.say("other.png", "flag", "reject")
    archive.say("blurred.png", "flag", "pick")
    ruled = culling.ruling(**KNOBS)
    at_once = {Path(r.path).stem: r.verdict for r in catalogue_of(archive.folder).rows(ruled)}
    assert at_once == {**plain, "other": "rejected", "blurred": "kept"}
    rows = archive.rows()
    assert verdicts(rows) == at_once
    assert rows["other.png"].reason == "You set it aside." and rows["other.png"].flag == "reject"
    assert rows["blurred.png"].reason == "You picked it."
    kept = {Path(photo.path).stem for photo in catalogue_of(archive.folder).keepers(ruled)}
    assert kept == {"big", "blurred"}


def test_a_pick_leads_its_stack_and_a_reject_takes_the_worse_with_it(archive: Archive) -> None:
    archive.say("small.png", "flag", "pick")
    rows = archive.rows()
    assert rows["small.png"].verdict == "kept" and rows["big.png"].verdict == "duplicate"
    archive.say("small.png", "flag", "")
    archive.say("big.png", "flag", "reject")
    rows = archive.rows()
    assert rows["big.png"].verdict == rows["small.png"].verdict == "rejected"
    assert "big.png, which you set aside: pick this one" in rows["small.png"].reason
    archive.say("small.png", "flag", "pick")
    assert archive.rows()["small.png"].verdict == "kept"
    archive.say("small.png", "flag", "reject")
    archive.say("big.png", "flag", "")
    rows = archive.rows()  # the better frame is not the one that was set aside
    assert rows["big.png"].verdict == "kept" and rows["small.png"].reason == "You set it aside."


def test_only_picks_or_only_stars_are_trained_on(archive: Archive) -> None:
    archive.say("other.png", "flag", "pick")
    archive.say("other.png", "stars", "2")
    archive.say("big.png", "stars", "4")
    rows = archive.rows(picked_only=True)
    assert [name for name, row in rows.items() if row.verdict == "kept"] == ["other.png"]
    assert rows["big.png"].reason == "You did not pick it, and cull.picked_only is on."
    rows = archive.rows(min_stars=3)
    assert [name for name, row in rows.items() if row.verdict == "kept"] == ["big.png"]
    assert rows["other.png"].reason == "You gave it 2 stars, and cull.min_stars is 3."
    assert rows["small.png"].verdict == "rejected"
    assert verdicts(archive.rows())["small"] == "duplicate"  # another experiment is not disturbed


def test_marks_belong_to_the_bytes(archive: Archive, tmp_path: Path) -> None:
    archive.say("other.png", "stars", "5")
    archive.say("other.png", "label", "green")
    (archive.photos / "other.png").rename(archive.photos / "renamed.png")
    shutil.copy(archive.photos / "renamed.png", archive.photos / "twice.png")
    catalogue = archive.read()
    rows = archive.rows()
    for name in ("renamed.png", "twice.png"):
        assert (rows[name].stars, rows[name].label) == (5, "green")
    assert len(catalogue.marks()) == 1


def test_a_batch_is_undone_together_and_nothing_is_erased(archive: Archive) -> None:
    archive.say("big.png", "stars", "3")
    catalogue = catalogue_of(archive.folder)
    shas = find(catalogue.rows(), ["big.png", "other.png", "small.png"])
    assert catalogue.mark([mark(sha, "stars", "1") for sha in shas]) == 3
    assert catalogue.mark([mark(sha, "stars", "1") for sha in shas]) == 0  # said already
    before = verdicts(archive.rows())
    archive.say("other.png", "flag", "reject")
    assert archive.rows()["other.png"].verdict == "rejected"
    assert [one.value for one in catalogue.undo()] == ["reject"]
    told = {Path(r.path).name: r for r in catalogue.rows(culling.ruling(**KNOBS))}["other.png"]
    assert (told.verdict, told.flag) == ("kept", "") and "took your mark back" in told.reason
    assert verdicts(archive.rows()) == before
    assert len(catalogue.undo()) == 3
    assert {marks.stars for marks in catalogue.marks().values()} == {"3"}
    assert len(catalogue.undo()) == 1 and catalogue.marks() == {} and catalogue.undo() == []
    with sqlite3.connect(archive.folder / "catalogue.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM mark").fetchone() == (5,)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["flag", "stars", "undo"]),
                          st.integers(0, 2)), max_size=12))  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_what_stands_is_the_last_that_was_not_undone(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str, int]]
) -> None:
    catalogue = Catalogue(tmp_path_factory.mktemp("marks") / "c.sqlite")
    history: list[dict[tuple[str, str], str]] = [{}]
    for sha256, kind, number in said:
        if kind == "undo":
            catalogue.undo()
            if len(history) > 1:
                history.pop()
            continue
        value = {"flag": ["", "pick", "reject"], "stars": ["", "1", "2"]}[kind][number]
        if history[-1].get((sha256, kind), "") != value:
            history.append({**history[-1], (sha256, kind): value})
        catalogue.mark([Mark(sha256, kind, value)])
        found = catalogue.marks()
        for name in "abc":
            for one in ("flag", "stars"):
                stands = getattr(found.get(name, NOTHING), one)
                assert stands == history[-1].get((name, one), "")


def test_a_date_by_hand_is_used_and_says_so(archive: Archive) -> None:
    archive.say("other.png", "date", "1962")
    archive.say("big.png", "date", "1975-07-14")
    photos = {Path(p.path).stem: p for p in catalogue_of(archive.folder).keepers()}
    assert (photos["other"].taken, photos["other"].uncertain) == ("1962", True)
    assert (photos["big"].taken, photos["big"].uncertain) == ("1975-07-14", False)
    origin = photos["other"].origin
    assert origin is not None and origin.taken_from == "by hand"
    assert [p.taken for p in catalogue_of(archive.folder).keepers()][:2] == ["1962", "1975-07-14"]
    archive.say("other.png", "date", "")
    assert {p.taken for p in catalogue_of(archive.folder).keepers()} == {"1975-07-14", None}


def test_culling_again_finds_nothing_to_do_until_a_mark_changes(archive: Archive) -> None:
    archive.rows()
    assert culling.plan(archive=archive.folder, **KNOBS).shards == 0
    archive.say("other.png", "label", "red")  # says nothing of what is kept
    assert culling.plan(archive=archive.folder, **KNOBS).shards == 0
    archive.say("other.png", "flag", "reject")
    assert culling.plan(archive=archive.folder, **KNOBS).shards == 1


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("flag", "maybe", "There is no flag 'maybe'"),
        ("stars", "6", "6 stars are not possible"),
        ("label", "pink", "There is no label 'pink'"),
        ("date", "1962-13", "is not one of a photograph"),
        ("date", "9999", "is not one of a photograph"),
        ("date", "soon", "is not one of a photograph"),
        ("mood", "good", f"choose one of {', '.join(KINDS)}"),
    ],
)
def test_nonsense_is_one_sentence(kind: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        mark("sha", kind, value)


def test_photographs_are_found_by_path_folder_name_and_digits() -> None:
    rows = [
        Row("/home/me/2019/IMG_1.jpg", "aaaaaaaa11", "kept", ""),
        Row("/home/me/2020/IMG_1.jpg", "aaaaaaaa22", "kept", ""),
        Row("/home/me/2020/copy.jpg", "aaaaaaaa22", "duplicate", ""),
        Row("/home/me/2020/IMG_2.jpg", "bbbbbbbb33", "rejected", ""),
        Row("/home/me/all.zip!/in/ZIP.jpg", "cccccccc44", "kept", ""),
        Row("/home/me/broken.jpg", "dddddddd55", "error", "It is damaged."),
        Row("/home/me/note.txt", None, "skipped", "It is not a picture."),
    ]
    for word, shas in {
        "/home/me/2019/IMG_1.jpg": ["aaaaaaaa11"],
        "2020/IMG_1.jpg": ["aaaaaaaa22"],
        "IMG_2.jpg": ["bbbbbbbb33"],
        "bbbbbb": ["bbbbbbbb33"],
        "aaaaaaaa2": ["aaaaaaaa22"],
        "ZIP.jpg": ["cccccccc44"],
        "/home/me/2020": ["aaaaaaaa22", "bbbbbbbb33"],
        "2020/": ["aaaaaaaa22", "bbbbbbbb33"],
    }.items():
        assert find(rows, [word]) == shas, word
    assert find(rows, ["IMG_2.jpg", "bbbbbbbb"]) == ["bbbbbbbb33"]
    for word, said in {
        "IMG_1.jpg": "may be /home/me/2019/IMG_1.jpg or /home/me/2020/IMG_1.jpg",
        "aaaaaaaa": "give more of the path",
        "broken.jpg": "cannot be marked: It is damaged",
        "/home/me/note.txt": "cannot be marked: It is not a picture",
        "nowhere.jpg": "There is no photograph nowhere.jpg",
        "aaa": "There is no photograph aaa",
    }.items():
        with pytest.raises(ArchiveError, match=said):
            find(rows, [word])


def test_a_burst_is_kept_whole_or_by_its_sharpest() -> None:
    def frame(name: str, blur: float, bits: int) -> Asset:
        return Asset(
            name, 1, width=100, height=100, blur=blur, detail=500.0, camera="Leica M6",
            taken="2019-08-01T12:00:00", phash64=f"{(1 << bits) - 1:016x}",
            phash256=f"{(1 << 8 * bits) - 1:064x}",
        )  # fmt: skip

    frames = [frame("a", 0.3, 0), frame("b", 0.1, 10)]
    for bursts, verdict in (("keep", "kept"), ("best", "duplicate")):
        rules = culling.Thresholds(**{**KNOBS, "bursts": bursts})
        found = {d.sha256: d for d in culling.judge(frames, rules, {})}
        assert found["b"].verdict == "kept" and "sharpest of a burst of 2" in found["b"].reason
        assert (found["a"].verdict, found["a"].kept) == (verdict, "b")
        said = {"a": NOTHING.__class__(flag="reject")}
        found = {d.sha256: d for d in culling.judge(frames, rules, said)}
        assert found["a"].verdict == REJECTED and found["b"].reason == "It is sound."
