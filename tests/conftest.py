"""Fixtures of every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("MERZMORY_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"needs ../shared ({folder} is not there; set MERZMORY_SHARED)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors are faster on one thread, and two runs round alike."""
    import torch

    torch.set_num_threads(1)
