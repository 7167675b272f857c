"""Favourites: kept by name, mixed by layers, and not lost when two programs write at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from merzmory.errors import ConfigError, FormatError, MerzmoryError
from merzmory.gan.config import NetworkConfig
from merzmory.gan.networks import Generator
from merzmory.latent import layers
from merzmory.latent.explore import Explorer
from merzmory.latent.favourites import FILE, Favourites
from merzmory.latent.vectors import Vector

ROOT = Path(__file__).resolve().parents[2]
GLASS = Vector("z", np.array([0.1, -2.5], np.float32), psi=0.7, about={"seed": 12})


@pytest.fixture
def favourites(tmp_path: Path) -> Favourites:
    return Favourites(tmp_path / "outputs" / FILE)


def test_kept_by_name(favourites: Favourites) -> None:
    assert favourites.all() == []
    kept = favourites.add(GLASS, "the glass")
    favourites.add(GLASS, "another")
    assert favourites.get("the glass").same_as(kept) and kept.name == "the glass"
    favourites.rename("another", "a second")
    assert [one.name for one in favourites.all()] == ["the glass", "a second"]
    favourites.remove("the glass")
    assert [one.name for one in Favourites(favourites.path).all()] == ["a second"]
    with pytest.raises(ConfigError, match="already"):
        favourites.add(GLASS, "a second")
    with pytest.raises(ConfigError, match="already"):
        favourites.rename("a second", "a second")
    for ask in (favourites.get, favourites.remove, lambda name: favourites.rename(name, "x")):
        with pytest.raises(ConfigError, match="there are a second"):
            ask("the glass")
    for name in ("", " a", "a\n", "b" * 65):
        with pytest.raises(FormatError, match="cannot be a name"):
            favourites.add(GLASS, name)
    assert [one.name for one in favourites.all()] == ["a second"]


def test_a_damaged_file_is_named_and_left_alone(favourites: Favourites) -> None:
    favourites.path.parent.mkdir()
    favourites.path.write_text('{"format": 1, "kind": "favo', "utf-8")
    for ask in (favourites.all, lambda: favourites.add(GLASS, "x")):
        with pytest.raises(MerzmoryError, match="is damaged"):
            ask()
    assert favourites.path.read_text("utf-8") == '{"format": 1, "kind": "favo'


def test_two_programs_at_once_lose_nothing(favourites: Favourites) -> None:
    code = (
        "import sys, numpy as np\nfrom pathlib import Path\n"
        "from merzmory.latent.favourites import Favourites\n"
        "from merzmory.latent.vectors import Vector\n"
        "for n in range(15):\n"
        "    Favourites(Path(sys.argv[1])).add(Vector('z', np.ones(2, np.float32)), f'{sys.argv[2]} {n}')\n"
    )
    words = [sys.executable, "-c", code, str(favourites.path)]
    programs = [subprocess.Popen([*words, name], cwd=ROOT) for name in "ab"]
    assert [program.wait(timeout=120) for program in programs] == [0, 0]
    names = {one.name for one in favourites.all()}
    assert names == {f"{who} {n}" for who in "ab" for n in range(15)}


def test_mixed_layer_by_layer() -> None:
    torch.manual_seed(0)
    config = NetworkConfig(64, z_dim=8, w_dim=8, mapping_layers=1, channel_base=256, channel_max=8)
    generator = Generator(config).eval().requires_grad_(False)
    generator.mapping.w_avg.normal_()
    explorer = Explorer(generator)
    assert layers.parts(generator) == {"coarse": (0, 4), "middle": (4, 8), "fine": (8, 10)}
    a, b, c = (explorer.in_w(explorer.seed(seed)) for seed in range(3))
    made = layers.mix(explorer, a, {"fine": b, "5": c}, "mixed")
    wanted = np.stack([a.values] * 5 + [c.values] + [a.values] * 2 + [b.values] * 2)
    assert np.array_equal(made.values, wanted)
    assert (made.space, made.name, made.about["mixed"]["fine"]) == ("w", "mixed", "seed 1")
    alone = layers.mix(explorer, explorer.seed(0), {})
    assert np.abs(
        explorer.picture(alone, 0.8).astype(int) - explorer.picture(explorer.seed(0), 0.8)
    ).max() <= 1  # fmt: skip
    for text in ("10", "7-4", "0-10", "sharp", "-1", ""):
        with pytest.raises(ConfigError, match="from 0 to 9"):
            layers.parse(text, generator)
    small = Generator(NetworkConfig(16, z_dim=8, w_dim=8, channel_base=64, channel_max=8))
    assert [*layers.parts(small).values()] == [(0, 2), (2, 4), (4, 6)]
