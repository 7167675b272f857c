"""Networks with labels: all in turn or one, and a sentence for one that is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from merzmory.errors import ConfigError
from merzmory.gan import checkpoint, generate
from merzmory.latent import sample, strip
from merzmory.latent.labels import in_turn, pictures
from merzmory.manifest import do, read_manifest
from merzmory.provenance import read_png

NAMES = ["cold", "warm"]


def test_all_in_turn_one_or_none() -> None:
    assert in_turn([], "", "x.label") == [None]
    assert in_turn(NAMES, "", "x.label") == [0, 1]
    assert in_turn(NAMES, "warm", "x.label") == [1]


@pytest.mark.parametrize(
    ("names", "said"),
    [([], "no labels.*leave x.label empty"), (NAMES, "x.label to one of cold, warm")],
)
def test_a_label_that_is_not_there(names: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        in_turn(names, "blue", "x.label")


def test_pictures_come_in_the_order_of_their_seeds(labelled: Any) -> None:
    generator = checkpoint.load_generator(labelled.snapshots[8])
    found = pictures(generator, [5, 6, 7], [1, 0, 1], 0.7)
    for row, (seed, label) in enumerate([(5, 1), (6, 0), (7, 1)]):
        wanted = generate.images(generator, [seed], 0.7, label=label)[0]
        assert np.abs(found[row].astype(int) - wanted).max() <= 1


def test_samples_take_labels_in_turn_or_one(labelled: Any, tmp_path: Path) -> None:
    def samples(name: str, label: str) -> Path:
        return do(
            sample.plan(
                network=labelled.snapshots[8], which="ema", step=8, folder=tmp_path / name,
                first_seed=4, count=3, psi=0.7, noise="const", device="cpu", settings={},
                labels=NAMES, label=label,
            )
        )  # fmt: skip

    turns, warm = samples("turns", ""), samples("warm", "warm")
    assert [line["label"] for line in read_manifest(turns)] == ["cold", "warm", "cold"]
    assert {line["label"] for line in read_manifest(warm)} == {"warm"}
    assert read_png(turns / "seed000005.png")["label"] == "warm"
    for seed, equal in ((4, False), (5, True)):
        a, b = (np.asarray(Image.open(f / f"seed{seed:06d}.png")) for f in (turns, warm))
        assert (a == b).all() == equal


def test_strips_of_a_network_with_labels(labelled: Any, tmp_path: Path) -> None:
    def laid(label: str) -> bytes:
        folder = tmp_path / f"strip{label}"
        work = strip.plan(
            snapshots=labelled.snapshots, folder=folder, seeds=2, columns=3, psi=0.7, tile=32,
            device="cpu", settings={}, labels=NAMES, label=label,
        )  # fmt: skip
        return (do(work) / "strip-ema.png").read_bytes()

    assert laid("") != laid("warm")
