"""The whole story, one function a step: (Config, Workspace) in, folder out.

    photos --ingest--> catalogue --cull--> keepers --build--> dataset --train--> run
    run --strip--> film strip    --timelapse--> film of the training    --curve--> curve of forgetting
    run --score--> the squares that belong least    run --sample--> samples --match--> nearest originals
    samples --upscale--> prints --film--> film    run --walk--> walk    all --publish--> gallery

A step is laid out by its function, `step.plan(config, workspace) -> Work`, and done by calling
it, `step(config, workspace) -> folder`. A step needs what the steps before it finished; finished
work is recognised by its settings and returned at once.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

from merzmory import licence
from merzmory.archaeology import match as matching
from merzmory.archaeology.embedders import embed_unit
from merzmory.archive import culling, stacks
from merzmory.archive import ingest as reading
from merzmory.archive import portraits as faces
from merzmory.config import Config
from merzmory.dataset import build as squares
from merzmory.dataset import editor
from merzmory.errors import storage_errors
from merzmory.film import montage
from merzmory.film.slides import frame_size
from merzmory.gallery import site
from merzmory.gan import capsule, run, training
from merzmory.gan.export import Exported
from merzmory.latent import curve as curves
from merzmory.latent import export as exporting
from merzmory.latent import sample as sampling
from merzmory.latent import strip as strips
from merzmory.latent import timelapse as timelapses
from merzmory.manifest import Work
from merzmory.records import Announce, Progress
from merzmory.story import archives, filming, hindsight, holding, lineage, outlook, wander
from merzmory.story.step import Step, engine_errors, one_after_the_other
from merzmory.upscale import upscale as enlarging
from merzmory.weights import ledger
from merzmory.workspace import Workspace


def fetch(config: Config, workspace: Workspace) -> Work:
    """Fetch the photographs from the service they lie at; once, unless `fetch_again`."""
    archives.resolution(config, workspace)  # a base that is missing is named before time is spent
    return archives.distant(config, workspace).plan()


def fetch_again(config: Config, workspace: Workspace) -> Work:
    """Fetch what is new there, as a person asked for."""
    return archives.distant(config, workspace).plan(again=True)


def ingest(config: Config, workspace: Workspace) -> Work:
    """Read every photograph of the source into the catalogue."""
    archives.resolution(config, workspace)  # a base that is missing is named before time is spent
    return reading.plan(
        source=archives.source(config, workspace),
        archive=archives.archive(config, workspace),
        shard_size=config.archive.shard,
        workers=config.archive.workers,
        film_frames=config.archive.film_frames,
        prefer_raw=config.archive.prefer_raw,
    )


def cull(config: Config, workspace: Workspace) -> Work:
    """Decide in the catalogue what is kept: nothing is deleted, every reason is written down."""
    knobs = {**archives.cull_knobs(config, workspace), **archives.face_weights(workspace)}
    return culling.plan(archive=archives.archive(config, workspace), **knobs)


def duplicates(config: Config, workspace: Workspace) -> Work:
    """Draw the stacks that culling formed as contact sheets."""
    catalogue, ruling = archives.catalogue_and_ruling(config, workspace)
    settings = {"ruling": ruling, "pictures": catalogue.ruled_over(ruling)}
    return stacks.plan(
        catalogue=catalogue,
        ruling=ruling,
        near_bits=config.cull.near_bits,
        confirm_bits=config.cull.confirm_bits,
        folder=workspace.result("duplicates", settings),
        settings=settings,
    )


def portraits(config: Config, workspace: Workspace) -> Work:
    """Draw the people in the photographs as contact sheets."""
    known = archives.people(config, workspace)
    settings = {"people": faces.state(known.persons())}
    return faces.plan(
        people=known,
        paths={row.sha256: row.path for row in archives.found(config, workspace) if row.sha256},
        folder=workspace.result("people", settings),
        settings=settings,
    )


def build(config: Config, workspace: Workspace) -> Work:
    """Cut a training square from every keeper."""
    result, photos = lineage.dataset(config, workspace), archives.keepers(config, workspace)
    return squares.plan(
        photos=photos,
        folder=result.folder,
        cutter=lineage.cutter(config, workspace, photos),
        label=config.dataset.labels,
        seen=outlook.seen(config, workspace, photos),
        shard_size=config.dataset.shard,
        settings=result.settings,
    )


def train(config: Config, workspace: Workspace) -> Work:
    """Fine-tune the base on the squares; a run that was stopped goes on from its checkpoint."""
    dataset = lineage.dataset(config, workspace).finished()
    base = archives.base(config, workspace)
    folder = lineage.training(config, workspace)

    def go_on(_index: int, announce: Announce) -> None:
        def heard(now: training.TrainingProgress) -> None:
            announce(
                Progress(
                    "train",
                    now.step,
                    now.steps,
                    "steps",
                    note=now.note or now.event or "",
                    eta_seconds=now.eta_seconds if math.isfinite(now.eta_seconds) else None,
                    details={"img_s": now.images_per_second, "ada_p": now.ada_p},
                )
            )

        with storage_errors(folder.parent):
            training.train(folder, dataset=dataset, config=config.train, base=base, announce=heard)

    shards = 0 if lineage.is_trained(config, workspace) else 1
    return Work("run", folder, shards, go_on, lambda: folder)


def strip(config: Config, workspace: Workspace) -> Work:
    """Lay the same seeds at step after step side by side: the film strip of forgetting."""
    result = lineage.strip(config, workspace)
    return strips.plan(
        snapshots=lineage.snapshots(config, workspace),
        folder=result.folder,
        device=config.train.device,
        settings=result.settings,
        labels=lineage.labels(config, workspace),
        shape=lineage.frame(config, workspace),
        birth=partial(lineage.birth, config, workspace),
        **config.strip.model_dump(),
    )


def timelapse(config: Config, workspace: Workspace) -> Work:
    """Film the same seeds while the weights move from snapshot to snapshot."""
    result = lineage.timelapse(config, workspace)
    knobs = config.timelapse
    frames, size = round(knobs.seconds * knobs.fps), frame_size((knobs.size * 16 // 9, knobs.size))
    return montage.walk_film(
        frames=frames,
        frame=timelapses.frames(
            snapshots=lineage.snapshots(config, workspace),
            which=knobs.network,
            seeds=knobs.seeds,
            count=frames,
            size=size,
            psi=config.strip.psi,
            device=config.train.device,
            labels=lineage.labels(config, workspace),
            shape=lineage.frame(config, workspace),
            label=config.strip.label,
        ),
        folder=result.folder,
        fps=knobs.fps,
        size=size,
        settings=result.settings,
        kind="timelapse",
        **filming.manner(config, workspace, seeds=list(range(knobs.seeds)), psi=config.strip.psi),
    )


def curve(config: Config, workspace: Workspace) -> Work:
    """Measure how far each snapshot's pictures lie from the base and from the archive."""
    result = lineage.curve(config, workspace)
    return curves.plan(
        snapshots=lineage.snapshots(config, workspace),
        dataset=lineage.dataset(config, workspace).finished(),
        folder=result.folder,
        embed=partial(embed_unit, lineage.embedder(config, workspace, config.curve.embedder)),
        device=config.train.device,
        settings=result.settings,
        labels=lineage.labels(config, workspace),
        **config.curve.model_dump(),
    )


