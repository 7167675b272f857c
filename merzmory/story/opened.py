"""A trained network that was opened: which one is meant, what its squares stand for, what results say of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from merzmory import licence
from merzmory.config import Config
from merzmory.errors import ConfigError, MerzmoryError
from merzmory.frame import SQUARE, Frame
from merzmory.gan import checkpoint, run
from merzmory.gan.data import label_names
from merzmory.gan.device import use_threads
from merzmory.latent.explore import Explorer
from merzmory.manifest import SETTINGS, read_manifest, read_settings, sha256_of
from merzmory.story import archives, lineage
from merzmory.story.step import engine_errors
from merzmory.weights import ledger
from merzmory.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Network:
    """Which network is meant: a step of the config's run (None: the config's last, or the newest), or a file."""

    step: int | None = None
    which: Literal["", "ema", "raw"] = ""  # "": as sample.network says
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A network that was opened, what its squares stand for, and what results say of it."""

    explorer: Explorer
    shape: Frame
    said: dict[str, Any]
    born: dict[str, Any]  # what a picture tells beside it: base, licence, digest

    @property
    def title(self) -> str:
        """For sheets: "step 200 · G_ema"."""
        name = {"ema": "G_ema", "raw": "G"}[self.said["network"]]
        return f"{self.said.get('network_file') or 'step ' + str(self.said['step'])} · {name}"


def opened(config: Config, workspace: Workspace, network: Network) -> Opened:
    """Open a network of the config's run, or a file.

    Raises:
        MerzmoryError: nothing is trained yet, or the run kept no such step.
        WeightsError: the file cannot be opened.
    """
    use_threads(config.train.threads)  # the bits of pictures depend on it
    which = network.which or config.sample.network
    with engine_errors():
        if network.file is None:
            step, file = snapshot(config, workspace, network.step)
            said = {"run": lineage.training(config, workspace).name, "step": step}
            names, shape = _labels(config, workspace), lineage.frame(config, workspace)
            born = {**lineage.descent(config, workspace), "network_sha256": sha256_of(file)}
        else:
            file, names = network.file, []
            if not file.is_file():
                raise ConfigError(f"There is no network file {file}: check its name.")
            sha = sha256_of(file)
            shape = _shape(config, workspace, file, sha)
            said = {"sha256": sha, "network_file": file.stem}
            own = licence.of_network(file)
            born = {"licence": own.sentence, "may_sell": own.may_sell, "network_sha256": sha}
            if checkpoint.inspect(file)["labels"]:
                names = _labels_of_file(config, workspace, checkpoint.inspect(file)["labels"])
        explorer = Explorer.open(file, which, config.train.device, names)
    return Opened(explorer, shape, {**said, "network": which}, born)


def snapshot(config: Config, workspace: Workspace, step: int | None) -> tuple[int, Path]:
    """(step, slim checkpoint) of the config's run, which may still be going on."""
    found = dict(run.snapshots(lineage.training(config, workspace)))
    if not found:
        lineage.snapshot(config, workspace)  # says what to do first
    if step is None:
        step = config.train.steps if config.train.steps in found else max(found)
    if step not in found:
        kept = ", ".join(map(str, found))
        raise ConfigError(f"The training kept no step {step}: choose one of {kept}.")
    return step, found[step]


def _shape(config: Config, workspace: Workspace, file: Path, sha: str) -> Frame:
    """What the squares of a network file stand for: by the ledger, its own run, or else the config's."""
    known = ledger.known_file(file, sha)
    if known is not None:
        return archives.frame_of(known) or SQUARE
    inside = file.parent.parent  # run/snapshots/step-000100.safetensors
    if (inside / run.RUN).is_file():
        squares = inside.parent / Path(str(run.read_run(inside).get("dataset", ""))).name
        if (squares / SETTINGS).is_file():
            return Frame.read(read_settings(squares)["settings"].get("frame", {}))
    with contextlib.suppress(MerzmoryError):  # a file is looked at without any archive, too
        return lineage.frame(config, workspace)
    return SQUARE


def _labels(config: Config, workspace: Workspace) -> list[str]:
    folder = lineage.training(config, workspace)
    if not run.read_run(folder)["network"]["c_dim"]:
        return []
    return label_names(read_manifest(lineage.dataset(config, workspace).finished()))


def _labels_of_file(config: Config, workspace: Workspace, count: int) -> list[str]:
    """The names of the run's labels, where it has as many as the file's network."""
    try:
        names = _labels(config, workspace)
    except MerzmoryError:
        return []
    return names if len(names) == count else []
