"""The light table's commands: marks, filters, stacks, sidecars; and that nothing stale is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from merzmory.archive import xmp
from merzmory.archive.marks import Marks
from merzmory.cli import app
from merzmory.config import asked, load
from merzmory.manifest import read_manifest
from merzmory.story import lineage
from tests.snapshots import snapshot


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen photographs; b.jpg is a.jpg once more, smaller."""
    folder = tmp_path_factory.mktemp("table") / "photos"
    (folder / "old").mkdir(parents=True)
    for number in range(14):
        picture = snapshot(number, (240, 160))
        name = "a.jpg" if number == 0 else f"old/{number:02d}.jpg"
        picture.save(folder / name, quality=92)
        if number == 0:
            picture.resize((120, 80)).save(folder / "b.jpg", quality=92)
    return folder


@pytest.fixture
def merzmory(photos: Path, tmp_path: Path) -> Callable[..., str]:
    """A command on those photographs, in a workspace of its own: what it says."""

    def run(command: str, *words: str | Path, code: int = 0) -> str:
        done = CliRunner().invoke(
            app, [command, str(photos), *map(str, words), "--workspace", str(tmp_path / "ws")]
        )
        assert done.exit_code == code, done.output
        return done.output

    run("ingest")
    return run


def names(said: str) -> set[str]:
    return {Path(json.loads(line)["path"]).name for line in said.splitlines() if line[:1] == "{"}


def test_marks_are_made_listed_and_taken_back(merzmory: Callable[..., str]) -> None:
    assert "13 photographs, 26 marks changed" in merzmory("mark", "old", "--stars", "3",
                                                          "--date", "1962")  # fmt: skip
    assert "1 mark changed" in merzmory("mark", "01.jpg", "--stars", "5")
    assert "1 mark changed" in merzmory("mark", "b.jpg", "--pick")
    assert "1 mark changed" in merzmory("mark", "02.jpg", "--label", "red")
    assert "1 mark changed" in merzmory("mark", "02.jpg", "--reject")
    assert names(merzmory("photos", "--json", "--stars", "5")) == {"01.jpg"}
    assert len(names(merzmory("photos", "--json", "--stars", "3+"))) == 13
    assert names(merzmory("photos", "--json", "--stars", "2-")) == {"a.jpg", "b.jpg"}
    assert names(merzmory("photos", "--json", "--picked")) == {"b.jpg"}
    assert names(merzmory("photos", "--json", "--rejected")) == {"02.jpg"}
    assert names(merzmory("photos", "--json", "--label", "red")) == {"02.jpg"}
    assert names(merzmory("photos", "--json", "--unreviewed")) == {"a.jpg"}
    lines = {Path(json.loads(one)["path"]).name: json.loads(one)
             for one in merzmory("photos", "--json").splitlines()}  # fmt: skip
    assert lines["b.jpg"]["verdict"] == "kept" and lines["a.jpg"]["verdict"] == "duplicate"
    assert lines["03.jpg"]["date"] == "1962" and lines["03.jpg"]["uncertain"]
    assert "rejected" in merzmory("photos") and "[reject, 3 stars, red]" in merzmory("photos")
    assert "flag reject of" in merzmory("mark", "--undo")
    assert "13 kept" not in merzmory("mark", "--undo")
    merzmory("mark", "--undo")
    merzmory("mark", "--undo")
    assert "and 12 others" in merzmory("mark", "--undo")
    assert "no marks to take back" in merzmory("mark", "--undo")
    assert len(names(merzmory("photos", "--json", "--unreviewed"))) == 15


def test_without_a_place_every_archive_of_the_workspace_is_listed(
    merzmory: Callable[..., str], photos: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "z.jpg").write_bytes((photos / "a.jpg").read_bytes())
    place = ["--workspace", str(tmp_path / "ws")]
    assert CliRunner().invoke(app, ["ingest", str(more), *place]).exit_code == 0
    done = CliRunner().invoke(app, ["photos", "--json", *place])
    assert done.exit_code == 0, done.output
    assert len(names(done.output)) == 16 and "z.jpg" in names(done.output)
    assert names(done.output) > names(merzmory("photos", "--json"))
    none = CliRunner().invoke(app, ["photos", "--workspace", str(tmp_path / "empty")])
    assert none.exit_code == 2 and "Nothing was read into" in none.output


