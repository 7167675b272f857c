"""The archive of a config: where its photographs come from, what is kept of them, and the base they move.

Every file has one verdict by this config's thresholds; the catalogue is asked, never changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merzmory.archive import culling, ingest
from merzmory.archive.assets import Asset, Row
from merzmory.archive.catalogue import Catalogue
from merzmory.archive.looking import People, name_of
from merzmory.archive.sources.detect import source_for
from merzmory.archive.sources.source import SOURCES, Distant, Source
from merzmory.config import Config, load
from merzmory.errors import ArchiveError, ConfigError, MerzmoryError, WeightsError
from merzmory.frame import Frame
from merzmory.gan import checkpoint
from merzmory.records import Photo
from merzmory.weights import ledger
from merzmory.workspace import Workspace


def distant(config: Config, workspace: Workspace) -> Distant:
    """The service that the photographs are fetched from.

    Raises:
        ConfigError: this config's photographs lie on this machine, or nothing is searched for.
    """
    archive, into = config.archive, workspace.archives
    made: Any
    if archive.source == "instagram":
        knobs = archive.instagram.model_dump()
        made = SOURCES["instagram"](into=into, private=workspace.private, **knobs)
    elif archive.source == "flickr":
        made = SOURCES["flickr"](into=into, **archive.flickr.model_dump())
    else:
        raise ConfigError(
            "These photographs lie on this machine: to fetch some, set archive.source to instagram "
            "or flickr."
        )
    service: Distant = made
    return service


def source(config: Config, workspace: Workspace) -> Source:
    """Where the photographs come from."""
    archive = config.archive
    if archive.is_fetched:
        return distant(config, workspace)
    if archive.source == "sample" or (not archive.source and archive.folder is None):
        return SOURCES["sample"](into=workspace.archives, photos=archive.sample_photos)
    if archive.folder is None:
        raise ConfigError(
            f"archive.source is {archive.source}, but no folder is given: "
            "--set archive.folder=FOLDER."
        )
    return SOURCES[archive.source or source_for(archive.folder)](folder=archive.folder)


def archive(config: Config, workspace: Workspace) -> Path:
    """The folder of the archive's catalogue."""
    found = source(config, workspace)
    return workspace.archive(found.label, found.settings)


def configs(workspace: Workspace, overrides: Sequence[str]) -> list[Config]:
    """The configs that the workspace's archives were read by, `overrides` laid over them.

    Raises:
        MerzmoryError: there is none.
    """
    here = f"outputs={json.dumps(str(workspace.outputs), ensure_ascii=False)}"
    files = sorted(workspace.archives.glob("*/config.toml"))
    if not files:
        raise MerzmoryError(
            f"Nothing was read into {workspace.outputs} yet: run `merzmory ingest FOLDER`, with the "
            "--workspace that you mean."
        )
    return [load(str(file), [here, *overrides]) for file in files]


def cull_knobs(config: Config, workspace: Workspace) -> dict[str, Any]:
    """The thresholds of culling, with the shorter side filled in from the resolution."""
    knobs = config.cull.model_dump()
    return {**knobs, "min_side": knobs["min_side"] or resolution(config, workspace)}


def keepers(config: Config, workspace: Workspace) -> list[Photo]:
    """The photographs that are kept by this config's thresholds.

    Raises:
        ArchiveError: nothing was culled, or new photographs were not looked at for those who are
            left out or blurred.
    """
    books, known = catalogue(config, workspace), people(config, workspace)
    new = known.unseen(name_of(**face_weights(workspace))) if known.chosen() else []
    if new:
        raise ArchiveError(
            f"{len(new)} photographs have not been looked at for the people you left out or "
            "blurred: run `merzmory cull` with the same config."
        )
    return books.keepers(ruling(config, workspace))


def people(config: Config, workspace: Workspace) -> People:
    """Who is in the archive's photographs, and what is said of them.

    Raises:
        MerzmoryError: nothing was ingested yet.
    """
    return People(_ingested(config, workspace))


def face_weights(workspace: Workspace) -> dict[str, Path | None]:
    """The files of the networks that find faces and tell them apart, by name; None: not here."""
    here = {found.weight.name: found.path for found in ledger.status(workspace.weights)}
    return {name: here[name] for name in ("yunet", "sface")}


