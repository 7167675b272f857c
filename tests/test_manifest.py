"""Finished folders: whole or not there, found again by settings, taken up behind a kill."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merzmory import manifest
from merzmory.errors import FormatError, SettingsDifferError, StorageError
from merzmory.records import Announce, Crop

# paths of any bytes come as lone surrogates, and as line separators of all kinds
_text = st.text(st.characters() | st.sampled_from("\udc80\udcff\u2028\x85\n\r\0"), max_size=8)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_lines = st.lists(st.dictionaries(_text, _values, max_size=3), max_size=5)


class Killed(BaseException):
    """The process ends here."""


@given(shards=st.lists(_lines, max_size=4), knobs=st.dictionaries(_text, _values, max_size=3))
@settings(max_examples=40, deadline=None)
def test_lines_come_back_in_order(shards: list[list[Any]], knobs: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "result"
        work = manifest.lay_out("kind", folder, knobs, len(shards), lambda _p, i, _a: shards[i])
        for index in reversed(range(work.shards)):  # in any order
            work.run_shard(index, lambda _progress: None)
        assert work.finish() == folder
        assert manifest.read_manifest(folder) == [line for lines in shards for line in lines]
        assert manifest.read_settings(folder)["settings"] == knobs
        again = manifest.lay_out("kind", folder, knobs, len(shards), lambda _p, i, _a: shards[i])
        assert again.shards == 0 and again.finish() == folder
        assert {p.name for p in Path(place).iterdir()} == {"result"}


@given(kills=st.lists(st.integers(0, 40), max_size=4))
@settings(max_examples=40, deadline=None)
def test_a_kill_anywhere_leaves_only_a_part(kills: list[int]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "result"
        for left in [*kills, 10**6]:
            fuse = [left]

            def make(part: Path, index: int, _a: Announce, fuse: list[int] = fuse) -> Iterable[Any]:
                for number in range(3):
                    fuse[0] -= 1
                    if fuse[0] < 0:
                        raise Killed
                    (part / f"{index}-{number}.txt").write_text(f"{index} {number}")
                    yield {"file": f"{index}-{number}.txt"}

            try:
                manifest.do(manifest.lay_out("kind", folder, {"a": 1}, 5, make))
            except Killed:
                assert {p.name for p in Path(place).iterdir()} == {"result.part"}
                assert not manifest.is_finished(folder)
        lines = manifest.read_manifest(folder)
        assert [line["file"] for line in lines] == [
            f"{i}-{n}.txt" for i in range(5) for n in range(3)
        ]
        assert {p.name for p in folder.iterdir()} == {
            "settings.json", "manifest.jsonl", *(line["file"] for line in lines)
        }  # fmt: skip


_STEP = """
import os, signal, sys
from pathlib import Path
from merzmory import manifest
def make(part, index, announce):
    (part / f"{index}.txt").write_text(str(index) * 1000)
    if index == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return [{"file": f"{index}.txt"}]
