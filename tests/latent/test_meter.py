"""The meter counts levels, snapshot by snapshot, and draws them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from merzmory import provenance
from merzmory.latent import meter
from merzmory.manifest import do, read_manifest

ABOUT = {
    "embedder": "hoglab 1",
    "scale": {"recognised": 0.95, "mistaken": 0.04, "others": 12},
}


def level(distance: float) -> str:
    return "near copy" if distance < 0.2 else "echo" if distance < 0.5 else "none"


def planned(trained: Any, folder: Path, seen: list[Any], **changes: Any) -> Any:
    def nearest(pictures: Any) -> Any:
        """Of a network's ten pictures: one near copy, two echoes, the rest far."""
        seen.append(pictures)
        first = sum(map(len, seen[:-1])) % 10
        known = np.array([0.1, 0.3, 0.4, *[0.9] * 7], np.float32)
        return known[first : first + len(pictures)]

    knobs: dict[str, Any] = {
        "snapshots": trained.snapshots, "folder": folder, "nearest": nearest, "level": level,
        "about": lambda: ABOUT, "pictures": 10, "psi": 0.7, "device": "cpu", "settings": {},
    }  # fmt: skip
    return meter.plan(**knobs | changes)


def test_points_and_a_picture(trained: Any, tmp_path: Path) -> None:
    seen: list[Any] = []
    heard: list[Any] = []
    folder = do(planned(trained, tmp_path / "meter", seen), heard.append)
    lines = read_manifest(folder)
    assert [(line["step"], line["network"]) for line in lines] == [
        (step, which) for step in (0, 4, 8) for which in ("ema", "raw")
    ]
    for line in lines:
        assert (line["near_copy"], line["echo"], line["nearest"]) == (0.1, 0.2, 0.1)
        assert line["median"] == 0.9
    assert heard[-1].done == heard[-1].total == 6
    assert {pictures.shape[1:] for pictures in seen} == {(16, 16, 3)}
    assert not np.array_equal(seen[0], seen[-1])  # other weights, other pictures
    told = json.loads((folder / meter.METER).read_text("utf-8"))
    assert told["points"] == lines
    assert told["scale"] == ABOUT["scale"]
    assert provenance.told(folder / "meter.png")[1] == provenance.DATA
    with Image.open(folder / "meter.png") as drawn:
        seen_colours = {colour for _, colour in drawn.convert("RGB").getcolors(2**24)}
    assert {(0xB4, 0x52, 0x2A), (0x7D, 0x1F, 0x3A)} <= seen_colours
    assert planned(trained, tmp_path / "meter", []).shards == 0


def test_a_killed_meter_goes_on(trained: Any, tmp_path: Path) -> None:
    work = planned(trained, tmp_path / "meter", [])
    work.run_shard(1, lambda _: None)
    seen: list[Any] = []
    do(planned(trained, tmp_path / "meter", seen))
    assert len(seen) == 4  # two of three snapshots, two networks each


def test_an_archive_of_one_photograph_can_be_drawn(trained: Any, tmp_path: Path) -> None:
    alone = {"embedder": "x", "scale": {"recognised": 0.9, "mistaken": None, "others": 0}}
    folder = do(planned(trained, tmp_path / "meter", [], about=lambda: alone))
    assert (folder / "meter.png").is_file()
