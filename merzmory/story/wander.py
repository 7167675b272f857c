"""Where a walk goes, and the photographs that it may pass: points of latent space, by what the config says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merzmory.archive import metadata
from merzmory.config import Config
from merzmory.dataset.build import Cutter
from merzmory.errors import ArchiveError, ConfigError
from merzmory.film.slides import frame_size
from merzmory.frame import ratio_of
from merzmory.latent import projections, vectors
from merzmory.latent import walk as walks
from merzmory.latent.favourites import Favourites
from merzmory.latent.labels import in_turn
from merzmory.latent.perception import LINEAR, LPIPS, VGG, Discriminating
from merzmory.latent.projections import Target
from merzmory.latent.vectors import Vector
from merzmory.manifest import Work, read_manifest, sha256_of
from merzmory.originals import decode
from merzmory.records import Photo
from merzmory.story import archives, lineage
from merzmory.story.step import Step
from merzmory.weights import ledger
from merzmory.workspace import Workspace


def manner(config: Config) -> walks.Manner:
    """How the config's walk goes."""
    return walks.Manner(**config.walk.model_dump(exclude={"size", "aspect", "preview_size"}))


def screen(config: Config, workspace: Workspace) -> tuple[int, int]:
    """Width and height of the walk's frames, even; raises ConfigError for an aspect that is none."""
    knobs = config.walk
    shown = lineage.frame(config, workspace).size(archives.resolution(config, workspace))
    ratio = ratio_of(knobs.aspect) if knobs.aspect else shown[0] / shown[1]
    return frame_size(knobs.preview_size if knobs.preview else knobs.size, ratio)


def frames(
    config: Config, workspace: Workspace, size: tuple[int, int]
) -> Callable[[int], NDArray[np.uint8]]:
    """The walk's frames; the first of them opens the network, and raises as `latent.walk.frames`.

    Raises:
        ConfigError: there is no such label.
        MerzmoryError: nothing was trained, or as `points`.
    """
    names = lineage.labels(config, workspace)
    in_turn(names, config.walk.label, "walk.label")
    given = points(config, workspace)

    @cache
    def walk() -> Callable[[int], NDArray[np.uint8]]:
        return walks.frames(
            network=lineage.snapshot(config, workspace),
            which=config.sample.network,
            manner=manner(config),
            vectors=given,
            size=size,
            device=config.train.device,
            labels=names,
            shape=lineage.frame(config, workspace),
        )

    return lambda number: walk()(number)


def points(config: Config, workspace: Workspace) -> list[Vector]:
    """What the walk goes through, where that is neither seeds nor noise, psi or labels.

    Raises:
        ConfigError: there are no such vectors, or no such favourite.
        FormatError: their file is damaged.
        MerzmoryError: no photographs were projected.
    """
    through = config.walk.through
    if through in (lineage.TIME, lineage.YEARS):
        folder = lineage.projected(config, workspace).finished()
        if through == lineage.TIME:
            found = vectors.load(folder / projections.VECTORS)
            return [vector for vector in found if vector.about["taken"]]
        if not (folder / projections.YEARS).is_file():
            raise ConfigError(
                "None of the projected photographs has a date, so there are no years: set "
                "walk.through to the path of their vectors.npz."
            )
        return vectors.load(folder / projections.YEARS)
    file = lineage.walked(config, workspace)
    if file is None:
        return []
    if through.partition(":")[0] != lineage.FAVOURITES:
        return vectors.load(file)
    mine, names = Favourites(file), through.partition(":")[2]
    return [mine.get(name.strip()) for name in names.split(",")] if names else mine.all()


def project(photos: Sequence[Path] = ()) -> Step:
    """The step that projects photographs: those named, or the config's number of keepers."""

    def lay_out(config: Config, workspace: Workspace) -> Work:
        network = lineage.snapshot(config, workspace)
        targets = _targets(config, workspace, photos)
        result = lineage.projected(config, workspace, [t.photo for t in targets] if photos else ())
        knobs = config.project.model_dump(exclude={"photos", "distance"})
        perceive: Callable[..., Any]
        if config.project.distance == "lpips":
            vgg, linear = (ledger.find(name, workspace.weights) for name in (VGG, LINEAR))
            perceive = partial(LPIPS.open, vgg, linear)
        else:
            perceive = partial(Discriminating.open, lineage.newest(config, workspace)[1])
        return projections.plan(
            network=network,
            which=config.sample.network,
            perceive=perceive,
            targets=targets,
            folder=result.folder,
            device=config.train.device,
            settings=result.settings,
            labels=lineage.labels(config, workspace),
            shape=lineage.frame(config, workspace),
            birth=partial(lineage.birth, config, workspace),
            **knobs,
        )

    return Step("project", "Looking for the photographs in the memory", lay_out)


def spread(targets: Sequence[Target], count: int) -> list[Target]:
    """At most `count` (0: all) evenly over their dates; those without one only where none has one."""
    dated = sorted((t for t in targets if t.taken), key=lambda t: (t.taken, t.photo))
    some = dated or list(targets)
    if not count or len(some) <= count:
        return some
    return [some[n] for n in np.linspace(0, len(some) - 1, count).round().astype(int)]


def _targets(config: Config, workspace: Workspace, photos: Sequence[Path]) -> list[Target]:
    dataset = lineage.dataset(config, workspace).finished()
    dates = archives.dates(config, workspace)
    known = {
        str(line["path"]): Target(
            photo=line["photo"],
            name=Path(line["path"]).name,
            load=partial(_square, dataset / line["file"]),
            taken=dates.get(line["photo"]) or line.get("taken") or "",
            label=str(line.get("label", "")),
        )
        for line in read_manifest(dataset)
    }
    if not photos:
        return spread(list(known.values()), config.project.photos)
    named = [path.expanduser().absolute() for path in photos]
    found = [known.get(str(path)) or _stranger(config, workspace, path) for path in named]
    return list({target.photo: target for target in found}.values())


def _square(file: Path) -> Image.Image:
    with Image.open(file) as opened:
        square: Image.Image = opened.convert("RGB")
    return square


def _stranger(config: Config, workspace: Workspace, path: Path) -> Target:
    """A photograph that is none of the training squares, cut as they are.

    Raises:
        ArchiveError: it is not there, or cannot be read.
    """
    try:
        digest = sha256_of(path)
        with decode.opened(path) as picture:
            about = metadata.read(picture)
            image, size = decode.developed(picture, mend=True)
    except (OSError, decode.PictureError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ArchiveError(f"{path} cannot be projected ({why}): check the path.") from error
    side = archives.resolution(config, workspace)
    shape = lineage.frame(config, workspace)
    cutter = Cutter(side, config.dataset.crop, shape, config.dataset.bars)
    photo = Photo(digest, str(path), *size)
    square: Image.Image = cutter.square(photo, image, cutter.find(photo, image))
    return Target(digest, path.name, lambda: square, about.taken or "")
