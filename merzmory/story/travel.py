"""What can be asked of a trained network by hand: a grid around a point, directions, a blend of two steps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from merzmory import licence as licences
from merzmory import provenance
from merzmory.config import Config
from merzmory.errors import ConfigError
from merzmory.gan.device import use_threads
from merzmory.latent import blend as blending
from merzmory.latent import directions as finding
from merzmory.latent import favourites, grid, layers, sliders, vectors
from merzmory.latent.explore import DISTANCE, Cell, Place
from merzmory.latent.vectors import Vector
from merzmory.manifest import Work, digest
from merzmory.story import lineage
from merzmory.story.opened import Network, Opened, opened, snapshot
from merzmory.story.step import Step, engine_errors
from merzmory.workspace import Workspace

BASE = "base"
_SHEETS = 1400  # pixels that the pictures of a row take on a sheet, about


@dataclass(frozen=True, slots=True)
class Start:
    """Where a grid begins: an origin in words, and the cells that it moves to from there.

    `origin` is "seed:12", "favourite:NAME", or a file of vectors: its first, or "kept.npz@NAME". `psi` None is
    the origin's own.
    """

    origin: str = "seed:0"
    go: tuple[Cell, ...] = ()
    seed: int = 0  # of the grid
    distance: float = DISTANCE
    psi: float | None = None
    space: Literal["", "z", "w"] = ""  # "": the origin's own
    label: str = ""


def known(workspace: Workspace) -> favourites.Favourites:
    """The experiment's favourites."""
    return favourites.Favourites(workspace.experiment / favourites.FILE)


def point(workspace: Workspace, made: Opened, start: Start) -> Vector:
    """The origin that `start` names.

    Raises:
        ConfigError: there is no such favourite or label, or the words name nothing.
        FormatError: the file is none of vectors, or belongs to another network.
    """
    kind, _, rest = start.origin.partition(":")
    file, name = _file_and_name(start.origin)
    if kind == "seed" and rest.isdigit():
        with engine_errors():
            return made.explorer.seed(int(rest), start.label)
    if kind == "favourite" and rest:
        found = known(workspace).get(rest)
    elif file is not None:
        held = vectors.load(file.expanduser())
        chosen = [one for one in held if name in ("", one.name)]
        if not chosen:
            names = ", ".join(one.name for one in held[:12])
            raise ConfigError(f"{file} holds no vector {name!r:.70}: it has {names}.")
        found = chosen[0]
    else:
        raise ConfigError(
            f"{start.origin!r:.70} names no origin: write seed:12, favourite:NAME, or a file of vectors "
            "(.npz, .json), with @NAME for another than its first."
        )
    return made.explorer.checked(found)


def place(workspace: Workspace, made: Opened, start: Start) -> Place:
    """The place that `start` leads to; raises as `point` and `Explorer.at`."""
    origin = point(workspace, made, start)
    if start.space == "w":
        origin = made.explorer.in_w(origin)
    elif start.space == "z" and origin.space == "w":
        raise ConfigError("This origin is a w, which has no z: leave --space out.")
    psi = origin.psi if start.psi is None else start.psi
    found = Place(origin, start.seed, start.distance, psi)
    for cell in start.go:
        found = made.explorer.moved(found, cell)
    return found


def explore(
    start: Start, network: Network, *, columns: int, rows: int, out: Path | None = None
) -> Step:
    """The step that lays out a grid, in `out` or else among the experiment's results."""

    def lay_out(config: Config, workspace: Workspace) -> Work:
        made = opened(config, workspace, network)
        here = place(workspace, made, start)
        settings = {
            **made.said,
            "origin": _said(start.origin),
            "go": [list(cell) for cell in start.go],
            "vector": _digest(here.origin),
            "label": here.origin.label,
            "space": here.origin.space,
            "seed": here.seed,
            "distance": here.distance,
            "psi": here.psi,
            "columns": columns,
            "rows": rows,
        }
        moved = " > ".join([_said(start.origin), *(f"{c},{r}" for c, r in start.go)])
        return grid.plan(
            explorer=made.explorer,
            place=here,
            columns=columns,
            rows=rows,
            tile=_tile(made, columns),
            folder=_folder(out, workspace, "explore", settings),
            settings=settings,
            title=f"{moved} · {made.title}",
            shape=made.shape,
            born=made.born,
        )

    return Step("explore", "Looking around", lay_out)


def keep(
    config: Config,
    workspace: Workspace,
    name: str,
    start: Start,
    network: Network,
    cell: Cell = (0, 0),
    file: Path | None = None,
    amounts: Mapping[str, float] | None = None,
) -> Vector:
    """Give the cell of a grid a name, moved by the sliders of a file; raises as `place` and `Favourites.add`."""
    made = opened(config, workspace, network)
    here = place(workspace, made, start)
    [found] = made.explorer.at(here, [cell])
    if file is not None:
        moves = finding.chosen(finding.load(file.expanduser()), amounts or {})
        found = finding.slid(made.explorer, found, moves)
    return known(workspace).add(_of(made, replace(found, psi=here.psi)), name)


