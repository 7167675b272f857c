"""Stop anywhere, run again: the end is equal to the bit to a run that was never stopped."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from merzmory.gan import run as runs
from merzmory.gan.checkpoint import load_generator, read_tensors, save_network
from merzmory.gan.config import EngineError, NetworkConfig, TrainConfig
from merzmory.gan.device import choose_device
from merzmory.gan.export import export
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.training import TrainingProgress, resume, train

MakeDataset = Callable[..., Path]

RECIPE = TrainConfig(
    steps=9, batch=4, seed=3, ada="ada", ada_initial=0.3, ada_kimg=1.0, mirror=True,
    r1_interval=4, tick_steps=2, preview_count=4, checkpoint_every_seconds=1e9,
    checkpoint_every_steps=2, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64, channel_max=8,
    device="cpu", checkpoint_gb=0,
)  # fmt: skip


class Killed(BaseException):
    """Stands for a kill: nothing in the engine may catch it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, dataset: MakeDataset) -> Path:
    return dataset(tmp_path_factory.mktemp("data") / "d", count=10)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A run that was never stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    return train(run, dataset=data, config=RECIPE, base=None)


def contents(run: Path, *, checkpoint: bool = True) -> dict[str, bytes]:
    """Every byte of a run that must be equal: all but timings and what names the folder."""
    folders = ["snapshots", "previews"] + (["checkpoints"] if checkpoint else [])
    files = [p for f in folders for p in (run / f).rglob("*") if p.is_file()]
    files = [p for p in files if p.name != "state.json"] + [run / runs.STATS]
    return {str(p.relative_to(run)): p.read_bytes() for p in files}


def same(a: Path, b: Path, *, checkpoint: bool = True) -> None:
    first, second = contents(a, checkpoint=checkpoint), contents(b, checkpoint=checkpoint)
    assert sorted(first) == sorted(second)
    assert [k for k in first if first[k] != second[k]] == []


def test_a_run_holds_what_it_promises(whole: Path, data: Path) -> None:
    assert runs.is_finished(whole)
    assert runs.progress(whole) == (9, 9)
    assert [s for s, _ in runs.snapshots(whole)] == [0, 1, 2, 5, 9]
    assert [s for s, _ in runs.previews(whole, "raw")] == [0, 1, 2, 5, 9]
    assert [s for s, _ in runs.checkpoints(whole)] == [8, 9]
    assert runs.final_snapshot(whole).name == "step-000009.safetensors"
    lines = runs.read_lines(whole / runs.STATS)
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 9]
    assert lines[1]["kimg"] == 0.016
    assert lines[0]["ada_p"] == pytest.approx(0.3)
    assert lines[-1]["ada_p"] != lines[0]["ada_p"]
    assert lines[0]["r1"] > 0
    assert not list(whole.rglob("*.part"))
    G, ema = (load_generator(runs.final_snapshot(whole), w) for w in ("raw", "ema"))  # type: ignore[arg-type]
    assert not torch.equal(G.synthesis.b4.const, ema.synthesis.b4.const)
    before = (whole / runs.STATS).stat().st_mtime_ns
    assert (
        train(whole, dataset=data, config=RECIPE, base=None) == whole
    )  # finished: returns at once
    assert (whole / runs.STATS).stat().st_mtime_ns == before


