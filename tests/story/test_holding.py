"""Near copies wait: nothing that others are to see shows them until a person has decided."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merzmory import config, provenance
from merzmory.cli import app
from merzmory.errors import ArchiveError, ConfigError, FormatError, MerzmoryError
from merzmory.gallery import decisions
from merzmory.manifest import MANIFEST, read_manifest, read_settings
from merzmory.pipeline import STEPS
from merzmory.story import holding, lineage, showreel
from merzmory.workspace import Workspace
from tests.snapshots import snapshot

TINY = [
    "train.base=", "dataset.resolution=16", "train.steps=2", "train.batch=4", "train.z_dim=8",
    "train.w_dim=8", "train.mapping_layers=2", "train.channel_base=128", "train.channel_max=8",
    "train.metric_pictures=0", "train.preview_count=1", "sample.count=4", "archive.workers=1",
    "cull.min_side=32", "film.size=64", "film.fps=8", "film.seconds_per_picture=0.5",
    "film.fade=0.1", "upscale.engine=lanczos",
]  # fmt: skip
HELD = "seed000001.png"  # a near copy; seed 2 is decided to be held


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results as far as the enlarged pictures, of which one is a near copy by its match."""
    home = tmp_path_factory.mktemp("holding")
    (home / "photos").mkdir()
    for number in range(12):
        snapshot(number).save(home / "photos" / f"{number}.jpg", quality=92)
    for step in ("ingest", "cull", "build", "train", "sample", "match", "upscale"):
        STEPS[step](*loaded(home / "outputs"))
    matches = lineage.matches(*loaded(home / "outputs")).finished()
    lines = read_manifest(matches)
    for line in lines:
        near = line["sample"] == HELD and line["rank"] == 1
        line["level"] = decisions.NEAR_COPY if near else "none"
    (matches / MANIFEST).write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return home / "outputs"


@pytest.fixture(autouse=True)
def undecided(outputs: Path) -> None:
    (loaded(outputs)[1].experiment / decisions.FILE).unlink(missing_ok=True)


def words(outputs: Path) -> list[str]:
    return [*TINY, f"archive.folder={outputs.parent / 'photos'}", f"outputs={outputs}"]


def loaded(outputs: Path, *overrides: str) -> tuple[config.Config, Workspace]:
    made = config.load("demo", [*words(outputs), *overrides])
    return made, made.workspace()


def run(outputs: Path, *command: str, code: int = 0) -> str:
    knobs = [word for one in words(outputs) for word in ("--set", one)]
    done = CliRunner().invoke(app, [*command, *knobs])
    assert done.exit_code == code, done.output
    return done.output


def test_what_waits_and_what_is_held(outputs: Path) -> None:
    made, lies = loaded(outputs)
    assert holding.held(made, lies) == holding.waiting(made, lies) == [HELD]
    assert holding.decide(made, lies, [2], "hold") == 1
    assert holding.held(made, lies) == [HELD, "seed000002.png"]
    assert holding.waiting(made, lies) == [HELD]
    holding.decide(made, lies, [1], "publish")
    assert holding.waiting(made, lies) == []
    assert holding.held(*loaded(outputs, "gallery.publish_near_copies=true")) == ["seed000002.png"]
    with pytest.raises(ConfigError, match="no picture of seed 9: they go from 0 to 3"):
        holding.decide(made, lies, [9], "hold")


def test_a_decision_makes_another_film_and_another_gallery(outputs: Path) -> None:
    made, lies = loaded(outputs)
    before = [result(made, lies).folder for result in (lineage.film, lineage.gallery)]
    holding.decide(made, lies, [3], "hold")
    after = [result(made, lies).folder for result in (lineage.film, lineage.gallery)]
    assert not set(before) & set(after)
    holding.decide(made, lies, [3], "")
    assert [result(made, lies).folder for result in (lineage.film, lineage.gallery)] == before


