"""Decisions over measures: thresholds move without decoding, and every one has its reason."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from merzmory.archive import culling, ingest, photograph
from merzmory.archive.assets import Asset
from merzmory.archive.duplicates import doubles
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.sources.sample import SampleSource
from merzmory.errors import ArchiveError
from merzmory.manifest import do, read_manifest

KNOBS: dict[str, Any] = {
    "near_bits": 8, "confirm_bits": 40, "max_blur": 0.62, "min_detail": 60.0, "max_clipped": 0.6,
    "max_lost": 0.01, "min_side": 64, "screenshots": "reject", "memes": "reject", "max_text": 0.3,
    "colour": "any", "bursts": "keep", "picked_only": False, "min_stars": 0,
}  # fmt: skip
RULES = culling.Thresholds(**KNOBS)


@pytest.fixture(scope="module")
def archive(sample: SampleSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample archive, read."""
    folder = tmp_path_factory.mktemp("archives") / "sample"
    return do(ingest.plan(source=sample, archive=folder, shard_size=64))


def test_the_sample_archive_is_culled_right(archive: Path, sample: SampleSource) -> None:
    do(culling.plan(archive=archive, **KNOBS))
    catalogue = catalogue_of(archive)
    root = sample.folder / "photographs"
    rows = {Path(row.path).relative_to(root).as_posix(): row for row in catalogue.rows()}
    lines = read_manifest(sample.folder)
    for line in lines:
        row = rows[line["file"]]
        if "copy_of" in line:
            assert row.verdict == "duplicate" and str(root / line["copy_of"]) in row.reason
        elif "blurred" in line:
            assert row.verdict == "rejected" and "blurred" in row.reason
        elif "cut" in line:
            assert row.verdict in {"kept", "duplicate"}
    assert rows["Odd/greyscale.jpg"].verdict == rows["Odd/for-the-printer.jpg"].verdict == "kept"
    counts = catalogue.counts()
    assert sum(counts.values()) == len(lines) == 160
    assert counts["kept"] >= 120 and (counts["error"], counts["skipped"]) == (0, 1)
    torn = [row for row in rows.values() if "rows are lost, as the file is cut off" in row.reason]
    assert [row.verdict for row in torn] == ["rejected"]


def test_thresholds_move_without_decoding(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("a photograph was opened")

    monkeypatch.setattr(photograph.decode, "opened", never)
    loose, tight = KNOBS, {**KNOBS, "min_side": 240}
    do(culling.plan(archive=archive, **loose))
    many = catalogue_of(archive).keepers()
    do(culling.plan(archive=archive, **tight))
    few = catalogue_of(archive).keepers()
    assert 0 < len(few) < len(many) and {p.id for p in few} < {p.id for p in many}
    rejected = [row for row in catalogue_of(archive).rows() if row.verdict == "rejected"]
    assert any("a training square needs 240" in row.reason for row in rejected)
    # both rulings stand, each for its own experiment
    assert catalogue_of(archive).keepers(culling.ruling(**loose)) == many
    assert culling.plan(archive=archive, **tight).shards == 0
    assert culling.plan(archive=archive, **loose).shards == 1  # to be the one that speaks
    do(culling.plan(archive=archive, **loose))
    assert catalogue_of(archive).keepers() == many
    assert culling.plan(archive=archive, **loose).shards == 0


def test_new_photographs_are_judged(tmp_path: Path, pictures: Any) -> None:
    from merzmory.archive.sources.folder import FolderSource

    folder = tmp_path / "photos"
    folder.mkdir()

    def read() -> None:
        source = FolderSource(folder)
        do(ingest.plan(source=source, archive=tmp_path / "archive", shard_size=8))

    pictures(1).save(folder / "small.jpg", quality=90)
    read()
    do(culling.plan(archive=tmp_path / "archive", **KNOBS))
    assert [Path(p.path).name for p in catalogue_of(tmp_path / "archive").keepers()] == [
        "small.jpg"
    ]
    pictures(1).resize((768, 512), Image.Resampling.NEAREST).save(folder / "large.jpg", quality=90)
    read()
    assert culling.plan(archive=tmp_path / "archive", **KNOBS).shards == 1
    do(culling.plan(archive=tmp_path / "archive", **KNOBS))
    assert [Path(p.path).name for p in catalogue_of(tmp_path / "archive").keepers()] == [
        "large.jpg"
    ]
    (folder / "large.jpg").unlink()
    read()
    do(culling.plan(archive=tmp_path / "archive", **KNOBS))
    assert [Path(p.path).name for p in catalogue_of(tmp_path / "archive").keepers()] == [
        "small.jpg"
    ]


def test_nothing_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="merzmory ingest"):
        culling.plan(archive=tmp_path / "nowhere", **KNOBS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveError, match="merzmory ingest"):
        culling.plan(archive=tmp_path / "empty", **KNOBS)