def mixed(
    config: Config,
    workspace: Workspace,
    name: str,
    base: str,
    others: Mapping[str, str],
    network: Network,
) -> Vector:
    """Give a mixture of favourites a name: `others` says which layers come from which.

    Raises:
        ConfigError: there is no such favourite, no such layers, or the name is taken.
    """
    made, mine = opened(config, workspace, network), known(workspace)
    chosen = {part: mine.get(other) for part, other in others.items()}
    return mine.add(_of(made, layers.mix(made.explorer, mine.get(base), chosen)), name)


def _of(made: Opened, vector: Vector) -> Vector:
    """`vector`, with the network that it was seen with."""
    return replace(vector, about={**vector.about, **made.said})


def directions(
    method: str,
    network: Network,
    *,
    part: str,
    count: int,
    names: Sequence[str] = (),
    seeds: int,
    first_seed: int,
    reach: float,
    columns: int,
    psi: float,
    label: str = "",
    out: Path | None = None,
) -> Step:
    """The step that finds directions for a `part` of the layers, and draws a sheet of each."""

    def lay_out(config: Config, workspace: Workspace) -> Work:
        made = opened(config, workspace, network)
        knobs: dict[str, Any] = {
            "method": method,
            "layers": layers.parse(part, made.explorer.generator),
            "count": min(count, made.explorer.generator.w_dim),
            "names": list(names),
            "seeds": seeds,
            "first_seed": first_seed,
            "reach": reach,
            "columns": columns,
            "psi": psi,
            "label": label,
        }
        settings = {**made.said, **knobs}
        return sliders.plan(
            explorer=made.explorer,
            tile=_tile(made, columns),
            folder=_folder(out, workspace, "directions", settings),
            settings=settings,
            title=made.title,
            shape=made.shape,
            born=made.born,
            **knobs,
        )

    return Step("directions", "Finding directions", lay_out)


def blend(
    config: Config,
    workspace: Workspace,
    out: Path,
    *,
    start: str,
    end: str,
    curve: str,
    seeds: int,
    psi: float,
) -> tuple[Path, Path]:
    """Write the network between two steps ("base", "500"), and the sheet of the way: (network, sheet).

    Raises:
        ConfigError: there is no such step or curve, or `out` is there already.
        WeightsError: the two cannot be blended.
    """
    use_threads(config.train.threads)
    drawn = blending.Curve.parse(curve)
    folder = lineage.training(config, workspace)
    shape = lineage.frame(config, workspace)
    one, other = (_parent(config, workspace, step) for step in (start, end))
    with engine_errors():
        licence = licences.of_network(folder).note
        blending.blend(one, other, drawn, out, licence=licence)
        dial = blending.dial(one, other, drawn, seeds=seeds, psi=psi, tile=160, shape=shape)
    sheet = out.with_suffix(".png")
    said = {"run": folder.name, "from": start, "to": end, "curve": curve, "psi": psi}
    provenance.save_png(dial, sheet, said)
    return out, sheet


def _parent(config: Config, workspace: Workspace, step: str) -> blending.Parent:
    if step != BASE and not step.isdigit():
        raise ConfigError(f"{step!r:.40} is no step: write base, or a number such as 500.")
    if step == BASE and not config.train.base:
        raise ConfigError("This network was trained from scratch and has no base: name two steps.")
    at, file = snapshot(config, workspace, 0 if step == BASE else int(step))
    return blending.Parent(file, BASE if step == BASE else f"step {at}")


def _folder(out: Path | None, workspace: Workspace, kind: str, settings: dict[str, Any]) -> Path:
    if out is None:
        return workspace.result(kind, settings)
    if out.is_file() or (
        out.is_dir() and not (out / "settings.json").exists() and any(out.iterdir())
    ):
        raise ConfigError(f"{out} is there already and holds other things: choose a new folder.")
    return out


def _tile(made: Opened, columns: int) -> int:
    """The side of a picture on a sheet, in pixels: not smaller than it is, unless the sheet grows too wide."""
    own = made.explorer.generator.resolution
    return max(96, min(_SHEETS // max(columns, 1), max(own, 160)))


def _file_and_name(origin: str) -> tuple[Path | None, str]:
    """(file, name) of "kept.npz" or "kept.npz@the glass"; (None, "") where no file is named."""
    whole = origin.lower().endswith(vectors.SUFFIXES)
    path, _, name = (origin, "", "") if whole else origin.rpartition("@")
    return (Path(path), name) if path.lower().endswith(vectors.SUFFIXES) else (None, "")


def _said(origin: str) -> str:
    """An origin without the folder that it lies in: results hold no path."""
    file, name = _file_and_name(origin)
    return origin if file is None else file.name + (f"@{name}" if name else "")


def _digest(vector: Vector) -> str:
    return digest({"values": hashlib.sha256(vector.values.tobytes()).hexdigest()})
