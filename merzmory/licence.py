"""May I sell this? The licences behind a picture: base > photographs > upscaler > print.

    of_network        what the base of a run, or a network file, comes under
    of_photographs    what the photographs that were learned from ask for; of_archive, before they are read
    of_enlarger       what the network that enlarged the pictures comes under
    chain             all of them behind a run, a network file or a result

The strictest link decides. It is what the licences say, as far as the ledger, the files themselves
and the services' labels know; where none of them knows, the answer is "ask".
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from merzmory.errors import FormatError
from merzmory.gan import checkpoint, run
from merzmory.manifest import SETTINGS, read_manifest, read_settings
from merzmory.weights import ledger

Sale = Literal["yes", "ask", "no"]

_STRICT: tuple[Sale, ...] = ("yes", "ask", "no")
_CC = re.compile(r"CC (BY(?:-[A-Z]{2})*) \d\.\d")
_FREE = {"CC0 1.0", "Public Domain Mark 1.0", "United States Government Work"}
_LABELS = {"cc0": "CC0 1.0", "public-domain": "Public Domain Mark 1.0"} | {
    "us-government": "United States Government Work", "no-known-restrictions": "unknown",
}  # fmt: skip
_ARITHMETIC = "lanczos"


@dataclass(frozen=True, slots=True)
class Licence:
    """What something may be used for: a sentence for people, a note for files ("" where nothing is known)."""

    sentence: str
    note: str = ""
    may_sell: Sale = "ask"
    what: str = "base"  # or photographs, upscaler


FROM_SCRATCH = Licence("It was trained from scratch: no licence of a base binds it.", "", "yes")


@dataclass(frozen=True, slots=True)
class Chain:
    """The licences behind a result."""

    links: tuple[Licence, ...]

    @property
    def may_sell(self) -> Sale:
        """The strictest link's word."""
        return max((link.may_sell for link in self.links), key=_STRICT.index)

    @property
    def verdict(self) -> str:
        """One sentence: the answer, and the strictest link's reason."""
        if self.may_sell == "yes":
            return "May be sold: no licence that it comes under forbids it."
        reason = next(link.sentence for link in self.links if link.may_sell == self.may_sell)
        if self.may_sell == "no":
            return f"Not for sale: {_lower(reason)}"
        return f"Ask before it is sold: {_lower(reason)}"

    @property
    def notice(self) -> str:
        """One sentence for the public: what may not be sold says so, the rest what it comes from."""
        if self.may_sell == "yes":
            return self.links[0].sentence
        reason = next(link.sentence for link in self.links if link.may_sell == self.may_sell)
        until = " before its licences are settled" if self.may_sell == "ask" else ""
        return f"Not for sale{until}: {_lower(reason)}"

    def link(self, what: str) -> Licence | None:
        """The link of the base, the photographs or the upscaler."""
        return next((link for link in self.links if link.what == what), None)


def of_network(source: Path) -> Licence:
    """The licence that a run or network file comes under: its base's, by the ledger or the base's own notes.

    Raises:
        EngineError: `source` is neither.
    """
    if not source.is_dir():
        return _of_file(source, f"The licence of {source.name}")
    about = run.read_run(source)
    if not about["base"]:
        return FROM_SCRATCH
    base = source / about["base"]  # a run that was moved carries its base inside
    subject = f"The licence of its base {base.name}"
    if base.is_file():
        return _of_file(base, subject)
    return _sentence(subject, ledger.of_file(str(about["base_sha256"]), base.stem), "")


def of_photographs(dataset: Path) -> Licence:
    """What the licences of a dataset's photographs ask for; those without one count as one's own.

    Raises:
        FormatError: `dataset` is not finished.
    """
    named: dict[str, str] = {}  # a photograph may give several squares
    lines = read_manifest(dataset)
    for line in lines:
        if line.get("credit"):
            named[str(line["photo"])] = str(line["credit"]["licence"])
    count = len({line["photo"] for line in lines})
    if not named:
        return _of_config(dataset)
    counted = Counter(named.values())
    label = max(sorted(counted), key=lambda one: _STRICT.index(_of_label(one)[0]))
    sale, means = _of_label(label)
    return Licence(
        f"{counted[label]} of the {count} photographs are under {label}, which {means}.",
        "; ".join(sorted(counted)), sale, "photographs",
    )  # fmt: skip


def of_enlarger(settings: Mapping[str, Any]) -> Licence:
    """The licence of what enlarged a folder's pictures, from the folder's settings."""
    engine = str(settings.get("engine", _ARITHMETIC))
    if engine == _ARITHMETIC:
        return Licence("Lanczos is arithmetic: no licence binds it.", "", "yes", "upscaler")
    name = str(settings.get("weights", ""))
    known = ledger.of_file(str(settings.get("weights_sha256", "")), name) or ledger.entries().get(
        name
    )
    subject = f"The licence of the upscaler {known.name if known else Path(name).name}"
    found = _sentence(subject, known, "")
    return Licence(found.sentence, found.note, found.may_sell, "upscaler")


