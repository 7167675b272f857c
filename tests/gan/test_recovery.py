"""A step that breaks: numbers that are not finite, memory or disk that do not suffice."""

from __future__ import annotations

import dataclasses
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from merzmory.gan import loop as loops
from merzmory.gan import run as runs
from merzmory.gan.checkpoint import read_tensors
from merzmory.gan.config import DiskFullError, EngineError, NetworkConfig, TrainConfig
from merzmory.gan.networks import Discriminator, Generator
from merzmory.gan.step import TrainingState, step_seed
from merzmory.gan.training import TrainingProgress, resume, train

MakeDataset = Callable[..., Path]

RECIPE = TrainConfig(
    steps=8, batch=4, seed=3, ada_initial=0.3, tick_steps=2, preview_count=4, snapshots=(0,),
    checkpoint_every_seconds=1e9, checkpoint_every_steps=2, z_dim=8, w_dim=8, mapping_layers=2,
    channel_base=64, channel_max=8, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, dataset: MakeDataset) -> Path:
    return dataset(tmp_path_factory.mktemp("data") / "d", count=10)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """poisoned(step, times): a weight becomes NaN within that step, so many times."""

    def at(step: int, times: int) -> None:
        real, left = TrainingState.advance, [times]

        def advance(self: TrainingState, *args: Any) -> None:
            real(self, *args)
            if self.step == step and left[0]:
                left[0] -= 1
                with torch.no_grad():
                    self.G.synthesis.b4.const[0, 0, 0] = float("nan")

        monkeypatch.setattr(TrainingState, "advance", advance)

    return at


def _is_finite(run: Path) -> bool:
    files = [*run.rglob("*.safetensors")]
    return bool(files) and all(
        bool(torch.isfinite(t).all()) for f in files for t in read_tensors(f)[0].values()
    )


def test_numbers_that_are_not_finite_roll_back_and_are_said(
    tmp_path: Path, data: Path, poisoned: Callable[[int, int], None]
) -> None:
    poisoned(5, 1)
    heard: list[TrainingProgress] = []
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None, announce=heard.append)
    assert runs.is_finished(run)
    assert _is_finite(run)
    said = [p.note for p in heard if p.event == "rolled back"]
    assert said == [
        "step 6 gave numbers that are not finite: rolled back to step 4, going on with other "
        "random numbers"
    ]
    assert runs.read_run(run)["turns"] == [4]
    assert {"rolled back": [6, 4]} in runs.read_run(run)["history"]
    lines = runs.read_lines(run / runs.STATS)
    assert [line["step"] for line in lines] == [2, 4, 6, 8]
    assert all(line["loss_g"] == line["loss_g"] for line in lines)


def test_a_rollback_goes_on_with_other_dice_and_resumes_to_the_bit(
    tmp_path: Path, data: Path, poisoned: Callable[[int, int], None]
) -> None:
    plain = train(tmp_path / "plain", dataset=data, config=RECIPE, base=None)
    poisoned(5, 1)
    whole = train(tmp_path / "whole", dataset=data, config=RECIPE, base=None)
    poisoned(5, 1)
    stopped = tmp_path / "stopped"
    asked = iter([False] * 7 + [True])
    train(stopped, dataset=data, config=RECIPE, base=None, should_stop=lambda: next(asked))
    assert not runs.is_finished(stopped)
    resume(stopped)
    name = "snapshots/step-000008.safetensors"
    assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    assert (plain / name).read_bytes() != (whole / name).read_bytes()
    assert step_seed(3, 5, 1) != step_seed(3, 5)


def test_a_checkpoint_that_fails_twice_is_left_for_the_one_before(
    tmp_path: Path, data: Path, poisoned: Callable[[int, int], None]
) -> None:
    poisoned(5, 2)
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None)
    assert runs.read_run(run)["turns"] == [4, 2]
    assert runs.is_finished(run)


def test_without_a_checkpoint_it_starts_again(
    tmp_path: Path, data: Path, poisoned: Callable[[int, int], None]
) -> None:
    poisoned(1, 1)
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None)
    assert runs.read_run(run)["turns"] == [0]
    assert runs.is_finished(run)


def test_a_recipe_that_breaks_again_and_again_ends_in_a_sentence(
    tmp_path: Path, data: Path, poisoned: Callable[[int, int], None]
) -> None:
    poisoned(3, 99)
    with pytest.raises(EngineError, match=r"not finite at step \d, after 5 new tries: lower"):
        train(tmp_path / "run", dataset=data, config=RECIPE, base=None)
    assert _is_finite(tmp_path / "run")


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allocator's own error, from a discriminator that more than two pictures do not fit into."""
    real = Discriminator.forward

    def forward(self: Discriminator, img: torch.Tensor, *rest: Any) -> torch.Tensor:
        if len(img) > 2:
            torch.empty(2**62, dtype=torch.uint8)
        return real(self, img, *rest)

    monkeypatch.setattr(Discriminator, "forward", forward)
    heard: list[TrainingProgress] = []
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None, announce=heard.append)
    assert [p.note for p in heard if p.event == "smaller"] == [
        "4 pictures at once do not fit into the memory of cpu: going on with 2 at a time, "
        "the batch stays 4"
    ]
    assert runs.is_finished(run)
    assert runs.read_run(run)["micro_batch"] == {"cpu": 2}
    assert runs.read_lines(run / runs.STATS)[-1]["kimg"] == 0.032

    def never(self: Discriminator, img: torch.Tensor, *rest: Any) -> torch.Tensor:
        torch.empty(2**62, dtype=torch.uint8)
        return real(self, img, *rest)

    monkeypatch.setattr(Discriminator, "forward", never)
    with pytest.raises(EngineError, match="two pictures at once do not fit into the memory of cpu"):
        train(tmp_path / "other", dataset=data, config=RECIPE, base=None)