def test_each_fault_has_its_reason() -> None:
    sharp = {
        "width": 100,
        "height": 100,
        "blur": 0.3,
        "detail": 500.0,
        "phash64": "0" * 16,
        "phash256": "0" * 64,
    }
    cases = {
        "small": ({"height": 63}, "100 x 63 pixels"),
        "dark": ({"dark": 0.7}, "70% of it is black"),
        "light": ({"light": 0.9}, "90% of it is white"),
        "blurred": ({"blur": 0.8, "detail": 5.0}, "It is blurred: 0.80 of 1"),
    }
    for name, (fault, reason) in cases.items():
        (decision,) = culling.judge([Asset(name, 1, **{**sharp, **fault})], RULES, {})  # type: ignore[arg-type]
        assert decision.verdict == "rejected" and reason in decision.reason
    for fine in ({"blur": 0.8}, {"detail": 5.0}):  # the two measures must agree
        (decision,) = culling.judge([Asset("fine", 1, **{**sharp, **fine})], RULES, {})  # type: ignore[arg-type]
        assert decision.verdict == "kept"


def _near(base: int, flips: list[int], bits: int) -> str:
    for flip in flips:
        base ^= 1 << flip
    return f"{base:0{bits // 4}x}"


@given(st.integers(0, 2**32), st.integers(2, 30))
@settings(max_examples=60, deadline=None)
def test_doubles_depend_on_no_order_and_never_chain(seed: int, count: int) -> None:
    dice = random.Random(seed)
    near, fine = dice.getrandbits(64), dice.getrandbits(256)
    assets = []
    for number in range(count):
        if dice.random() < 0.3:
            near, fine = dice.getrandbits(64), dice.getrandbits(256)
        close = dice.sample(range(64), dice.randrange(8))
        closer = dice.sample(range(256), dice.randrange(30))
        assets.append(
            Asset(
                f"{number:02d}", dice.randrange(9), width=100 * 2 ** dice.randrange(2), height=100,
                blur=dice.random(), phash64=_near(near, close, 64), phash256=_near(fine, closer, 256),
            )
        )  # fmt: skip
    found = doubles(assets, near_bits=8, confirm_bits=40)
    dice.shuffle(assets)
    assert doubles(assets, near_bits=8, confirm_bits=40) == found
    by_name = {asset.sha256: asset for asset in assets}
    twice = {double.sha256 for double in found}
    for double in found:
        a, b = by_name[double.sha256], by_name[double.kept]
        assert double.kept not in twice  # what stands for it is kept
        assert (int(a.phash64, 16) ^ int(b.phash64, 16)).bit_count() <= 8
        assert (int(a.phash256, 16) ^ int(b.phash256, 16)).bit_count() == double.bits <= 40
    kept = [asset for asset in assets if asset.sha256 not in twice]
    for a in kept:
        for b in kept:
            if a is not b:
                apart = (int(a.phash64, 16) ^ int(b.phash64, 16)).bit_count()
                finely = (int(a.phash256, 16) ^ int(b.phash256, 16)).bit_count()
                assert apart > 8 or finely > 40  # nothing near is left


def test_the_larger_then_the_sharper_frame_is_kept() -> None:
    same = {"phash64": "0" * 16, "phash256": "0" * 64}
    thumb = Asset("thumb", 9, width=300, height=200, blur=0.1, **same)  # type: ignore[arg-type]
    sharp = Asset("sharp", 8, width=3000, height=2000, blur=0.3, **same)  # type: ignore[arg-type]
    shaken = Asset("shaken", 9, width=3000, height=2000, blur=0.6, **same)  # type: ignore[arg-type]
    found = doubles([thumb, shaken, sharp], near_bits=8, confirm_bits=40)
    assert {(double.sha256, double.kept) for double in found} == {
        ("thumb", "sharp"),
        ("shaken", "sharp"),
    }