def chain(source: Path) -> Chain:
    """The licences behind a run, a network file, a result's folder or a file in one.

    A result names the results it was made from, which lie beside it.

    Raises:
        FormatError: `source` is none of them, or what it was made from is gone.
        EngineError: a run or network file is damaged.
    """
    if source.suffix.lower() in (checkpoint.SUFFIX, *checkpoint.FOREIGN) and source.is_file():
        inside = source.parent.parent  # run/snapshots/step-000100.safetensors
        if not (inside / run.RUN).is_file():
            return Chain((of_network(source),))
        source = inside
    folders = _trail(_folder(source))
    trained = next((folder for folder in folders if (folder / run.RUN).is_file()), None)
    if trained is None:
        raise FormatError(
            f"What {source} was made from does not lie beside it: give a config, a run folder, a "
            "network file, or a result in its place below outputs."
        )
    links = [of_network(trained)]
    dataset = trained.parent / Path(str(run.read_run(trained).get("dataset", ""))).name
    if (dataset / SETTINGS).is_file():
        links.append(of_photographs(dataset))
    enlarged = [folder for folder in folders if _kind(folder) == "upscaled"]
    links += [of_enlarger(read_settings(folder)["settings"]) for folder in enlarged]
    return Chain(tuple(links))


def _of_file(file: Path, subject: str) -> Licence:
    known = ledger.known_file(file)
    notes = {} if known else checkpoint.inspect(file).get("notes", {})
    return _sentence(subject, known, str(notes.get("licence", "")))


def _sentence(subject: str, known: ledger.Weight | None, noted: str) -> Licence:
    if known is not None:
        text = f"{known.licence}: {known.licence_phrase}"
        sentence = f"{subject} ({known.title}) is {text}."
        return Licence(sentence, _note(known), _sale(known))
    if noted:  # written by others: one printable line
        text = "".join(ch for ch in " ".join(noted.split())[:200] if ch.isprintable())
        ours = (weight for weight in ledger.entries().values() if _note(weight) == text)
        sale: Sale = next(map(_sale, ours), "ask")  # an export of ours says whose it was
        sentence = f"{subject} is, as the file says itself, {text.rstrip('.')}."
        return Licence(sentence, text, sale)
    return Licence(f"{subject} is not known here: ask who made it before you sell or pass it on.")


def _note(weight: ledger.Weight) -> str:
    text = f"{weight.licence}: {weight.licence_phrase}"
    return f"{text} ({weight.licence_url})" if weight.licence_url else text


def _sale(weight: ledger.Weight) -> Sale:
    return "ask" if weight.may_sell == "ask" else "yes" if weight.may_sell else "no"


def of_archive(archive: Mapping[str, Any]) -> Licence:
    """What a config's [archive] says of its photographs' licences, before or beside their own."""
    source = archive.get("source") or ("" if archive.get("folder") else "sample")
    sale: Sale = "ask"
    if source == "sample":
        said = (
            "The photographs are the sample archive's, of several people (skimage/data/README.txt), "
            "and for trying out."
        )
    elif source == "instagram":
        said = (
            "The photographs were fetched from Instagram: those that are not yours need the consent "
            "of who took them."
        )
    elif source == "flickr":
        kinds = archive.get("flickr", {}).get("licences", ())
        sale = max(
            (_of_label(_LABELS.get(k, f"CC {k.upper()} 2.0"))[0] for k in kinds), key=_STRICT.index
        )
        said = f"The photographs come from Flickr, under {', '.join(kinds)}."
    else:
        sale, said = "yes", "No photograph names a licence: they count as your own."
    return Licence(said, "", sale, "photographs")


def _of_config(dataset: Path) -> Licence:
    try:
        archive = tomllib.loads((dataset / "config.toml").read_text("utf-8")).get("archive", {})
    except (OSError, ValueError):  # a dataset that was brought along
        archive = {"source": "folder"}
    return of_archive(archive)


def _of_label(label: str) -> tuple[Sale, str]:
    """What a photograph's licence says of sales."""
    if label in _FREE:
        return "yes", "asks for nothing"
    found = _CC.fullmatch(label)
    terms = set(found[1].split("-")) if found else set()
    if "NC" in terms:
        return "no", "forbids sales"
    if "ND" in terms:
        return "no", "forbids to make something of them"
    if "SA" in terms:
        return "ask", "asks that what is made of them is shared alike"
    if terms:
        return "yes", "allows sales where their photographers are named"
    return "ask", "does not say whether it may be sold"


def _folder(source: Path) -> Path:
    """The result that `source` is, or lies in."""
    for folder in (source, *source.parents[:3]):
        if (folder / SETTINGS).is_file() or (folder / run.RUN).is_file():
            return folder
    raise FormatError(
        f"{source} is no result, run or network file: give one, or the name of a config."
    )


def _trail(first: Path) -> list[Path]:
    """`first`, and the results beside it that it was made from, as their settings name them."""
    found, todo = [], [first.absolute()]
    while todo:
        folder = todo.pop()
        if folder in found:
            continue
        found.append(folder)
        if (folder / SETTINGS).is_file():
            named = _names(read_settings(folder)["settings"].values())
            beside = (folder.parent / name for name in named)
            todo += [p for p in beside if (p / SETTINGS).is_file() or (p / run.RUN).is_file()]
    return found


def _names(values: Iterable[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str) and re.fullmatch(r"[\w-]+", value)]


def _kind(folder: Path) -> str:
    path = folder / SETTINGS
    return str(read_settings(folder).get("kind", "")) if path.is_file() else ""


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
