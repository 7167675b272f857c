"""More than a hundred ways of being no sound photograph, in one folder, read in one go."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merzmory.archive import culling, ingest, photograph
from merzmory.archive.assets import READ, Location, Row
from merzmory.archive.ingest import catalogue_of
from merzmory.archive.sources.folder import FolderSource
from merzmory.manifest import do
from merzmory.originals import access as originals
from merzmory.originals import decode, zips
from tests.archive.crafted import photo, saved
from tests.archive.test_culling import KNOBS
from tests.archive.torture import Kind, build, kinds
from tests.cameras import dng

if sys.platform == "win32":
    pytest.skip("it makes pipes and names that Windows refuses", allow_module_level=True)
NAMES = [kind.name for kind in kinds()]


def _state(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Every regular file below, counted without the code under test: hash, time of change, rights."""
    found = subprocess.run(
        ["find", os.fspath(folder), "-type", "f", "-print0"], capture_output=True, check=True
    ).stdout.split(b"\0")[:-1]
    state = {}
    for name in found:
        status = os.lstat(name)
        data = Path(os.fsdecode(name)).read_bytes()
        said = (hashlib.sha256(data).hexdigest(), status.st_mtime_ns, stat.S_IMODE(status.st_mode))
        state[os.fsdecode(name)] = said
    return state


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Kind], dict[str, Row]]:
    """The kinds that this file system takes, and the row of each; nothing was changed by reading."""
    folder, archive = tmp_path_factory.mktemp("torture"), tmp_path_factory.mktemp("a") / "archive"
    made = build(folder)
    before = _state(folder)
    work = ingest.plan(source=FolderSource(folder), archive=archive, shard_size=64, workers=1)
    do(work)
    do(culling.plan(archive=archive, **{**KNOBS, "min_side": 16}))
    assert _state(folder) == before
    rows = catalogue_of(archive).rows()
    assert sorted(row.path for row in rows) == sorted(before)
    assert sum(catalogue_of(archive).counts().values()) == len(rows) == len(made) > 150
    again = ingest.plan(source=FolderSource(folder), archive=archive, shard_size=64, workers=1)
    todo = {row.path for row in rows if row.verdict == "error" and row.sha256 is None}
    assert not todo and again.shards == 0
    return made, {Path(row.path).name: row for row in rows}


@pytest.mark.parametrize("name", [*NAMES, "far.jpg", "hard.jpg"], ids=ascii)
def test_each_kind_has_its_verdict_and_its_sentence(
    read: tuple[dict[str, Kind], dict[str, Row]], name: str
) -> None:
    made, rows = read
    if name not in made:
        pytest.skip("this file system refuses the name")
    kind, row = made[name], rows[name]
    assert kind.verdict in {"", row.verdict}, row.reason
    assert re.search(kind.words, row.reason), row.reason
    assert row.reason[0].isupper() or row.reason[0].isdigit()
    assert row.reason.endswith(".") and "Error" not in row.reason and "\t" not in row.reason
    assert not re.search(r"cv2|PIL|Traceback|None|NaN", row.reason)


def test_what_is_no_file_is_not_opened(read: tuple[dict[str, Kind], dict[str, Row]]) -> None:
    _made, rows = read
    for name in ("pipe.jpg", "dangling.jpg", "linked.jpg", "loop", "directory.jpg"):
        assert name not in rows


def test_when_the_jpeg_is_broken_its_raw_is_read_the_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "1.dng").write_bytes(dng())
    (folder / "1.jpg").write_bytes(saved(photo(1, (384, 256)))[:9000])
    (folder / "2.jpg").write_bytes(saved(photo(2)))

    def reasons() -> dict[str, str]:
        source, archive = FolderSource(folder), tmp_path / "archive"
        do(ingest.plan(source=source, archive=archive, shard_size=8, workers=1))
        return {Path(row.path).name: row.reason for row in catalogue_of(archive).rows()}

    assert "RAW of 1.jpg" in reasons()["1.dng"]
    assert "RAW of 1.jpg" not in reasons()["1.dng"]


_WHOLE: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: saved(photo(1), quality=90),
    "progressive": lambda: saved(photo(1), quality=90, progressive=True),
    "PNG": lambda: saved(photo(1), "PNG"),
    "HEIC": lambda: saved(photo(1), "HEIF") if decode.reads_heic() else saved(photo(1), "AVIF"),
    "DNG": lambda: dng(48, 32),
}


def _mutated(data: st.DataObject, whole: bytes) -> bytes:
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 12))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    return bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_mutated_pictures_are_measured_or_named(data: st.DataObject) -> None:
    raw = _mutated(data, _WHOLE[data.draw(st.sampled_from(sorted(_WHOLE)))]())
    held = photograph.Held(Location("x.jpg", len(raw), 0, "0" * 64, READ), raw)
    asset = photograph.measure(held)
    assert (asset.verdict == READ) == (asset.width > 0) and 0 <= asset.lost < 1
    assert asset.verdict == READ or asset.reason.endswith(".")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_mutated_zips_give_members_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a/1.jpg", saved(photo(1)))
        packed.writestr("2.png", saved(photo(2), "PNG"))
    path = tmp_path_factory.mktemp("zips") / "x.zip"
    path.write_bytes(_mutated(data, out.getvalue()))
    try:
        members = originals.members(str(path))
    except zips.UnreadableZipError:
        return
    for member in members:
        held = photograph.hold(originals.inside(str(path), member.name), member.refused)
        if held is not None and held.location.sha256:
            assert photograph.measure(held).verdict in {"read", "error", "skipped"}