def test_what_cannot_be_meant_is_one_sentence(merzmory: Callable[..., str]) -> None:
    for words, said in (
        (["nowhere.jpg", "--pick"], "There is no photograph nowhere.jpg"),
        (["a.jpg", "--pick", "--reject"], "Say which photographs"),
        (["a.jpg"], "Say which photographs"),
        (["--pick"], "Say which photographs"),
        (["--undo", "a.jpg"], "Say which photographs"),
        (["a.jpg", "--stars", "9"], "9 stars are not possible"),
        (["a.jpg", "--date", "once"], "is not one of a photograph"),
    ):
        assert said in merzmory("mark", *words, code=2)
    assert "--stars many" in merzmory("photos", "--stars", "many", code=2)
    assert "Say one of --read" in merzmory("xmp", code=2)
    assert "Say one of --read" in merzmory("xmp", "--read", "--beside", code=2)


def test_a_mark_that_changes_the_keepers_makes_a_new_dataset(
    merzmory: Callable[..., str], photos: Path, tmp_path: Path
) -> None:
    config = load(*asked(str(photos), [], tmp_path / "ws"))

    def datasets() -> tuple[str, str]:
        found = (
            lineage.dataset(config, config.workspace()),
            lineage.training(config, config.workspace()),
        )
        return found[0].folder.name, found[1].name

    before = datasets()
    merzmory("mark", "01.jpg", "--stars", "4", "--label", "blue", "--date", "1962")
    assert datasets() == before  # what does not change the keepers trains nothing anew
    merzmory("mark", "01.jpg", "--reject")
    other = datasets()
    assert other[0] != before[0] and other[1] != before[1]
    merzmory("mark", "b.jpg", "--pick")  # as many as before, but b.jpg for a.jpg
    assert datasets() not in (before, other)
    merzmory("mark", "--undo")
    merzmory("mark", "--undo")
    assert datasets() == before


def test_stacks_are_drawn(merzmory: Callable[..., str], tmp_path: Path) -> None:
    said = merzmory("duplicates")
    assert "1 stack, 1 frame set aside" in said
    folder = Path(said.splitlines()[-1].strip())
    (stack,) = read_manifest(folder)
    assert Path(stack["kept"]).name == "a.jpg"
    assert [Path(double["path"]).name for double in stack["doubles"]] == ["b.jpg"]
    for sheet in ("stacks-00.png", "threshold.png"):
        with Image.open(folder / sheet) as drawn:
            assert min(drawn.size) > 300
    assert Path(merzmory("duplicates").splitlines()[-1].strip()) == folder
    merzmory("mark", "b.jpg", "--pick")
    other = Path(merzmory("duplicates").splitlines()[-1].strip())
    assert other != folder and Path(read_manifest(other)[0]["kept"]).name == "b.jpg"


def test_marks_travel_by_xmp(merzmory: Callable[..., str], photos: Path, tmp_path: Path) -> None:
    merzmory("mark", "01.jpg", "--stars", "4", "--reject")
    assert "1 new, 0 merged" in merzmory("xmp", "--write", tmp_path / "side")
    told = xmp.read((tmp_path / "side" / "old" / "01.jpg.xmp").read_bytes())
    assert told == Marks(flag="reject", stars="4")
    assert not list(photos.rglob("*.xmp"))
    merzmory("mark", "--undo")
    try:
        assert "1 new" not in merzmory("xmp", "--beside")  # nothing is marked
        (photos / "old" / "01.jpg.xmp").write_bytes(xmp.written(told))
        assert "1 photograph with a rating" in merzmory("xmp", "--read")
        assert names(merzmory("photos", "--json", "--rejected")) == {"01.jpg"}
    finally:
        (photos / "old" / "01.jpg.xmp").unlink()
