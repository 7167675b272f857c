"""Every engine keeps the contract; the real network makes a sharper picture than lanczos."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from merzmory.errors import ConfigError, WeightsError
from merzmory.upscale.engines import UPSCALERS, Upscaler, engine, enlarge
from merzmory.upscale.network import NetworkUpscaler
from merzmory.upscale.realesrgan import RRDBNet, SRVGGNetCompact

OFFICIAL = "weights/realesr-general-x4v3.from-ncnn-fp16.pth"


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    file = tmp_path / "small.pth"
    torch.save(SRVGGNetCompact(8, 2, 4).state_dict(), file)
    return file


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", UPSCALERS)
@pytest.mark.parametrize("scale", [1, 2, 4, 5])
@pytest.mark.parametrize("size", [(1, 1), (7, 12), (33, 20)])
def test_contract(name, scale, size, weights):
    by = engine(name, scale=scale, weights=weights, tile=16, device="cpu")
    assert isinstance(by, Upscaler)
    assert (by.name, by.scale) == (name, scale)
    image = noise(*size)
    large = by(image)
    assert large.dtype == np.uint8
    assert large.shape == (size[0] * scale, size[1] * scale, 3)
    np.testing.assert_array_equal(by(image.copy()), large)


@pytest.mark.parametrize(
    "network",
    [
        SRVGGNetCompact(8, 6, 4), RRDBNet(8, 1, 4, scale=4), RRDBNet(8, 1, 4, scale=2),
        RRDBNet(8, 1, 4, scale=1),
    ],
    ids=["compact", "x4", "x2", "x1"],
)  # fmt: skip
def test_tiled_equals_untiled(network, tmp_path):
    file = tmp_path / "net.pth"
    torch.save(network.state_dict(), file)
    image = noise(101, 75)  # odd: not a multiple of what folds
    whole = NetworkUpscaler(file, scale=network.scale, tile=512, device="cpu")(image)
    pieces = NetworkUpscaler(file, scale=network.scale, tile=24, device="cpu")(image)
    assert whole.std() > 0
    assert np.abs(whole.astype(int) - pieces).max() <= 1


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
    by = engine("realesrgan", weights=shared / OFFICIAL, device="cpu")
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
        enlarge(small, NetworkUpscaler(shared / OFFICIAL, scale=4, tile=20, device="cpu")), float
    )
    assert np.abs(made - tiles).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_kept(mode, weights):
    picture = Image.fromarray(noise(12, 12)).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((12, 12)))
    if mode == "P":
        picture = Image.fromarray(noise(12, 12)[..., 0]).convert("P")
        picture.info["transparency"] = 0
    large = enlarge(picture.convert(mode), engine("realesrgan", weights=weights, device="cpu"))
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
    with pytest.raises(WeightsError, match="needs a Real-ESRGAN file"):
        engine("realesrgan")
    with pytest.raises(WeightsError, match="no weights file"):
        engine("realesrgan", weights=tmp_path / "none.pth")
