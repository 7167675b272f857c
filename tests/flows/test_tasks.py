"""Shards become tasks of seconds; only a stuttering disk is tried again; one training a device."""

from __future__ import annotations

import base64
import errno
import io
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from flows.artifacts import inline
from flows.device import one_training
from flows.tasks import TASKS_A_STEP, Errand, _is_transient
from merzmory.errors import MerzmoryError, StorageError
from merzmory.manifest import Work
from merzmory.pipeline import STEPS
from merzmory.records import Progress, silent


def errand(shards: int, done: list[int]) -> Errand:
    folder = Path("finished")
    return Errand(Work("x", folder, shards, lambda i, _a: done.append(i), lambda: folder), silent)


def test_quick_shards_are_one_task() -> None:
    done: list[int] = []
    whole = errand(50, done)
    whole.go_on(seconds=60)
    assert done == list(range(50)) and whole.folder == Path("finished")


def test_slow_shards_are_a_task_each_and_many_are_combined() -> None:
    done: list[int] = []
    slow = errand(3, done)
    slow.go_on(seconds=0)
    assert done == [0] and slow.folder is None
    many = errand(25 * TASKS_A_STEP, done := [])
    tasks = 0
    while many.folder is None:
        many.go_on(seconds=0)
        tasks += 1
    assert tasks == TASKS_A_STEP and done == list(range(25 * TASKS_A_STEP))


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (OSError(errno.ESTALE, "stale file handle"), True),
        (OSError(errno.EIO, "input/output error"), True),
        (OSError(errno.ENOSPC, "no space"), False),
        (StorageError("The disk is full."), False),
        (ValueError("a bug"), False),
    ],
)
def test_what_is_tried_again(error: Exception, again: bool) -> None:
    state: Any = SimpleNamespace(result=lambda raise_on_failure: error)
    assert _is_transient(None, None, state) is again


def test_a_training_waits_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    heard: list[Progress] = []
    waiting, second_done = threading.Event(), threading.Event()

    def second() -> None:
        def announce(progress: Progress) -> None:
            heard.append(progress)
            waiting.set()

        with one_training("cpu", announce):
            second_done.set()

    with one_training("cpu"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(20)
        assert not second_done.is_set()
    assert second_done.wait(20)
    thread.join()
    assert "another training is using the cpu" in heard[0].note


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(MerzmoryError, match="abacus"), one_training("abacus"):
        pytest.fail("there is no abacus")


def test_a_sheet_in_prefects_pages_is_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 3000, 3), np.uint8)
    address = inline(Image.fromarray(noise))
    assert len(address) < 300_000
    opened = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert opened.format == "JPEG" and opened.width > opened.height


def test_the_flows_name_steps_in_the_storys_order() -> None:
    from flows import ingest_and_train, memory_gallery, slideshow

    order = list(STEPS)
    for module in (ingest_and_train, memory_gallery, slideshow):
        places = [order.index(step) for step in module.STEPS]
        assert places == sorted(places)


def test_prefect_yaml_names_real_flows() -> None:
    import importlib

    from prefect import Flow

    root = Path(__file__).resolve().parents[2]
    for deployment in yaml.safe_load((root / "prefect.yaml").read_text())["deployments"]:
        module, _, name = deployment["entrypoint"].rpartition(".")
        flow = getattr(importlib.import_module(module), name)
        assert isinstance(flow, Flow)
        assert set(deployment["parameters"]) == set(flow.parameters.properties)
