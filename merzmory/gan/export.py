"""Trained networks as files for elsewhere.

read            the networks of a run (its newest checkpoint, or a step) or of any network file
safetensors     our own format: float32 and whole, or float16 at half the size
rosinality      a `.pt` for rosinality/stylegan2-pytorch: the one pickle that is ever written here
export          the three in one call
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from torch import nn

from merzmory.gan import checkpoint, rosinality
from merzmory.gan import run as runs
from merzmory.gan.config import EngineError

Format = Literal["safetensors", "rosinality"]
SUFFIXES: Final[Mapping[Format, str]] = {
    "safetensors": checkpoint.SUFFIX,
    "rosinality": ".pt",
}


@dataclass(frozen=True, slots=True)
class Trained:
    """Networks that were read: eval mode, float32, CPU, of "G", "G_ema" and "D" those that are there."""

    source: Path
    networks: Mapping[str, nn.Module]
    notes: Mapping[str, str]  # what their writer said: step, licence ...

    def named(self, wanted: Sequence[str]) -> dict[str, nn.Module]:
        """These networks; EngineError for one that is not there."""
        missing = [name for name in wanted if name not in self.networks]
        if missing or not wanted:
            raise EngineError(
                f"{self.source} holds {', '.join(self.networks)} and not "
                f"{', '.join(missing) or 'a network without name'}, choose among those"
            )
        return {name: network for name, network in self.networks.items() if name in wanted}

    def enough(self) -> list[str]:
        """What a base needs: the averaged generator, or else the only one, and the discriminator."""
        generator = "G_ema" if "G_ema" in self.networks else "G"
        return [name for name in (generator, "D") if name in self.networks]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    files: tuple[Path, ...]
    networks: tuple[str, ...]
    notes: Mapping[str, str]
    remarks: tuple[str, ...] = ()  # sentences: what the format does not hold

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(path.stat().st_size for path in self.files)


def read(source: Path, step: int | None = None) -> Trained:
    """The networks of a run folder or of a network file (ours, `.pkl`, `.pt`, `.pth`).

    A run gives its newest checkpoint or, with `step`, the checkpoint or snapshot of that step (a snapshot
    holds no D).

    Raises:
        EngineError: nothing there, no state of that step, damaged, or no network.
    """
    file, at = _file_of(source, step)
    if file.suffix.lower() in checkpoint.FOREIGN:
        from merzmory.gan import legacy  # its checks are long, and only foreign files need them

        networks = legacy.load(file)
        notes = {"source": file.name}
    else:
        about = checkpoint.inspect(file)
        networks = {name: _network(file, name) for name in about["networks"]}
        notes = {key: text for key, text in about["notes"].items() if key != "why"}
    if at is not None:
        notes["step"] = str(at)
    return Trained(source, networks, notes)


def safetensors(
    trained: Trained,
    out: Path,
    *,
    networks: Sequence[str] | None = None,
    half: bool = False,
    notes: Mapping[str, str] | None = None,
    force: bool = False,
) -> Exported:
    """Write a network file of ours.

    All networks that are there as float32 or, with `half`, a base (`Trained.enough`) as float16, with
    errors about 0.05 %; `networks` chooses others. `notes` join those of the source in the metadata.

    Raises:
        EngineError: a network is not there, numbers beyond float16, `out` exists or has another suffix.
    """
    _check_target(out, "safetensors", force)
    chosen = trained.named(
        networks if networks is not None else trained.enough() if half else list(trained.networks)
    )
    if half:
        _check_half(trained.source, chosen)
    said = {**trained.notes, **(notes or {})}
    dtype = torch.float16 if half else torch.float32
    config = next(iter(chosen.values())).config  # a generator's, where there is one
    checkpoint.save_network(out, chosen, config, dtype=dtype, extra=said)  # type: ignore[arg-type]
    return Exported((out,), tuple(chosen), said)


def rosinality_pt(
    trained: Trained,
    out: Path,
    *,
    networks: Sequence[str] | None = None,
    notes: Mapping[str, str] | None = None,
    force: bool = False,
) -> Exported:
    """Write a checkpoint of rosinality/stylegan2-pytorch: g_ema, g, d (those chosen), latent_avg, and
    `notes`, which its code does not read. Its code loads the states strictly; torch loads the file
    with `weights_only`.

    Raises:
        EngineError: a network is not there or cannot be expressed, `out` exists or has another suffix.
    """
    _check_target(out, "rosinality", force)
    chosen = trained.named(list(trained.networks) if networks is None else networks)
    said = {**trained.notes, **(notes or {})}
    try:
        value, remarks = rosinality.as_checkpoint(chosen)
    except EngineError as error:
        raise EngineError(f"{trained.source} cannot be a rosinality file: {error}") from error
    buffer = io.BytesIO()
    torch.save({**value, "notes": said}, buffer)
    runs.write_bytes(out, buffer.getvalue())
    return Exported((out,), tuple(chosen), said, remarks)


def export(
    source: Path,
    out: Path,
    *,
    step: int | None = None,
    format: Format = "safetensors",
    half: bool = False,
    networks: Sequence[str] | None = None,
    notes: Mapping[str, str] | None = None,
    force: bool = False,
) -> Exported:
    """`read` a run or a network file and write it in a format; raises as those do."""
    _check_target(out, format, force)
    if format == "rosinality":
        if half:
            raise EngineError("rosinality's files are float32, leave --half out")
        return rosinality_pt(read(source, step), out, networks=networks, notes=notes, force=force)
    return safetensors(
        read(source, step), out, networks=networks, half=half, notes=notes, force=force
    )


def _file_of(source: Path, step: int | None) -> tuple[Path, int | None]:
    """(network file, its step where the source is a run)."""
    if not source.is_dir():
        if not source.exists():
            raise EngineError(f"{source} does not exist, give a run folder or a network file")
        if step is not None:
            raise EngineError(f"{source} is a file and has no step {step}, give its run folder")
        return source, None
    runs.read_run(source)
    whole = {at: folder / "networks.safetensors" for at, folder in runs.checkpoints(source)}
    if step is None:
        if not whole:
            raise EngineError(f"{source} has no checkpoint to export, train it first")
        step = max(whole)
    states = {**dict(runs.snapshots(source)), **whole}
    if step not in states:
        raise EngineError(
            f"{source} kept no state of step {step}, it has "
            f"{', '.join(map(str, sorted(states))) or 'none yet'}"
        )
    return states[step], step


def _network(file: Path, name: str) -> nn.Module:
    if name == "D":
        return checkpoint.load_discriminator(file)
    return checkpoint.load_generator(file, "ema" if name == "G_ema" else "raw")


def _check_target(out: Path, format: Format, force: bool) -> None:
    if out.suffix.lower() != SUFFIXES[format]:
        raise EngineError(
            f"{out} has no name for a {format} file, let it end in {SUFFIXES[format]}"
        )
    if out.exists() and not force:
        raise EngineError(f"{out} is there already, choose another name or add --force")


def _check_half(source: Path, networks: Mapping[str, nn.Module]) -> None:
    most = torch.finfo(torch.float16).max
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            if value.is_floating_point() and not bool((value.abs() <= most).all()):
                raise EngineError(
                    f"{source} holds numbers beyond float16 in {name}.{key}, "
                    "export it without --half"
                )
