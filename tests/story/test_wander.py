"""Which photographs are projected, and what walks go through, by what a config says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from merzmory import config
from merzmory.errors import ArchiveError, ConfigError, FormatError, MerzmoryError
from merzmory.latent import favourites, vectors
from merzmory.latent.favourites import Favourites
from merzmory.latent.projections import Target
from merzmory.latent.vectors import Vector
from merzmory.manifest import read_manifest
from merzmory.pipeline import STEPS
from merzmory.story import lineage, wander
from merzmory.workspace import Workspace

SMALL = [
    "archive.sample_photos=100", "dataset.resolution=16", "train.base=", "train.steps=2",
    "train.batch=4", "train.threads=1", "train.snapshots=[0, 2]", "train.z_dim=8", "train.w_dim=8",
    "train.mapping_layers=2", "train.channel_base=128", "train.channel_max=8",
    "train.preview_count=1", "walk.seconds=0.5", "walk.size=64", "project.steps=3",
    "project.photos=5",
]  # fmt: skip


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wander") / "outputs"
    for name in ("ingest", "cull", "build", "train"):
        STEPS[name](*loaded(folder))
    return folder


def loaded(outputs: Path, *overrides: str) -> tuple[config.Config, Workspace]:
    made = config.load("demo", [*SMALL, f"outputs={outputs}", *overrides])
    return made, made.workspace()


def target(taken: str) -> Target:
    return Target(taken or "none", "a.jpg", lambda: Image.new("RGB", (4, 4)), taken)


def test_photographs_are_spread_over_their_dates() -> None:
    years = [str(year) for year in range(2000, 2021)]
    mixed = [target(year) for year in [*years[::2], "", *years[1::2]]]
    assert [t.taken for t in wander.spread(mixed, 5)] == ["2000", "2005", "2010", "2015", "2020"]
    assert [t.taken for t in wander.spread(mixed, 0)] == years
    assert len(wander.spread([target(""), target("")], 1)) == 1


def test_a_walk_through_time_and_years(outputs: Path) -> None:
    time = loaded(outputs, "walk.through=time", "walk.aspect=16:9")
    with pytest.raises(MerzmoryError, match="merzmory project"):
        STEPS["walk"].plan(*time)
    folder = wander.project()(*loaded(outputs))
    assert len(read_manifest(folder)) == 5
    assert wander.project().plan(*loaded(outputs)).shards == 0
    found = wander.points(*time)
    days = [vector.about["taken"] for vector in found]
    assert days == sorted(days) and all(days)
    assert wander.screen(*time) == (64, 36)
    film = STEPS["walk"](*time)
    assert (film / "film.mp4").is_file()
    years = wander.points(*loaded(outputs, "walk.through=years"))
    assert [year.name for year in years] == sorted({day[:4] for day in days})
    assert film != STEPS["walk"](*loaded(outputs, "walk.through=time", "walk.preview=true"))


def test_a_date_given_by_hand_moves_a_photograph(outputs: Path) -> None:
    made, workspace = loaded(outputs)
    before = lineage.projected(made, workspace)
    settings: dict[str, Any] = {**before.settings, "dates": {"x": "1962"}}
    assert before.folder.name != workspace.result("projected", settings).name


def test_a_photograph_of_elsewhere_is_cut_like_the_others(outputs: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.png"
    Image.fromarray(np.full((40, 60, 3), (200, 30, 30), np.uint8)).save(path)
    known = read_manifest(lineage.dataset(*loaded(outputs)).finished())[0]
    inside = Path(known["path"])
    folder = wander.project([path, *([inside] if inside.is_file() else [])])(*loaded(outputs))
    lines = read_manifest(folder)
    assert lines[0]["name"] == "elsewhere.png"
    assert [line["photo"] for line in lines[1:]] == [known["photo"]] * inside.is_file()
    with pytest.raises(ArchiveError, match=r"nowhere\.jpg cannot be projected"):
        wander.project([tmp_path / "nowhere.jpg"]).plan(*loaded(outputs))
    (tmp_path / "empty.jpg").write_bytes(b"")
    with pytest.raises(ArchiveError, match="empty"):
        wander.project([tmp_path / "empty.jpg"]).plan(*loaded(outputs))


def test_favourites_are_walked_through_by_name(outputs: Path) -> None:
    _, workspace = loaded(outputs)
    with pytest.raises(ConfigError, match="no vectors"):
        STEPS["walk"].plan(*loaded(outputs, "walk.through=favourites"))
    mine = Favourites(workspace.experiment / favourites.FILE)
    for n, name in enumerate(["sea", "glass", "hat"]):
        mine.add(Vector("z", np.random.default_rng(n).standard_normal(8).astype(np.float32)), name)
    named = wander.points(*loaded(outputs, "walk.through=favourites:hat, sea"))
    assert [vector.name for vector in named] == ["hat", "sea"]
    assert len(wander.points(*loaded(outputs, "walk.through=favourites"))) == 3
    with pytest.raises(ConfigError, match="no favourite 'shoe'"):
        STEPS["walk"].plan(*loaded(outputs, "walk.through=favourites:shoe"))
    one, other = (
        lineage.walk(*loaded(outputs, f"walk.through={through}")).folder
        for through in ("favourites:hat,sea", "favourites:sea,hat")
    )
    assert one != other


def test_a_file_is_known_by_what_it_holds(outputs: Path, tmp_path: Path) -> None:
    file = tmp_path / "way.npz"
    words = loaded(outputs, f"walk.through={file}")
    with pytest.raises(ConfigError, match=r"way\.npz"):
        STEPS["walk"].plan(*words)
    vectors.save(file, [Vector("w", np.full(8, n, np.float32), f"v{n}") for n in range(2)])
    first = lineage.walk(*words)
    assert first.settings["through"] == "way.npz"  # no path of this machine
    vectors.save(file, [Vector("w", np.full(8, n, np.float32), f"v{n}") for n in range(3)])
    assert lineage.walk(*words).folder != first.folder
    file.write_bytes(b"PK")
    with pytest.raises(FormatError, match=r"way\.npz"):
        STEPS["walk"].plan(*loaded(outputs, f"walk.through={file}"))


def test_lpips_names_the_weights_that_it_needs(outputs: Path) -> None:
    with pytest.raises(MerzmoryError, match="weights import vgg16"):
        wander.project().plan(*loaded(outputs, "project.distance=lpips"))