def test_the_sentence_names_pictures_and_commands() -> None:
    said = holding.sentence(["seed000003.png"], "merzmory", "demo")
    assert said.startswith("Seed 3 is held back from gallery, films, contact sheets and prints, so")
    assert "`merzmory dig demo --sample 3`" in said
    assert said.endswith("`merzmory decide demo --publish 3` or `--hold 3`.")
    many = holding.sentence([f"seed{n:06d}.png" for n in range(12)])
    assert many.startswith("Seeds 0, 1, 2, 3, 4, 5, 6, 7 and 4 more are held back")


def test_paper_shows_none_of_it(outputs: Path) -> None:
    said = run(outputs, "prints", "demo")
    assert "Seed 1 is held back" in said
    [pdf] = re.findall(r"\S+contact\.pdf", said)
    assert read_manifest(Path(pdf).parent)[0]["pictures"] == [
        "seed000000.png", "seed000002.png", "seed000003.png",
    ]  # fmt: skip
    refused = run(outputs, "prints", "demo", "--picks", "0-1", code=2)
    assert refused.startswith("Seed 1 is held back from gallery, films, contact sheets and prints")
    assert not list(loaded(outputs)[1].experiment.glob("prints-*"))
    assert "No picture is held back" in run(outputs, "decide", "demo", "--publish", "1")
    assert "seed000001.tif" in run(outputs, "prints", "demo", "--picks", "1")
    assert "Held by you: 1." in run(outputs, "decide", "demo", "--hold", "1")
    assert "Seed 1 is held back" in run(outputs, "prints", "demo", "--picks", "1", code=2)


def test_films_and_the_gallery_show_none_of_it(outputs: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("nought\none\ntwo\nthree\n", "utf-8")
    knobs = [f"film.texts={tmp_path / 'texts.txt'}"]
    for step in ("film", "publish"):
        folder = STEPS[step](*loaded(outputs, *knobs))
    film = lineage.film(*loaded(outputs, *knobs)).finished()
    assert provenance.read(film / "film.mp4")["seeds"] == [0, 2, 3]
    assert (folder / "film" / "film.mp4").is_file()  # it may hang, for it shows none of it either
    assert [line["seed"] for line in read_manifest(folder)] == [0, 2, 3]
    for seed in (0, 2, 3):
        holding.decide(*loaded(outputs), [seed], "hold")
    with pytest.raises(ArchiveError, match=r"Every picture is held back.*merzmory decide CONFIG"):
        STEPS["film"].plan(*loaded(outputs))


def test_a_slideshow_of_results_and_a_signature_ask_too(outputs: Path, tmp_path: Path) -> None:
    pictures = lineage.upscaled(*loaded(outputs)).finished()
    found = showreel.gathered([pictures])
    assert [one.path.name for one in found.pictures] == [
        "seed000000.png", "seed000002.png", "seed000003.png",
    ]  # fmt: skip
    [said] = found.left_out
    assert said.startswith("Seed 1 is held back")
    with pytest.raises(ArchiveError, match="Seed 1 is held back"):
        showreel.gathered([pictures / HELD])
    samples = lineage.samples(*loaded(outputs)).finished()
    assert read_settings(samples)["kind"] == "samples"
    key = ("--chain", str(tmp_path / "c.pem"), "--key", str(tmp_path / "k.pem"))
    refused = CliRunner().invoke(app, ["sign", str(samples / HELD), str(tmp_path / "s.png"), *key])
    assert refused.exit_code == 2
    assert refused.output.startswith("Seed 1 is held back")
    holding.decide(*loaded(outputs), [1], "publish")
    assert holding.withheld([samples / HELD, pictures / HELD]) == []
    (loaded(outputs)[1].experiment / decisions.FILE).write_text("torn")
    with pytest.raises(FormatError, match="decide again"):  # what cannot be read sets nothing free
        holding.withheld([samples / HELD])


def test_unmatched_pictures_are_not_shown(outputs: Path) -> None:
    unmatched = loaded(outputs, "sample.count=5")
    for step in ("sample", "upscale"):
        STEPS[step](*unmatched)
    for step in ("film", "publish"):
        with pytest.raises(MerzmoryError, match="`merzmory match`"):
            STEPS[step].plan(*unmatched)
