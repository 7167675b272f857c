"""Persons: gathered twice the same, kept through new detectors, and leaving with all their doubles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merzmory.archive import culling, people
from merzmory.archive.assets import Asset, Location
from merzmory.archive.database import Database
from merzmory.archive.faces import Face
from merzmory.archive.gathering import gather
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.looking import People
from merzmory.config import Cull


def _prints(people_: int, each: int, seed: int, spread: float) -> np.ndarray:
    """`each` prints around one direction for each of some people, one after the other."""
    dice = np.random.default_rng(seed)
    centres = np.eye(people_, 16)
    made = np.repeat(centres, each, axis=0) + dice.normal(0, spread, (people_ * each, 16))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_people_are_told_apart_and_keep_their_numbers(count: int, each: int, seed: int) -> None:
    prints = _prints(count, each, seed, 0.04)
    mixed = np.random.default_rng(seed).permutation(len(prints))
    photos = [f"{n:03d}" for n in mixed]
    found = gather(prints[mixed], photos, [0] * len(mixed), alike=0.7, first=1)
    truth = [int(n) // each for n in mixed]
    pairs = set(zip(found, truth, strict=True))
    assert len(pairs) == len(set(found)) == len(set(truth))  # one number each
    half = len(mixed) // 2  # the first half is known, the rest comes later
    known = gather(prints[mixed[:half]], photos[:half], [0] * half, alike=0.7, first=1)
    later = gather(prints[mixed], photos, [*known, *[0] * (len(mixed) - half)], alike=0.7, first=50)
    assert later[:half] == known
    assert all(
        (a == b) == (x == y)
        for a, x in zip(later, truth, strict=True)
        for b, y in zip(later, truth, strict=True)
    )


def test_nobody_is_twice_on_a_photograph_and_a_look_alike_does_not_chain() -> None:
    same = np.tile(_prints(1, 1, 0, 0.0), (2, 1))
    assert gather(same, ["a", "a"], [0, 0], alike=0.5, first=1) == [1, 2]
    angles = np.radians([0, 4, 8, 45, 49, 53, 27])  # two people, and one face between them
    prints = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = gather(prints, [f"{n}" for n in range(7)], [0] * 7, alike=0.9, first=1)
    assert found[:3] == [1, 1, 1] and found[3:6] == [2, 2, 2]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A catalogue of three pictures; `near` shows what `one` shows."""
    hashes = {
        "one": ("0" * 16, "0" * 64),
        "near": ("0" * 16, "0" * 63 + "1"),
        "two": ("f" * 16, "f" * 64),
    }
    catalogue = catalogue_of(tmp_path)
    scan = catalogue.open_scan("x", [], shard_size=8)
    catalogue.record(
        scan, 0, gone=(), algorithm=2,
        assets=[
            Asset(sha, 1, width=900, height=900, blur=0.1, detail=900.0, phash64=a, phash256=b)
            for sha, (a, b) in hashes.items()
        ],
        locations=[Location(f"/{sha}.jpg", 1, 1, sha, "read") for sha in hashes],
    )  # fmt: skip
    return tmp_path


def _face(x: int) -> Face:
    return Face((x, 100, x + 100, 200))


def test_a_choice_outlives_another_detector(archive: Path) -> None:
    known, prints = People(archive), _prints(2, 1, 1, 0.0)
    with known.saying() as said:
        people.record(said, "one", [_face(100), _face(500)], prints, "haar shape")
        assert people.assign(said, 0.7) == 2
        people.choose(said, 1, "blur")
    better = np.float32(np.eye(1, 32))  # longer prints, and only another face is found
    with known.saying() as said:
        people.record(said, "one", [_face(300)], better, "yunet sface")
        people.assign(said, 0.7)
    assert {p.number: (p.choice, len(p.seen)) for p in known.persons()} == {
        1: ("blur", 1),
        3: ("keep", 1),
    }
    with known.saying() as said:  # found again, a little beside: the same face
        people.record(said, "one", [_face(120)], better, "yunet sface")
        people.assign(said, 0.7)
        (hidden,) = people.sights(said)["one"].blurred
    assert hidden == _face(120).box
    assert known.unseen("yunet sface") == ["near", "two"]


def test_doubles_leave_with_whom_they_show_whatever_was_picked(archive: Path) -> None:
    known, catalogue = People(archive), catalogue_of(archive)
    with known.saying() as said:
        for sha in ("near", "two"):
            people.record(said, sha, [], np.zeros((0, 0), np.float32), "haar shape")
        people.record(said, "one", [_face(100)], _prints(1, 1, 1, 0.0), "haar shape")
        people.assign(said, 0.7)
        people.choose(said, 1, "exclude")
    catalogue.mark([culling.marks.mark(sha, "flag", "pick") for sha in ("one", "near")])
    knobs = {**Cull().model_dump(), "min_side": 8}
    culling.plan(archive=archive, **knobs).run_shard(0, lambda _progress: None)
    rows = {row.sha256: row for row in catalogue.rows(culling.ruling(**knobs))}
    assert [rows[sha].verdict for sha in ("one", "near", "two")] == ["rejected", "rejected", "kept"]
    assert rows["one"].reason == "It shows person 1, whom you left out."
    assert (
        rows["near"].reason
        == "It shows the same as /one.jpg, which shows person 1, whom you left out."
    )
    known.undo()
    assert culling.plan(archive=archive, **knobs).shards == 1
    culling.plan(archive=archive, **knobs).run_shard(0, lambda _progress: None)
    assert {row.verdict for row in catalogue.rows(culling.ruling(**knobs))} == {"kept"}


def test_a_catalogue_without_people_is_silent(archive: Path) -> None:
    known = People(archive)
    assert not known.chosen() and not known.persons() and known.undo() == []
    known.forget()
    with Database(archive / "catalogue.sqlite").reading() as connection:
        assert people.sights(connection) == {} == people.left_out(connection)
