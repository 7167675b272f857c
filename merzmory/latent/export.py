"""A trained network as files that other programs open.

    safetensors, slim, rosinality     a file, by the engine
    onnx     a folder with mapping.onnx (z, psi, one-hot c -> ws) and synthesis.onnx (ws -> picture)

The ONNX files (opset 18) take any number of pictures, all values float32:
    z [N, z_dim], psi [1] (truncation, 1 = none), c [N, labels] only where there are labels,
    ws [N, num_ws, w_dim], picture [N, colours, H, W]: a pixel is picture * 127.5 + 128, clamped to 0..255.
The noise of the picture is the network's constant one. The metadata (`merzmory.network` ...) holds the
architecture, and the source's notes such as its licence.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import torch
from torch import Tensor, nn

from merzmory import licence
from merzmory.errors import ConfigError, WeightsError, storage_errors
from merzmory.gan import export as engine
from merzmory.gan.export import Exported, Trained

if TYPE_CHECKING:
    from collections.abc import Iterator

Format = Literal["safetensors", "slim", "rosinality", "onnx"]
OPSET: Final = 18
BOUND: Final = 1e-4  # largest error of an ONNX file against torch, of the largest value
OPENS: Final[Mapping[str, str]] = {
    "safetensors": "MERZmory opens it, with G_ema and D as a base too; other programs read its tensors.",
    "slim": "MERZmory opens it, for pictures and walks; other programs read its tensors.",
    "rosinality": "The code of rosinality/stylegan2-pytorch opens it, and what is built on it.",
    "onnx": "onnxruntime and other programs for ONNX open it, without PyTorch.",
}
_ONNX = ("onnx", "onnxscript", "onnxruntime")


def export(
    source: Path,
    out: Path,
    *,
    format: Format,
    step: int | None = None,
    networks: Sequence[str] | None = None,
    force: bool = False,
) -> Exported:
    """Write the networks of a run or network file to `out` (a folder for onnx, else a file).

    "safetensors" holds all networks as float32, "slim" G_ema as float16, "onnx" G_ema (or the one of
    `networks`). What was written names its source's licence.

    Raises:
        EngineError: as `gan.export.export`.
        ConfigError: an unknown format, or onnx without its packages.
        WeightsError: the ONNX files do not make the pictures that torch makes.
    """
    if format not in OPENS:
        raise ConfigError(f"There is no format {format}: choose one of {', '.join(OPENS)}.")
    trained = engine.read(source, step)
    note = licence.of_network(source).note
    notes = {"licence": note} if note else {}
    if format == "onnx":
        return onnx(trained, out, networks=networks, notes=notes, force=force)
    if format == "rosinality":
        return engine.rosinality_pt(trained, out, networks=networks, notes=notes, force=force)
    slim = format == "slim"
    networks = networks or (trained.enough()[:1] if slim else None)
    return engine.safetensors(trained, out, networks=networks, half=slim, notes=notes, force=force)


class _Mapping(nn.Module):
    """z [N, z_dim], psi [1], one-hot c [N, labels] -> ws [N, num_ws, w_dim]."""

    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.mapping, self.num_ws = generator.mapping, generator.num_ws

    def forward(self, z: Tensor, psi: Tensor, c: Tensor | None = None) -> Tensor:
        w = torch.lerp(self.mapping.w_avg, self.mapping(z, c), psi)
        return w[:, None].expand(-1, self.num_ws, -1)


class _Synthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> picture [N, colours, H, W] with the constant noise."""

    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.synthesis = generator.synthesis

    def forward(self, ws: Tensor) -> Tensor:
        picture: Tensor = self.synthesis(ws, "const")
        return picture


def onnx(
    trained: Trained,
    out: Path,
    *,
    networks: Sequence[str] | None = None,
    notes: Mapping[str, str] | None = None,
    force: bool = False,
) -> Exported:
    """Write mapping.onnx and synthesis.onnx in the folder `out`, once both agree with torch within BOUND on
    one and on three random inputs; raises as `export`."""
    _need_packages()
    files = (out / "mapping.onnx", out / "synthesis.onnx")
    for path in files:
        if path.exists() and not force:
            raise ConfigError(f"{path} is there already: choose another folder or add --force.")
    names = list(networks or trained.enough()[:1])
    if len(names) != 1 or "D" in names:
        raise ConfigError("ONNX files hold one generator: choose G_ema or G.")
    (generator,) = trained.named(names).values()
    said = {**trained.notes, **(notes or {})}
    inputs = _inputs(generator, 2)
    ws = _Mapping(generator)(*inputs.values())
    parts = (_Mapping(generator), inputs, "ws"), (_Synthesis(generator), {"ws": ws}, "picture")
    asides = [path.with_name(path.name + ".part") for path in files]
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            for aside, (part, example, output) in zip(asides, parts, strict=True):
                _write(part.eval(), example, output, aside, generator, said)
            _check(asides, generator)
            for aside, path in zip(asides, files, strict=True):
                aside.replace(path)
        finally:
            for aside in asides:
                aside.unlink(missing_ok=True)
    return Exported(files, tuple(names), said)


def _inputs(generator: Any, count: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(count)
    found = {"z": torch.randn(count, generator.z_dim, generator=rng), "psi": torch.tensor([0.7])}
    if generator.c_dim:
        found["c"] = torch.eye(generator.c_dim)[torch.arange(count) % generator.c_dim]
    return found


def _write(
    part: nn.Module,
    inputs: dict[str, Tensor],
    output: str,
    path: Path,
    generator: Any,
    notes: Mapping[str, str],
) -> None:
    many = {0: torch.export.Dim("N", min=1)}
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            part,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=tuple(None if name == "psi" else many for name in inputs),
            verbose=False,
        )
    assert program is not None
    about = {
        "format": "1",
        "kind": "onnx",
        "part": output,
        "network": json.dumps(dataclasses.asdict(generator.config), sort_keys=True),
        "opset": str(OPSET),
        **notes,
    }
    program.model.metadata_props.update({f"merzmory.{k}": v for k, v in about.items()})
    program.save(path, external_data=False)


def _check(files: Sequence[Path], generator: Any) -> None:
    """WeightsError unless the files give what torch gives, for one input and for three."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    mapping, synthesis = (
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for path in files
    )
    for count in (1, 3):
        inputs = _inputs(generator, count)
        with torch.no_grad():
            ws = _Mapping(generator)(*inputs.values()).contiguous()
            picture = _Synthesis(generator)(ws)
        made_ws = mapping.run(None, {k: v.numpy() for k, v in inputs.items()})[0]
        made = synthesis.run(None, {"ws": ws.numpy()})[0]
        for found, wanted in ((made_ws, ws.numpy()), (made, picture.numpy())):
            error = float(np.abs(found - wanted).max() / max(1.0, float(np.abs(wanted).max())))
            if not error <= BOUND:
                raise WeightsError(
                    f"The ONNX files differ from torch by {error:.1e} and {BOUND:.0e} is allowed, so "
                    "they were not kept: export to safetensors, and report this."
                )


def _need_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in _ONNX if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"ONNX files need {', '.join(missing)}, not installed here: "
            'pip install "merzmory[onnx]".'
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of packages and interfaces that play no part here."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
