"""Every engine keeps the contract; the real network makes a sharper picture than lanczos.

The packages realesrgan and spandrel are run where they are installed (`make realesrgan spandrel`).
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from merzmory.errors import ConfigError, WeightsError
from merzmory.gan.config import EngineError
from merzmory.upscale import native
from merzmory.upscale.engines import UPSCALERS, engine, enlarge
from merzmory.upscale.networks import RRDBNet, SRVGGNetCompact
from merzmory.upscale.tiling import Network, Tiles
from merzmory.upscale.upscaler import Upscaler

OFFICIAL = "weights/realesr-general-x4v3.from-ncnn-fp16.pth"


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    file = tmp_path / "small.pth"
    torch.save({"params": SRVGGNetCompact(8, 2, 4).state_dict()}, file)
    return file


def needs_package(name):
    if name in ("realesrgan", "spandrel") and find_spec(name) is None:
        pytest.skip(f"the package {name} is not installed (make {name})")


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", UPSCALERS)
@pytest.mark.parametrize("scale", [1, 2, 4, 5])
@pytest.mark.parametrize("size", [(1, 1), (7, 12), (33, 20)])
def test_contract(name, scale, size, weights):
    needs_package(name)
    by = engine(name, scale=scale, weights=weights, tile=16, device="cpu")
    assert isinstance(by, Upscaler)
    assert (by.name, by.scale) == (name, scale)
    image = noise(*size)
    large = by(image)
    assert large.dtype == np.uint8
    assert large.shape == (size[0] * scale, size[1] * scale, 3)
    np.testing.assert_array_equal(by(image.copy()), large)
    several = by(np.stack([image, 255 - image]))
    assert several.shape == (2, *large.shape)
    assert np.abs(several[0].astype(int) - large).max() <= 1


@pytest.mark.parametrize("name", ["realesrgan", "spandrel"])
@pytest.mark.parametrize("kind", ["compact", "x4", "x2"])
def test_the_packages_make_what_our_networks_make(name, kind, tmp_path):
    needs_package(name)
    torch.manual_seed(0)
    network = {
        "compact": lambda: SRVGGNetCompact(64, 4, 4),
        "x4": lambda: RRDBNet(64, 2, 32, 4),
        "x2": lambda: RRDBNet(64, 2, 32, 2),
    }[kind]()
    file = tmp_path / "net.pth"
    torch.save({"params_ema": network.state_dict()}, file)
    image = noise(36, 32)  # spandrel pads to multiples of 4
    made = engine(name, scale=network.scale, weights=file, device="cpu")(image)
    own = engine("native", scale=network.scale, weights=file, device="cpu")(image)
    assert own.std() > 0
    assert np.abs(made.astype(int) - own).max() <= (0 if name == "realesrgan" else 1)


def test_a_missing_package_is_said(weights):
    for name in ("realesrgan", "spandrel"):
        if find_spec(name) is None:
            with pytest.raises(ConfigError, match=f"`make {name}`"):
                engine(name, weights=weights)


@pytest.mark.parametrize(
    "kind",
    [lambda: SRVGGNetCompact(8, 6, 4), *(partial(RRDBNet, 8, 1, 4, scale) for scale in (4, 2, 1))],
    ids=["compact", "x4", "x2", "x1"],
)
def test_tiled_equals_untiled(kind, tmp_path):
    torch.manual_seed(0)
    network, file = kind(), tmp_path / "net.pth"
    if isinstance(network, RRDBNet):
        torch.nn.init.constant_(network.conv_last.bias, 0.5)  # or all may be black
    torch.save(network.state_dict(), file)
    image = noise(101, 75)  # odd: not a multiple of what folds
    knobs = {"weights": file, "device": "cpu", "scale": network.scale}
    whole = engine("native", tile=512, **knobs)(image)
    heard = []
    pieces = engine("native", tile=24, **knobs)(image, heard.append)
    assert whole.std() > 0
    assert np.abs(whole.astype(int) - pieces).max() <= 1
    assert [(p.done, p.total) for p in heard] == [(n, 20) for n in range(1, 21)]


@settings(deadline=None, max_examples=30)
@given(
    height=st.integers(1, 60), width=st.integers(1, 60), tile=st.integers(8, 40),
    scale=st.integers(1, 6), strength=st.sampled_from([0.0, 0.3, 1.0]), fold=st.booleans(),
)  # fmt: skip
def test_no_seams_at_any_size(height, width, tile, scale, strength, fold):
    torch.manual_seed(0)
    net = RRDBNet(4, 1, 2, scale=2) if fold else SRVGGNetCompact(4, 2, 4)

    @torch.inference_mode()
    def run(images):
        x = torch.from_numpy(images.copy()).permute(2, 0, 1)[None] / 255
        return net(x).clamp(0, 1).mul(255).round().to(torch.uint8)[0].permute(1, 2, 0).numpy()

    known = Network(run, net.scale, net.overlap, net.multiple)
    image = noise(height, width)
    whole = Tiles("t", scale, known, 999, strength)(image)
    pieces = Tiles("t", scale, known, tile, strength)(image)
    assert whole.shape == (height * scale, width * scale, 3)
    assert np.abs(whole.astype(int) - pieces).max() <= 1


def test_strength_goes_from_lanczos_to_the_network(weights):
    image = noise(20, 24)
    made = {
        strength: engine("native", weights=weights, device="cpu", strength=strength)(image)
        for strength in (0, 0.25, 1)
    }
    np.testing.assert_array_equal(made[0], engine("lanczos", scale=4)(image))
    mixed = 0.75 * made[0] + 0.25 * made[1]
    assert np.abs(made[0.25] - mixed).max() <= 0.5
    assert (made[0] != made[1]).mean() > 0.5


@pytest.mark.parametrize("name", ["native", "realesrgan"])
def test_denoise_mixes_the_twins_parameters(name, weights, tmp_path):
    needs_package(name)
    torch.manual_seed(1)
    twin = tmp_path / "twin.pth"
    torch.save({"params": SRVGGNetCompact(8, 2, 4).state_dict()}, twin)
    image = noise(12, 12)

    def made(file, **knobs):
        return engine(name, weights=file, device="cpu", **knobs)(image).astype(int)

    between = made(weights, twin=twin, denoise=0.5)
    assert (made(weights, twin=twin, denoise=0.0) == made(twin)).all()
    assert (made(weights, twin=twin, denoise=1.0) == made(weights)).all()
    assert np.abs(between - made(twin)).mean() > 1 < np.abs(between - made(weights)).mean()
    with pytest.raises(WeightsError, match=r"upscale\.twin"):
        made(weights, denoise=0.5)
    torch.save({"params": SRVGGNetCompact(8, 3, 4).state_dict()}, twin)
    with pytest.raises(WeightsError, match="different kinds"):
        made(weights, twin=twin, denoise=0.5)


def test_memory_does_not_grow_with_the_picture():
    """What a network is given and gives back stays a tile, whatever the picture's size."""
    given_pixels = []

    def run(images):
        given_pixels.append(images.size)
        return images.repeat(4, -2).repeat(4, -3)

    known = Network(run, scale=4, overlap=10)
    large = Tiles("t", 1, known, 64)(np.zeros((700, 900, 3), np.uint8))
    assert large.shape == (700, 900, 3)
    assert max(given_pixels) <= (64 + 2 * 13) ** 2 * 3


