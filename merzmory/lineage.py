"""What each result is made from, and so what its folder is called.

A result's settings name the folders it was made from, whose settings name theirs: the chain
film > pictures > samples > run > dataset > photographs is walked by reading them, and a change
anywhere gives new names from there on, beside the old results.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from merzmory import weights
from merzmory.archive import culling, ingest, marks
from merzmory.archive.assets import Asset, Row
from merzmory.archive.catalogue import Catalogue
from merzmory.archive.sources.detect import source_for
from merzmory.archive.sources.source import SOURCES, Distant, Source
from merzmory.config import Config
from merzmory.dataset import fit
from merzmory.dataset import labels as squares
from merzmory.dataset.build import Cutter
from merzmory.errors import ConfigError, MerzmoryError, WeightsError
from merzmory.frame import Frame
from merzmory.gan import checkpoint, run, score
from merzmory.gan.data import label_names
from merzmory.gan.training import MACHINE_KEYS
from merzmory.manifest import is_finished, read_manifest
from merzmory.records import Photo
from merzmory.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Result:
    """Where the result of a step lies, or will lie, and what it is made from."""

    step: str
    folder: Path
    settings: Mapping[str, Any]

    def finished(self) -> Path:
        """The folder.

        Raises:
            MerzmoryError: the step has not been done for these settings.
        """
        if not is_finished(self.folder):
            raise _not_yet(self.step)
        return self.folder


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


def cull_knobs(config: Config, workspace: Workspace) -> dict[str, Any]:
    """The thresholds of culling, with the shorter side filled in from the resolution."""
    knobs = config.cull.model_dump()
    return {**knobs, "min_side": knobs["min_side"] or resolution(config, workspace)}


def keepers(config: Config, workspace: Workspace) -> list[Photo]:
    """The photographs that are kept by this config's thresholds."""
    return _catalogue(config, workspace).keepers(_ruling(config, workspace))


def photographs(config: Config, workspace: Workspace) -> list[Row]:
    """Every file of the archive with its verdict by this config's thresholds, and why."""
    return _catalogue(config, workspace).rows(_ruling(config, workspace))


def assets(config: Config, workspace: Workspace) -> dict[str, Asset]:
    """What was measured of the archive's pictures, by sha256."""
    return {asset.sha256: asset for asset in _catalogue(config, workspace).assets()}


def found(config: Config, workspace: Workspace) -> list[Row]:
    """Every file of the archive with its verdict as far as anything was decided about it."""
    catalogue, ruling = _catalogue(config, workspace), _ruling(config, workspace)
    return catalogue.rows(ruling if catalogue.ruled_over(ruling) else None)


def catalogue_and_ruling(config: Config, workspace: Workspace) -> tuple[Catalogue, str]:
    """The archive's catalogue, and the name of the ruling by this config's thresholds."""
    return _catalogue(config, workspace), _ruling(config, workspace)


def base(config: Config, workspace: Workspace) -> Path | None:
    """The base's file; None trains from scratch (train.base = "").

    Raises:
        WeightsError: it is not here, or is known as something that is not trained.
    """
    known = weights.ledger().get(config.train.base)
    if known is not None and known.kind != "base":
        raise WeightsError(
            f"train.base is {known.name}, of the kind {known.kind}, which is not trained further: "
            "choose a base (`merzmory weights list`)."
        )
    return weights.find(config.train.base, workspace.weights) if config.train.base else None


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


def cutter(config: Config, workspace: Workspace, photos: Sequence[Photo]) -> Cutter:
    """How the squares of these photographs are made.

    Raises:
        ConfigError: the settings of [dataset] do not go together.
    """
    knobs, side = config.dataset, resolution(config, workspace)
    sizes = ((photo.width, photo.height) for photo in photos)
    framed = fit.frame(
        knobs.fit, knobs.aspect, sizes=sizes, resolution=side, base=_base_frame(config)
    )
    said, ids = _catalogue(config, workspace).marks(), {photo.id for photo in photos}
    drawn = {sha: box for sha, one in said.items() if sha in ids and (box := marks.box(one.box))}
    return Cutter(side, knobs.crop, framed, knobs.bars, boxes=drawn)


