"""Where everything lies under outputs/."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merzmory.errors import ConfigError, StorageError
from merzmory.manifest import do, lay_out, read_settings
from merzmory.workspace import Workspace


def test_nothing_is_made_until_it_is_asked_for(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "outputs", "demo")
    _ = place.experiment, place.weights, place.prefect, place.result("run", {"a": 1})
    assert not (tmp_path / "outputs").exists()
    place.prepare()
    assert [p.name for p in (tmp_path / "outputs").iterdir()] == ["README.md"]
    (tmp_path / "outputs" / "README.md").write_text("mine")
    place.prepare()
    assert (tmp_path / "outputs" / "README.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "archives", "../up", "a/b", ".hidden", "x" * 65, "a\nb"])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="--set name=NAME"):
        Workspace(tmp_path, name).prepare()
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_are_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("")
    with pytest.raises(StorageError, match="--set outputs=FOLDER"):
        Workspace(tmp_path / "outputs", "demo").prepare()
    with pytest.raises(StorageError, match="--set outputs=FOLDER"):
        Workspace(tmp_path / "outputs" / "deeper", "demo").prepare()


def test_outputs_that_cannot_be_written_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(StorageError, match="cannot be written"):
        Workspace(tmp_path, "demo").prepare()


@given(st.text(max_size=80), st.dictionaries(st.text(max_size=5), st.integers(), max_size=3))
def test_an_archive_lies_in_one_folder_of_a_portable_name(
    label: str, knobs: dict[str, int]
) -> None:
    place = Workspace(Path("outputs"), "demo")
    folder = place.archive(label, knobs)
    assert folder.parent == Path("outputs/archives")
    assert folder == place.archive(label, dict(reversed(knobs.items())))
    assert not set(folder.name) & set('/\\:*?"<>|\0') and len(folder.name) <= 49
    assert folder != place.archive(label, {**knobs, "other": 1, "than": 2, "before": 3, "x": 4})


def test_results_are_the_finished_ones_oldest_first(tmp_path: Path) -> None:
    place = Workspace(tmp_path, "demo")
    folders = []
    for age, knobs in enumerate([{"a": 1}, {"a": 2}]):
        folder = place.result("samples", knobs)
        folder.parent.mkdir(exist_ok=True)
        do(lay_out("sample", folder, knobs, 0, lambda *_: []))
        os.utime(folder, (1000 + age, 1000 + age))
        folders.append(folder)
    begun = lay_out("sample", place.result("samples", {"a": 3}), {"a": 3}, 2, lambda *_: [])
    begun.run_shard(0, lambda _progress: None)
    assert place.results("samples") == place.results() == folders
    assert place.results("film") == []
    assert read_settings(folders[0])["settings"] == {"a": 1}


_KILLED = """
import os, signal, sys
from pathlib import Path
from merzmory.manifest import do, lay_out, read_settings
from merzmory.workspace import Workspace
place = Workspace(Path(sys.argv[1]), "demo")
place.prepare()
def make(part, index, announce):
    (part / "a.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
do(lay_out("film", place.result("film", {"a": 1}), {"a": 1}, 1, make))
"""


def test_a_kill_leaves_no_result(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, tmp_path], timeout=60)
    place = Workspace(tmp_path, "demo")
    assert place.results() == []
    assert [p.suffix for p in place.experiment.iterdir()] == [".part"]