def test_a_deep_network_sees_next_to_nothing_beyond_its_overlap():
    torch.manual_seed(0)
    network = RRDBNet(16, 12, 8, 4)  # 183 pixels in theory
    x = torch.rand(1, 3, 16, 160)
    with torch.inference_mode():
        whole, cut = network(x), network(x[..., : 32 + network.overlap])
    difference = (whole[..., : 32 * 4] - cut[..., : 32 * 4]).abs().max()
    assert network.overlap == 64
    assert difference * 255 < 0.5
    assert whole.std() > 0.01


def test_the_official_network(shared):
    by = engine("native", weights=shared / OFFICIAL, device="cpu")
    truth = Image.fromarray(data.astronaut()).crop((180, 30, 372, 222))
    small = truth.resize((48, 48), Image.Resampling.LANCZOS)
    made = np.asarray(enlarge(small, by), float)
    smooth = np.asarray(enlarge(small, engine("lanczos", scale=4)), float)

    def sharpness(picture):
        return np.abs(np.diff(picture.mean(-1), axis=0)).mean()

    def psnr(picture):
        return 10 * np.log10(255**2 / ((picture - np.asarray(truth, float)) ** 2).mean())

    assert sharpness(made) > 1.1 * sharpness(smooth)
    assert psnr(made) > 22
    tiles = np.asarray(
        enlarge(small, engine("native", weights=shared / OFFICIAL, tile=20, device="cpu")), float
    )
    assert np.abs(made - tiles).max() <= 1


def test_the_package_is_bit_identical_on_the_official_weights(shared):
    needs_package("realesrgan")
    knobs = {"weights": shared / OFFICIAL, "device": "cpu", "tile": 40}
    image = data.astronaut()[60:124, 200:264]
    made = engine("realesrgan", **knobs)(image)
    np.testing.assert_array_equal(made, engine("native", **knobs)(image))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_kept(mode, weights):
    picture = Image.fromarray(noise(12, 12)).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((12, 12)))
    if mode == "P":
        picture = Image.fromarray(noise(12, 12)[..., 0]).convert("P")
        picture.info["transparency"] = 0
    large = enlarge(picture.convert(mode), engine("native", weights=weights, device="cpu"))
    assert (large.mode, large.size) == ("RGBA", (48, 48))
    if mode != "P":
        column = np.asarray(large)[:, 24, 3].astype(int)
        assert column[0] < 20
        assert column[-1] > 235


@pytest.mark.parametrize("mode", ["L", "CMYK", "1", "I;16"])
def test_every_other_mode_becomes_rgb(mode):
    grey = Image.new("L", (5, 6), 255 if mode == "1" else 100)
    picture = grey.convert(mode)
    if mode == "I;16":
        picture = Image.fromarray(np.full((6, 5), 100 * 257, np.uint16))
        assert picture.mode == mode
    large = enlarge(picture, engine("lanczos", scale=2))
    assert (large.mode, large.size) == ("RGB", (10, 12))
    assert large.getpixel((5, 5)) == (grey.getpixel((0, 0)),) * 3


def test_what_cannot_be_had_is_said(tmp_path):
    with pytest.raises(ConfigError, match="did you mean lanczos"):
        engine("lanczoss")
    with pytest.raises(ConfigError, match="out of range"):
        engine("lanczos", scale=0)
    with pytest.raises(ConfigError, match=r"upscale\.strength"):
        engine("lanczos", strength=1.5)
    with pytest.raises(WeightsError, match=r"needs a file.*upscale\.weights"):
        engine("native")
    with pytest.raises(WeightsError, match="no weights file"):
        engine("native", weights=tmp_path / "none.pth")
    with pytest.raises(EngineError, match="not available here"):
        native.network(tmp_path / "none.pth", device="a toaster")