def photographs(config: Config, workspace: Workspace) -> list[Row]:
    """Every file of the archive with its verdict by this config's thresholds, and why."""
    return catalogue(config, workspace).rows(ruling(config, workspace))


def dates(config: Config, workspace: Workspace) -> dict[str, str]:
    """The dates that a person gave photographs, by sha256."""
    said = catalogue(config, workspace).marks()
    return {photo: mark.date for photo, mark in said.items() if mark.date}


def assets(config: Config, workspace: Workspace) -> dict[str, Asset]:
    """What was measured of the archive's pictures, by sha256."""
    return {asset.sha256: asset for asset in catalogue(config, workspace).assets()}


def found(config: Config, workspace: Workspace) -> list[Row]:
    """Every file of the archive with its verdict as far as anything was decided about it."""
    books, name = catalogue(config, workspace), ruling(config, workspace)
    return books.rows(name if books.ruled_over(name) else None)


def catalogue_and_ruling(config: Config, workspace: Workspace) -> tuple[Catalogue, str]:
    """The archive's catalogue, and the name of the ruling by this config's thresholds."""
    return catalogue(config, workspace), ruling(config, workspace)


def base(config: Config, workspace: Workspace) -> Path | None:
    """The base's file; None trains from scratch (train.base = "").

    Raises:
        WeightsError: it is not here, or is known as something that is not trained.
    """
    known = ledger.entries().get(config.train.base)
    if known is not None and known.kind != "base":
        raise WeightsError(
            f"train.base is {known.name}, of the kind {known.kind}, which is not trained further: "
            "choose a base (`merzmory weights list`)."
        )
    return ledger.find(config.train.base, workspace.weights) if config.train.base else None


def resolution(config: Config, workspace: Workspace) -> int:
    """The side of a picture in pixels, from the base or the config.

    Raises:
        WeightsError: the base cannot be trained.
        ConfigError: dataset.resolution is not the base's, or is missing without a base.
    """
    file = base(config, workspace)
    about = checkpoint.inspect(file) if file else {}
    if file and "train" not in about["can"]:
        why = about["notes"].get("why", "it holds no discriminator")
        raise WeightsError(f"{file} cannot be trained ({why}): choose another train.base.")
    own = int(about["resolution"]) if file else 0
    wanted = config.dataset.resolution or own
    if not wanted:
        raise ConfigError("Training from scratch needs a size: --set dataset.resolution=64.")
    if own and wanted != own:
        raise ConfigError(
            f"dataset.resolution is {wanted}, but the base {config.train.base} makes {own} x {own} "
            "pictures: leave dataset.resolution at 0, or choose another base."
        )
    return wanted


def base_frame(config: Config) -> Frame | None:
    """The window that the base's pictures have in their squares; None where they fill them."""
    name, cache = config.train.base, config.workspace().weights
    known = ledger.entries().get(name) or ledger.brought(cache).get(name)
    file = Path(name).expanduser()
    if known is None and name and file.is_file():
        known = ledger.barred(file)
    return frame_of(known) if known is not None else None


def frame_of(weight: ledger.Weight) -> Frame | None:
    """The window that a network's pictures have in their squares; None where they fill them."""
    if not weight.window or not weight.resolution:
        return None
    x0, y0, x1, y1 = (side / weight.resolution for side in weight.window)
    return Frame(weight.aspect, (x0, y0, x1, y1))


def catalogue(config: Config, workspace: Workspace) -> Catalogue:
    """The archive's catalogue.

    Raises:
        MerzmoryError: nothing was ingested yet.
    """
    return ingest.catalogue_of(_ingested(config, workspace))


def ruling(config: Config, workspace: Workspace) -> str:
    """The name of the ruling by this config's thresholds."""
    return culling.ruling(**cull_knobs(config, workspace))


def not_yet(step: str) -> MerzmoryError:
    """The sentence for a step that has to be done first."""
    return MerzmoryError(
        f"The step {step} is not finished for these settings: run `merzmory {step}` with the same "
        "config first, or `merzmory run` for the whole story."
    )


def _ingested(config: Config, workspace: Workspace) -> Path:
    """The folder of the archive's catalogue, which is there."""
    folder = archive(config, workspace)
    if not folder.exists():
        raise not_yet("ingest")
    return folder