def frame(config: Config, workspace: Workspace) -> Frame:
    """What a square that the trained network makes stands for."""
    return Frame.read(dataset(config, workspace).settings.get("frame", {}))


def dataset(config: Config, workspace: Workspace) -> Result:
    """The training squares of the keepers."""
    photos, by = keepers(config, workspace), config.dataset.labels
    file = base(config, workspace)
    if by and file and not checkpoint.inspect(file)["labels"]:
        raise ConfigError(
            f"dataset.labels is {by}, but the base {config.train.base} knows no labels: leave them "
            'out, or train from scratch with --set train.base="".'
        )
    named = squares.labels(photos, by) or [""] * len(photos)
    identity = sorted(
        f"{photo.id} {name}".strip() for photo, name in zip(photos, named, strict=True)
    )
    settings = {
        "photos": hashlib.sha256("\n".join(identity).encode()).hexdigest(),
        **cutter(config, workspace, photos).settings(),
        **({"labels": by} if by else {}),
    }
    return Result("build", workspace.result("dataset", settings), settings)


def training(config: Config, workspace: Workspace) -> Path:
    """The run's folder, named by all that shapes its weights: more steps continue it."""
    file = base(config, workspace)
    free = {"base", "steps", *MACHINE_KEYS}
    shaping = {k: v for k, v in asdict(config.train).items() if k not in free}
    settings = {
        **shaping,
        "dataset": dataset(config, workspace).folder.name,
        "base": _digest(file) if file else "",
    }
    return workspace.result("run", settings)


def is_trained(config: Config, workspace: Workspace) -> bool:
    """Whether the run has come as far as the config asks, and kept a snapshot there."""
    folder = training(config, workspace)
    if not (folder / run.RUN).is_file():
        return False
    return run.progress(folder)[0] >= config.train.steps and (
        run.snapshot_path(folder, config.train.steps).is_file()
    )


def snapshot(config: Config, workspace: Workspace) -> Path:
    """The slim checkpoint at the config's last step."""
    if not is_trained(config, workspace):
        raise _not_yet("train")
    return run.snapshot_path(training(config, workspace), config.train.steps)


def snapshots(config: Config, workspace: Workspace) -> dict[int, Path]:
    """The slim checkpoints by step, up to the config's last step."""
    snapshot(config, workspace)
    found = run.snapshots(training(config, workspace))
    return {step: path for step, path in found if step <= config.train.steps}


def newest(config: Config, workspace: Workspace) -> tuple[int, Path]:
    """(step, network file) of the run's newest discriminator."""
    snapshot(config, workspace)
    return score.newest(training(config, workspace))


def labels(config: Config, workspace: Workspace) -> list[str]:
    """The labels that the trained network knows, in its order; [] for one without labels."""
    snapshot(config, workspace)
    if not run.read_run(training(config, workspace))["network"]["c_dim"]:
        return []
    return label_names(read_manifest(dataset(config, workspace).finished()))


def strip(config: Config, workspace: Workspace) -> Result:
    """The film strip of forgetting."""
    settings = {**_trained(config, workspace), **config.strip.model_dump()}
    return Result("strip", workspace.result("strip", settings), settings)


def timelapse(config: Config, workspace: Workspace) -> Result:
    """The training as a film."""
    settings = {
        **_trained(config, workspace),
        **config.timelapse.model_dump(),
        **config.strip.model_dump(include={"psi", "label"}),
        "music": _music(config),
    }
    return Result("timelapse", workspace.result("timelapse", settings), settings)


