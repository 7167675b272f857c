"""What is known of a file beside it: FILE.json, where no ledger vouches for the file.

A passport is written when a file comes for the first time, and says which one it was: whatever comes
later under the name is compared with it. A file that somebody brings along has one too, with what its
owner says of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from merzmory.errors import FormatError
from merzmory.manifest import write_aside

SUFFIX = ".json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Passport:
    """Which file it is; with `title`, one that was brought along, and what was said of it."""

    sha256: str
    bytes: int
    source: str = ""  # where it came from: an address, or the name of a file
    since: str = ""  # ISO 8601, the day of the first
    title: str = ""
    kind: Literal["base", "generator"] = "base"
    resolution: int | None = None  # pixels
    licence: str = ""  # as its owner calls it; "": nothing was said
    may_sell: Literal["yes", "no", "ask"] = "ask"
    window: tuple[int, ...] = ()  # x0, y0, x1, y1 in pixels, where bars surround the picture


def read(file: Path) -> Passport | None:
    """The passport of `file`, which need not be there; None where there is none.

    Raises:
        FormatError: the passport is damaged, or newer than this version reads.
    """
    path = _path(file)
    try:
        said: dict[str, Any] = json.loads(path.read_text("utf-8"))
        version = int(said.pop("format"))
        if version <= _FORMAT:
            window = tuple(int(side) for side in said.pop("window", ()))
            return Passport(**said, window=window)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{path} is damaged: move it away, and check the file with `merzmory weights verify`."
        ) from error
    raise FormatError(f"{path} has format {version}, newer than {_FORMAT}: update merzmory.")


def write(file: Path, passport: Passport) -> None:
    """Lay `passport` beside `file`; raises StorageError where the disk refuses."""
    said = {key: value for key, value in asdict(passport).items() if value not in ("", None, ())}
    text = json.dumps({"format": _FORMAT, **said}, indent=1, ensure_ascii=False)
    write_aside(_path(file), f"{text}\n".encode())


def all_in(folder: Path) -> list[tuple[Path, Passport]]:
    """Every file in `folder` that has a passport, and is there, with it; raises as `read`."""
    files = (path.with_suffix("") for path in sorted(folder.glob(f"*.*{SUFFIX}")))
    found = ((file, read(file)) for file in files if file.is_file())
    return [(file, passport) for file, passport in found if passport is not None]


def _path(file: Path) -> Path:
    return file.with_name(file.name + SUFFIX)
