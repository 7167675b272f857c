"""Perceived distances: zero for equals, larger for larger changes; published files read, wrong ones refused."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from merzmory.errors import FormatError
from merzmory.gan.config import NetworkConfig
from merzmory.gan.networks import Discriminator
from merzmory.latent.perception import LINEAR, LPIPS, VGG, Discriminating
from merzmory.tensors import read_tensors
from merzmory.weights import ledger

CONFIGURATION = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512)
WIDTHS = (64, 128, 256, 512, 512)


def published(folder: Path) -> tuple[Path, Path]:
    """Files in the layouts of torchvision's VGG16 (its convolutions) and of LPIPS 0.1, random numbers."""
    torch.manual_seed(3)
    vgg: OrderedDict[str, Tensor] = OrderedDict()
    channels, index = 3, 0
    for width in CONFIGURATION:
        if width == "M":
            index += 1
            continue
        layer = nn.Conv2d(channels, int(width), 3)
        vgg[f"features.{index}.weight"] = layer.weight.detach()
        vgg[f"features.{index}.bias"] = layer.bias.detach()  # type: ignore[union-attr]
        channels, index = int(width), index + 2
    lines = {f"lin{n}.model.1.weight": torch.rand(1, w, 1, 1) for n, w in enumerate(WIDTHS)}
    files = folder / "vgg16.pth", folder / "vgg.pth"
    torch.save(vgg, files[0], _use_new_zipfile_serialization=False)  # as the published ones are
    torch.save(lines, files[1], _use_new_zipfile_serialization=False)
    return files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return published(tmp_path_factory.mktemp("lpips"))


@pytest.fixture(scope="module", params=["discriminator", "lpips"])
def perception(request: pytest.FixtureRequest, files: tuple[Path, Path]) -> Any:
    if request.param == "lpips":
        return LPIPS.open(*files, torch.device("cpu"))
    torch.manual_seed(1)
    return Discriminating(Discriminator(NetworkConfig(32, channel_base=256, channel_max=16)))


def test_equals_are_at_zero_and_more_change_is_farther(perception: Any) -> None:
    torch.manual_seed(2)
    picture, noise = torch.rand(2, 3, 32, 32) * 2 - 1, torch.randn(2, 3, 32, 32)
    known = perception.features(picture)
    far = [
        perception.distance(perception.features(picture + amount * noise), known)
        for amount in (0.0, 0.1, 0.5)
    ]
    assert far[0].shape == (2,)
    assert (far[0] == 0).all()
    assert (far[0] < far[1]).all()
    assert (far[1] < far[2]).all()


def test_a_distance_has_a_slope_also_at_a_black_picture(perception: Any) -> None:
    black = torch.full((1, 3, 32, 32), -1.0).requires_grad_(True)
    other = perception.features(torch.rand(1, 3, 32, 32))
    torch.autograd.backward(perception.distance(perception.features(black), other).sum())
    assert black.grad is not None
    assert black.grad.isfinite().all()
    assert black.grad.abs().sum() > 0


def test_lpips_is_its_formula(files: tuple[Path, Path]) -> None:
    """Zhang et al. 2018, equation 1, written out again with torch's functions and the files' numbers."""
    perception = LPIPS.open(*files, torch.device("cpu"))
    vgg, lines = (torch.load(file, weights_only=True) for file in files)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def layers(picture: Tensor) -> list[Tensor]:
        x, found, index = ((picture + 1) / 2 - mean) / deviation, [], 0
        for at, width in enumerate(CONFIGURATION):
            if width == "M":
                x, index = nn.functional.max_pool2d(x, 2), index + 1
                continue
            name = f"features.{index}"
            x = nn.functional.conv2d(x, vgg[f"{name}.weight"], vgg[f"{name}.bias"], padding=1)
            x, index = x.relu(), index + 2
            if at + 1 == len(CONFIGURATION) or CONFIGURATION[at + 1] == "M":
                found.append(nn.functional.normalize(x, dim=1))
        return found

    a, b = torch.rand(2, 1, 3, 48, 48) * 2 - 1
    wanted = sum(
        ((x - y).square() * lines[f"lin{n}.model.1.weight"]).sum(dim=1).mean()
        for n, (x, y) in enumerate(zip(layers(a), layers(b), strict=True))
    )
    found = perception.distance(perception.features(a), perception.features(b))
    torch.testing.assert_close(found, wanted.expand(1), rtol=1e-3, atol=1e-5)  # type: ignore[union-attr]


def test_large_pictures_are_looked_at_with_256_pixels(files: tuple[Path, Path]) -> None:
    perception = LPIPS.open(*files, torch.device("cpu"))
    assert perception.features(torch.zeros(1, 3, 288, 288))[0].shape[-1] == 256


def test_wrong_files_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    vgg, linear = files
    with pytest.raises(FormatError, match=r"lacks features\.0\.weight"):
        LPIPS.open(linear, linear, torch.device("cpu"))
    with pytest.raises(FormatError, match="lacks lin0"):
        LPIPS.open(vgg, vgg, torch.device("cpu"))
    broken = tmp_path / "broken.pth"
    broken.write_bytes(vgg.read_bytes()[:5000])
    with pytest.raises(FormatError, match=r"broken\.pth"):
        read_tensors(broken)
    with pytest.raises(FormatError, match="missing"):
        read_tensors(tmp_path / "missing.pth")


def test_the_ledger_knows_both_files() -> None:
    for name in (VGG, LINEAR):
        entry = ledger.entries()[name]
        assert entry.kind == "metric"
        assert entry.may_sell is True
        assert entry.sha256 is not None
