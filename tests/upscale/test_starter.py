"""The upscaler that comes with the project is small, keeps colours, and comes nearer than lanczos."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw
from safetensors import safe_open
from skimage import data

from merzmory.config import Config
from merzmory.licence import of_enlarger
from merzmory.story.lineage import enlarger
from merzmory.upscale import networks
from merzmory.upscale.degradations import degraded
from merzmory.upscale.engines import STARTER, engine, enlarge
from merzmory.upscale.lessons import read
from merzmory.weights import ledger


@pytest.fixture(scope="module")
def starter():
    return engine("starter", device="cpu")


@pytest.fixture(scope="module")
def lanczos():
    return engine("lanczos")


def psnr(made, sharp):
    return 10 * np.log10(255**2 / ((made.astype(float) - sharp) ** 2).mean())


def smaller(picture):
    height, width = (side // 4 for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def shapes(seed):
    """Discs, bars and letters on a gradient, without steps at their edges: [256, 256, 3]."""
    rng = np.random.default_rng(seed)
    ramp = Image.linear_gradient("L").resize((1024, 1024)).rotate(90 * seed)
    picture = Image.merge("RGB", [ramp.point(lambda v, k=k: 90 + v * k // 8) for k in (3, 4, 2)])
    pen = ImageDraw.Draw(picture)
    for _ in range(14):
        x, y, side = (int(v) for v in rng.integers((0, 0, 80), (900, 900, 300)))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        kind = rng.integers(3)
        if kind == 0:
            pen.ellipse((x, y, x + side, y + side), fill=colour)
        elif kind == 1:
            pen.line((x, y, x + side, y + int(rng.integers(-300, 300))), fill=colour, width=24)
        else:
            pen.text((x, y), "Merz", fill=colour, font_size=side)
    return np.asarray(picture.resize((256, 256), Image.Resampling.BOX))


def test_the_file_is_small_and_says_what_it_is():
    file = ledger.find(STARTER, Path())
    network = networks.load(file)
    assert sum(p.numel() for p in network.parameters()) <= 1_300_000
    assert file.stat().st_size <= 3_000_000
    with safe_open(file, "pt") as opened:
        said = opened.metadata()
        assert {str(opened.get_slice(key).get_dtype()) for key in opened.keys()} == {"F16"}  # noqa: SIM118
    assert said["licence"].startswith("CC0 1.0")
    assert "CC0" in said["provenance"]
    architecture = json.loads(said["network"])
    assert architecture.pop("kind") == type(network).__name__
    assert architecture == {key: getattr(network, key) for key in architecture}
    assert network.scale == 4
    assert file.with_suffix(".md").is_file()


def test_it_is_the_default_and_may_be_sold():
    knobs = enlarger(Config())
    assert (knobs["engine"], knobs["weights"]) == ("starter", STARTER)
    assert of_enlarger(knobs).may_sell == "yes"
    assert ledger.entries()[STARTER].may_sell is True


@pytest.mark.parametrize("seed", range(4))
def test_edges_come_nearer_than_lanczos(seed, starter, lanczos):
    sharp = shapes(seed)
    small = smaller(sharp)
    assert psnr(starter(small), sharp) > psnr(lanczos(small), sharp) + 0.5


def test_photographs_come_nearer_than_lanczos(starter, lanczos):
    for whole in (data.astronaut(), data.coffee(), data.rocket()):
        sharp = np.ascontiguousarray(whole[:300, :400])
        small = smaller(sharp)
        assert psnr(starter(small), sharp) > psnr(lanczos(small), sharp)


def test_held_out_photographs_come_nearer_than_lanczos(shared, starter, lanczos):
    garments = shared / "garments" / "garments-128.zip"
    held = read([garments], 128, held_out=True)[::30]
    wins = {"as in training": [], "clean": []}
    for number, sharp in enumerate(held):
        suffered = degraded(sharp, 4, np.random.default_rng((7, number)))
        for name, small in (("as in training", suffered), ("clean", smaller(sharp))):
            wins[name].append(psnr(starter(small), sharp) - psnr(lanczos(small), sharp))
    for name, gains in wins.items():
        assert np.mean(gains) > 0.5, name
        assert np.mean(np.array(gains) > 0) > 0.8, name


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (12, 12, 12), (250, 250, 250), (128, 90, 200)]
)
def test_flat_colours_stay(colour, starter):
    flat = np.full((24, 24, 3), colour, np.uint8)
    off = starter(flat).astype(int) - colour
    assert np.abs(off[8:-8, 8:-8]).max() <= 2
    assert np.abs(off).max() <= 10  # at the border, beyond which there is black
    assert np.abs(off.mean((0, 1))).max() < 0.5


def test_no_tint(starter):
    for seed in range(4):
        small = smaller(shapes(seed))
        large = starter(small)
        assert np.abs(large.mean((0, 1)) - small.mean((0, 1))).max() < 1
        again = smaller(large).astype(float)  # made smaller again it is what it was
        assert np.abs(again - small).mean() < 3


def test_no_ringing_and_no_grid(starter, lanczos):
    """A step has one halo, no larger than lanczos's, and is flat beyond; a slope has no waves."""
    step = np.full((32, 32, 3), 60, np.uint8)
    step[:, 16:] = 190
    made, smooth = starter(step).astype(int), lanczos(step).astype(int)
    assert made.min() >= smooth.min() - 3
    assert made.max() <= smooth.max() + 3
    assert np.abs(made[:, : 64 - 12] - 60).max() <= 3  # three pixels of input from the step
    assert np.abs(made[:, 64 + 12 :] - 190).max() <= 3
    middle = made[64, 56:72, 1]
    assert np.abs(np.diff(middle)).max() > 1.5 * np.abs(np.diff(smooth[64, 56:72, 1])).max()
    slope = np.tile(np.linspace(40, 210, 48).astype(np.uint8)[:, None, None], (1, 48, 3))
    column = starter(slope)[24:-24, 96].mean(-1).astype(float)
    straight = np.polyval(np.polyfit(np.arange(column.size), column, 1), np.arange(column.size))
    assert np.abs(column - straight).max() < 3


def test_tiles_equal_the_whole(starter):
    picture = shapes(0)[:150, :130]
    pieces = engine("starter", tile=40, device="cpu")(picture)
    assert np.abs(starter(picture).astype(int) - pieces).max() <= 1


def test_strength_and_transparency(starter, lanczos):
    small = smaller(shapes(1))
    half = engine("starter", strength=0.5, device="cpu")(small).astype(float)
    mixed = (starter(small).astype(float) + lanczos(small)) / 2
    assert np.abs(half - mixed).max() <= 0.5
    picture = Image.fromarray(small)
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    large = enlarge(picture, starter)
    assert (large.mode, large.size) == ("RGBA", (256, 256))
    np.testing.assert_array_equal(np.asarray(large)[..., :3], starter(small))
