"""Samples and film strips: a seed's picture is the seed's, wherever it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from merzmory.latent import sample, strip
from merzmory.manifest import do, read_manifest
from merzmory.provenance import read_png


def samples(network: Path, folder: Path, **changes: Any) -> Path:
    knobs: dict[str, Any] = {
        "which": "ema", "step": 3, "first_seed": 0, "count": 5, "psi": 0.7, "noise": "const",
    }  # fmt: skip
    knobs |= changes
    shown = {k: v for k, v in knobs.items() if k != "shard_size"}
    return do(sample.plan(network=network, folder=folder, device="cpu", settings=shown, **knobs))


def pixels(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_seed_is_the_same_picture_in_any_batch(network: Path, tmp_path: Path) -> None:
    many = samples(network, tmp_path / "many")
    few = samples(network, tmp_path / "few", first_seed=3, count=1)
    cut = samples(network, tmp_path / "cut", shard_size=2)
    assert (few / "seed000003.png").read_bytes() != b""
    np.testing.assert_array_equal(pixels(many / "seed000003.png"), pixels(few / "seed000003.png"))
    for line in read_manifest(many):
        assert (many / line["file"]).read_bytes() == (cut / line["file"]).read_bytes()


def test_a_picture_says_how_it_was_made(network: Path, tmp_path: Path) -> None:
    made = samples(network, tmp_path / "made")
    record = read_png(made / "seed000002.png")
    assert (record["seed"], record["psi"], record["step"]) == (2, 0.7, 3)


@pytest.mark.parametrize("change", [{"psi": 0.1}, {"which": "raw"}, {"noise": "none"}])
def test_a_knob_changes_the_picture(network: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    plain = samples(network, tmp_path / "plain", count=1)
    other = samples(network, tmp_path / "other", count=1, **change)
    same = pixels(plain / "seed000000.png") == pixels(other / "seed000000.png")
    # the strength of noise is 0 in a network that was never trained
    assert same.all() == ("noise" in change)


def test_columns_of_a_strip_keep_both_ends() -> None:
    steps = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    assert strip.choose(steps, 20) == steps
    chosen = strip.choose(steps, 5)
    assert (chosen[0], chosen[-1], len(set(chosen))) == (0, 1000, 5)


def test_a_strip_shows_both_networks(network: Path, tmp_path: Path) -> None:
    folder = do(
        strip.plan(
            snapshots={0: network, 10: network}, folder=tmp_path / "strip", seeds=2, columns=4,
            psi=0.7, tile=32, device="cpu", settings={"run": "x"},
        )
    )  # fmt: skip
    lines = read_manifest(folder)
    assert [line["network"] for line in lines] == ["ema", "raw"]
    assert (pixels(folder / "strip-ema.png") != pixels(folder / "strip-raw.png")).any()
