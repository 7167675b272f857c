"""A folder of pictures through an engine: lines are kept, work resumes, weights are part of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from merzmory import provenance
from merzmory.errors import ConfigError, FormatError, SettingsDifferError, WeightsError
from merzmory.manifest import do, lay_out, read_manifest
from merzmory.upscale import upscale
from merzmory.upscale.networks import SRVGGNetCompact


@pytest.fixture
def pictures(tmp_path):
    def make(part, index, announce):
        for seed in range(5):
            noise = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)
            Image.fromarray(noise).save(part / f"seed{seed}.png")
            yield {"file": f"seed{seed}.png", "seed": seed, "psi": 0.7, "step": 200}

    return do(lay_out("samples", tmp_path / "samples", {}, 1, make))


def planned(pictures, tmp_path, **changes):
    knobs = {
        "engine": "lanczos", "scale": 3, "settings": {"samples": "s"}, "shard_size": 2,
        "device": "cpu", **changes,
    }  # fmt: skip
    return upscale.plan(pictures=pictures, folder=tmp_path / "upscaled", **knobs)


def test_every_picture_is_enlarged_and_its_line_kept(pictures, tmp_path):
    heard = []
    folder = do(planned(pictures, tmp_path), heard.append)
    lines = read_manifest(folder)
    assert lines[1] == {
        "file": "seed1.png", "source_file": "seed1.png", "seed": 1, "psi": 0.7, "step": 200,
        "width": 30, "height": 24, "engine": "lanczos", "scale": 3,
    }  # fmt: skip
    for line in lines:
        with Image.open(folder / line["file"]) as opened:
            assert opened.size == (30, 24)
    record = provenance.read_png(folder / "seed4.png")
    assert (record["seed"], record["engine"], record["samples"]) == (4, "lanczos", "s")
    assert [(p.step, p.done, p.total) for p in heard] == [("upscale", n, 5) for n in range(1, 6)]
    assert planned(pictures, tmp_path).shards == 0
    with pytest.raises(SettingsDifferError, match="scale"):
        planned(pictures, tmp_path, scale=2)


def test_a_stopped_folder_goes_on(pictures, tmp_path, monkeypatch):
    planned(pictures, tmp_path).run_shard(0, lambda _: None)
    read = []
    real = upscale._read
    monkeypatch.setattr(upscale, "_read", lambda path: read.append(path.name) or real(path))
    do(planned(pictures, tmp_path))
    assert read == ["seed2.png", "seed3.png", "seed4.png"]


def test_other_weights_are_another_result_and_a_path_is_not_published(pictures, tmp_path):
    files = [tmp_path / "a.pth", tmp_path / "b.pth"]
    for seed, file in enumerate(files):
        torch.manual_seed(seed)
        torch.save(SRVGGNetCompact(4, 1, 4).state_dict(), file)
    knobs = {"engine": "native", "settings": {"weights": str(files[0])}}
    folder = do(planned(pictures, tmp_path, weights=files[0], **knobs))
    record = provenance.read_png(folder / "seed0.png")
    assert "weights" not in record
    assert len(record["weights_sha256"]) == 64
    assert planned(pictures, tmp_path, weights=files[0], tile=999, **knobs).shards == 0
    with pytest.raises(SettingsDifferError, match="weights_sha256"):
        planned(pictures, tmp_path, weights=files[1], **knobs)


def test_what_is_wrong_is_said_before_work_begins(pictures, tmp_path):
    with pytest.raises(ConfigError, match="no upscaling engine"):
        planned(pictures, tmp_path, engine="magic")
    with pytest.raises(ConfigError, match="out of range"):
        planned(pictures, tmp_path, scale=99)
    with pytest.raises(WeightsError, match="cannot be read"):
        planned(pictures, tmp_path, engine="native", weights=tmp_path / "none.pth")
    (pictures / "seed3.png").write_bytes(b"no")
    with pytest.raises(FormatError, match=r"seed3\.png"):
        do(planned(pictures, tmp_path))
