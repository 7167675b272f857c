"""Chosen pictures as files for a lab or a printer, each with the certificate of its edition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any, Literal, get_args

from PIL import Image

from merzmory import provenance
from merzmory.errors import ConfigError, FormatError
from merzmory.frame import SQUARE, Frame
from merzmory.manifest import Work, lay_out, read_manifest
from merzmory.prints import certificate as certificates
from merzmory.prints import page as pages
from merzmory.prints.certificate import Certificate
from merzmory.prints.colour import profiled
from merzmory.prints.pdf import write_pdf
from merzmory.prints.sizes import DPI, largest, millimetres
from merzmory.records import Announce, Progress

Format = Literal["tiff", "png", "jpeg"]
_SUFFIX: dict[str, str] = {"tiff": ".tif", "png": ".png", "jpeg": ".jpg"}
_MOST = 500  # prints of an edition


@dataclass(frozen=True, slots=True)
class Order:
    """What is printed, and how."""

    picks: tuple[int, ...]  # seeds
    paper: str = ""  # "": the picture's own size
    dpi: int = DPI
    bleed: float = 0.0  # millimetres
    marks: bool = False
    profile: Path | None = None  # ICC; None: sRGB
    format: Format = "tiff"
    edition: int = 1  # prints of each picture
    title: str = ""
    artist: str = ""


def check(order: Order) -> None:
    """Whether it can be made, before anything is.

    Raises:
        ConfigError: it cannot.
    """
    if order.format not in get_args(Format):
        raise ConfigError(
            f"There is no format {order.format} for prints: choose {', '.join(_SUFFIX)}."
        )
    if not 1 <= order.edition <= _MOST:
        raise ConfigError(
            f"An edition of {order.edition} is out of range: choose 1 to {_MOST} with --edition."
        )
    if not order.picks:
        raise ConfigError("Nothing is picked: name seeds with --picks 3,17.")
    pages.lay_out(1, 1, paper=order.paper, dpi=order.dpi, bleed=order.bleed, marks=order.marks)
    tried = profiled(Image.new("RGB", (1, 1)), order.profile)
    if order.format == "png" and tried.mode == "CMYK":
        raise ConfigError("A PNG holds no CMYK: choose --format tiff or jpeg for this profile.")


def plan(
    *,
    pictures: Path,
    folder: Path,
    order: Order,
    rows: Sequence[tuple[str, str]] = (),
    sale: str = "",
    may_sell: str = "ask",
    nearest: Mapping[str, Sequence[tuple[Path, str]]] | None = None,
    shape: Frame = SQUARE,
    settings: Mapping[str, Any],
) -> Work:
    """A print and a certificate (PDF, a page a copy) of each picked seed of the folder `pictures`.

    `rows` and `sale` go on every certificate; `nearest` says which training squares lie nearest to
    a picture (by its "source_file"), with their captions; `shape` is what a square shows. A line is
    {"file", "certificate", "seed", "paper", "width_mm", "height_mm", "dpi", "fine" (dots an inch
    that the picture itself has there), "grade", "sharp_scale" (of the enlarging, to be sharp on this
    paper), "sharp_mm" (how large it is sharp as it is), "edition", "may_sell"}.

    Raises:
        ConfigError: the order cannot be made, or there is no picture of a picked seed.
    """
    check(order)

    @cache
    def chosen() -> list[dict[str, Any]]:
        return _chosen(read_manifest(pictures), order.picks)

    def make(part: Path, index: int, announce: Announce) -> Iterable[dict[str, Any]]:
        line = chosen()[index]
        picture = _read(pictures / line["file"])
        page = pages.lay_out(
            picture.width, picture.height, paper=order.paper, dpi=order.dpi, bleed=order.bleed,
            marks=order.marks,
        )  # fmt: skip
        stem = Path(line["file"]).stem
        made: dict[str, Any] = {
            "file": stem + _SUFFIX[order.format],
            "certificate": f"{stem}-certificate.pdf",
            "seed": line.get("seed"),
            "paper": order.paper,
            "width_mm": millimetres(page.trim[0], order.dpi),
            "height_mm": millimetres(page.trim[1], order.dpi),
            "dpi": order.dpi,
            "fine": page.fine,
            "grade": page.grade,
            "sharp_scale": ceil(line.get("scale", 1) * page.enlarge),
            "sharp_mm": largest(picture.width, picture.height, order.dpi),
            "edition": order.edition,
            "may_sell": may_sell,
        }
        printed = profiled(pages.printed(picture, page), order.profile)
        told = {key: value for key, value in line.items() if key != "file"}
        provenance.save(printed, part / made["file"], {**settings, **told, **made})
        del printed
        certificate = Certificate(
            order.title or _title(line),
            order.artist,
            (("Size", _size(page)), ("Picture", _made_from(line)), *rows),
            sale,
            order.edition,
        )
        near = [
            (shape.read_square(square), caption)
            for square, caption in (nearest or {}).get(line.get("source_file", line["file"]), ())
        ]

        def copies() -> Iterator[Image.Image]:
            for number in range(1, order.edition + 1):
                yield certificates.page(certificate, number, picture, near)

        write_pdf(copies(), part / made["certificate"], dpi=DPI, title=certificate.title)
        announce(Progress("prints", index + 1, len(order.picks), "prints"))
        return [made]

    work = lay_out("prints", folder, settings, len(order.picks), make)
    if work.shards:
        chosen()  # a seed that is not there is named at once
    return work


def _chosen(lines: Sequence[dict[str, Any]], picks: Sequence[int]) -> list[dict[str, Any]]:
    of = {line.get("seed"): line for line in lines}
    missing = [seed for seed in picks if seed not in of]
    if missing:
        seeds = [seed for seed in of if seed is not None]
        there = f"{min(seeds)} to {max(seeds)}" if seeds else "none"
        raise ConfigError(
            f"There is no picture of seed {', '.join(map(str, missing))}: choose from {there} with "
            "--picks, or make more with --set sample.count=N."
        )
    return [of[seed] for seed in picks]


def _title(line: Mapping[str, Any]) -> str:
    return f"Seed {line['seed']}"


def _size(page: pages.Page) -> str:
    wide, high = (millimetres(side, page.dpi) for side in page.trim)
    said = f"{wide:g} x {high:g} mm" + f" ({page.paper})" * bool(page.paper)
    shown = tuple(side - 2 * page.bleed for side in page.picture)
    if shown != page.trim:
        across, down = (millimetres(side, page.dpi) for side in shown)
        said += f", the picture {across:g} x {down:g} mm"
    return f"{said}, at {page.dpi} dpi"


def _made_from(line: Mapping[str, Any]) -> str:
    said = [f"seed {line['seed']}"]
    said += [f"psi {line['psi']:g}"] if line.get("psi") is not None else []
    said += [f"step {line['step']}"] if line.get("step") is not None else []
    said += [str(line["label"])] if line.get("label") is not None else []
    return ", ".join(said)


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            clear = opened.has_transparency_data
            whole: Image.Image = opened.convert("RGBA" if clear else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(
            f"{path} cannot be read as a picture: move its folder away and run the command again."
        ) from error
    if clear:  # paper is white
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")
    whole.info.clear()
    return whole
