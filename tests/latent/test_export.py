"""Exports for elsewhere: ONNX files that make torch's pictures, and what each file may be used for."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from merzmory.errors import ConfigError, WeightsError
from merzmory.gan import checkpoint, generate
from merzmory.gan.config import NetworkConfig
from merzmory.gan.export import Exported
from merzmory.gan.networks import Generator
from merzmory.latent import export as exporting
from merzmory.latent.export import export
from merzmory.licence import of_network

STARTER = Path(str(resources.files("merzmory"))) / "bases" / "starter-garments-64.safetensors"


def saved(path: Path, labels: int, seed: int = 0) -> Path:
    config = NetworkConfig(
        8, c_dim=labels, z_dim=6, w_dim=8, mapping_layers=1, channel_base=64, channel_max=8,
        conv_clamp=256,
    )  # fmt: skip
    torch.manual_seed(seed)
    generator = Generator(config)
    generator.mapping.w_avg.normal_()
    for name, value in generator.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.constant_(value, 0.3)
    checkpoint.save_network(path, {"G_ema": generator}, config, extra={"licence": "CC BY 4.0"})
    return path


@pytest.mark.parametrize("labels", [0, 3])
def test_onnx_makes_the_pictures_of_torch(tmp_path: Path, labels: int) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    network, out = saved(tmp_path / "net.safetensors", labels), tmp_path / "out"
    done = export(network, out, format="onnx")
    assert sorted(p.name for p in out.iterdir()) == ["mapping.onnx", "synthesis.onnx"]
    mapping, synthesis = (onnxruntime.InferenceSession(str(path)) for path in done.files)
    generator = checkpoint.load_generator(network)
    for count, psi in ((1, 1.0), (3, 0.5)):
        z = generate.latents(range(10, 10 + count), 6)
        label = labels - 1 if labels else None
        feed = {"z": z.numpy(), "psi": np.array([psi], np.float32)}
        if labels:
            feed["c"] = np.eye(labels, dtype=np.float32)[[label] * count]
        [ws] = mapping.run(None, feed)
        wanted = generate.mapping(generator, z, psi, label=label)
        assert np.abs(ws - wanted.numpy()).max() < 1e-5
        [picture] = synthesis.run(None, {"ws": ws})
        with torch.inference_mode():
            expected = generator.synthesis(wanted, "const").numpy()
        assert picture.shape == (count, 3, 8, 8)
        assert np.abs(picture - expected).max() < 1e-4 * max(1, np.abs(expected).max())
    about = synthesis.get_modelmeta().custom_metadata_map
    assert json.loads(about["merzmory.network"])["c_dim"] == labels
    assert (about["merzmory.part"], about["merzmory.licence"]) == ("picture", "CC BY 4.0")
    with pytest.raises(ConfigError, match="--force"):
        export(network, out, format="onnx")
    other = checkpoint.load_generator(saved(tmp_path / "other.safetensors", labels, seed=1))
    with pytest.raises(WeightsError, match="differ from torch by"):
        exporting._check(done.files, other)


def test_onnx_of_stylegan3(shared: Path, tmp_path: Path) -> None:
    """The files are checked against torch before they are kept."""
    pytest.importorskip("onnxruntime")
    pickled = shared / "refvec" / "pkl" / "sg3t-tiny-32.pkl"
    done = export(pickled, tmp_path / "out", format="onnx")
    assert all(path.is_file() for path in done.files) and done.networks == ("G_ema",)


def test_onnx_without_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_ONNX", ("onnx", "no_such_package"))
    with pytest.raises(ConfigError, match=r"need no_such_package.*merzmory\[onnx\]"):
        export(saved(tmp_path / "net.safetensors", 0), tmp_path / "out", format="onnx")
    assert not (tmp_path / "out").exists()


def test_onnx_holds_a_generator(tmp_path: Path) -> None:
    network = saved(tmp_path / "net.safetensors", 0)
    with pytest.raises(ConfigError, match="one generator"):
        export(network, tmp_path / "out", format="onnx", networks=["D"])


def test_the_file_names_its_licence(tmp_path: Path) -> None:
    done = export(STARTER, tmp_path / "slim.safetensors", format="slim")
    assert isinstance(done, Exported) and done.networks == ("G_ema",)
    about = checkpoint.inspect(done.files[0])
    assert about["dtypes"] == ["F16"] and about["notes"]["licence"].startswith("CC0 1.0")
    assert "CC0 1.0" in of_network(done.files[0]).sentence  # a copy of a copy keeps it
    value = torch.load(
        export(STARTER, tmp_path / "net.pt", format="rosinality").files[0], weights_only=True
    )
    assert value["notes"]["licence"].startswith("CC0 1.0")
    with pytest.raises(ConfigError, match="no format gif"):
        export(STARTER, tmp_path / "x", format="gif")  # type: ignore[arg-type]
