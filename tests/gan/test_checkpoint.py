"""Network files: round trips, what they say about themselves, what is refused."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from merzmory.gan import checkpoint, generate
from merzmory.gan.config import EngineError, NetworkConfig, TrainConfig, train_config
from merzmory.gan.networks import Discriminator, Generator

CONFIG = NetworkConfig(16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64, channel_max=8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    networks = {"G": Generator(CONFIG), "G_ema": Generator(CONFIG), "D": Discriminator(CONFIG)}
    checkpoint.save_network(path, networks, CONFIG, extra={"step": "7", "licence": "CC0-1.0"})
    return path


def test_round_trip(file: Path) -> None:
    ema, raw = (checkpoint.load_generator(file, which) for which in ("ema", "raw"))  # type: ignore[arg-type]
    assert ema.config == CONFIG
    assert not torch.equal(ema.synthesis.b4.const, raw.synthesis.b4.const)
    assert not ema.training
    tensors, _ = checkpoint.read_tensors(file)
    for name, value in ema.state_dict().items():
        assert torch.equal(tensors[f"G_ema.{name}"], value)
    assert checkpoint.load_discriminator(file)(torch.zeros(4, 3, 16, 16)).shape == (4, 1)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_others_may_read_a_file(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_half_is_half_as_large_and_near(tmp_path: Path, file: Path) -> None:
    ema = checkpoint.load_generator(file)
    slim = tmp_path / "slim.safetensors"
    checkpoint.save_network(slim, {"G_ema": ema}, CONFIG, dtype=torch.float16)
    full = tmp_path / "full.safetensors"
    checkpoint.save_network(full, {"G_ema": ema}, CONFIG)
    assert slim.stat().st_size < 0.65 * full.stat().st_size
    a, b = (generate.images(checkpoint.load_generator(p), [0, 1]) for p in (slim, full))
    assert np.abs(a.astype(int) - b).max() <= 6


def test_equal_contents_are_equal_bytes(tmp_path: Path, file: Path) -> None:
    ema = checkpoint.load_generator(file)
    extra = {f"key{i}": str(i) for i in range(20)}
    paths = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path in paths:
        checkpoint.save_network(path, {"G_ema": ema}, CONFIG, extra=extra)
    assert len({p.read_bytes() for p in paths}) == 1


def test_inspect(file: Path, tmp_path: Path) -> None:
    found = checkpoint.inspect(file)
    assert found["kind"] == "stylegan2"
    assert (found["resolution"], found["channels"], found["mapping_layers"]) == (16, 3, 2)
    assert (found["labels"], found["num_ws"]) == (0, 6)
    assert found["networks"] == ["G", "G_ema", "D"]
    assert "train" in found["can"]
    assert found["notes"] == {"licence": "CC0-1.0", "step": "7"}
    slim = tmp_path / "slim.safetensors"
    checkpoint.save_network(slim, {"G_ema": checkpoint.load_generator(file)}, CONFIG)
    assert "train" not in checkpoint.inspect(slim)["can"]
    with pytest.raises(EngineError, match="not be trained"):
        checkpoint.load_discriminator(slim)


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, file: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    for bad in (b"", b"\x00" * 8, b"\xff" * 64, file.read_bytes()[:-9]):
        broken.write_bytes(bad)
        for opened in (checkpoint.inspect, checkpoint.load_generator):
            with pytest.raises(EngineError, match="damaged or not a safetensors file"):
                opened(broken)
    with pytest.raises(EngineError, match="does not exist"):
        checkpoint.load_generator(tmp_path / "none.safetensors")
    tensors = {"G.x": torch.zeros(1)}
    save_file(tensors, broken, {"format": "2", "kind": "network"})
    with pytest.raises(EngineError, match="format 2"):
        checkpoint.inspect(broken)
    save_file(tensors, broken, {"format": "1", "kind": "checkpoint"})
    with pytest.raises(EngineError, match="not a network file"):
        checkpoint.load_generator(broken)
    described = json.dumps(dataclasses.asdict(CONFIG))
    save_file(tensors, broken, {"format": "1", "kind": "network", "network": described})
    with pytest.raises(EngineError, match="does not hold the tensors"):
        checkpoint.load_generator(broken, "raw")
    described = json.dumps({**dataclasses.asdict(CONFIG), "novelty": 1})
    save_file(tensors, broken, {"format": "1", "kind": "network", "network": described})
    with pytest.raises(EngineError, match="novelty"):
        checkpoint.load_generator(broken)
    for absurd in ({"mapping_layers": 10**9}, {"mapping_layers": "x"}, {"resolution": 1 << 60}):
        described = json.dumps({**dataclasses.asdict(CONFIG), **absurd})
        save_file(tensors, broken, {"format": "1", "kind": "network", "network": described})
        with pytest.raises(EngineError, match="does not hold the tensors"):
            checkpoint.load_generator(broken, "raw")


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(EngineError, match=r"disk .* is full"):
        checkpoint.save_network(file, {"G": Generator(CONFIG)}, CONFIG)
    assert file.read_bytes() == before


def test_recipes_are_typed() -> None:
    assert train_config({"steps": 7, "gamma": 2, "snapshots": [1, 2]}) == TrainConfig(
        steps=7, gamma=2.0, snapshots=(1, 2)
    )
    for wrong, words in (
        ({"stepz": 1}, "stepz is not a knob"),
        ({"steps": "many"}, "steps is 'many', it must be a int"),
        ({"steps": True}, "steps is True"),
        ({"mirror": 1}, "mirror is 1"),
        ({"ada": "sometimes"}, "one of off, ada, fixed"),
        ({"batch": 0}, "at least 1"),
        ({"steps": -1}, "must not be negative"),
        ({"ada_initial": 1.5}, "between 0 and 1"),
        ({"learning_rate": 0.0}, "above 0"),
    ):
        with pytest.raises(EngineError, match=words):
            train_config(wrong)
    assert TrainConfig(batch=16).resolved_gamma(256) == pytest.approx(0.8192)
