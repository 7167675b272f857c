"""The networks of others: their tensors by name and shape, read without running anything."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from merzmory.archaeology import dinov2, inception, sscd
from merzmory.archaeology.embedders import embedder
from merzmory.archaeology.network import Here, NetworkEmbedder, imagenet
from merzmory.errors import ConfigError, FormatError, WeightsError
from merzmory.tensors import read_tensors
from merzmory.weights import ledger

NETWORKS = {
    "inception": (inception, inception.InceptionFid, 2048, 21_785_568),
    "dinov2": (dinov2, dinov2.DinoV2, 384, 22_056_192),
    "sscd": (sscd, sscd.Sscd, 512, 24_557_120),
}
# of the published files, as their papers and code name them
NAMED = {
    "inception": {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Mixed_5b.branch5x5_2.bn.running_var": (64,),
        "Mixed_6e.branch7x7dbl_5.conv.weight": (192, 192, 1, 7),
        "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
    },
    "dinov2": {
        "pos_embed": (1, 1370, 384),
        "patch_embed.proj.weight": (384, 3, 14, 14),
        "blocks.11.attn.qkv.weight": (1152, 384),
        "blocks.0.ls2.gamma": (384,),
    },
    "sscd": {
        "backbone.conv1.weight": (64, 3, 7, 7),
        "backbone.layer3.5.conv2.weight": (256, 256, 3, 3),
        "backbone.layer4.0.downsample.1.running_mean": (2048,),
        "backbone.fc.weight": (512, 2048),
    },
}


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, tmp_path_factory):
    """(module of the plug-in, its network with random weights, a file of them)."""
    module, network, _, _ = NETWORKS[request.param]
    torch.manual_seed(0)
    filled = network().eval()
    for name, tensor in filled.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
    file = tmp_path_factory.mktemp("weights") / f"{request.param}.pth"
    torch.save({**filled.state_dict(), "mask_token": torch.zeros(1, 384)}, file)
    return request.param, module, filled, file


def test_names_shapes_counts_and_safe_reading(made):
    name, module, filled, file = made
    _, _, length, count = NETWORKS[name]
    shapes = {key: tuple(value.shape) for key, value in filled.state_dict().items()}
    assert {key: shapes[key] for key in NAMED[name]} == NAMED[name]
    assert sum(each.numel() for each in filled.parameters()) == count
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), np.uint8)
    by = NetworkEmbedder("x 1", lambda: module.load(file), device="cpu", batch=1)
    vectors = by.embed(pictures)
    assert vectors.shape == (2, length) == (2, by.dimensions)
    with torch.inference_mode():
        asked = filled(torch.from_numpy(pictures).permute(0, 3, 1, 2).float()).numpy()
    np.testing.assert_allclose(vectors, asked, atol=1e-5 * np.abs(asked).max())
    assert vectors.std() > 0
    assert np.abs(vectors[0] - vectors[1]).max() > 0


def test_another_file_is_refused_by_what_it_lacks(made, tmp_path):
    _, module, filled, _ = made
    tensors = dict(filled.state_dict())
    first = next(iter(tensors))
    short = tmp_path / "short.pth"
    torch.save({first: tensors[first][..., :1]}, short)
    with pytest.raises(FormatError, match=rf"short\.pth has .* for {first}"):
        module.load(short)
    torch.save({}, short)
    with pytest.raises(FormatError, match=rf"short\.pth misses {first}.*weights list"):
        module.load(short)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.steps = nn.Conv2d(3, 2, 3), nn.Sequential(nn.Linear(2, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.steps(self.conv(x).mean(dim=(2, 3)))
        return y


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_of_torchscript_only_the_numbers_are_read(tmp_path):
    network, file = Small().eval(), tmp_path / "small.torchscript.pt"
    torch.jit.save(torch.jit.trace(network, torch.zeros(1, 3, 8, 8)), file)
    found = read_tensors(file)
    assert found.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(found[name], tensor)
    with zipfile.ZipFile(file) as archive:  # its program may be anything: it is not looked at
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, b"import os" if "/code/" in name else data)
    assert read_tensors(file).keys() == found.keys()


def test_what_would_run_is_refused(tmp_path):
    class Bad:
        def __reduce__(self):
            return (print, ("run",))

    file = tmp_path / "bad.pth"
    torch.save({"x": Bad()}, file)
    with pytest.raises(FormatError, match=r"print.*never run"):
        read_tensors(file)
    file.write_bytes(b"no weights at all")
    with pytest.raises(FormatError, match="damaged"):
        read_tensors(file)


def test_classy_visions_names_are_torchvisions():
    tensor = torch.zeros(1)
    names = {
        "backbone.initial_block._module.0.weight": "backbone.conv1.weight",
        "backbone.initial_block._module.1.running_var": "backbone.bn1.running_var",
        "backbone.blocks.2.block2-5.convolutional_block.4.bias": "backbone.layer3.5.bn2.bias",
        "backbone.blocks.0.0._module.bn.weight": "backbone.layer1.0.bn3.weight",
        "backbone.blocks.3.0.downsample.0.weight": "backbone.layer4.0.downsample.0.weight",
        "model.embeddings.1.weight": "backbone.fc.weight",
        "backbone.layer1.0.conv1.weight": "backbone.layer1.0.conv1.weight",
    }
    assert list(sscd.renamed(dict.fromkeys(names, tensor))) == list(names.values())


def test_averages_leave_the_padding_out_and_the_last_block_takes_the_maximum():
    first, last = inception._E(8, last=False), inception._E(8, last=True)
    last.load_state_dict(first.state_dict())
    x = -torch.rand(1, 8, 4, 4) - 1
    a, b = (block.eval()(x)[:, -192:] for block in (first, last))
    assert (a - b).abs().max() > 1e-4
    assert inception._mean3(torch.ones(1, 1, 4, 4)).eq(1).all()  # with padding, 4/9 in a corner


def test_positions_keep_the_shift_of_their_training():
    network = dinov2.DinoV2()
    ramp = torch.arange(37.0).repeat(37, 1).flatten()  # position's column
    with torch.no_grad():
        network.pos_embed[0, 1:, 0] = ramp
        row = network._positions()[0, 1:, 0].view(16, 16)[8]
    slope = np.polyfit(np.arange(12), row[2:-2].numpy(), 1)[0]
    assert slope == pytest.approx(37 / 16.1, abs=0.005)  # and not 37 / 16


def test_imagenets_preprocessing():
    white = torch.full((1, 3, 10, 10), 255.0)
    made = imagenet(white, 14, "bicubic")[0, :, 0, 0]
    torch.testing.assert_close(made, torch.tensor([2.2489, 2.4286, 2.6400]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["inception", "dinov2", "sscd"])
def test_missing_weights_name_their_licence_and_the_command(name, tmp_path):
    weight = ledger.entries()[NETWORKS[name][0].WEIGHTS]
    assert weight.sha256
    assert weight.bytes
    with pytest.raises(WeightsError) as error:
        embedder(name, Here(tmp_path))
    assert weight.licence in str(error.value)
    assert f"merzmory weights import {weight.name} FILE" in str(error.value)


def test_a_run_from_scratch_has_no_discriminator_to_ask():
    with pytest.raises(ConfigError, match="trained from scratch"):
        embedder("discriminator", Here())


def test_the_discriminator_is_named_by_its_file():
    base = ledger.find("starter", Path())
    by = embedder("discriminator", Here(base=base, device="cpu"))
    assert by.kind == "discriminator 1 " + (ledger.entries()["starter"].sha256 or "")[:12]
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    alone = np.concatenate([by.embed(pictures[n : n + 1]) for n in range(5)])
    np.testing.assert_allclose(alone, by.embed(pictures), atol=1e-6)  # no batch statistics
