"""Finished folders: the one currency that rooms hand each other.

A step writes into `NAME.part/` and renames it to `NAME` when it is whole; a folder without
`.part` is complete. `settings.json` says what it was made from, `manifest.jsonl` has a line
for each file. A long step is cut into shards: a shard writes its files, then its lines to
`shards/000003.jsonl` in one rename, so a killed step goes on behind its last whole shard.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from merzmory.errors import FormatError, SettingsDifferError, storage_errors
from merzmory.records import Announce, silent

FORMAT = 1
SETTINGS = "settings.json"
MANIFEST = "manifest.jsonl"
_PART = ".part"
_SHARDS = "shards"

Settings = Mapping[str, Any]

_beginning = threading.Lock()  # two shards of one step may open its part at the same moment


def digest(settings: Settings) -> str:
    """Eight hex digits that name `settings`: equal settings, equal name."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(_bytes(text)).hexdigest()[:8]


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hex.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def write_aside(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one."""
    aside = path.with_name(path.name + _PART)
    with storage_errors(path.parent):
        with aside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)


def differing_keys(old: Settings, new: Settings, prefix: str = "") -> list[str]:
    """The dotted keys in which two settings differ."""
    keys: list[str] = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            keys += differing_keys(a, b, f"{prefix}{key}.")
        elif a != b:
            keys.append(f"{prefix}{key}")
    return keys


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings a folder was made with: {"format", "kind", "settings", ...}.

    Raises:
        FormatError: the file is missing, damaged or of a newer format.
    """
    path = folder / SETTINGS
    try:
        found = json.loads(path.read_text("utf-8"))
        version = int(found["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{path} is missing or damaged: move {folder} away and run the command again."
        ) from error
    if version > FORMAT:
        raise FormatError(
            f"{folder} has format {version} and this version reads up to {FORMAT}: update merzmory."
        )
    return dict(found)


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """The lines of a finished folder, in order.

    Raises:
        FormatError: the folder is not finished, or a line is damaged.
    """
    path = folder / MANIFEST
    try:
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    except (OSError, ValueError) as error:
        raise FormatError(
            f"{path} is missing or damaged: move {folder} away and run the command again."
        ) from error


def is_finished(folder: Path) -> bool:
    """Whether `folder` is there and whole."""
    return (folder / SETTINGS).is_file() and (folder / MANIFEST).is_file()


def finished_with(folder: Path, kind: str, settings: Settings) -> bool:
    """Whether `folder` was finished with just these settings.

    Raises:
        SettingsDifferError: it is finished, but with others; the error names the keys.
    """
    if not is_finished(folder):
        return False
    found = read_settings(folder)
    keys = differing_keys(
        {"kind": found.get("kind"), **found.get("settings", {})},
        {"kind": kind, **_plain(settings)},
    )
    if keys:
        raise SettingsDifferError(folder, keys)
    return True


class Part:
    """A folder in the making, `NAME.part/`; a killed one is taken up where it stopped."""

    def __init__(self, folder: Path, kind: str, settings: Settings) -> None:
        """Open `folder`'s part; one that was begun with other settings is begun anew."""
        self.target = folder
        self.folder = folder.with_name(folder.name + _PART)
        text = json.dumps(
            {"format": FORMAT, "kind": kind, "settings": _plain(settings)},
            indent=1, sort_keys=True, ensure_ascii=False,
        )  # fmt: skip
        path = self.folder / SETTINGS
        with storage_errors(folder.parent), _beginning:
            if self.folder.exists() and not (path.is_file() and path.read_bytes() == _bytes(text)):
                shutil.rmtree(self.folder)
            (self.folder / _SHARDS).mkdir(parents=True, exist_ok=True)
            if not path.exists():
                write_aside(path, _bytes(text))

    def has_shard(self, index: int) -> bool:
        """Whether shard `index` is whole."""
        return self._shard(index).is_file() or (self.folder / MANIFEST).is_file()

    def write_shard(self, index: int, lines: Iterable[Any]) -> None:
        """Say that shard `index` is whole and what it made: dataclasses or mappings."""
        write_aside(self._shard(index), _jsonl(lines))

    def finish(self) -> Path:
        """Join the shards' lines into the manifest, rename, and return the finished folder."""
        with storage_errors(self.target.parent):
            if not (self.folder / MANIFEST).exists():  # a kill may fall behind this line
                shards = sorted((self.folder / _SHARDS).glob("*.jsonl"))
                write_aside(self.folder / MANIFEST, b"".join(s.read_bytes() for s in shards))
            shutil.rmtree(self.folder / _SHARDS, ignore_errors=True)
            self.folder.replace(self.target)
        return self.target

    def _shard(self, index: int) -> Path:
        return self.folder / _SHARDS / f"{index:06d}.jsonl"


@dataclass(frozen=True, slots=True)
class Far:
    """A shard in three parts, of which the middle one may be done on another machine.

    `send(index)` is what it needs and `do(that)` what it makes, both plain data; `do` can be
    pickled and writes nothing. `take(index, made, announce)` is what `run_shard` ends with.
    """

    send: Callable[[int], Any]
    do: Callable[[Any], Any]
    take: Callable[[int, Any, Announce], None]


@dataclass(frozen=True, slots=True)
class Work:
    """A long step laid out: `run_shard(0 .. shards-1)`, in any order, then `finish()`.

    `shards` is 0 where the folder is finished already. A shard that is whole returns at once.
    """

    kind: str
    folder: Path
    shards: int
    run_shard: Callable[[int, Announce], None]
    finish: Callable[[], Path]
    far: Far | None = None  # None: its shards are done here


def do(work: Work, announce: Announce = silent) -> Path:
    """Run every shard here, one after the other, and return the finished folder."""
    for index in range(work.shards):
        work.run_shard(index, announce)
    return work.finish()


def lay_out(
    kind: str,
    folder: Path,
    settings: Settings,
    count: int,
    make: Callable[[Path, int, Announce], Iterable[Any]],
    *,
    join: Callable[[Path, list[dict[str, Any]]], None] | None = None,
) -> Work:
    """The Work of a room: `count` shards, each `make(part folder, index, announce) -> lines`.

    `join(part folder, all lines)` runs once behind the last shard, for what needs the whole:
    a sheet, an index page. Equal settings find the finished folder.

    Raises:
        SettingsDifferError: `folder` was finished with other settings.
    """
    if finished_with(folder, kind, settings):
        return Work(kind, folder, 0, lambda _i, _a: None, lambda: folder)

    def run_shard(index: int, announce: Announce) -> None:
        part = Part(folder, kind, settings)
        if not part.has_shard(index):
            with storage_errors(folder.parent):
                part.write_shard(index, make(part.folder, index, announce))

    def finish() -> Path:
        if finished_with(folder, kind, settings):
            return folder
        part = Part(folder, kind, settings)
        missing = [i for i in range(count) if not part.has_shard(i)]
        if missing:
            raise FormatError(
                f"{part.folder} lacks {len(missing)} of {count} shards: run the command again."
            )
        if join is not None and not (part.folder / MANIFEST).exists():
            with storage_errors(folder.parent):
                join(part.folder, list(_lines(part.folder)))
        return part.finish()

    return Work(kind, folder, count, run_shard, finish)


def _lines(part: Path) -> Iterator[dict[str, Any]]:
    for shard in sorted((part / _SHARDS).glob("*.jsonl")):
        for line in filter(None, shard.read_text("utf-8").split("\n")):
            yield json.loads(line)


def _jsonl(lines: Iterable[Any]) -> bytes:
    return b"".join(
        _bytes(json.dumps(_plain(line), sort_keys=True, ensure_ascii=False)) + b"\n"
        for line in lines
    )


def _bytes(text: str) -> bytes:
    """UTF-8; of a file name that is none, the stray bytes as JSON escapes, which read back equal."""
    return text.encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    """`value` as JSON reads it back: tuples are lists, dataclasses are mappings."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    return json.loads(json.dumps(value, sort_keys=True, ensure_ascii=False))
