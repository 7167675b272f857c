"""Every embedder keeps the contract; hoglab sees shape and colour."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from merzmory.archaeology import dinov2, inception, sscd
from merzmory.archaeology.embedders import EMBEDDERS, Embedder, embed_files, embed_unit, embedder
from merzmory.archaeology.hoglab import lab
from merzmory.archaeology.network import Here
from merzmory.errors import ConfigError, FormatError
from merzmory.weights import ledger

MADE = {"dinov2": dinov2.DinoV2, "sscd": sscd.Sscd, "inception": inception.InceptionFid}


@pytest.fixture(scope="module", params=EMBEDDERS)
def named(request, tmp_path_factory):
    """(name, an embedder of it); networks of others have random weights."""
    base = ledger.find("starter", tmp_path_factory.mktemp("weights"))
    with pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        for module, network in zip((dinov2, sscd, inception), MADE.values(), strict=True):
            filled = network()
            patch.setattr(module, "load", lambda _file, filled=filled: filled)
        patch.setattr(Here, "weights", lambda _self, name: (Path(name), "0" * 12))
        yield request.param, embedder(request.param, Here(base=base, device="cpu"))


@pytest.mark.parametrize("side", [16, 100])
def test_contract(named, side):
    name, by = named
    assert isinstance(by, Embedder)
    assert re.fullmatch(rf"{name} \d+( [0-9a-f]{{12}})?", by.kind)
    images = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    images[2] = 0  # a black picture has a vector too
    vectors = by.embed(images)
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, by.dimensions)
    assert np.isfinite(vectors).all()
    scale = np.abs(vectors).max()
    np.testing.assert_allclose(by.embed(images[1:2]), vectors[1:2], atol=1e-4 * scale)
    np.testing.assert_array_equal(by.embed(images), vectors)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4 * scale
    np.testing.assert_allclose(np.linalg.norm(embed_unit(by, images), axis=1), 1, atol=1e-5)
    assert by.embed(images[:0]).shape == (0, by.dimensions)


def test_hoglab_prefers_the_changed_picture_to_another(dataset):
    by = embedder("hoglab")
    files = sorted((dataset / "images").iterdir())[::2]
    archive = embed_files(by, files)
    for n, file in enumerate(files):
        with Image.open(file) as opened:
            dim = opened.resize((32, 32)).point(lambda v: 0.85 * v)
        asked = by.embed(np.asarray(dim)[None])
        assert (archive @ asked[0]).argmax() == n


def test_mirrored_vectors_are_those_of_the_mirror_image(dataset):
    by = embedder("hoglab")
    file = dataset / "images/0000.png"
    with Image.open(file) as opened:
        flipped = np.asarray(opened)[None, :, ::-1]
    np.testing.assert_array_equal(embed_files(by, [file], mirrored=True), embed_unit(by, flipped))


def test_pictures_of_several_sizes(tmp_path, dataset):
    small = tmp_path / "small.png"
    Image.new("RGB", (20, 30), "red").save(small)
    file = dataset / "images/0000.png"
    by = embedder("hoglab")
    vectors = embed_files(by, [file, small, file])
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert vectors[0] @ vectors[1] < 0.9


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [  # Bruce Lindbloom's calculator, sRGB, D65
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((2, 2, 2), (0.55, 0.0, 0.0)),
    ],
)
def test_lab(rgb, expected):
    np.testing.assert_allclose(lab(np.array(rgb, np.uint8)), expected, atol=0.05)


def test_an_unknown_embedder_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean hoglab"):
        embedder("hoglap")


def test_a_damaged_picture_is_named(tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG no")
    with pytest.raises(FormatError, match=r"bad\.png"):
        embed_files(embedder("hoglab"), [bad])
