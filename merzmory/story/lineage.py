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

from merzmory import licence
from merzmory.archaeology import embedders
from merzmory.archaeology.network import Here
from merzmory.archive import marks
from merzmory.config import Config
from merzmory.dataset import fit
from merzmory.dataset import labels as squares
from merzmory.dataset.build import Cutter
from merzmory.errors import ConfigError
from merzmory.frame import Frame
from merzmory.gallery import decisions
from merzmory.gan import checkpoint, run, score
from merzmory.gan.data import label_names
from merzmory.gan.training import MACHINE_KEYS
from merzmory.latent import favourites
from merzmory.latent import walk as walks
from merzmory.manifest import is_finished, read_manifest, sha256_of
from merzmory.records import Photo
from merzmory.story import archives
from merzmory.upscale.engines import STARTER
from merzmory.workspace import Workspace

FAVOURITES, TIME, YEARS = "favourites", "time", "years"  # what a walk may go through


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
            raise archives.not_yet(self.step)
        return self.folder


def cutter(config: Config, workspace: Workspace, photos: Sequence[Photo]) -> Cutter:
    """How the squares of these photographs are made.

    Raises:
        ConfigError: the settings of [dataset] do not go together.
    """
    knobs, side = config.dataset, archives.resolution(config, workspace)
    sizes = ((photo.width, photo.height) for photo in photos)
    framed = fit.frame(
        knobs.fit, knobs.aspect, sizes=sizes, resolution=side, base=archives.base_frame(config)
    )
    said, ids = archives.catalogue(config, workspace).marks(), {photo.id for photo in photos}
    drawn = {sha: box for sha, one in said.items() if sha in ids and (box := marks.box(one.box))}
    points = {photo.id: photo.points for photo in photos if photo.points}
    return Cutter(side, knobs.crop, framed, knobs.bars, boxes=drawn, points=points)


def frame(config: Config, workspace: Workspace) -> Frame:
    """What a square that the trained network makes stands for."""
    return Frame.read(dataset(config, workspace).settings.get("frame", {}))


def dataset(config: Config, workspace: Workspace) -> Result:
    """The training squares of the keepers."""
    photos, by = archives.keepers(config, workspace), config.dataset.labels
    file = archives.base(config, workspace)
    if by and file and not checkpoint.inspect(file)["labels"]:
        raise ConfigError(
            f"dataset.labels is {by}, but the base {config.train.base} knows no labels: leave them "
            'out, or train from scratch with --set train.base="".'
        )
    named = squares.labels(photos, by) or [""] * len(photos)
    identity = sorted(
        " ".join(filter(None, (photo.id, name, *map(str, photo.blurred))))
        for photo, name in zip(photos, named, strict=True)
    )
    settings = {
        "photos": hashlib.sha256("\n".join(identity).encode()).hexdigest(),
        **cutter(config, workspace, photos).settings(),
        **({"labels": by} if by else {}),
    }
    return Result("build", workspace.result("dataset", settings), settings)


def training(config: Config, workspace: Workspace) -> Path:
    """The run's folder, named by all that shapes its weights: more steps continue it."""
    file = archives.base(config, workspace)
    free = {"base", "steps", *MACHINE_KEYS}
    shaping = {k: v for k, v in asdict(config.train).items() if k not in free}
    settings = {
        **shaping,
        "dataset": dataset(config, workspace).folder.name,
        "base": sha256_of(file) if file else "",
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
        raise archives.not_yet("train")
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
        **heard(config),
    }
    return Result("timelapse", workspace.result("timelapse", settings), settings)


def curve(config: Config, workspace: Workspace) -> Result:
    """The curve of forgetting."""
    by = embedder(config, workspace, config.curve.embedder)
    settings = {**_trained(config, workspace), **config.curve.model_dump(), "embedder": by.kind}
    return Result("curve", workspace.result("curve", settings), settings)


