"""From the exhibition to paper: contact sheets to choose by, prints with certificates, and licences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from merzmory import licence
from merzmory.config import Config
from merzmory.errors import ConfigError, MerzmoryError
from merzmory.gallery.site import month
from merzmory.gan.run import RUN
from merzmory.manifest import Work, is_finished, read_manifest, sha256_of
from merzmory.prints import contact as sheets
from merzmory.prints import edition
from merzmory.prints.edition import Order
from merzmory.prints.sizes import DPI
from merzmory.story import archives, holding, lineage
from merzmory.story.step import Step
from merzmory.workspace import Workspace


def contact(paper: str = "A4", dpi: int = DPI) -> Step:
    """The step that lays the enlarged pictures on contact sheets, with their nearest dates.

    Those that are held back are left out: sheets are passed on.
    """

    def lay_out(config: Config, workspace: Workspace) -> Work:
        pictures = lineage.upscaled(config, workspace).finished()
        lines = holding.shown(config, workspace, pictures)
        dates = {
            sample: ", ".join(sorted({m[:7] for line in lines if (m := line.get("taken") or "")}))
            for sample, lines in _matches(config, workspace).items()
        }
        held = holding.held(config, workspace)
        settings = {"pictures": pictures.name, "dates": dates, **({"held": held} if held else {})}
        title = config.gallery.title
        return sheets.plan(
            pictures=pictures,
            folder=workspace.result("contact", {**settings, "paper": paper, "dpi": dpi}),
            paper=paper,
            dpi=dpi,
            title=title,
            notes={sample: f"near {said}" for sample, said in dates.items() if said},
            lines=lines,
            settings=settings,
        )

    return Step("contact", "Laying out the contact sheets", lay_out)


def prints(order: Order) -> Step:
    """The step that makes the prints of an order and their certificates."""

    def lay_out(config: Config, workspace: Workspace) -> Work:
        edition.check(order)
        pictures = lineage.upscaled(config, workspace).finished()
        holding.refuse(config, workspace, order.picks)
        asked = replace(order, artist=order.artist or config.gallery.photographer)
        chain = licence.chain(pictures)
        near = _nearest(config, workspace) if config.gallery.show_originals else {}
        settings = {
            "pictures": pictures.name,
            "picks": list(asked.picks),
            "paper": asked.paper,
            "dpi": asked.dpi,
            "bleed_mm": asked.bleed,
            "marks": asked.marks,
            "profile_sha256": _sha256(asked.profile) if asked.profile else "",
            "format": asked.format,
            "edition": asked.edition,
            "title": asked.title,
            "artist": asked.artist,
            "licences": [[link.what, link.may_sell] for link in chain.links],
            "nearest": lineage.matches(config, workspace).folder.name if near else "",
        }
        training = lineage.training(config, workspace)
        rows = [("Training", f"{training.name} in {config.name}, {_count(config, workspace)}")]
        rows += [(link.what.capitalize(), link.sentence) for link in chain.links]
        return edition.plan(
            pictures=pictures,
            folder=workspace.result("prints", settings),
            order=asked,
            rows=rows,
            sale=chain.verdict,
            may_sell=chain.may_sell,
            nearest=near,
            shape=lineage.frame(config, workspace),
            settings=settings,
        )

    return Step("prints", "Making the prints", lay_out)


def licences(config: Config, workspace: Workspace) -> licence.Chain:
    """The licences behind a config's pictures, as far as it has come.

    Raises:
        WeightsError: nothing is trained yet, and the base is not here.
    """
    for made in _made(config, workspace):
        if is_finished(made) or (made / RUN).is_file():
            return licence.chain(made)
    base = archives.base(config, workspace)
    own = licence.of_network(base) if base else licence.FROM_SCRATCH
    return licence.Chain((own, licence.of_archive(config.archive.model_dump(mode="json"))))


def _made(config: Config, workspace: Workspace) -> list[Path]:
    """The folders of the pictures and of the run; [] before the photographs are read."""
    try:
        training = lineage.training(config, workspace)
        return [lineage.upscaled(config, workspace).folder, training]
    except MerzmoryError:
        return []


def _matches(config: Config, workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    """The nearest photographs of each picture; {} where they were not looked for."""
    folder = lineage.matches(config, workspace).folder
    found: dict[str, list[dict[str, Any]]] = {}
    for line in read_manifest(folder) if is_finished(folder) else []:
        found.setdefault(line["sample"], []).append(line)
    return found


def _nearest(config: Config, workspace: Workspace) -> Mapping[str, list[tuple[Path, str]]]:
    """The training squares nearest to each picture, with the months they were taken in."""
    squares = lineage.dataset(config, workspace).folder
    return {
        sample: [(squares / line["file"], month(line["taken"]) or "no date") for line in lines]
        for sample, lines in _matches(config, workspace).items()
    }


def _count(config: Config, workspace: Workspace) -> str:
    photographs = {
        line["photo"] for line in read_manifest(lineage.dataset(config, workspace).folder)
    }
    return f"from {len(photographs)} photographs"


def _sha256(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}): check the path.") from error
