"""Which pictures are held back from publishing, and what a person decided of them.

A picture that is a near copy of a photograph is held back until somebody has looked at both. What
they decide is kept in one file beside the results, a word a picture; the last word counts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from merzmory.errors import FormatError
from merzmory.manifest import write_aside

FILE = "decisions.json"
PUBLISH, HOLD = "publish", "hold"
NEAR_COPY = "near copy"  # a match's "level"
NOTHING_ELSE = (
    "Every picture is held back, as a near copy of a photograph or because you decided so: look at "
    "them, and decide with `merzmory decide CONFIG --publish SEED`, or make other samples."
)


def read(folder: Path) -> dict[str, str]:
    """What was decided, by "FOLDER/FILE" of the picture: publish or hold.

    Raises:
        FormatError: the file is damaged or of a newer version.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["format"] != 1 or not set(found["pictures"].values()) <= {PUBLISH, HOLD}:
            raise ValueError("format")
        return {str(name): str(word) for name, word in found["pictures"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{path} is damaged or of a newer version: move it away, and decide again."
        ) from error


def decide(folder: Path, pictures: Iterable[str], word: str) -> None:
    """Write `word` down for `pictures`: publish, hold, or "" to forget what was decided."""
    known = {**read(folder), **dict.fromkeys(pictures, word)}
    kept = {name: word for name, word in sorted(known.items()) if word}
    text = json.dumps({"format": 1, "pictures": kept}, indent=1, ensure_ascii=False)
    write_aside(folder / FILE, text.encode())


def of_folder(decided: Mapping[str, str], folder: str) -> dict[str, str]:
    """The words of one folder's pictures, by file."""
    split = ((name.partition("/"), word) for name, word in decided.items())
    return {file: word for (where, _, file), word in split if where == folder}


def held(
    matches: Sequence[Mapping[str, Any]], decided: Mapping[str, str], *, near_copies: bool
) -> list[str]:
    """The files of the pictures that are not published, sorted.

    Those with a near copy among their `matches`, unless `near_copies` may be published, and those
    that were `decided` to be held; those that were decided to be published are not.
    """
    near: Collection[str] = {m["sample"] for m in matches if m.get("level") == NEAR_COPY}
    asked = set() if near_copies else set(near)
    asked |= {file for file, word in decided.items() if word == HOLD}
    return sorted(asked - {file for file, word in decided.items() if word == PUBLISH})


def shown(lines: Iterable[Mapping[str, Any]], held: Collection[str]) -> list[dict[str, Any]]:
    """The `lines` of pictures, or of what was enlarged from them, that are not `held`."""
    return [dict(line) for line in lines if line.get("source_file", line["file"]) not in held]
