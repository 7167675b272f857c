"""Google Takeout of Google Photos: its ZIPs as they are, several at once, or unpacked.

A photograph's date, place and caption lie in a JSON file beside it, the sidecar, perhaps in another
ZIP. Its name follows from the photograph's (`sidecars`), never the other way round.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from merzmory.archive.sources.contents import contents
from merzmory.archive.sources.notes import BrokenNoteError, json_of, place_of, utc
from merzmory.archive.sources.source import Found, Placed
from merzmory.records import Origin

_CUT = 46  # characters of a sidecar's name that are left before .json (51 with it)
_SUPPLEMENT = ".supplemental-metadata"
_NUMBERED = re.compile(r"(.+)(\(\d+\))(\.[^.]*)?")
_EDITED = (  # how Google Photos names what a person edited, by the account's language
    "-edited", "-bearbeitet", "-bewerkt", "-edytowane", "-modifié", "-modificato", "-ha editado",
    "-editat", "-編集済み",
)  # fmt: skip
_MADE = ("-effects", "-smile", "-mix")  # what Google made of a photograph unasked
_MOTION = re.compile(r"\.(mp|mv)(~\d+)?")
_NO_ALBUM = re.compile(r".*\b\d{4}|\d{4}-\d\d-\d\d.*")  # Photos from 2020; a day, in old exports


@dataclass(frozen=True, slots=True)
class _Name:
    """A file's folder and name in the export, whatever part it lies in, in Unicode's form C."""

    folder: str
    file: str


class TakeoutSource(Placed):
    """A Takeout. What a person edited is kept and its original set aside; the bin is left out."""

    name = "takeout"

    def files(self, closed: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """Every file of every part, with what its sidecar says and the album it is in.

        Raises:
            ArchiveError: the place is missing, is neither folder nor ZIP, or cannot be opened.
        """
        items = list(contents(self.place, closed, parts=True))
        names = [_name(item.name) for item in items]
        notes: dict[_Name, Found] = {}
        folders: defaultdict[str, set[str]] = defaultdict(set)  # other files, by folder
        for item, name in zip(items, names, strict=True):
            if item.found.skip:
                continue
            if name.file.lower().endswith(".json"):
                notes.setdefault(name, item.found)
            else:
                folders[name.folder].add(name.file)
        whose: dict[_Name, str] = {}  # the file that a note describes, the first by name
        note_of: dict[_Name, _Name] = {}
        for folder, files in folders.items():
            for file in sorted(files, key=lambda f: (len(f), f)):
                for candidate in sidecars(file):
                    note = _Name(folder, candidate)
                    if note in notes:
                        note_of[_Name(folder, file)] = note
                        whose.setdefault(note, file)
                        break
        told = {note: _told(found) for note, found in notes.items()}
        titles = {
            note.folder: str(said.get("title") or "")
            for note, said in told.items()
            if said is not None and note not in whose and _is_album(said)
        }
        albums = {folder: _album(folder, titles) for folder in folders}
        shared: defaultdict[tuple[str, int], set[str]] = defaultdict(set)  # albums of equal files
        for item, name in zip(items, names, strict=True):
            if albums.get(name.folder):
                shared[name.file, item.found.bytes].add(albums[name.folder])
        for item, name in zip(items, names, strict=True):
            found = item.found
            if found.skip:
                yield found
            elif name.file.lower().endswith(".json"):
                yield replace(found, skip=_note_says(told[name], whose.get(name)))
            elif name.file.lower().endswith((".html", ".csv", ".txt")):
                yield replace(found, skip="It is a page that Google added to the export.")
            elif _MOTION.fullmatch(posixpath.splitext(name.file)[1].lower()):
                yield replace(found, skip="It is the film of a motion photo, not a photograph.")
            else:
                said = told[note_of[name]] if name in note_of else None
                album = albums[name.folder] or ", ".join(sorted(shared[name.file, found.bytes]))
                yield replace(
                    found,
                    origin=_origin(name, said or {}, album),
                    skip=_set_aside(name, said or {}, folders[name.folder]),
                )


def sidecars(file: str) -> Iterator[str]:
    """The names that the sidecar of `file` may have, the likeliest first.

    `.json` or `.supplemental-metadata.json` is added to the photograph's name, and all before
    `.json` is cut to 46 characters; the number of a second photograph of a name, IMG(1).jpg, comes
    behind that. An edited photograph has its original's sidecar.
    """
    stem, suffix = posixpath.splitext(file)
    number = _NUMBERED.fullmatch(file)
    plain = f"{number[1]}{number[3] or ''}" if number else file
    tail = number[2] if number else ""
    yield from _cut(file, "")
    if number:
        yield from _cut(plain, tail)
    for ending in (*_EDITED, *_MADE):
        original = posixpath.splitext(plain)[0].removesuffix(ending)
        if original != posixpath.splitext(plain)[0]:
            yield from _cut(f"{original}{tail}{suffix}", "")
            if tail:
                yield from _cut(f"{original}{suffix}", tail)
        elif stem.endswith(ending):  # IMG(1)-edited.jpg
            yield from sidecars(f"{stem.removesuffix(ending)}{suffix}")


def _cut(file: str, number: str) -> Iterator[str]:
    yield f"{(file + _SUPPLEMENT)[:_CUT]}{number}.json"
    yield f"{file[:_CUT]}{number}.json"


def _name(path: str) -> _Name:
    """Folder and name from `Takeout` on: the parts of an export hold pieces of one folder."""
    above, _, file = unicodedata.normalize("NFC", path).rpartition("/")
    folders = above.split("/")
    if "Takeout" in folders:
        folders = folders[folders.index("Takeout") :]
    return _Name("/".join(folders), file)


def _told(found: Found) -> Mapping[str, Any] | None:
    """What a note says; None where it is damaged."""
    try:
        said = json_of(found)
    except BrokenNoteError:
        return None
    if not isinstance(said, dict):
        return {}
    older = said.get("albumData")
    return older if isinstance(older, dict) else said


def _is_album(said: Mapping[str, Any]) -> bool:
    return "title" in said and "photoTakenTime" not in said


def _album(folder: str, titles: Mapping[str, str]) -> str:
    """The album's title; its folder's name where the note about it is in no part."""
    if folder in titles:
        return titles[folder]
    above, _, name = folder.rpartition("/")
    inside = above.count("/") == 1 if above.startswith("Takeout/") else above != ""
    return name if inside and not _NO_ALBUM.fullmatch(name) else ""


def _origin(name: _Name, said: Mapping[str, Any], album: str) -> Origin:
    taken = said.get("photoTakenTime")
    date = utc(taken.get("timestamp")) if isinstance(taken, dict) else None
    return Origin(
        source=TakeoutSource.name,
        name=_text(said.get("title")) or name.file,
        taken=date,
        taken_from="sidecar" if date else "",
        place=place_of(said.get("geoData")) or place_of(said.get("geoDataExif")),
        caption=_text(said.get("description")),
        album=album,
        url=_text(said.get("url")),
    )


def _set_aside(name: _Name, said: Mapping[str, Any], beside: set[str]) -> str:
    """Why a picture is left out, in one sentence; "" where it is read."""
    if said.get("trashed"):
        return "It lay in the bin of Google Photos."
    stem, suffix = posixpath.splitext(name.file)
    for ending in _EDITED:
        for edited in _versions(stem, suffix, ending):
            if edited in beside:
                return f"You edited this photograph: {_line(edited)} is read in its place."
    for ending in _MADE:
        original = f"{stem.replace(ending, '')}{suffix}"
        if (
            original != name.file
            and original in beside
            and name.file in _versions(*posixpath.splitext(original), ending)
        ):
            return f"Google made it from {_line(original)}, which is read in its place."
    return ""


def _versions(stem: str, suffix: str, ending: str) -> list[str]:
    """The names of what was made of a photograph: IMG-edited.jpg; of IMG(1).jpg, both orders."""
    number = _NUMBERED.fullmatch(stem)
    names = [f"{stem}{ending}{suffix}"]
    return [*names, f"{number[1]}{ending}{number[2]}{suffix}"] if number else names


def _note_says(said: Mapping[str, Any] | None, whose: str | None) -> str:
    if said is None:
        about = f" about {_line(whose)}, whose date is missing" if whose else ""
        return f"It is a damaged note{about}: download the export again."
    if whose:
        return f"It is Google's note about {_line(whose)}: date, place and caption are kept."
    if "photoTakenTime" in said:
        return (
            f"It is a note about {_line(_text(said.get('title'))) or 'a photograph'}, which is in no part "
            "that was given: put the other ZIPs of the export beside it."
        )
    if _is_album(said):
        return "It is Google's note about an album, whose title is kept."
    return "It is Google's data about your account, not a picture."


def _text(said: Any) -> str:
    return said if isinstance(said, str) else ""


def _line(name: str) -> str:
    """A name for a sentence: on one line, whatever characters it holds."""
    return " ".join(name.split())