manifest.do(manifest.lay_out("kind", Path(sys.argv[1]), {"a": 1}, 4, make))
"""


def test_kill_9_in_the_middle_then_the_same_command(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    killed = subprocess.run([sys.executable, "-c", _STEP, folder, "2"], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == ["result.part"]
    done = subprocess.run([sys.executable, "-c", _STEP, folder, "-1"], timeout=60)
    assert done.returncode == 0
    assert [p.name for p in tmp_path.iterdir()] == ["result"]
    assert [line["file"] for line in manifest.read_manifest(folder)] == [
        f"{i}.txt" for i in range(4)
    ]


def test_a_whole_shard_is_not_made_again(tmp_path: Path) -> None:
    made: list[int] = []

    def make(_part: Path, index: int, _announce: Announce) -> list[Any]:
        made.append(index)
        return []

    for _ in range(2):
        work = manifest.lay_out("kind", tmp_path / "result", {}, 3, make)
        work.run_shard(1, lambda _progress: None)
    assert made == [1]
    with pytest.raises(FormatError, match="lacks 2 of 3 shards"):
        work.finish()


def test_shards_may_begin_at_the_same_moment(tmp_path: Path) -> None:
    work = manifest.lay_out("kind", tmp_path / "result", {}, 16, lambda _p, i, _a: [{"n": i}])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: work.run_shard(i, lambda _progress: None), range(16)))
    assert [line["n"] for line in manifest.read_manifest(work.finish())] == list(range(16))


def test_other_settings_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    manifest.do(manifest.lay_out("kind", folder, {"a": 1, "b": {"c": 2, "d": 3}}, 0, _nothing))
    with pytest.raises(SettingsDifferError, match=r"b\.c, e") as caught:
        manifest.lay_out("kind", folder, {"a": 1, "b": {"c": 5, "d": 3}, "e": 0}, 0, _nothing)
    assert caught.value.keys == ["b.c", "e"]


def test_a_part_of_other_settings_is_begun_anew(tmp_path: Path) -> None:
    first = manifest.lay_out("kind", tmp_path / "result", {"a": 1}, 2, lambda _p, i, _a: [{"a": 1}])
    first.run_shard(0, lambda _progress: None)
    other = manifest.lay_out("kind", tmp_path / "result", {"a": 2}, 1, lambda _p, i, _a: [{"a": 2}])
    assert manifest.read_manifest(manifest.do(other)) == [{"a": 2}]


def test_join_sees_every_line_once(tmp_path: Path) -> None:
    seen: list[list[dict[str, Any]]] = []

    def join(part: Path, lines: list[dict[str, Any]]) -> None:
        seen.append(lines)
        (part / "index.txt").write_text(str(len(lines)))

    work = manifest.lay_out("k", tmp_path / "r", {}, 3, lambda _p, i, _a: [{"n": i}], join=join)
    folder = manifest.do(work)
    work.finish()
    assert seen == [[{"n": 0}, {"n": 1}, {"n": 2}]] and (folder / "index.txt").read_text() == "3"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path, number: int) -> None:
    def make(_part: Path, _index: int, _announce: Announce) -> list[Any]:
        raise OSError(number, "no")

    work = manifest.lay_out("kind", tmp_path / "result", {}, 1, make)
    with pytest.raises(StorageError, match=r"free some space|cannot be written") as caught:
        manifest.do(work)
    assert str(tmp_path) in str(caught.value)
    assert not (tmp_path / "result").exists()


def test_damaged_and_newer_folders_are_refused(tmp_path: Path) -> None:
    folder = manifest.do(manifest.lay_out("kind", tmp_path / "result", {}, 0, _nothing))
    said = json.loads((folder / manifest.SETTINGS).read_text())
    (folder / manifest.SETTINGS).write_text(json.dumps(said | {"format": manifest.FORMAT + 1}))
    with pytest.raises(FormatError, match="update merzmory"):
        manifest.read_settings(folder)
    (folder / manifest.SETTINGS).write_text("{")
    with pytest.raises(FormatError, match="missing or damaged"):
        manifest.read_settings(folder)
    (folder / manifest.MANIFEST).write_text('{"a": 1}\n{"b"')
    with pytest.raises(FormatError, match="missing or damaged"):
        manifest.read_manifest(folder)


def test_dataclasses_are_lines(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Pair:
        a: int
        crop: Crop

    crop = Crop("a.png", "id", (0, 1, 2, 3), "centre")
    work = manifest.lay_out("kind", tmp_path / "result", {}, 1, lambda *_: [Pair(1, crop)])
    assert manifest.read_manifest(manifest.do(work)) == [
        {"a": 1, "crop": {"file": "a.png", "photo": "id", "box": [0, 1, 2, 3], "method": "centre"}}
    ]


@given(_lines)
def test_equal_settings_equal_name(lines: list[dict[str, Any]]) -> None:
    knobs = {"lines": lines}
    assert manifest.digest(knobs) == manifest.digest(json.loads(json.dumps(knobs)))
    assert manifest.digest(knobs) != manifest.digest({**knobs, "lines": [*lines, {}]})


def _nothing(_part: Path, _index: int, _announce: Announce) -> list[Any]:
    return []
