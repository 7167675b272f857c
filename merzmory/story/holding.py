"""What is held back: pictures as near to a photograph as a copy of it, until a person has decided.

Whatever others are to see asks here: the gallery, films, contact sheets, prints, a slideshow of results,
a signature. Near copies that nobody has decided of *wait*; those that were decided to be held are held.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from merzmory.config import Config
from merzmory.errors import ArchiveError, ConfigError, MerzmoryError
from merzmory.gallery import decisions
from merzmory.manifest import is_finished, read_manifest, read_settings
from merzmory.story import lineage
from merzmory.workspace import Workspace

_NAMED = 8  # pictures that are named


def held(config: Config, workspace: Workspace) -> list[str]:
    """The files of the samples that are not published: near copies, and what you decided.

    Raises:
        MerzmoryError: the pictures have not been matched.
    """
    matches = read_manifest(lineage.matches(config, workspace).finished())
    decided = lineage.decided(config, workspace)
    return decisions.held(matches, decided, near_copies=config.gallery.publish_near_copies)


def waiting(config: Config, workspace: Workspace) -> list[str]:
    """Those of `held` that nobody has decided of; raises as it."""
    decided = lineage.decided(config, workspace)
    return [file for file in held(config, workspace) if file not in decided]


def shown(config: Config, workspace: Workspace, pictures: Path) -> list[dict[str, Any]]:
    """The lines of the finished folder `pictures` that are not held back, in order.

    Raises:
        ArchiveError: every one is.
        MerzmoryError: the pictures have not been matched.
    """
    lines = read_manifest(pictures)
    found = decisions.shown(lines, held(config, workspace))
    if lines and not found:
        raise ArchiveError(decisions.NOTHING_ELSE)
    return found


def refuse(config: Config, workspace: Workspace, seeds: Iterable[int]) -> None:
    """Let nobody print the pictures of `seeds` that are held back.

    Raises:
        ConfigError: some of them are.
        MerzmoryError: the pictures have not been matched.
    """
    samples = lineage.samples(config, workspace).finished()
    of = {line["file"]: line["seed"] for line in read_manifest(samples)}
    picked, back = set(seeds), held(config, workspace)
    if some := [file for file in back if of[file] in picked]:
        raise ConfigError(sentence(some))


def withheld(files: Iterable[Path]) -> list[Path]:
    """Those of `files` that lie among the results of an experiment, and are held back there.

    What was not matched there, and what lies elsewhere, is not known to be a copy.
    """
    known: dict[Path, set[str]] = {}
    found = []
    for file in files:
        folder = file.absolute().parent
        if folder not in known:
            known[folder] = _held_in(folder)
        if file.name in known[folder]:
            found.append(file)
    return found


def sentence(
    files: Sequence[str], command: str = "merzmory", argument: str = "CONFIG", settings: str = ""
) -> str:
    """Which pictures are held back, why, and the commands to look at them and to decide."""
    seeds = [seed_of(file) for file in files]
    more = len(seeds) - _NAMED
    named = [*seeds[:_NAMED], *([f"{more} more"] if more > 0 else [])]
    one = len(seeds) == 1
    which = named[0] if one else f"{', '.join(named[:-1])} and {named[-1]}"
    first, how = seeds[0], f"{argument}{settings}"
    return (
        f"Seed{'' if one else 's'} {which} {'is' if one else 'are'} held back from gallery, films, contact "
        f"sheets and prints, {'' if one else 'each '}so near to one photograph that it may be a copy, or "
        f"held by you: look with `{command} dig {how} --sample {first}`, and decide with `{command} decide "
        f"{how} --publish {first}` or `--hold {first}`."
    )


def seed_of(file: str) -> str:
    """The seed in the name of a sample's file; the name, where there is none."""
    stem = Path(file).stem
    digits = stem.removeprefix("seed")
    return str(int(digits)) if digits.isdecimal() else stem


def decide(config: Config, workspace: Workspace, seeds: Sequence[int], word: str) -> int:
    """Write down that the pictures of these seeds are to be published or held; how many they are.

    Raises:
        ConfigError: a seed is not among the samples.
        MerzmoryError: no pictures were made.
    """
    samples = lineage.samples(config, workspace).finished()
    of = {line["seed"]: line["file"] for line in read_manifest(samples)}
    for seed in seeds:
        if seed not in of:
            raise ConfigError(
                f"There is no picture of seed {seed}: they go from {min(of)} to {max(of)}."
            )
    names = [f"{samples.name}/{of[seed]}" for seed in seeds]
    decisions.decide(workspace.experiment, names, word)
    return len(names)


def _held_in(folder: Path) -> set[str]:
    """The files of a result that are held back, by every match that was made of its samples."""
    samples = _samples_of(folder)
    if not samples:
        return set()
    matches = [
        line
        for place in sorted(folder.parent.glob("matches-????????"))
        if is_finished(place) and read_settings(place)["settings"].get("samples") == samples
        for line in read_manifest(place)
    ]
    words = decisions.of_folder(decisions.read(folder.parent), samples)
    back = decisions.held(matches, words, near_copies=False)
    lines = read_manifest(folder)
    kept = {line["file"] for line in decisions.shown(lines, back)}
    return {line["file"] for line in lines} - kept


def _samples_of(folder: Path) -> str:
    """The name of the samples that a folder holds, or holds enlarged; "" of any other folder."""
    if not is_finished(folder):
        return ""
    try:
        said = read_settings(folder)
        of = {"samples": folder.name, "upscaled": said["settings"]["samples"]}
        return str(of.get(said["kind"], ""))
    except (MerzmoryError, KeyError, TypeError):
        return folder.name if folder.name.startswith("samples-") else ""
