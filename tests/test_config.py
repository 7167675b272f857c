"""Config: defaults, overrides, refusals that name the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from merzmory import config
from merzmory.errors import ConfigError

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_of_the_project_loads(path: Path) -> None:
    assert config.load(path).name


def test_the_resolved_config_reads_back_equal(tmp_path: Path) -> None:
    first = config.load("demo", ["train.steps=7", "film.music=~/song.mp3"])
    (tmp_path / "again.toml").write_text(first.toml(), "utf-8")
    assert config.load(tmp_path / "again.toml") == first


def test_overrides_are_typed_and_home_is_expanded() -> None:
    loaded = config.load("demo", ["archive.folder=~/Pictures", "train.steps=500", "sample.psi=1"])
    assert loaded.archive.folder == Path.home() / "Pictures"
    assert loaded.train.steps == 500
    assert loaded.sample.psi == 1.0


@pytest.mark.parametrize("name", ["2019", "2019-08-01"])
def test_a_folder_that_looks_like_a_value_is_a_folder(name: str) -> None:
    assert config.load("demo", [f"archive.folder={name}"]).archive.folder == Path(name)


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("train.step=5", "train.steps"),
        ("train.stpes=5", "train.steps"),
        ("steps=5", "train.steps"),
        ("sampel.psi=1", "sample.psi"),
        ("output=here", "outputs"),
    ],
)
def test_an_unknown_key_names_the_nearest(override: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean {hint}"):
        config.load("demo", [override])


@pytest.mark.parametrize(
    "override", ["train.steps=-1", "train.steps=many", "sample.psi=9", "archive=here", "x", "=3"]
)
def test_a_value_that_does_not_fit_is_one_sentence(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load("demo", [override])
    assert "\n" not in str(caught.value)


def test_a_missing_or_broken_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="demo"):
        config.load(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[train\nsteps = 3")
    with pytest.raises(ConfigError, match="not valid TOML"):
        config.load(broken)
