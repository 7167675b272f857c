"""What can go wrong, as sentences for people: the thing, the limit, the remedy.

    MerzmoryError
    ├── ConfigError        a setting is unknown, misspelt or out of range
    ├── ArchiveError       there are no photographs to work with
    ├── WeightsError       a base or a network file is missing, damaged or of the wrong kind
    ├── SettingsDifferError  a finished folder was made with other settings
    ├── FormatError        a file is damaged, or newer than this version
    ├── StorageError       the disk is full or cannot be written
    ├── WaitingError       a service asked us to wait; `until` says when the same command goes on
    └── StoppedError       the person asked to stop; everything so far is kept

Only a door (`cli`, `flows`, `studio`) catches these and exits.
"""

from __future__ import annotations

import datetime
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class MerzmoryError(Exception):
    """One sentence that a photographer can act on."""


class ConfigError(MerzmoryError):
    """A setting is unknown, misspelt or out of range."""


class ArchiveError(MerzmoryError):
    """There are no photographs to work with."""


class WeightsError(MerzmoryError):
    """A base or network file is missing, damaged or of the wrong kind."""


class FormatError(MerzmoryError):
    """A file of ours is damaged, or newer than this version reads."""


class StorageError(MerzmoryError):
    """The disk is full, or a place cannot be written."""


class WaitingError(MerzmoryError):
    """A service asked us to wait: nothing is wrong, and the same command goes on at `until`."""

    def __init__(self, sentence: str, until: datetime.datetime) -> None:
        self.until = until  # with its time zone
        super().__init__(sentence)


class StoppedError(MerzmoryError):
    """The person asked to stop; what is finished is kept and recognised."""


class SettingsDifferError(MerzmoryError):
    """A folder was made with other settings; `keys` names those that differ."""

    def __init__(self, folder: Path, keys: Iterable[str]) -> None:
        self.folder = folder
        self.keys = sorted(keys)
        super().__init__(
            f"{folder} was made with other settings ({', '.join(self.keys)}): give the new "
            "experiment another name with --set name=NAME, or move that folder away."
        )


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def storage_sentence(error: OSError, place: Path) -> str | None:
    """The sentence for a disk that is full or not writable; None for any other OSError."""
    where = error.filename or place
    if error.errno in _FULL:
        return (
            f"The disk that holds {place} is full: free some space and run the same command "
            "again; what is finished is kept."
        )
    if error.errno in _DENIED:
        return (
            f"{where} cannot be written: give yourself permission for that folder, or choose "
            "another place with --set outputs=FOLDER."
        )
    return None


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn a full or unwritable disk under `place` into a StorageError.

    Raises:
        StorageError: the disk is full, or `place` cannot be written.
    """
    try:
        yield
    except OSError as error:
        sentence = storage_sentence(error, place)
        if sentence is None:
            raise
        raise StorageError(sentence) from error