def scores(config: Config, workspace: Workspace) -> Result:
    """The squares by the run's newest discriminator, which may be of a later step than asked for."""
    settings = {**_trained(config, workspace), "step": newest(config, workspace)[0]}
    return Result("score", workspace.result("scores", settings), settings)


def samples(config: Config, workspace: Workspace) -> Result:
    """Pictures from the generator."""
    settings = {**_trained(config, workspace), **config.sample.model_dump()}
    return Result("sample", workspace.result("samples", settings), settings)


def embedder(config: Config, workspace: Workspace, name: str) -> embedders.Embedder:
    """What pictures are compared by.

    Raises:
        ConfigError: there is none of that name, or it needs a base and there is none.
        WeightsError: its weights are not here.
    """
    file = archives.base(config, workspace)
    return embedders.embedder(name, Here(workspace.weights, file, config.train.device))


def index(config: Config, workspace: Workspace, by: embedders.Embedder | None = None) -> Result:
    """The training squares, embedded by what pictures are matched by, or `by` another."""
    by = by or embedder(config, workspace, config.match.embedder)
    settings = {"dataset": dataset(config, workspace).folder.name, "embedder": by.kind}
    return Result("match", workspace.result("index", settings), settings)


def scale(config: Config, workspace: Workspace) -> Result:
    """What is near in this archive."""
    settings = {
        "index": index(config, workspace).folder.name,
        "ruling": archives.ruling(config, workspace),
    }
    return Result("match", workspace.result("scale", settings), settings)


def meter(config: Config, workspace: Workspace) -> Result:
    """The memorisation meter."""
    settings = {
        **_trained(config, workspace),
        **config.meter.model_dump(),
        "scale": scale(config, workspace).folder.name,
    }
    return Result("meter", workspace.result("meter", settings), settings)


def measures(config: Config, workspace: Workspace) -> Result:
    """FID and its kin."""
    by = embedder(config, workspace, config.measure.embedder)
    settings = {**_trained(config, workspace), **config.measure.model_dump(), "embedder": by.kind}
    return Result("measure", workspace.result("measures", settings), settings)


def matches(config: Config, workspace: Workspace) -> Result:
    """The nearest photographs of each picture."""
    settings = {
        "samples": samples(config, workspace).folder.name,
        "index": index(config, workspace).folder.name,
        "scale": scale(config, workspace).folder.name,
        "dates": archives.dates(config, workspace),
        **config.match.model_dump(),
    }
    return Result("match", workspace.result("matches", settings), settings)


def upscaled(config: Config, workspace: Workspace) -> Result:
    """The pictures, enlarged."""
    settings = {
        "samples": samples(config, workspace).folder.name,
        **enlarger(config),
    }
    return Result("upscale", workspace.result("upscaled", settings), settings)


def enlarger(config: Config) -> dict[str, Any]:
    """What the pictures are enlarged with: the engine's name, its weights' names, its numbers."""
    knobs = config.upscale.model_dump(exclude={"tile"})
    if knobs["engine"] == "starter":
        knobs["weights"] = STARTER
    unused = {"lanczos": ("weights", "strength", "denoise", "twin"), "starter": ("denoise", "twin")}
    for key in unused.get(knobs["engine"], () if knobs["denoise"] < 1 else ("denoise", "twin")):
        del knobs[key]
    return knobs


def projected(config: Config, workspace: Workspace, named: Sequence[str] = ()) -> Result:
    """Photographs as points of latent space; `named` are the SHA-256 of those that a person named."""
    settings = {
        **_trained(config, workspace),
        **config.project.model_dump(exclude={"photos"} if named else set()),
        "network": config.sample.network,
        "dataset": dataset(config, workspace).folder.name,
        "dates": archives.dates(config, workspace),
        **({"named": list(named)} if named else {}),
    }
    if config.project.distance == "discriminator":
        settings["discriminator"] = newest(config, workspace)[0]
    return Result("project", workspace.result("projected", settings), settings)


