"""What nobody else may read: cookies of a login, the key of a service. Never in a config or a log."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from merzmory.errors import ArchiveError, storage_errors

_OTHERS = 0o077  # group and world


def write(path: Path, text: str) -> None:
    """Write `text` for this user's eyes alone (mode 600, in a folder of mode 700)."""
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = path.with_name(path.name + ".part")
        aside.unlink(missing_ok=True)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)


def read(path: Path) -> str | None:
    """What `path` holds; None where it is not there.

    Raises:
        ArchiveError: others may read it, or this user may not.
    """
    try:
        if sys.platform != "win32" and path.stat().st_mode & _OTHERS:
            raise ArchiveError(
                f"{path} can be read by other users of this machine: chmod 600 {path}"
            )
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path} cannot be read: check that file, or remove it.") from error