def score(config: Config, workspace: Workspace) -> Work:
    """Let the discriminator say which squares look least and most like the archive."""
    result = lineage.scores(config, workspace)
    step, network = lineage.newest(config, workspace)
    return editor.plan(
        network=network,
        step=step,
        dataset=lineage.dataset(config, workspace).finished(),
        folder=result.folder,
        device=config.train.device,
        settings=result.settings,
        shape=lineage.frame(config, workspace),
    )


def sample(config: Config, workspace: Workspace) -> Work:
    """Make pictures of consecutive seeds."""
    result = lineage.samples(config, workspace)
    knobs = config.sample.model_dump()
    return sampling.plan(
        network=lineage.snapshot(config, workspace),
        which=knobs.pop("network"),
        step=config.train.steps,
        folder=result.folder,
        device=config.train.device,
        settings=result.settings,
        labels=lineage.labels(config, workspace),
        shape=lineage.frame(config, workspace),
        birth=partial(lineage.birth, config, workspace),
        **knobs,
    )


def match(config: Config, workspace: Workspace) -> Work:
    """Lay the nearest photographs beside every picture."""
    result = lineage.matches(config, workspace)
    matched = matching.plan(
        samples=lineage.samples(config, workspace).finished(),
        dataset=lineage.dataset(config, workspace).finished(),
        index=lineage.index(config, workspace).folder,
        scale=lineage.scale(config, workspace).folder,
        folder=result.folder,
        by=lineage.embedder(config, workspace, config.match.embedder),
        nearest=config.match.nearest,
        dates=result.settings["dates"],
        cameras=partial(hindsight.cameras, config, workspace),
        shape=lineage.frame(config, workspace),
        settings=result.settings,
    )
    return one_after_the_other(hindsight.scaled(config, workspace), matched)


