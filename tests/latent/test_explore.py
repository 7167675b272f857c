"""The explorer: a cell always shows the same picture, near is alike, and every way leads back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merzmory.errors import ConfigError, FormatError
from merzmory.frame import Frame
from merzmory.gan import generate
from merzmory.gan.config import NetworkConfig
from merzmory.gan.networks import Generator, StyleGenerator
from merzmory.gan.stylegan3 import StyleGAN3Generator
from merzmory.gan.stylegan3_config import StyleGAN3Config
from merzmory.latent import grid, vectors
from merzmory.latent.explore import (
    REACH,
    Explorer,
    Place,
    centre_out,
    noise,
    sheet_of,
    view,
)
from merzmory.latent.trail import Trail
from merzmory.latent.vectors import Vector
from merzmory.manifest import do, read_manifest
from merzmory.provenance import read_png

PLAIN = NetworkConfig(
    16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8, conv_clamp=256
)
CELLS = st.tuples(st.integers(-6, 6), st.integers(-6, 6))


def ready(generator: StyleGenerator) -> StyleGenerator:
    generator.mapping.w_avg.normal_(generator=torch.Generator().manual_seed(3))
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def explorers() -> dict[str, Explorer]:
    torch.manual_seed(0)
    labelled = NetworkConfig(
        16, c_dim=2, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
    )
    alias_free = StyleGAN3Config(16, z_dim=8, w_dim=8, channel_base=128, channel_max=8)
    return {
        "plain": Explorer(ready(Generator(PLAIN))),
        "labelled": Explorer(ready(Generator(labelled)), ["1962", "1963"]),
        "stylegan3": Explorer(ready(StyleGAN3Generator(alias_free))),
    }


def origin(explorer: Explorer, space: str, label: str = "") -> Vector:
    found = explorer.seed(12, label or (explorer.labels or [""])[-1])
    return found if space == "z" else explorer.in_w(found)


@pytest.mark.parametrize("space", ["z", "w"])
@pytest.mark.parametrize("name", ["plain", "labelled", "stylegan3"])
def test_panning_back_shows_the_same_picture(
    explorers: dict[str, Explorer], name: str, space: str
) -> None:
    explorer = explorers[name]
    place = Place(origin(explorer, space), seed=7)
    first = dict(explorer.pictures(place, centre_out(*view(3, 3)), batch=9))
    fresh = Explorer(explorer.generator, explorer.labels)
    dict(fresh.pictures(place, centre_out(range(2, 5), range(2)), batch=2))  # somewhere else
    again = dict(fresh.pictures(place, [(1, 1), (-1, 0), (0, -1), (0, 0)], batch=1))
    for cell, picture in again.items():
        assert np.array_equal(picture, first[cell])
    assert len({picture.tobytes() for picture in first.values()}) == 9
    seed = explorer.picture(explorer.seed(12, place.origin.label), place.psi)
    assert np.abs(first[0, 0].astype(int) - seed).max() <= 1  # in w, psi comes a rounding later
    assert space == "w" or np.array_equal(first[0, 0], seed)


def test_the_middle_is_the_picture_of_sample(explorers: dict[str, Explorer]) -> None:
    explorer = explorers["plain"]
    [(_, picture)] = explorer.pictures(Place(explorer.seed(5), psi=0.7), [(0, 0)])
    assert np.array_equal(picture, generate.images(explorer.generator, [5], 0.7)[0])


@given(st.lists(CELLS, min_size=1, max_size=6), st.integers(0, 2**32 - 1), st.floats(0, 50))
@settings(max_examples=40, deadline=None)
def test_a_cell_depends_on_nothing_but_its_place(
    cells: list[tuple[int, int]], seed: int, distance: float
) -> None:
    start = np.linspace(-1, 1, 4)

    def drawn(side: int, row: int, columns: int) -> np.ndarray:
        return noise(seed, side, row, columns, 4)

    together = sheet_of(start, drawn, distance, cells)
    for cell in cells:
        alone = sheet_of(start, drawn, distance, [cell])
        assert np.array_equal(alone[cell], together[cell])
        if cell == (0, 0) or distance == 0:
            assert np.array_equal(alone[cell], start)


def test_the_sheet_is_the_one_of_the_formula() -> None:
    """Neighbours correlate by rho everywhere, and no cell is stranger than the origin."""
    count, distance = 4000, 0.8
    rho = 1 / np.sqrt(1 + distance**2)
    start = np.random.RandomState(1).randn(count)
    cells = [(0, 0), (3, 2), (4, 2), (3, 3), (-3, 2), (-3, -2), (3, -2), (0, 4), (4, 0)]
    found = sheet_of(start, lambda side, row, n: noise(9, side, row, n, count), distance, cells)
    for values in found.values():
        assert abs(values.std() - 1) < 0.05

    def alike(a: tuple[int, int], b: tuple[int, int]) -> float:
        return float(np.corrcoef(found[a], found[b])[0, 1])

    for a, b, apart in (
        ((3, 2), (4, 2), 1), ((3, 2), (3, 3), 1), ((4, 2), (3, 3), 2), ((0, 0), (0, 4), 4),
        ((0, 0), (4, 0), 4), ((0, 0), (3, 2), 5), ((-3, 2), (3, 2), 6), ((-3, -2), (3, 2), 10),
    ):  # fmt: skip
        assert abs(alike(a, b) - rho**apart) < 0.05


@pytest.mark.parametrize("space", ["z", "w"])
def test_distance_makes_pictures_unlike(explorers: dict[str, Explorer], space: str) -> None:
    explorer = explorers["plain"]
    apart = []
    for distance in (0.0, 0.1, 0.5, 3.0):
        differ = []
        for seed in range(6):
            start = explorer.seed(seed)
            place = Place(start if space == "z" else explorer.in_w(start), seed, distance, psi=1.0)
            made = dict(explorer.pictures(place, [(2, 1), (2, 2), (1, 1)]))
            middle = made.pop((2, 1)).astype(float)
            differ += [np.abs(middle - other).mean() for other in made.values()]
            if distance == 0:
                assert np.array_equal(middle, explorer.picture(place.origin, 1.0))
        apart.append(float(np.mean(differ)))
    assert apart[0] == 0 and apart == sorted(apart) and apart[1] * 3 < apart[3]


@given(st.integers(-9, 9), st.integers(1, 8), st.integers(-9, 9), st.integers(1, 8))
def test_from_the_middle_outwards(left: int, across: int, top: int, down: int) -> None:
    columns, rows = range(left, left + across), range(top, top + down)
    cells = centre_out(columns, rows)
    assert sorted(cells) == sorted((c, r) for c in columns for r in rows)
    middle = cells[0]
    assert middle == (columns[across // 2], rows[down // 2])
    far = [(c - middle[0]) ** 2 + (r - middle[1]) ** 2 for c, r in cells]
    assert far == sorted(far)
    assert centre_out(*view(across, down))[0] == (0, 0)


def test_nothing_more_is_made_when_nobody_asks(explorers: dict[str, Explorer]) -> None:
    explorer = Explorer(explorers["plain"].generator)
    made = []
    draw = explorer.picture

    def counted(vector: Vector, psi: float) -> np.ndarray:
        made.append(vector)
        return draw(vector, psi)

    explorer.picture = counted  # type: ignore[method-assign]
    asked = explorer.pictures(Place(explorer.seed(0)), centre_out(*view(5, 5)))
    next(asked)
    next(asked)
    asked.close()  # type: ignore[attr-defined]
    assert len(made) == 2


def test_moving_and_walking_back(explorers: dict[str, Explorer], tmp_path: Path) -> None:
    explorer = explorers["plain"]
    first = Place(explorer.seed(3), seed=1, distance=0.7, psi=0.9)
    trail = Trail((first,)).go(explorer, (2, -1))
    [aside] = explorer.at(first, [(2, -1)])
    assert np.array_equal(trail.here.origin.values, aside.values)
    assert trail.here.seed != first.seed and trail.here.distance == 0.7
    further = trail.go(explorer, (0, 1))
    assert further.here.origin.about["path"] == [[1, 0.7, 2, -1], [trail.here.seed, 0.7, 0, 1]]
    assert further.back() == trail and trail.back().back().here == first
    strange = Vector("z", aside.values, about={"path": [3, [1, 0.7, 2, -1], "x"]})
    [beyond] = explorer.at(Place(strange), [(0, 1)])
    assert beyond.about["path"] == [[1, 0.7, 2, -1], [0, 0.5, 0, 1]]
    further.save(tmp_path / "trail.json")
    loaded = Trail.load(tmp_path / "trail.json")
    assert [p.seed for p in loaded.places] == [p.seed for p in further.places]
    for one, other in zip(loaded.places, further.places, strict=True):
        assert one.origin.same_as(other.origin)
    vectors.save(tmp_path / "v.json", [aside])
    for damaged in ("v.json", "nowhere.json"):
        with pytest.raises(FormatError):
            Trail.load(tmp_path / damaged)
    other = json.loads((tmp_path / "trail.json").read_text("utf-8"))
    other["grids"][0]["distance"] = "nan"
    (tmp_path / "nan.json").write_text(json.dumps(other), "utf-8")
    with pytest.raises(FormatError, match="sampling distance"):
        Trail.load(tmp_path / "nan.json")


def test_layers_of_their_own_move_together(explorers: dict[str, Explorer]) -> None:
    """A projected photograph is a W+: the grid adds the same to each of its layers."""
    explorer = explorers["plain"]
    own = explorer.generator
    rng = np.random.default_rng(0)
    photo = Vector("w", rng.normal(size=(own.num_ws, own.w_dim)).astype(np.float32))
    place = Place(photo, distance=0.3, psi=1.0)
    [middle, aside] = explorer.at(place, [(0, 0), (1, 0)])
    assert middle is photo and aside.values.shape == photo.values.shape
    rho = 1 / np.sqrt(1.09)
    moved = aside.values - rho * photo.values
    assert np.abs(moved - moved[:1]).max() < 1e-5
    flat = explorer.in_w(explorer.seed(1))
    assert np.array_equal(
        explorer.ws(flat, 0.8), generate.mapping(own, generate.latents([1], 8), 0.8)
    )


def test_what_cannot_be_asked(explorers: dict[str, Explorer]) -> None:
    plain, labelled = explorers["plain"], explorers["labelled"]
    for wrong in ({"distance": float("nan")}, {"distance": -1.0}, {"psi": 9.0}, {"seed": -1}):
        with pytest.raises(ConfigError):
            Place(plain.seed(0), **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="move the origin nearer"):
        plain.at(Place(plain.seed(0)), [(REACH + 1, 0)])
    stranger = Vector("z", np.ones(9, np.float32), "a stranger")
    with pytest.raises(FormatError, match="a stranger is a z of 9 numbers"):
        plain.picture(stranger, 1.0)
    with pytest.raises(FormatError, match="1962, 1963"):
        labelled.picture(Vector("z", np.ones(8, np.float32)), 1.0)
    with pytest.raises(ConfigError, match="1962, 1963"):
        labelled.seed(0, "1999")
    assert plain.picture(labelled.seed(0, "1962"), 1.0).shape == (16, 16, 3)
    nameless = Place(Vector("w", np.ones(8, np.float32)))  # projected without a label
    assert len(dict(labelled.pictures(nameless, [(0, 0), (1, 0)]))) == 2


def test_a_grid_as_a_folder(explorers: dict[str, Explorer], tmp_path: Path) -> None:
    explorer, place = explorers["plain"], Place(explorers["plain"].seed(4), psi=0.6)

    def made(folder: Path, shape: Frame) -> Path:
        return do(
            grid.plan(
                explorer=explorer, place=place, columns=4, rows=3, tile=32, folder=folder,
                settings={"run": "run-1", "step": 8}, title="seed 4", shape=shape,
                    born={"licence": "Ask."},
            )
        )  # fmt: skip

    folder = made(tmp_path / "grid", Frame("3:2"))
    lines = read_manifest(folder)
    assert len(lines) == 12 and (lines[0]["column"], lines[0]["row"]) == (0, 0)
    record = read_png(folder / "cell_-02_+01.png")
    assert (record["column"], record["row"], record["psi"], record["step"]) == (-2, 1, 0.6, 8)
    said = {"run": "run-1", "step": 8, "licence": "Ask.", "kind": "grid", "grid_seed": 0}
    assert read_png(folder / "grid.png") == said
    [again] = vectors.load(folder / "origin.npz")
    assert again.same_as(place.origin)
    from PIL import Image

    with Image.open(folder / "cell_+00_+00.png") as picture:
        assert picture.size == (24, 16)
    assert made(tmp_path / "grid", Frame("3:2")) == folder