def test_other_errors_are_not_taken_for_memory(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: Discriminator, *args: Any) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(Discriminator, "forward", forward)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(tmp_path / "run", dataset=data, config=RECIPE, base=None)


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    """Without what mixes the pictures of a batch, parts of it give the same gradients."""
    config = NetworkConfig(16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64, channel_max=8,
                           mbstd_channels=0)  # fmt: skip
    recipe = TrainConfig(batch=6, style_mixing=0, ada="off", pl_decay=0.0)
    torch.manual_seed(0)
    z, real = torch.randn(6, 8), torch.randn(6, 3, 16, 16)
    noise = torch.randn(6, 3, 16, 16)
    found = []
    for micro in (0, 2, 4):
        torch.manual_seed(1)
        G, D = Generator(config), Discriminator(config)
        state = TrainingState(recipe, G, D, micro_batch=micro)
        state.noise = "const"
        gradients = []
        for part, share in state._parts(6):
            state.g_main(z[part], None, share)
            state.g_path_length(z[part], None, noise[part], share)
        gradients += [p.grad.clone() for p in G.parameters() if p.grad is not None]
        D.zero_grad()
        for part, share in state._parts(6):
            state.d_main(z[part], real[part], None, None, share)
            state.d_r1(real[part], None, share)
        gradients += [p.grad.clone() for p in D.parameters() if p.grad is not None]
        found.append(gradients)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


class _Full:
    """Writes of `suffix` that find the disk full, as safetensors and Python say it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.left, real = times, loops.save_checkpoint

        def save(*args: Any) -> Path:
            if self.left:
                self.left -= 1
                raise DiskFullError("the disk of /somewhere is full")
            return real(*args)

        monkeypatch.setattr(loops, "save_checkpoint", save)


def test_a_full_disk_pauses_and_goes_on(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train(tmp_path / "plain", dataset=data, config=RECIPE, base=None)
    monkeypatch.setattr(loops.time, "sleep", lambda _s: None)
    _Full(monkeypatch, 3)
    heard: list[TrainingProgress] = []
    run = train(tmp_path / "run", dataset=data, config=RECIPE, base=None, announce=heard.append)
    said = [p.note for p in heard if p.event == "paused"]
    assert said[0] == "paused at step 2: the disk of /somewhere is full"
    assert runs.is_finished(run)
    name = "snapshots/step-000008.safetensors"
    assert (run / name).read_bytes() == (plain / name).read_bytes()


def test_a_disk_that_stays_full_stops_in_a_sentence_and_older_checkpoints_make_room(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "DISK_PATIENCE", 0.0)
    run = tmp_path / "run"
    asked = iter([False] * 5 + [True])
    train(run, dataset=data, config=RECIPE, base=None, should_stop=lambda: next(asked))
    assert [s for s, _ in runs.checkpoints(run)] == [2, 4, 6]
    full = _Full(monkeypatch, 10**9)
    with pytest.raises(DiskFullError, match="is full"):
        train(run, dataset=data, config=RECIPE, base=None)
    assert [s for s, _ in runs.checkpoints(run)] == [6]
    full.left = 0
    train(run, dataset=data, config=RECIPE, base=None)
    assert runs.is_finished(run)


def test_a_disk_that_is_too_small_is_named_before_time_is_spent(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _p: usage(10**9, 10**9, 10**6))
    with pytest.raises(
        DiskFullError, match=r"is too full: the training needs about 17 MB there and 1 MB are free"
    ):
        train(tmp_path / "run", dataset=data, config=RECIPE, base=None)


def test_a_line_that_does_not_fit_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stats.jsonl"
    runs.append_line(path, {"step": 1})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(runs.os, "fsync", full)
        with pytest.raises(DiskFullError):
            runs.append_line(path, {"step": 2})
    assert path.read_text() == '{"step": 1}\n'


def test_checkpoints_rotate_by_disk_budget(tmp_path: Path, data: Path) -> None:
    run = train(tmp_path / "a", dataset=data, config=RECIPE, base=None)
    size = sum(f.stat().st_size for f in runs.checkpoints(run)[0][1].iterdir())
    assert [s for s, _ in runs.checkpoints(run)] == [2, 4, 6, 8]
    for gb, kept in ((0.0, [6, 8]), (3.1 * size / 1e9, [4, 6, 8])):
        recipe = dataclasses.replace(RECIPE, checkpoint_gb=gb)
        run = train(tmp_path / f"b{gb}", dataset=data, config=recipe, base=None)
        assert [s for s, _ in runs.checkpoints(run)] == kept


def test_metrics_are_a_line_a_snapshot(tmp_path: Path, dataset: MakeDataset) -> None:
    folder = dataset(tmp_path / "d", count=10, size=32, labels=True)
    recipe = dataclasses.replace(RECIPE, steps=4, snapshots=(0, 1))
    run = train(tmp_path / "run", dataset=folder, config=recipe, base=None)
    lines = runs.read_lines(run / runs.METRICS)
    assert [line["step"] for line in lines] == [0, 1, 4]
    assert {line["pictures"] for line in lines} == {10}
    assert set(lines[0]["sliced_wasserstein"]) == {"32", "16", "mean"}
    assert lines[0]["sliced_wasserstein"]["mean"] > 0
    off = dataclasses.replace(recipe, metric_pictures=0)
    assert not (
        train(tmp_path / "off", dataset=folder, config=off, base=None) / runs.METRICS
    ).exists()