def upscale(config: Config, workspace: Workspace) -> Work:
    """Enlarge the pictures."""
    result, knobs = lineage.upscaled(config, workspace), lineage.enlarger(config)
    named: dict[str, Any] = {key: knobs.pop(key) for key in ("weights", "twin") if key in knobs}
    named = {key: ledger.find(name, workspace.weights) for key, name in named.items()}
    return enlarging.plan(
        pictures=lineage.samples(config, workspace).finished(),
        folder=result.folder,
        tile=config.upscale.tile,
        device=config.train.device,
        settings=result.settings,
        nearest=partial(filming.nearest, config, workspace),
        **knobs,
        **named,
    )


def walk(config: Config, workspace: Workspace) -> Work:
    """Film a path through latent space."""
    result = lineage.walk(config, workspace)
    manner, size = wander.manner(config), wander.screen(config, workspace)
    return montage.walk_film(
        frames=manner.frames,
        frame=wander.frames(config, workspace, size),
        folder=result.folder,
        fps=manner.rate,
        size=size,
        settings=result.settings,
        **filming.manner(config, workspace, psi=manner.psi, first_seed=manner.first_seed),
    )


def film(config: Config, workspace: Workspace) -> Work:
    """Cut the enlarged pictures into a film with music."""
    return filming.film(config, workspace)


def publish(config: Config, workspace: Workspace) -> Work:
    """Hang the pictures, their nearest photographs and the film in a static gallery."""
    result = lineage.gallery(config, workspace)
    held = holding.held(config, workspace)
    pictures = lineage.upscaled(config, workspace).finished()
    film = lineage.film(config, workspace).finished() / "film.mp4"  # a browser shows no ProRes
    return site.plan(
        pictures=pictures,
        matches=lineage.matches(config, workspace).finished(),
        originals=lineage.dataset(config, workspace).finished(),
        film=film if film.is_file() else None,
        held=held,
        notice=lambda: licence.chain(pictures).notice,
        folder=result.folder,
        settings=result.settings,
        shape=lineage.frame(config, workspace),
        **config.gallery.model_dump(exclude={"publish_near_copies"}),
    )


STORY: tuple[Step, ...] = (
    Step("ingest", "Reading the photographs", ingest),
    Step("cull", "Setting doubles and blurs aside", cull),
    Step("build", "Cutting the training squares", build),
    Step("train", "Training the generator", train),
    Step("strip", "Laying out the film strip", strip),
    Step("timelapse", "Filming the training", timelapse),
    Step("curve", "Measuring what is forgotten", curve),
    Step("score", "Asking the discriminator", score),
    Step("sample", "Making the pictures", sample),
    Step("match", "Finding the nearest photographs", match),
    Step("upscale", "Enlarging the pictures", upscale),
    Step("walk", "Walking through the memory", walk),
    Step("film", "Cutting the film", film),
    Step("publish", "Hanging the gallery", publish),
)
FETCH = Step(
    "fetch", "Fetching the photographs", fetch
)  # before the story, where they lie far away
STEPS: dict[str, Step] = {step.name: step for step in (FETCH, *STORY)}

photographs = archives.photographs
training_run = lineage.training


def export(source: Path, out: Path, **how: Any) -> tuple[Exported, str]:
    """Write a run's or a file's networks (`latent.export.export`): what was written, and its licence."""
    with engine_errors():
        return exporting.export(source, out, **how), licence.of_network(source).sentence


def pack(run_folder: Path, out: Path) -> int:
    """Write a run with its squares as one ZIP (`gan.capsule.pack`); its size in bytes."""
    with engine_errors():
        return capsule.pack(run_folder, out).stat().st_size


def unpack(file: Path, run_folder: Path) -> tuple[int, int]:
    """Bring a run back from a ZIP (`gan.capsule.unpack`): (steps done, steps wanted)."""
    with engine_errors():
        return run.progress(capsule.unpack(file, run_folder))


def summary(config: Config, workspace: Workspace) -> list[tuple[str, Path]]:
    """What there is to look at, in the story's order: (what it is, where it lies)."""
    places = [
        ("Film strip (G_ema)", lineage.strip, "strip-ema.png"),
        ("Film strip (G)", lineage.strip, "strip-raw.png"),
        ("Film of the training", lineage.timelapse, "film.mp4"),
        ("Curve of forgetting", lineage.curve, "curve.png"),
        ("Least like your archive", lineage.scores, "least.png"),
        ("Most like your archive", lineage.scores, "most.png"),
        ("Nearest photographs", lineage.matches, "sheets/sheet-00.png"),
        ("Pictures, enlarged", lineage.upscaled, ""),
        ("Walk", lineage.walk, "film.mp4"),
        ("Film", lineage.film, "film.mp4"),
        ("Gallery", lineage.gallery, "index.html"),
    ]
    found = [(title, place(config, workspace).folder / file) for title, place, file in places]
    return [(title, path) for title, path in found if path.exists()]