def test_crash_at_any_write(
    tmp_path: Path, data: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty crashes in one run, each at some rename; the end is equal to the bit."""
    run, rng, crashes = tmp_path / "run", random.Random(5), 0
    left = [0]
    replace, rename = Path.replace, Path.rename

    def counted(real: Any) -> Any:
        def call(self: Path, target: Path) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return real(self, target)

        return call

    monkeypatch.setattr(Path, "replace", counted(replace))
    monkeypatch.setattr(Path, "rename", counted(rename))
    while crashes < 20:
        left[0] = rng.randint(1, 14)
        try:
            train(run, dataset=data, config=RECIPE, base=None)
        except Killed:
            crashes += 1
        else:
            break
    left[0] = -1
    train(run, dataset=data, config=RECIPE, base=None)
    assert crashes >= 5
    same(run, whole)


def test_sigkill(tmp_path: Path, data: Path, whole: Path) -> None:
    """The command line, killed outright and given again without further arguments."""
    run = tmp_path / "run"
    sets = [
        f"--set={k}={json.dumps(v)}" for k, v in dataclasses.asdict(RECIPE).items() if v is not None
    ]
    start = [sys.executable, "-m", "merzmory.gan", "train", str(run)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*start, "--dataset", str(data), *sets, "--set=threads=1"]
    for at in (1, 3, 6):
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("step ") and int(line.split()[1].split("/")[0]) >= at:
                break
        child.kill()
        child.wait()
        child.stdout.close()
        command = start
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    same(run, whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed processes are forked")
def test_twenty_sigkills_in_one_run(tmp_path: Path, data: Path) -> None:
    """Twenty processes killed at random moments; weights, optimisers, strength, previews and stats are
    those of a run that was left alone."""
    run, nursery = tmp_path / "run", Path(__file__).with_name("nursery.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    recipe = dataclasses.replace(RECIPE, steps=120, threads=1, snapshots=(0, 9, 30))
    said = json.dumps(dataclasses.asdict(recipe))
    command = [sys.executable, str(nursery), str(run), str(data), said, "20", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["killed"] * 20
    assert 0 < runs.progress(run)[0] < 120
    alone = train(tmp_path / "alone", dataset=data, config=recipe, base=None)
    train(run, dataset=data, config=recipe, base=None)
    assert runs.is_finished(run)
    same(run, alone)


def test_ctrl_c_ends_at_the_step_with_a_checkpoint(tmp_path: Path, data: Path, whole: Path) -> None:
    run = tmp_path / "run"
    outer = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    before = signal.getsignal(signal.SIGINT)

    def press(progress: TrainingProgress) -> None:
        if progress.step == 3 and progress.event is None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(run, dataset=data, config=RECIPE, base=None, announce=press)
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, outer)
    assert runs.checkpoints(run)[-1][0] == 4
    assert not runs.is_finished(run)
    resume(run)
    same(run, whole)


def test_should_stop_returns(tmp_path: Path, data: Path, whole: Path) -> None:
    run, heard = tmp_path / "run", []
    asked = iter([False] * 4 + [True] * 99)
    train(
        run, dataset=data, config=RECIPE, base=None, announce=heard.append,
        should_stop=lambda: next(asked),
    )  # fmt: skip
    assert [p.event for p in heard][-1] == "stopped"
    assert heard[-1].step == 5
    train(run, dataset=data, config=RECIPE, base=None, announce=heard.append)
    assert "resumed" in [p.event for p in heard]
    assert heard[-1].event == "finished"
    same(run, whole)


def test_growing_steps_equals_a_long_run(tmp_path: Path, data: Path, whole: Path) -> None:
    run = tmp_path / "run"
    short = dataclasses.replace(RECIPE, steps=3)
    train(run, dataset=data, config=short, base=None)
    assert runs.progress(run) == (3, 3)
    train(run, dataset=data, config=RECIPE, base=None)
    extra = runs.snapshot_path(run, 3)  # the end of the short run stays, the rest is equal
    for path in (extra, *(run / "previews").glob("step-000003-*")):
        path.unlink()
    same(run, whole)
    assert runs.read_run(run)["history"] == [{"steps": [3, 9]}]


def test_other_recipes_are_refused_by_name(
    tmp_path: Path, data: Path, whole: Path, dataset: MakeDataset
) -> None:
    changed = dataclasses.replace(RECIPE, batch=8, gamma=1.0)
    with pytest.raises(
        EngineError, match=r"batch \(4 there, 8 here\), gamma \(None there, 1.0 here\)"
    ):
        train(whole, dataset=data, config=changed, base=None)
    with pytest.raises(EngineError, match="steps"):
        train(whole, dataset=data, config=dataclasses.replace(RECIPE, steps=4), base=None)
    other = dataset(tmp_path / "other", count=7)
    with pytest.raises(EngineError, match="dataset"):
        train(whole, dataset=other, config=RECIPE, base=None)


def test_a_recipe_is_changed_on_the_way_when_asked_and_recorded(tmp_path: Path, data: Path) -> None:
    run, changed = tmp_path / "run", {"learning_rate": 0.001, "ada": "off"}
    asked = iter([False] * 5 + [True])
    train(run, dataset=data, config=RECIPE, base=None, should_stop=lambda: next(asked))
    with pytest.raises(EngineError, match=r"ada \(ada there, off here\), learning_rate"):
        resume(run, **changed)
    with pytest.raises(EngineError, match="batch"):
        resume(run, change=True, batch=8)
    at = runs.checkpoints(run)[-1][0]
    resume(run, change=True, **changed)
    assert runs.is_finished(run)
    assert runs.read_run(run)["history"] == [
        {"ada": ["ada", "off"], "learning_rate": [0.0025, 0.001], "from step": at}
    ]
    assert runs.read_lines(run / runs.STATS)[-1]["ada_p"] == 0
    resume(run, change=True, steps=12, ada="fixed", ada_initial=0.4)
    assert runs.read_lines(run / runs.STATS)[-1]["ada_p"] == pytest.approx(0.4)


def test_a_damaged_checkpoint_falls_back(tmp_path: Path, data: Path, whole: Path) -> None:
    run = tmp_path / "run"
    asked = iter([False] * 5 + [True])
    train(run, dataset=data, config=RECIPE, base=None, should_stop=lambda: next(asked))
    (runs.checkpoints(run)[-1][1] / "networks.safetensors").write_bytes(b"cut")
    train(run, dataset=data, config=RECIPE, base=None)
    same(run, whole)


def test_starts_from_the_base(tmp_path: Path, data: Path) -> None:
    """G and G_ema from the base's G_ema, D from its D, w_avg kept; the architecture is the base's."""
    config = NetworkConfig(8, z_dim=6, w_dim=10, mapping_layers=3, channel_base=32, channel_max=4)
    G, D = Generator(config), Discriminator(config)
    G.mapping.w_avg.fill_(0.25)
    base = tmp_path / "base.safetensors"
    save_network(base, {"G_ema": G, "D": D}, config)
    run = tmp_path / "run"
    recipe = dataclasses.replace(RECIPE, steps=1, freeze_d=4)
    train(run, dataset=data, config=recipe, base=base)
    start, _ = read_tensors(runs.snapshot_path(run, 0))
    for name, value in G.state_dict().items():
        assert torch.equal(start[f"G.{name}"], value)
        assert torch.equal(start[f"G_ema.{name}"], value)
    end, _ = read_tensors(runs.checkpoints(run)[-1][1] / "networks.safetensors")
    for name, value in D.state_dict().items():
        frozen = name.startswith("b8.") or "filter" in name
        assert torch.equal(end[f"D.{name}"], value) == frozen, name
    out = tmp_path / "out.safetensors"
    export(run, out, half=True, notes={"licence": "CC0-1.0"})
    tensors, metadata = read_tensors(out)
    assert {k.split(".")[0] for k in tensors} == {"G_ema", "D"}
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    assert (metadata["licence"], metadata["step"]) == ("CC0-1.0", "1")
    assert load_generator(out).config == config


def test_misfits_are_refused_before_any_time_is_spent(tmp_path: Path, data: Path) -> None:
    config = NetworkConfig(16, z_dim=8, w_dim=8, mapping_layers=1, channel_base=64, channel_max=8)
    base = tmp_path / "base.safetensors"
    save_network(base, {"G_ema": Generator(config), "D": Discriminator(config)}, config)
    with pytest.raises(EngineError, match="16 px pictures and the dataset holds 8 px"):
        train(tmp_path / "run", dataset=data, config=RECIPE, base=base)
    save_network(base, {"G_ema": Generator(config)}, config)
    with pytest.raises(EngineError, match="no discriminator"):
        train(tmp_path / "run", dataset=data, config=RECIPE, base=base)
    with pytest.raises(EngineError, match="not available"):
        choose_device("nonsense")
    assert not (tmp_path / "run").exists()


def test_conditional_training(tmp_path: Path, dataset: MakeDataset) -> None:
    folder = dataset(tmp_path / "d", labels=True)
    run = train(
        tmp_path / "run", dataset=folder, config=dataclasses.replace(RECIPE, steps=2), base=None
    )
    generator = load_generator(runs.final_snapshot(run))
    assert generator.c_dim == 2


def test_snapshot_steps_are_prefixes() -> None:
    long = TrainConfig(steps=4000).snapshot_steps()
    assert long == [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000]
    for steps in (1, 7, 500, 3999):
        short = TrainConfig(steps=steps).snapshot_steps()
        assert short[-1] == steps
        assert set(short[:-1]) <= set(long)
    assert TrainConfig(steps=50, snapshots=(10, 90)).snapshot_steps() == [0, 10, 50]


def test_time_is_not_in_the_stats(whole: Path) -> None:
    text = (whole / runs.STATS).read_text(encoding="utf-8")
    assert "second" not in text
    assert runs.read_lines(whole / runs.TIMINGS)[-1]["time"] <= time.time()


def test_one_process_a_run(tmp_path: Path, data: Path) -> None:
    heard: list[str] = []

    def again(progress: TrainingProgress) -> None:
        with pytest.raises(EngineError, match="another process"):
            train(tmp_path / "run", dataset=data, config=RECIPE, base=None)
        heard.append("refused")
        raise Killed

    with pytest.raises(Killed):
        train(tmp_path / "run", dataset=data, config=RECIPE, base=None, announce=again)
    assert heard == ["refused"]
    train(tmp_path / "run", dataset=data, config=RECIPE, base=None)
