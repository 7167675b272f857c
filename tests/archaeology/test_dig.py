"""Digging: four columns that each see one thing, and the question turned around."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

from merzmory.archaeology import dig, index, memorisation
from merzmory.archaeology.embedders import embed_unit, embedder
from merzmory.archaeology.parts import BOXES, PATCHES, Colour, Patch, Texture
from merzmory.errors import ConfigError
from merzmory.manifest import do, read_manifest
from tests.archaeology.conftest import texture

BY = {dig.WHOLE: embedder("hoglab"), **{name: make() for name, make in dig.PARTS.items()}}


@pytest.fixture
def layers(dataset, tmp_path):
    return {
        name: do(
            index.plan(dataset=dataset, folder=tmp_path / f"index-{name}", by=by, dataset_id="d")
        )
        for name, by in BY.items()
    }


@pytest.fixture
def scale(dataset, layers, tmp_path):
    return do(
        memorisation.plan(
            dataset=dataset, index=layers[dig.WHOLE], folder=tmp_path / "scale",
            by=BY[dig.WHOLE], doubles=list, settings={},
        )
    )  # fmt: skip


def pixels(picture: Image.Image):
    return np.asarray(picture)[None]


@pytest.mark.parametrize("by", [Colour(), Texture(), Patch()], ids=lambda by: by.kind)
@pytest.mark.parametrize("side", [16, 100])
def test_parts_keep_the_contract_of_embedders(by, side):
    images = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), np.uint8)
    images[2] = 0
    vectors = by.embed(images)
    assert vectors.shape == (3, by.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(by.embed(images[1:2]), vectors[1:2], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(embed_unit(by, images), axis=1), 1, atol=1e-5)
    assert by.embed(images[:0]).shape == (0, by.dimensions)


def test_each_part_sees_one_thing():
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[::8], stripes[1::8], stripes[2::8] = 255, 255, 255
    striped = Image.fromarray(stripes)
    red = Image.merge("RGB", [striped.split()[0], *[Image.new("L", (96, 96))] * 2])
    moved = Image.fromarray(np.roll(stripes, 3, axis=0))
    plain = Image.new("RGB", (96, 96), "red")

    def likeness(by, one, other):
        a, b = embed_unit(by, pixels(one))[0], embed_unit(by, pixels(other))[0]
        return float(a @ b)

    assert likeness(Texture(), striped, moved) > 0.95 > likeness(Texture(), striped, plain)
    assert likeness(Colour(), red, plain) > likeness(Colour(), striped, plain)
    whole = texture(3, 128)
    piece = whole.crop((64, 0, 128, 64)).resize((128, 128))
    mixed = texture(4, 128)
    mixed.paste(whole.crop((64, 0, 128, 64)), (64, 0))
    corner = BOXES.index((0.5, 0.0, 1.0, 0.5))
    ours, theirs = (
        embed_unit(Patch(), pixels(p)).reshape(PATCHES, -1)[corner] * 3 for p in (whole, mixed)
    )
    assert float(ours @ theirs) > 0.95  # the corner is alike ...
    assert likeness(Patch(), whole, mixed) < 0.9  # ... and the whole is not
    assert likeness(Patch(), whole, piece) < 0.9


def test_layers_of_a_picture(samples, dataset, layers, scale, tmp_path):
    work = dig.from_sample(
        seed=1, samples=samples, dataset=dataset, indexes=layers, by=BY, scale=scale,
        folder=tmp_path / "dig", settings={},
    )  # fmt: skip
    folder = do(work)
    assert [line["file"] for line in read_manifest(folder)] == list(dig.FILES)
    told = json.loads((folder / "dig.json").read_text())["matches"]
    of = {
        name: [match for match in told if match["part"] == name] for name in (dig.WHOLE, *dig.PARTS)
    }
    for matches in of.values():
        assert [match["rank"] for match in matches] == [1, 2, 3, 4]
        assert len({match["photo"] for match in matches}) == 4
    for name in (dig.WHOLE, "colour", "patch"):  # seed 1 is photograph 7, mirrored
        assert (name, of[name][0]["photo"], of[name][0]["mirrored"]) == (name, "photo07", True)
    assert of[dig.WHOLE][0]["level"] == "near copy"
    with Image.open(folder / "dig.png") as drawn:
        assert drawn.width > 5 * 224
    with Image.open(folder / "wipe.gif") as moving:
        assert moving.n_frames > 20
        first, middle = np.asarray(moving.convert("RGB"), int), None
        moving.seek(moving.n_frames // 2)
        middle = np.asarray(moving.convert("RGB"), int)
    assert first.shape == middle.shape
    assert np.abs(first - middle).mean() < 12  # mirrored as the match is: they lie on each other


def test_without_a_seed_the_nearest_picture_is_taken(samples, dataset, layers, scale, tmp_path):
    folder = do(
        dig.from_sample(
            seed=None, samples=samples, dataset=dataset, indexes=layers, by=BY, scale=scale,
            folder=tmp_path / "dig", settings={},
        )
    )  # fmt: skip
    told = json.loads((folder / "dig.json").read_text())["matches"]
    assert {match["sample"] for match in told} == {"1.png"}
    with pytest.raises(ConfigError, match="from 0 to 2"):
        dig.from_sample(
            seed=9, samples=samples, dataset=dataset, indexes=layers, by=BY, scale=scale,
            folder=tmp_path / "other", settings={},
        )  # fmt: skip


def test_the_question_turned_around(samples, dataset, scale, tmp_path):
    photo = tmp_path / "photo.jpg"
    ImageOps.expand(texture(3, 64).resize((256, 256)), (64, 0)).save(photo)  # its middle is it
    folder = do(
        dig.from_photo(
            photo=photo, samples=samples, dataset=dataset, scale=scale, folder=tmp_path / "dig",
            by=BY[dig.WHOLE], settings={},
        )
    )  # fmt: skip
    told = json.loads((folder / "dig.json").read_text())["matches"]
    assert (told[0]["rank"], told[0]["seed"]) == (1, 0)
    assert len(told) == 3
    assert [match["distance"] for match in told] == sorted(match["distance"] for match in told)
    assert all((folder / file).is_file() for file in dig.FILES)
