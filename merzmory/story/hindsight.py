"""What can be said once it is trained: how good it is, how near it comes, what lies under a picture."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

from merzmory.archaeology import dig as digging
from merzmory.archaeology import index as indexing
from merzmory.archaeology import memorisation
from merzmory.archive.duplicates import doubles
from merzmory.config import Config
from merzmory.errors import ArchiveError, ConfigError
from merzmory.latent import measure as measuring
from merzmory.latent import meter as metering
from merzmory.manifest import Work, read_manifest
from merzmory.originals import access
from merzmory.story import archives, lineage
from merzmory.story.step import Step, one_after_the_other, with_config
from merzmory.workspace import Workspace


def indexed(config: Config, workspace: Workspace, by: Any = None) -> Work:
    """The training squares, embedded: by what pictures are matched by, or `by` another."""
    dataset = lineage.dataset(config, workspace).finished()
    work = indexing.plan(
        dataset=dataset,
        folder=lineage.index(config, workspace, by).folder,
        by=by or lineage.embedder(config, workspace, config.match.embedder),
        dataset_id=dataset.name,
        shape=lineage.frame(config, workspace),
    )
    return with_config(work, config)


def scaled(config: Config, workspace: Workspace) -> Work:
    """The index, and the scale of what is near in this archive."""
    result = lineage.scale(config, workspace)
    work = memorisation.plan(
        dataset=lineage.dataset(config, workspace).finished(),
        index=lineage.index(config, workspace).folder,
        folder=result.folder,
        by=lineage.embedder(config, workspace, config.match.embedder),
        doubles=partial(_doubles, config, workspace),
        shape=lineage.frame(config, workspace),
        settings=result.settings,
    )
    return one_after_the_other(indexed(config, workspace), with_config(work, config))


def meter(config: Config, workspace: Workspace) -> Work:
    """Measure how many pictures of each snapshot come near to a single photograph."""
    result, scale = lineage.meter(config, workspace), lineage.scale(config, workspace).folder
    by, index = lineage.embedder(config, workspace, config.match.embedder), lineage.index
    known = cache(partial(memorisation.read_scale, scale))
    work = metering.plan(
        snapshots=lineage.snapshots(config, workspace),
        folder=result.folder,
        nearest=partial(
            memorisation.nearest,
            index(config, workspace).folder,
            by,
            shape=lineage.frame(config, workspace),
        ),
        level=lambda distance: known().level(distance),
        about=lambda: {"embedder": by.kind, "scale": asdict(known())},
        device=config.train.device,
        settings=result.settings,
        labels=lineage.labels(config, workspace),
        **config.meter.model_dump(),
    )
    return one_after_the_other(scaled(config, workspace), work)


def measure(config: Config, workspace: Workspace) -> Work:
    """Measure the last snapshot's pictures against the archive: FID and its kin."""
    result = lineage.measures(config, workspace)
    snapshots = lineage.snapshots(config, workspace)
    return measuring.plan(
        base=snapshots.get(0) if config.train.base and config.train.steps else None,
        network=lineage.snapshot(config, workspace),
        step=config.train.steps,
        dataset=lineage.dataset(config, workspace).finished(),
        folder=result.folder,
        embed=lineage.embedder(config, workspace, config.measure.embedder).embed,
        device=config.train.device,
        settings=result.settings,
        labels=lineage.labels(config, workspace),
        shape=lineage.frame(config, workspace),
        **{**config.measure.model_dump(), "embedder": result.settings["embedder"]},
    )


METER = Step("meter", "Looking for near copies", meter)
MEASURE = Step("measure", "Measuring the pictures", measure)


def _refuse_the_unseen(photo: Path, config: Config, workspace: Workspace) -> None:
    """A photograph that is no square of the dataset is shown as it lies on the disk: not while
    somebody is left out or blurred."""
    dataset = lineage.dataset(config, workspace).finished()
    if any(Path(line["path"]) == photo for line in read_manifest(dataset)):
        return
    if archives.people(config, workspace).chosen():
        raise ConfigError(
            f"{photo} is not among the squares that were trained on, and somebody is left out or "
            "blurred, whom it might show: give a photograph that `merzmory photos --all` calls kept."
        )


def dig(*, photo: Path | None = None, seed: int | None = None) -> Step:
    """The step that lays a picture's layers side by side, or turns the question around.

    For the picture of `seed`, or the one nearest to a photograph: the photographs nearest to it as
    a whole and by part. For a `photo`: the pictures nearest to it.
    """

    def lay_out(config: Config, workspace: Workspace) -> Work:
        samples = lineage.samples(config, workspace).finished()
        file = photo.expanduser().absolute() if photo else None
        asked = {"photo": str(file)} if file else {"seed": seed}
        whole = lineage.embedder(config, workspace, config.match.embedder)
        settings = {
            "samples": samples.name,
            "index": lineage.index(config, workspace).folder.name,
            "scale": lineage.scale(config, workspace).folder.name,
            **asked,
        }
        folder, shape = workspace.result("dig", settings), lineage.frame(config, workspace)
        if file is not None:
            try:
                access.opened(str(file)).close()
            except OSError as error:
                why = error.strerror or error
                raise ArchiveError(f"{file} cannot be read ({why}): check the path.") from error
            _refuse_the_unseen(file, config, workspace)
            work = digging.from_photo(
                photo=file,
                samples=samples,
                dataset=lineage.dataset(config, workspace).finished(),
                scale=lineage.scale(config, workspace).folder,
                folder=folder,
                by=whole,
                shape=shape,
                settings=settings,
            )
            return one_after_the_other(scaled(config, workspace), work)
        parts = {name: make() for name, make in digging.PARTS.items()}
        indexes = {name: lineage.index(config, workspace, by).folder for name, by in parts.items()}
        work = digging.from_sample(
            seed=seed,
            samples=samples,
            dataset=lineage.dataset(config, workspace).finished(),
            indexes={digging.WHOLE: lineage.index(config, workspace).folder, **indexes},
            by={digging.WHOLE: whole, **parts},
            scale=lineage.scale(config, workspace).folder,
            folder=folder,
            cameras=partial(cameras, config, workspace),
            shape=shape,
            settings=settings,
        )
        before = scaled(config, workspace)
        for by in parts.values():
            before = one_after_the_other(before, indexed(config, workspace, by))
        return one_after_the_other(before, work)

    return Step("dig", "Digging", lay_out)


def cameras(config: Config, workspace: Workspace) -> dict[str, str]:
    """What each photograph was taken with, by its id, where that is known."""
    assets = archives.assets(config, workspace)
    return {sha: asset.camera for sha, asset in assets.items() if asset.camera}


def _doubles(config: Config, workspace: Workspace) -> list[tuple[str, str]]:
    """Files of the archive that show the same photograph, without cuts and borders."""
    rows = archives.photographs(config, workspace)
    paths = {row.sha256: row.path for row in reversed(rows) if row.sha256}
    pairs = doubles(
        list(archives.assets(config, workspace).values()),
        near_bits=config.cull.near_bits,
        confirm_bits=config.cull.confirm_bits,
    )
    return [
        (paths[pair.kept], paths[pair.sha256])
        for pair in pairs
        if not pair.but_for and pair.kept in paths and pair.sha256 in paths
    ]