def curve(config: Config, workspace: Workspace) -> Result:
    """The curve of forgetting."""
    settings = {**_trained(config, workspace), **config.curve.model_dump()}
    return Result("curve", workspace.result("curve", settings), settings)


def scores(config: Config, workspace: Workspace) -> Result:
    """The squares by the run's newest discriminator, which may be of a later step than asked for."""
    settings = {**_trained(config, workspace), "step": newest(config, workspace)[0]}
    return Result("score", workspace.result("scores", settings), settings)


def samples(config: Config, workspace: Workspace) -> Result:
    """Pictures from the generator."""
    settings = {**_trained(config, workspace), **config.sample.model_dump()}
    return Result("sample", workspace.result("samples", settings), settings)


def index(config: Config, workspace: Workspace) -> Result:
    """The embedded training squares."""
    settings = {
        "dataset": dataset(config, workspace).folder.name,
        "embedder": config.match.embedder,
    }
    return Result("match", workspace.result("index", settings), settings)


def matches(config: Config, workspace: Workspace) -> Result:
    """The nearest photographs of each picture."""
    settings = {
        "samples": samples(config, workspace).folder.name,
        "index": index(config, workspace).folder.name,
        "dates": {k: m.date for k, m in _catalogue(config, workspace).marks().items() if m.date},
        **config.match.model_dump(),
    }
    return Result("match", workspace.result("matches", settings), settings)


def upscaled(config: Config, workspace: Workspace) -> Result:
    """The pictures, enlarged."""
    knobs = config.upscale.model_dump(exclude={"tile"})
    if config.upscale.engine == "lanczos":
        del knobs["weights"]
    settings = {"samples": samples(config, workspace).folder.name, **knobs}
    return Result("upscale", workspace.result("upscaled", settings), settings)


def walk(config: Config, workspace: Workspace) -> Result:
    """The walk film."""
    settings = {
        **_trained(config, workspace),
        **config.walk.model_dump(),
        "network": config.sample.network,
        "music": _music(config),
    }
    return Result("walk", workspace.result("walk", settings), settings)


def film(config: Config, workspace: Workspace) -> Result:
    """The pictures as a film."""
    settings = {
        **config.film.model_dump(),
        "pictures": upscaled(config, workspace).folder.name,
        "music": _music(config),
    }
    return Result("film", workspace.result("film", settings), settings)


def gallery(config: Config, workspace: Workspace) -> Result:
    """The site."""
    settings = {
        **config.gallery.model_dump(),
        "pictures": upscaled(config, workspace).folder.name,
        "matches": matches(config, workspace).folder.name,
        "film": film(config, workspace).folder.name,
    }
    return Result("publish", workspace.result("gallery", settings), settings)


def _base_frame(config: Config) -> Frame | None:
    """The window that the base's pictures have in their squares; None where they fill them."""
    known = weights.ledger().get(config.train.base)
    if known is None or not known.window or not known.resolution:
        return None
    x0, y0, x1, y1 = (side / known.resolution for side in known.window)
    return Frame(known.aspect, (x0, y0, x1, y1))


def _catalogue(config: Config, workspace: Workspace) -> Catalogue:
    folder = archive(config, workspace)
    if not folder.exists():
        raise _not_yet("ingest")
    return ingest.catalogue_of(folder)


def _ruling(config: Config, workspace: Workspace) -> str:
    return culling.ruling(**cull_knobs(config, workspace))


def _trained(config: Config, workspace: Workspace) -> dict[str, Any]:
    return {"run": training(config, workspace).name, "step": config.train.steps}


def _music(config: Config) -> str:
    music = config.film.music
    if music is None:
        return "bed"
    if not music.is_file():
        raise ConfigError(f"There is no music file {music}: check film.music.")
    return _digest(music)


def _digest(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _not_yet(step: str) -> MerzmoryError:
    return MerzmoryError(
        f"The step {step} is not finished for these settings: run `merzmory {step}` with the same "
        "config first, or `merzmory run` for the whole story."
    )