def walk(config: Config, workspace: Workspace) -> Result:
    """The walk film."""
    unused = set() if config.walk.preview else {"preview", "preview_fps", "preview_size"}
    settings = {
        **_trained(config, workspace),
        **config.walk.model_dump(exclude=unused),
        "network": config.sample.network,
        **heard(config),
    }
    through = config.walk.through
    if through in (TIME, YEARS):
        settings["projected"] = projected(config, workspace).folder.name
    elif file := walked(config, workspace):
        settings["vectors"] = sha256_of(file)
        settings["through"] = through.partition(":")[2] if file.stem == FAVOURITES else file.name
    return Result("walk", workspace.result("walk", settings), settings)


def walked(config: Config, workspace: Workspace) -> Path | None:
    """The file of vectors that a walk goes through, where it goes through one.

    Raises:
        ConfigError: there is no such file, or the words name nothing.
    """
    through = config.walk.through
    if through in walks.KINDS:
        return None
    if through.partition(":")[0] == FAVOURITES:
        file = workspace.experiment / favourites.FILE
        remedy = "keep some with `merzmory favourites CONFIG add NAME`"
    else:
        file = Path(through).expanduser()
        remedy = (
            f"give the path of a .npz or .json, or one of {', '.join(walks.KINDS)}, {FAVOURITES}, "
            f"{TIME}, {YEARS}"
        )
    if not file.is_file():
        raise ConfigError(f"There are no vectors to walk through in {file}: {remedy}.")
    return file


def film(config: Config, workspace: Workspace) -> Result:
    """The pictures as a film."""
    knobs = config.film
    settings = {
        **knobs.model_dump(exclude={"texts"}),
        "pictures": upscaled(config, workspace).folder.name,
        "matches": matches(config, workspace).folder.name,
        "decided": decided(config, workspace),  # what is held back is not filmed
        "near_copies": config.gallery.publish_near_copies,
        **heard(config),
    }
    if knobs.texts is not None:
        if not knobs.texts.is_file():
            raise ConfigError(f"There is no text file {knobs.texts}: check film.texts.")
        settings["texts"] = sha256_of(knobs.texts)
    return Result("film", workspace.result("film", settings), settings)


def gallery(config: Config, workspace: Workspace) -> Result:
    """The site."""
    settings = {
        **config.gallery.model_dump(),
        "decided": decided(config, workspace),
        "pictures": upscaled(config, workspace).folder.name,
        "matches": matches(config, workspace).folder.name,
        "film": film(config, workspace).folder.name,
    }
    return Result("publish", workspace.result("gallery", settings), settings)


def decided(config: Config, workspace: Workspace) -> dict[str, str]:
    """What a person decided of the samples, by file: publish or hold."""
    made = samples(config, workspace).folder.name
    return decisions.of_folder(decisions.read(workspace.experiment), made)


def birth(config: Config, workspace: Workspace) -> dict[str, Any]:
    """What a picture says of the network that made it: its run and step, base, licence and digest."""
    file = snapshot(config, workspace)
    return {
        **_trained(config, workspace),
        **descent(config, workspace),
        "network_sha256": sha256_of(file),
    }


def descent(config: Config, workspace: Workspace) -> dict[str, str]:
    """The base of the run, and what the licences of its networks and photographs come to."""
    chain = licence.chain(training(config, workspace))
    return {
        "base": Path(config.train.base).name or "none",  # a base may be a path of this machine
        "licence": chain.verdict,
        "may_sell": chain.may_sell,
    }


def _trained(config: Config, workspace: Workspace) -> dict[str, Any]:
    return {"run": training(config, workspace).name, "step": config.train.steps}


def heard(config: Config) -> dict[str, Any]:
    """What a film sounds like, and what it is written as."""
    music = config.film.music
    if music is not None and not music.is_file():
        raise ConfigError(f"There is no music file {music}: check film.music.")
    return {
        "music": "bed" if music is None else sha256_of(music),
        **config.film.model_dump(include={"loudness", "codec"}),
    }
