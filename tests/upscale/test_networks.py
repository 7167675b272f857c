"""The networks are wired as the papers say, and read what the official files hold."""

from __future__ import annotations

import io
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from merzmory.errors import WeightsError
from merzmory.upscale import networks
from merzmory.upscale.networks import RRDBNet, SRVGGNetCompact

NETWORKS = [
    lambda: SRVGGNetCompact(features=8, depth=3, scale=4),
    lambda: SRVGGNetCompact(features=4, depth=1, scale=2),
    lambda: RRDBNet(features=8, blocks=2, growth=4, scale=4),
    lambda: RRDBNet(features=8, blocks=1, growth=4, scale=2),
    lambda: RRDBNet(features=8, blocks=1, growth=4, scale=1),
]


@pytest.fixture(params=range(len(NETWORKS)))
def network(request):
    torch.manual_seed(request.param)
    return NETWORKS[request.param]().eval()


@pytest.mark.parametrize("wrap", [None, "params", "params_ema", "safetensors"])
def test_what_is_saved_is_read_with_kind_size_and_scale(network, wrap, tmp_path):
    state = network.state_dict()
    file = tmp_path / ("net.safetensors" if wrap == "safetensors" else "net.pth")
    if wrap == "safetensors":
        save_file(state, file)
    else:
        torch.save(state if wrap is None else {wrap: state}, file)
    found = networks.load(file)
    assert type(found) is type(network)
    assert (found.scale, found.overlap) == (network.scale, network.overlap)
    x = torch.rand(1, 3, 8, 12)
    with torch.no_grad():
        y = found(x)
        torch.testing.assert_close(y, network(x))
    assert y.shape == (1, 3, 8 * network.scale, 12 * network.scale)
    assert not any(p.requires_grad for p in found.parameters())


def test_the_running_average_comes_first(tmp_path):
    a, b = SRVGGNetCompact(4, 1, 2), SRVGGNetCompact(4, 1, 2)
    torch.save({"params": a.state_dict(), "params_ema": b.state_dict()}, tmp_path / "n.pth")
    found = networks.load(tmp_path / "n.pth")
    torch.testing.assert_close(found.body[0].weight, b.body[0].weight, check_stride=False)


def test_half_precision_files_are_read(tmp_path):
    half = {k: v.half() for k, v in SRVGGNetCompact(4, 1, 2).state_dict().items()}
    torch.save(half, tmp_path / "n.pth")
    assert next(networks.load(tmp_path / "n.pth").parameters()).dtype == torch.float32


@pytest.mark.parametrize("scale", [4, 2])
def test_rrdb_is_wired_as_the_paper_says(scale):
    """ESRGAN, figures 3 and 4, written out over the official keys."""
    torch.manual_seed(1)
    network = RRDBNet(features=6, blocks=2, growth=3, scale=scale).double()
    state = network.state_dict()

    def conv(key, x):
        return F.conv2d(x, state[f"{key}.weight"], state[f"{key}.bias"], padding=1)

    def lrelu(x):
        return torch.where(x > 0, x, 0.2 * x)

    def up(x):
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)

    picture = torch.rand(2, 3, 8, 6, dtype=torch.double)
    x = picture
    if scale == 2:
        corners = [picture[:, c, i::2, j::2] for c in range(3) for i in (0, 1) for j in (0, 1)]
        x = torch.stack(corners, 1)
    first = x = conv("conv_first", x)
    for block in range(2):
        before = x
        for dense in range(1, 4):
            key = f"body.{block}.rdb{dense}.conv"
            x1 = lrelu(conv(f"{key}1", x))
            x2 = lrelu(conv(f"{key}2", torch.cat((x, x1), 1)))
            x3 = lrelu(conv(f"{key}3", torch.cat((x, x1, x2), 1)))
            x4 = lrelu(conv(f"{key}4", torch.cat((x, x1, x2, x3), 1)))
            x = x + 0.2 * conv(f"{key}5", torch.cat((x, x1, x2, x3, x4), 1))
        x = before + 0.2 * x
    x = first + conv("conv_body", x)
    x = lrelu(conv("conv_up1", up(x)))
    x = lrelu(conv("conv_up2", up(x)))
    expected = conv("conv_last", lrelu(conv("conv_hr", x)))
    torch.testing.assert_close(network(picture).detach(), expected)


def test_the_official_sizes():
    def count(network):
        return sum(p.numel() for p in network.parameters())

    with torch.device("meta"):
        assert count(SRVGGNetCompact(64, 32, 4)) == 1_213_296  # general x4 v3
        assert count(SRVGGNetCompact(64, 16, 4)) == 621_424  # animevideo v3
        assert count(RRDBNet(64, 23, 32, 4)) == 16_697_987  # x4plus
        assert count(RRDBNet(64, 6, 32, 4)) == 4_467_779  # anime 6B
        assert RRDBNet(64, 1, 32, 2).conv_first.weight.shape == (64, 12, 3, 3)


def saved(value):
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


FOREIGN = {
    "a linear layer": saved(torch.nn.Linear(3, 3).state_dict()),
    "a list": saved([1, 2, 3]),
    "an empty mapping": saved({}),
    "numbers": saved({"body.0.weight": 3}),
    "keys that are no names": saved({1: torch.zeros(3)}),
    "integers": saved({"body.0.weight": torch.zeros(3, dtype=torch.int64)}),
    "not a number": saved(
        {k: v * float("nan") for k, v in SRVGGNetCompact(4, 1, 2).state_dict().items()}
    ),
    "a key too many": saved(SRVGGNetCompact(4, 1, 2).state_dict() | {"x": torch.zeros(3)}),
    "a layer number out of reach": saved(
        SRVGGNetCompact(4, 1, 2).state_dict() | {"body.9000000000.weight": torch.zeros(12, 4, 3, 3)}
    ),
    "a layer with a word": saved({"body.x.weight": torch.zeros(1), "body.0.weight": torch.ones(1)}),
    "a scalar": saved({"conv_first.weight": torch.tensor(1.0)}),
    "five channels": saved({"conv_first.weight": torch.zeros(4, 5, 3, 3)}),
    "a program": saved(Evil()),
    "text": b"<!DOCTYPE html>",
    "nothing": b"",
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_foreign_file_is_one_sentence(name, suffix, tmp_path, capsys):
    file = tmp_path / f"net{suffix}"
    file.write_bytes(FOREIGN[name])
    with pytest.raises(WeightsError, match=r"net\.") as caught:
        networks.load(file)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_ends_early_is_damaged(suffix, tmp_path):
    file = tmp_path / f"net{suffix}"
    state = SRVGGNetCompact(4, 1, 2).state_dict()
    if suffix == ".pth":
        torch.save(state, file)
        assert zipfile.is_zipfile(file)
    else:
        save_file(state, file)
    whole = file.read_bytes()
    for end in range(0, len(whole) - 1, max(1, len(whole) // 40)):
        file.write_bytes(whole[:end])
        with pytest.raises(WeightsError, match="damaged"):
            networks.load(file)


def test_no_file(tmp_path):
    for name in ("none.pth", "none.safetensors"):
        with pytest.raises(WeightsError, match="no weights file"):
            networks.load(tmp_path / name)
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(WeightsError):
        networks.load(tmp_path / "folder.pth")
