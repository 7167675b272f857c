"""Blends: their ends are the parents to the bit, and between them every layer is where the curve says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from merzmory.errors import ConfigError, WeightsError
from merzmory.gan import checkpoint, generate
from merzmory.gan.config import NetworkConfig
from merzmory.gan.networks import Generator
from merzmory.gan.stylegan3 import StyleGAN3Generator
from merzmory.gan.stylegan3_config import StyleGAN3Config
from merzmory.latent.blend import Curve, Parent, between, blend, dial, shares

SMALL = NetworkConfig(16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8)


def saved(path: Path, seed: int, names: tuple[str, ...] = ("G", "G_ema")) -> Path:
    torch.manual_seed(seed)
    made = {name: Generator(SMALL) for name in names}
    for generator in made.values():
        generator.mapping.w_avg.normal_()
    checkpoint.save_network(path, made, SMALL)
    return path


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> tuple[Parent, Parent]:
    folder = tmp_path_factory.mktemp("parents")
    return (
        Parent(saved(folder / "base.safetensors", 1), "base"),
        Parent(saved(folder / "late.safetensors", 2), "step 500"),
    )


@pytest.mark.parametrize("t", [0, 1])
def test_the_ends_are_the_parents_to_the_bit(
    parents: tuple[Parent, Parent], t: int, tmp_path: Path
) -> None:
    out = tmp_path / "blend.safetensors"
    assert blend(*parents, Curve.parse(str(t)), out, licence="CC0") == ["G_ema", "G"]
    made, _ = checkpoint.read_tensors(out)
    parent, _ = checkpoint.read_tensors(parents[t].file)
    assert made.keys() == parent.keys()
    for name, value in parent.items():
        assert torch.equal(made[name], value), name
    for which in ("ema", "raw"):
        one, other = (checkpoint.load_generator(path, which) for path in (out, parents[t].file))  # type: ignore[arg-type]
        assert np.array_equal(generate.images(one, [3], 0.7), generate.images(other, [3], 0.7))
    about = checkpoint.inspect(out)
    assert "train" not in about["can"] and about["notes"]["licence"] == "CC0"
    said = json.loads(about["notes"]["blend"])
    assert [one["name"] for one in said["parents"]] == ["base", "step 500"]
    assert len(said["parents"][0]["sha256"]) == 64 and set(said["weights"].values()) == {t}
    with pytest.raises(ConfigError, match="there already"):
        blend(*parents, Curve.parse("0.5"), out)


def test_layers_are_swapped_or_mixed(parents: tuple[Parent, Parent]) -> None:
    one, other = (parent.open("G_ema") for parent in parents)
    made = between(one, other, shares(one, Curve.parse("swap:8,mapping=0.25")))
    first, last, state = one.state_dict(), other.state_dict(), made.state_dict()
    for name, value in state.items():
        if name.startswith("synthesis."):
            assert torch.equal(value, (first if ".b4." in name else last)[name]), name
        else:
            assert torch.allclose(value, 0.75 * first[name] + 0.25 * last[name], atol=1e-6), name
    assert not torch.equal(state["synthesis.b4.const"], last["synthesis.b4.const"])


def test_curves() -> None:
    line = Curve.parse("4=0, 16=0.5,64=1")
    assert [line.at(r) for r in (4, 8, 16, 32, 64, 256)] == [0, 0.25, 0.5, 0.75, 1, 1]
    smooth = Curve.parse("smooth:16:0.5")
    assert smooth.at(16) == 0.5 and smooth.at(8) == pytest.approx(1 / (1 + np.e**2))
    assert smooth.at(4) + smooth.at(64) == pytest.approx(1)
    assert [Curve.parse("swap:16").at(r) for r in (4, 8, 16, 32)] == [0, 0, 1, 1]
    assert Curve.parse("0.3").is_flat and not Curve.parse("0.3,mapping=1").is_flat
    wrong = ("", "2", "-1", "swap", "swap:", "swap:8:2", "smooth:16:0", "4=2", "0=1", "4=0,4=1", "nan",
             "4", "4=0;8=1", "mapping=1", "0.5,mapping=x", "1e-1")  # fmt: skip
    for text in wrong:
        with pytest.raises(ConfigError, match="swap:32"):
            Curve.parse(text)


def test_stylegan3_by_the_rates_of_its_layers() -> None:
    torch.manual_seed(0)
    config = StyleGAN3Config(64, z_dim=8, w_dim=8, channel_base=512, channel_max=8)
    one, other = (StyleGAN3Generator(config).requires_grad_(False) for _ in range(2))
    t = shares(one, Curve.parse("swap:64"))
    assert t["synthesis.input."] == 0 and t[f"synthesis.{config.layer_names()[-1]}."] == 1
    state = between(one, other, t).state_dict()
    assert torch.equal(state["synthesis.input.weight"], one.state_dict()["synthesis.input.weight"])


def test_what_cannot_be_blended(parents: tuple[Parent, Parent], tmp_path: Path) -> None:
    wider = Generator(
        NetworkConfig(16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=256, channel_max=16)
    )
    path = tmp_path / "wider.safetensors"
    checkpoint.save_network(path, {"G_ema": wider}, wider.config)
    with pytest.raises(WeightsError, match=r"A stylegan2 of 16 px .* cannot be blended: take two"):
        blend(parents[0], Parent(path, "wider"), Curve.parse("0.5"), tmp_path / "x.safetensors")
    alone = Parent(saved(tmp_path / "raw.safetensors", 3, ("G",)), "raw")
    averaged = Parent(saved(tmp_path / "ema.safetensors", 3, ("G_ema",)), "averaged")
    with pytest.raises(WeightsError, match="no network of the same name"):
        blend(alone, averaged, Curve.parse("0.5"), tmp_path / "x.safetensors")
    assert blend(averaged, parents[1], Curve.parse("1"), tmp_path / "y.safetensors") == ["G_ema"]
    with pytest.raises(ConfigError, match=r"end in \.safetensors"):
        blend(*parents, Curve.parse("0.5"), tmp_path / "x.pkl")
    assert not list(tmp_path.glob("x.*"))


def test_the_sheet_of_the_dial(parents: tuple[Parent, Parent]) -> None:
    def drawn(curve: str) -> np.ndarray:
        return np.asarray(dial(*parents, Curve.parse(curve), seeds=2, psi=1.0, tile=32))

    flat, shaped = drawn("0.6"), drawn("swap:8")
    assert (
        flat.shape == shaped.shape
    )  # base, 0.25, 0.5, the blend, 0.75, step; and 0.25 .. the blend
    assert not np.array_equal(flat, shaped)
