"""Weights files: safetensors with the architecture as JSON, written aside and renamed.

A network file holds any of "G", "G_ema" and "D" (tensors named "G_ema.mapping.fc0.weight" ...) and the metadata
    format "1", kind "network", network (JSON of NetworkConfig), and what the writer adds (step, licence);
    with architecture "stylegan3-t" or "stylegan3-r" network is JSON of StyleGAN3Config.
Tensors may be float16; they are float32 once loaded.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from merzmory.gan.architecture import UNTRAINED, Architecture, about, blank
from merzmory.gan.config import DiskFullError, EngineError, NetworkConfig
from merzmory.gan.networks import Discriminator, Generator, StyleGenerator
from merzmory.gan.stylegan3_config import StyleGAN3Config

FORMAT = 1
SUFFIX = ".safetensors"
FOREIGN = (".pkl", ".pt", ".pth")
ARCHITECTURES: Mapping[str, type[Architecture]] = {
    "stylegan2": NetworkConfig,
    "stylegan3-t": StyleGAN3Config,
    "stylegan3-r": StyleGAN3Config,
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one sentence."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        code = getattr(error, "errno", None)
        if code == errno.ENOSPC or "No space left" in str(error):
            raise DiskFullError(
                f"the disk of {path} is full, free some space and give the command again: "
                "nothing is lost"
            ) from error
        if code in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise EngineError(
                f"{path} cannot be written, choose a folder that you may write to"
            ) from error
        raise


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file so that a reader sees the old one or the whole new one."""
    aside = path.with_name(path.name + ".part")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        save_file(plain, aside, metadata=dict(metadata))
        with aside.open("rb+") as out:
            _sort_metadata(out)
            out.flush()
            os.fsync(out.fileno())
        aside.chmod(0o644)  # safetensors writes files that nobody else may read
        aside.replace(path)


def _sort_metadata(file: BinaryIO) -> None:
    """Bring the header's metadata, which safetensors writes in random order, into one order, so that
    equal contents are equal bytes. Layout: 8 bytes little-endian length, JSON of that length, data."""
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(length))
    metadata = dict(sorted(header.pop("__metadata__", {}).items()))
    text = json.dumps(
        {"__metadata__": metadata, **header}, separators=(",", ":"), ensure_ascii=False
    ).encode()
    if len(text) <= length:
        file.seek(8)
        file.write(text.ljust(length))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors (CPU) and the metadata; EngineError for what is not there, damaged or newer."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        why = "does not exist" if not path.exists() else "is damaged or not a safetensors file"
        raise EngineError(f"{path} {why}, give another weights file") from error
    _check_format(path, metadata)
    return tensors, metadata


