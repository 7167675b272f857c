"""What can be said before anything is trained: how photographs are cut, and whether they will do."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence

from merzmory.archive.assets import KEPT, REJECTED, VERDICTS
from merzmory.config import Config
from merzmory.dataset import labels, preview
from merzmory.dataset.cost import costs
from merzmory.dataset.crop import NAMES
from merzmory.dataset.readiness import Readiness, Seen, readiness
from merzmory.manifest import Work
from merzmory.records import Photo
from merzmory.story import archives, lineage
from merzmory.story.step import Step, engine_errors
from merzmory.workspace import Workspace

LENGTHS = (500, 4000)  # steps: a first draft, and what is left when the base is forgotten


def crops(count: int, *, compare: bool) -> Step:
    """The step that lays `count` photographs and their squares on contact sheets.

    `compare` shows the square of every method beside each photograph.
    """

    def lay_out(config: Config, workspace: Workspace) -> Work:
        photos = archives.keepers(config, workspace)
        settings = {
            **lineage.dataset(config, workspace).settings,
            "count": count,
            "methods": list(NAMES) if compare else [],
        }
        return preview.plan(
            photos=photos,
            folder=workspace.result("crops", settings),
            cutter=lineage.cutter(config, workspace, photos),
            count=count,
            methods=settings["methods"],
            settings=settings,
        )

    return Step("crops", "Laying out the crops", lay_out)


def seen(config: Config, workspace: Workspace, photos: Sequence[Photo]) -> list[Seen]:
    """What was measured of these photographs."""
    assets = archives.assets(config, workspace)
    return [
        Seen(photo.taken, asset.phash64, len(photo.faces), asset.colour, asset.text)
        for photo in photos
        if (asset := assets.get(photo.id))
    ]


def ready(config: Config, workspace: Workspace) -> Readiness:
    """The verdict on this config's photographs, with what the training takes on this machine.

    Raises:
        ArchiveError: the photographs have not been culled with these thresholds.
        WeightsError: the base cannot be read, or the device is not there.
        MerzmoryError: nothing was ingested, or the settings do not go together.
    """
    photos, rows = archives.keepers(config, workspace), archives.photographs(config, workspace)
    side = archives.resolution(config, workspace)
    least = archives.cull_knobs(config, workspace)["min_side"]
    counted = Counter(row.verdict for row in rows)
    aside = {verdict: counted[verdict] for verdict in VERDICTS if verdict != KEPT}
    small = sum(row.verdict == REJECTED and 0 < min(row.width, row.height) < least for row in rows)
    cutter = lineage.cutter(config, workspace, photos)
    named = labels.labels(photos, config.dataset.labels)
    with engine_errors():
        taken = costs(
            resolution=side,
            labels=len(set(named or ())),
            config=config.train,
            base=archives.base(config, workspace),
            earlier=workspace.outputs.glob("*/run-*"),
            steps=sorted({*LENGTHS, config.train.steps}),
        )
    return readiness(
        len(photos),
        side,
        upsampled=sum(map(cutter.would_enlarge, photos)),
        seen=seen(config, workspace, photos),
        set_aside={**aside, "too_small": small},
        costs=taken,
        steps=config.train.steps,
        free=shutil.disk_usage(workspace.outputs).free,
    )
