"""Exports: round trips to the bit, strict names and shapes for rosinality, one sentence for what cannot be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from merzmory.gan import checkpoint, legacy
from merzmory.gan import run as runs
from merzmory.gan.__main__ import main
from merzmory.gan.config import EngineError, NetworkConfig, TrainConfig
from merzmory.gan.export import export, read
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.training import train

TINY = NetworkConfig(16, z_dim=8, w_dim=8, mapping_layers=3, channel_base=128, channel_max=12)


def make(config: NetworkConfig) -> dict[str, nn.Module]:
    torch.manual_seed(1)
    g, g_ema = Generator(config), Generator(config)
    for generator in (g, g_ema):
        generator.mapping.w_avg.normal_()
        for name, value in generator.named_parameters():
            if name.endswith(("noise_strength", "bias")):
                nn.init.normal_(value)
    return {"G": g, "G_ema": g_ema, "D": Discriminator(config)}


def saved(path: Path, config: NetworkConfig = TINY) -> Path:
    checkpoint.save_network(path, make(config), config, extra={"licence": "CC0-1.0"})
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("export") / "net.safetensors")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, dataset: Callable[..., Path]) -> Path:
    """Three steps, snapshots of 0, 1, 2 and 3, a whole checkpoint of 3."""
    folder = tmp_path_factory.mktemp("run")
    recipe = TrainConfig(
        steps=3, batch=2, ada="off", device="cpu", preview_count=1, z_dim=8, w_dim=8,
        mapping_layers=1, channel_base=32, channel_max=4, snapshots=(1, 2), keep_checkpoints=1,
    )  # fmt: skip
    return train(folder / "run", dataset=dataset(folder / "d"), config=recipe, base=None)


def equal(a: nn.Module, b: nn.Module) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def picture(generator: Generator) -> Tensor:
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        made: Tensor = generator(z, psi=0.7, noise="const")
    return made


# Our own format


def test_whole(network: Path, tmp_path: Path) -> None:
    done = export(network, tmp_path / "out.safetensors", notes={"more": "x"})
    before, after = read(network), read(done.files[0])
    assert done.networks == ("G", "G_ema", "D") == tuple(after.networks)
    assert all(equal(before.networks[n], after.networks[n]) for n in before.networks)
    assert after.notes == {"licence": "CC0-1.0", "more": "x"}
    assert done.bytes == done.files[0].stat().st_size


def test_slim(network: Path, tmp_path: Path) -> None:
    done = export(network, tmp_path / "out.safetensors", half=True)
    assert checkpoint.inspect(done.files[0])["networks"] == ["G_ema", "D"]
    only = export(network, tmp_path / "g.safetensors", half=True, networks=["G_ema"])
    assert only.bytes < done.bytes < network.stat().st_size / 2
    before, after = read(network).networks["G_ema"], read(only.files[0]).networks["G_ema"]
    for key, value in before.state_dict().items():  # 11 bits of mantissa
        assert torch.allclose(after.state_dict()[key], value, rtol=2**-11, atol=2**-24)
    assert isinstance(before, Generator) and isinstance(after, Generator)
    scale = float(picture(before).abs().max())
    assert float((picture(after) - picture(before)).abs().max()) < 0.01 * scale


def test_a_run_by_step(run: Path, tmp_path: Path) -> None:
    newest = export(run, tmp_path / "3.safetensors")
    assert (newest.notes["step"], newest.networks) == ("3", ("G", "G_ema", "D"))
    early = export(run, tmp_path / "1.safetensors", step=1)
    assert (early.notes["step"], early.networks) == ("1", ("G", "G_ema"))
    there = checkpoint.load_generator(runs.snapshot_path(run, 1))
    assert equal(read(early.files[0]).networks["G_ema"], there)
    assert "train" in checkpoint.inspect(newest.files[0])["can"]


def test_from_a_foreign_file(network: Path, tmp_path: Path) -> None:
    export(network, tmp_path / "theirs.pt", format="rosinality")
    done = export(tmp_path / "theirs.pt", tmp_path / "ours.safetensors")
    assert equal(read(done.files[0]).networks["G_ema"], read(network).networks["G_ema"])
    assert done.notes["source"] == "theirs.pt"


def test_from_a_published_pickle(shared: Path, tmp_path: Path) -> None:
    pickled = shared / "refvec" / "pkl" / "sg2-tiny-32-uncond.pkl"
    done = export(pickled, tmp_path / "net.pt", format="rosinality")
    theirs, ours = legacy.load(pickled), legacy.load(done.files[0])
    assert theirs.keys() == ours.keys() == {"G", "G_ema", "D"}
    assert all(equal(theirs[name], ours[name]) for name in ("G_ema", "D"))


# rosinality


def shapes(config: NetworkConfig) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Names and shapes of the states of rosinality's Generator and Discriminator, written from its modules."""
    c, w = config.channels, config.w_dim
    g: dict[str, list[int]] = {"input.input": [1, c(4), 4, 4]}
    for i in range(config.mapping_layers):
        g |= {f"style.{i + 1}.weight": [w, w], f"style.{i + 1}.bias": [w]}

    def styled(name: str, inputs: int, outputs: int) -> None:
        g.update({f"{name}.conv.weight": [1, outputs, inputs, 3, 3], f"{name}.noise.weight": [1]})
        g.update({f"{name}.activate.bias": [outputs]})
        g.update({f"{name}.conv.modulation.{k}": [inputs, w][:n] for k, n in kinds})

    def to_rgb(name: str, inputs: int) -> None:
        g.update({f"{name}.conv.weight": [1, 3, inputs, 1, 1], f"{name}.bias": [1, 3, 1, 1]})
        g.update({f"{name}.conv.modulation.{k}": [inputs, w][:n] for k, n in kinds})

    kinds = (("weight", 2), ("bias", 1))
    styled("conv1", c(4), c(4))
    to_rgb("to_rgb1", c(4))
    g["noises.noise_0"] = [1, 1, 4, 4]
    d: dict[str, list[int]] = {
        "convs.0.0.weight": [c(config.resolution), 3, 1, 1],
        "convs.0.1.bias": [c(config.resolution)],
        "final_conv.0.weight": [c(4), c(4) + 1, 3, 3],
        "final_conv.1.bias": [c(4)],
        "final_linear.0.weight": [c(4), c(4) * 16],
        "final_linear.0.bias": [c(4)],
        "final_linear.1.weight": [1, c(4)],
        "final_linear.1.bias": [1],
    }
    for k in range(int(math.log2(config.resolution)) - 2):
        r = 8 * 2**k
        styled(f"convs.{2 * k}", c(r // 2), c(r))
        styled(f"convs.{2 * k + 1}", c(r), c(r))
        to_rgb(f"to_rgbs.{k}", c(r))
        g |= {f"convs.{2 * k}.conv.blur.kernel": [4, 4], f"to_rgbs.{k}.upsample.kernel": [4, 4]}
        g |= {f"noises.noise_{2 * k + i}": [1, 1, r, r] for i in (1, 2)}
        r = config.resolution // 2**k
        block = f"convs.{k + 1}"
        d |= {f"{block}.conv1.0.weight": [c(r), c(r), 3, 3], f"{block}.conv1.1.bias": [c(r)]}
        d |= {f"{block}.conv2.0.kernel": [4, 4], f"{block}.skip.0.kernel": [4, 4]}
        d |= {f"{block}.conv2.1.weight": [c(r // 2), c(r), 3, 3]}
        d |= {f"{block}.conv2.2.bias": [c(r // 2)]}
        d |= {f"{block}.skip.1.weight": [c(r // 2), c(r), 1, 1]}
    return g, d


def test_rosinality_round_trip(network: Path, tmp_path: Path) -> None:
    done = export(network, tmp_path / "net.pt", format="rosinality")
    value = torch.load(done.files[0], weights_only=True)
    assert set(value) == {"g", "g_ema", "d", "latent_avg", "notes"}
    for name, wanted in zip(("g", "d"), shapes(TINY), strict=True):
        assert {key: list(tensor.shape) for key, tensor in value[name].items()} == wanted
    gain = value["g_ema"]["convs.0.conv.blur.kernel"]
    assert (float(gain.sum()), float(value["d"]["convs.1.skip.0.kernel"].sum())) == (4.0, 1.0)
    before, after = read(network).networks, legacy.load(done.files[0])
    assert equal(before["G_ema"], after["G_ema"]) and equal(before["D"], after["D"])
    one, other = (checkpoint.load_generator(path) for path in (network, done.files[0]))
    assert float((picture(one) - picture(other)).abs().max()) <= 1e-6
    assert value["notes"]["licence"] == "CC0-1.0"


def test_rosinality_names_what_its_code_must_be_told(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, conv_clamp=256, mbstd_group=2)
    remarks = export(
        saved(tmp_path / "a.safetensors", config), tmp_path / "a.pt", format="rosinality"
    ).remarks
    said = "\n".join(remarks)
    for words in ("Generator(16, 8, 3)", "{4: 12, 8: 12, 16: 8}", "trained with 2", "at 256"):
        assert words in said
    small = NetworkConfig(8, mapping_layers=8, channel_base=32768, channel_max=512)
    path = tmp_path / "b.safetensors"
    checkpoint.save_network(path, {"G_ema": Generator(small)}, small)
    assert export(path, tmp_path / "b.pt", format="rosinality").remarks == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"c_dim": 2}, "no labels and this network has 2"),
        ({"img_channels": 1}, "3 colours and this network 1"),
        ({"z_dim": 6}, "as wide as w"),
        ({"d_architecture": "orig"}, "leave D out"),
        ({"mbstd_channels": 0}, "leave D out"),
    ],
)
def test_rosinality_refuses(tmp_path: Path, change: dict[str, object], words: str) -> None:
    path = saved(tmp_path / "net.safetensors", dataclasses.replace(TINY, **change))  # type: ignore[arg-type]
    with pytest.raises(EngineError, match=words) as caught:
        export(path, tmp_path / "net.pt", format="rosinality")
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]


def test_stylegan3_stays_ours(shared: Path, tmp_path: Path) -> None:
    pickled = shared / "refvec" / "pkl" / "sg3t-tiny-32.pkl"
    done = export(pickled, tmp_path / "net.safetensors", networks=["D", "G_ema"])
    assert done.networks == ("G_ema", "D") and "why" not in done.notes
    assert equal(read(pickled).networks["G_ema"], read(done.files[0]).networks["G_ema"])
    with pytest.raises(EngineError, match="knows StyleGAN2 only"):
        export(pickled, tmp_path / "net.pt", format="rosinality")


# What is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{run}", "{tmp}/x.safetensors", "--step", "7"], "kept no state of step 7, it has 0, 1"),
        (["{run}", "{tmp}/x.safetensors", "--step", "1", "--networks", "D"], "and not D"),
        (["{run}", "{tmp}/x.pt"], "let it end in .safetensors"),
        (["{run}", "{tmp}/x.pt", "--format", "rosinality", "--half"], "leave --half out"),
        (["{net}", "{tmp}/x.safetensors", "--step", "1"], "is a file"),
        (["{net}", "{net}"], "there already"),
        (["{tmp}", "{tmp}/x.safetensors"], "not a run|folder of a training run"),
        (["{tmp}/none.pkl", "{tmp}/x.safetensors"], "does not exist"),
    ],
)
def test_refused_in_one_sentence(
    words: list[str], said: str, run: Path, network: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = [w.format(run=run, net=network, tmp=tmp_path) for w in words]
    assert main(["export", *given]) == 2
    heard = capsys.readouterr().err
    assert any(s in heard for s in said.split("|")), heard
    assert heard.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_numbers_beyond_float16(tmp_path: Path) -> None:
    networks = make(TINY)
    networks["D"].get_parameter("b4.out.bias").data.fill_(1e6)
    path = tmp_path / "net.safetensors"
    checkpoint.save_network(path, networks, TINY)
    with pytest.raises(EngineError, match=r"beyond float16 in D\.b4\.out\.bias"):
        export(path, tmp_path / "half.safetensors", half=True)


def test_command_writes_over_only_when_asked(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.pt"
    words = ["export", str(network), str(out), "--format", "rosinality", "--networks", "G_ema"]
    assert main(words) == 0
    assert "net.pt: G_ema, 0.0 MB" in capsys.readouterr().out
    assert main(words) == 2 and "--force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["net.pt"]