def save_network(
    path: Path,
    networks: Mapping[str, nn.Module],
    config: Architecture,
    *,
    dtype: torch.dtype = torch.float32,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write networks by name ("G", "G_ema", "D"); `dtype` of the floating tensors; `extra` metadata."""
    tensors = {
        f"{name}.{key}": value.to(dtype) if value.is_floating_point() else value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    metadata = {
        "format": str(FORMAT),
        "kind": "network",
        "network": json.dumps(dataclasses.asdict(config), sort_keys=True),
        **({"architecture": config.kind} if isinstance(config, StyleGAN3Config) else {}),
        **(extra or {}),
    }
    write_tensors(path, tensors, metadata)


def load_generator(
    path: Path, which: Literal["ema", "raw"] = "ema", device: str | torch.device = "cpu"
) -> StyleGenerator:
    """The generator of a network file, for generation: `ema` the averaged weights, `raw` the trained ones.

    Opens our safetensors and, through `legacy`, foreign files, without running anything in them.
    Raises EngineError: no such file, damaged, newer, or the file lacks the network.
    """
    if path.suffix.lower() in FOREIGN:
        generator = _foreign(path, "G_ema" if which == "ema" else "G")
    else:
        tensors, metadata = read_tensors(path)
        names = ("G_ema", "G") if which == "ema" else ("G", "G_ema")
        generator = _network(path, _config(path, metadata), names, tensors)
        if generator is None:
            raise EngineError(f"{path} holds no generator, give a network file that has one")
    generator = generator.to(device, memory_format=torch.channels_last)
    return generator.eval().requires_grad_(False)  # type: ignore[no-any-return]


def load_discriminator(path: Path, device: str | torch.device = "cpu") -> Discriminator:
    """The discriminator of a network file; raises EngineError where it has none (it cannot be trained)."""
    if path.suffix.lower() in FOREIGN:
        discriminator = _foreign(path, "D")
    else:
        tensors, metadata = read_tensors(path)
        discriminator = _network(path, _config(path, metadata), ("D",), tensors)
        if discriminator is None:
            raise EngineError(
                f"{path} holds no discriminator, it can generate but not be trained further"
            )
    discriminator = discriminator.to(device, memory_format=torch.channels_last)
    return discriminator.eval().requires_grad_(False)  # type: ignore[no-any-return]


def load_base(path: Path, device: str | torch.device = "cpu") -> tuple[Generator, Discriminator]:
    """(G_ema, D) of a network file, to train them further; raises EngineError where that cannot be."""
    G = load_generator(path, "ema", device)
    if not isinstance(G, Generator):
        raise EngineError(f"{path} cannot be a base: {UNTRAINED}, take a StyleGAN2 network")
    return G, load_discriminator(path, device)


def inspect(path: Path) -> dict[str, Any]:
    """What a network file is and can do, without loading tensors: kind, resolution, layers, labels, abilities."""
    if path.suffix.lower() in FOREIGN:
        from merzmory.gan import legacy

        found: dict[str, Any] = legacy.inspect(path)
        return found
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            names = list(file.keys())
            dtypes = sorted({str(file.get_slice(n).get_dtype()) for n in names})
    except (OSError, SafetensorError) as error:
        why = "does not exist" if not path.exists() else "is damaged or not a safetensors file"
        raise EngineError(f"{path} {why}, give another weights file") from error
    _check_format(path, metadata)
    networks = [n for n in ("G", "G_ema", "D") if any(k.startswith(n + ".") for k in names)]
    found = about(_config(path, metadata), networks)
    known = ("format", "kind", "network", "architecture")
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        **found,
        "dtypes": dtypes,
        "notes": {k: v for k, v in sorted(metadata.items()) if k not in known} | found["notes"],
    }


def _foreign(path: Path, name: str) -> Any:
    from merzmory.gan import legacy

    networks = legacy.load(path)
    if name == "G" and networks.get("G") is None:
        name = "G_ema"
    if networks.get(name) is None:
        raise EngineError(f"{path} holds no {name}, give a file that has it")
    return networks[name]


def _part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {
        # a copy: a tensor of safetensors may be a view of the file
        k.removeprefix(prefix): v.to(torch.float32 if v.is_floating_point() else v.dtype, copy=True)
        for k, v in tensors.items()
        if k.startswith(prefix)
    }


def _network(
    path: Path, config: Architecture, names: Sequence[str], tensors: Mapping[str, Tensor]
) -> Any:
    """The first of the networks `names` that is there; None without any."""
    name, state = next(((n, s) for n in names if (s := _part(tensors, n))), ("", {}))
    if not state:
        return None
    try:
        network = blank(config, name)
        network.load_state_dict(state, assign=True)  # no memory before all shapes fit
    except (RuntimeError, EngineError) as error:
        raise EngineError(
            f"{path} does not hold the tensors of the architecture that it describes, "
            "give an undamaged file"
        ) from error
    return network


def _config(path: Path, metadata: Mapping[str, str]) -> Architecture:
    if metadata.get("kind") != "network" or "network" not in metadata:
        raise EngineError(f"{path} is not a network file of merzmory, import it first")
    described = ARCHITECTURES.get(metadata.get("architecture", "stylegan2"))
    if described is None:
        raise EngineError(
            f"{path} holds a {metadata['architecture'][:40]!r} network, which this version does not "
            "know: open it with the version that wrote it"
        )
    try:
        return described.from_dict(json.loads(metadata["network"]))
    except EngineError as error:
        raise EngineError(f"{path} cannot be used: {error}; give another network file") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise EngineError(
            f"{path} describes its network in a way that cannot be read, give another file"
        ) from error


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    text = metadata.get("format", "0")
    version = int(text) if text.isdigit() else 0
    if version > FORMAT:
        raise EngineError(
            f"{path} has format {version} and this version reads up to {FORMAT}, update merzmory"
        )
