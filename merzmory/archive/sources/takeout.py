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
_NUMBERED = re.compile(r"(.+)(\(\d+\))")
_EDITED = (  # how Google Photos names what a person edited, by the account's language
    "-edited", "-bearbeitet", "-bewerkt", "-edytowane", "-modifié", "-modificato", "-ha editado",
    "-editat", "-編集済み",
)  # fmt: skip
_MADE = ("-effects", "-smile", "-mix")  # what Google made of a photograph unasked
_MOTION = re.compile(r"\.(mp|mv)(~\d+)?")
_PHOTOGRAPH, _ALBUM, _DAMAGED = "photograph", "album", "damaged"  # what a note is about
_NO_ALBUM = re.compile(r".*\b\d{4}|\d{4}-\d\d-\d\d.*")  # Photos from 2020; a day, in old exports


@dataclass(frozen=True, slots=True)
class _Name:
    """A file's folder and name in the export, whatever part it lies in, in Unicode's form C."""

    folder: str
    file: str

    @property
    def is_note(self) -> bool:
        """Whether it is JSON: a sidecar, or what Google says of an album."""
        return self.file.lower().endswith(".json")


@dataclass(frozen=True, slots=True)
class _Note:
    """What a JSON file says."""

    what: str = ""
    title: str = ""
    taken: str | None = None
    place: tuple[float, float] | None = None
    caption: str = ""
    url: str = ""
    trashed: bool = False


_NOTHING = _Note()


class TakeoutSource(Placed):
    """A Takeout. What a person edited is kept and its original set aside; the bin is left out."""

    name = "takeout"

    def files(self, closed: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """Every file of every part, with what its sidecar says and the album it is in.

        Raises:
            ArchiveError: the place is missing, is neither folder nor ZIP, or cannot be opened.
        """
        items = [
            (item.found, _name(item.name)) for item in contents(self.place, closed, parts=True)
        ]
        folders: defaultdict[str, set[str]] = defaultdict(set)  # all but notes, by folder
        told: dict[_Name, _Note] = {}
        for found, name in items:
            if found.skip:
                continue
            if not name.is_note:
                folders[name.folder].add(name.file)
            elif name not in told:
                told[name] = _told(found)
        notes, whose = _matched(folders, told)
        titles = {
            name.folder: note.title
            for name, note in told.items()
            if note.what == _ALBUM and name not in whose
        }
        albums = {folder: _album(folder, titles) for folder in folders}
        shared: defaultdict[tuple[str, int], set[str]] = defaultdict(set)  # albums of equal files
        for found, name in items:
            if albums.get(name.folder):
                shared[name.file, found.bytes].add(albums[name.folder])
        for found, name in items:
            if found.skip:
                yield found
            elif name.is_note:
                yield replace(found, skip=_note_says(told[name], whose.get(name)))
            elif name.file.lower().endswith((".html", ".csv")):
                yield replace(found, skip="It is a page that Google added to the export.")
            elif _MOTION.fullmatch(posixpath.splitext(name.file)[1].lower()):
                yield replace(found, skip="It is the film of a motion photo, not a photograph.")
            else:
                note = notes.get(name, _NOTHING)
                origin = Origin(
                    source=self.name,
                    name=note.title or name.file,
                    taken=note.taken,
                    taken_from="sidecar" if note.taken else "",
                    place=note.place,
                    caption=note.caption,
                    album=albums[name.folder] or ", ".join(sorted(shared[name.file, found.bytes])),
                    url=note.url,
                )
                beside = folders[name.folder]
                yield replace(found, origin=origin, skip=_set_aside(name.file, note, beside))


def sidecars(file: str) -> Iterator[str]:
    """The names that the sidecar of `file` may have, the likeliest first.

    `.json` or `.supplemental-metadata.json` is added to the photograph's name, and all before
    `.json` is cut to 46 characters; the number of a second photograph of a name, IMG(1).jpg, comes
    behind that. An edited photograph has its original's sidecar.
    """
    yield from _cut(file)
    stem, suffix = posixpath.splitext(file)
    number = _NUMBERED.fullmatch(stem)
    plain, tail = (number[1], number[2]) if number else (stem, "")
    for ending in (*_EDITED, *_MADE):
        if plain.endswith(ending):  # IMG-edited(1).jpg
            yield from _cut(f"{plain.removesuffix(ending)}{tail}{suffix}")
        elif stem.endswith(ending):  # IMG(1)-edited.jpg
            yield from _cut(f"{stem.removesuffix(ending)}{suffix}")


def _cut(file: str) -> Iterator[str]:
    stem, suffix = posixpath.splitext(file)
    number = _NUMBERED.fullmatch(stem)
    plain = [(file, "")] + ([(f"{number[1]}{suffix}", number[2])] if number else [])
    for name, tail in plain:
        yield f"{(name + _SUPPLEMENT)[:_CUT]}{tail}.json"
        yield f"{name[:_CUT]}{tail}.json"


def _matched(
    folders: Mapping[str, set[str]], told: Mapping[_Name, _Note]
) -> tuple[dict[_Name, _Note], dict[_Name, str]]:
    """(note of each photograph that has one, photograph of each note: of several the shortest)."""
    notes: dict[_Name, _Note] = {}
    whose: dict[_Name, str] = {}
    for folder, files in folders.items():
        for file in sorted(files, key=lambda f: (len(f), f)):
            candidates = (_Name(folder, note) for note in sidecars(file))
            note = next((note for note in candidates if note in told), None)
            if note is not None:
                notes[_Name(folder, file)] = told[note]
                whose.setdefault(note, file)
    return notes, whose


def _name(path: str) -> _Name:
    """Folder and name from `Takeout` on: the parts of an export hold pieces of one folder."""
    above, _, file = unicodedata.normalize("NFC", path).rpartition("/")
    folders = above.split("/")
    if "Takeout" in folders:
        folders = folders[folders.index("Takeout") :]
    return _Name("/".join(folders), file)


def _told(found: Found) -> _Note:
    try:
        said = json_of(found)
    except BrokenNoteError:
        return _Note(_DAMAGED)
    if not isinstance(said, dict):
        return _NOTHING
    older = said.get("albumData")
    if isinstance(older, dict):
        said = older
    taken = said.get("photoTakenTime")
    about = _ALBUM if taken is None else _PHOTOGRAPH
    return _Note(
        about if "title" in said else "",
        title=_text(said.get("title")),
        taken=utc(taken.get("timestamp")) if isinstance(taken, dict) else None,
        place=place_of(said.get("geoData")) or place_of(said.get("geoDataExif")),
        caption=_text(said.get("description")),
        url=_text(said.get("url")),
        trashed=said.get("trashed") is True,
    )


def _album(folder: str, titles: Mapping[str, str]) -> str:
    """The album's title; its folder's name where the note about it is in no part."""
    if folder in titles:
        return titles[folder]
    above, _, name = folder.rpartition("/")
    inside = above.count("/") == 1 if above.startswith("Takeout/") else above != ""
    return name if inside and not _NO_ALBUM.fullmatch(name) else ""


def _set_aside(file: str, note: _Note, beside: set[str]) -> str:
    """Why a picture is left out, in one sentence; "" where it is read."""
    if note.trashed:
        return "It lay in the bin of Google Photos."
    stem, suffix = posixpath.splitext(file)
    for ending in _EDITED:
        for edited in _versions(stem, suffix, ending):
            if edited in beside:
                return f"You edited this photograph: {_line(edited)} is read in its place."
    for ending in _MADE:
        original = f"{stem.replace(ending, '')}{suffix}"
        if original in beside and file in _versions(*posixpath.splitext(original), ending):
            return f"Google made it from {_line(original)}, which is read in its place."
    return ""


def _versions(stem: str, suffix: str, ending: str) -> list[str]:
    """The names of what was made of a photograph: IMG-edited.jpg; of IMG(1).jpg, both orders."""
    number = _NUMBERED.fullmatch(stem)
    names = [f"{stem}{ending}{suffix}"]
    return [*names, f"{number[1]}{ending}{number[2]}{suffix}"] if number else names


def _note_says(note: _Note, whose: str | None) -> str:
    if note.what == _DAMAGED:
        about = f" about {_line(whose)}, whose date is missing" if whose else ""
        return f"It is a damaged note{about}: download the export again."
    if whose:
        return f"It is Google's note about {_line(whose)}: date, place and caption are kept."
    if note.what == _PHOTOGRAPH:
        return (
            f"It is a note about {_line(note.title) or 'a photograph'}, which is in no part that "
            "was given: put the other ZIPs of the export beside it."
        )
    if note.what == _ALBUM:
        return "It is Google's note about an album, whose title is kept."
    return "It is Google's data about your account, not a picture."


def _text(said: Any) -> str:
    return said if isinstance(said, str) else ""


def _line(name: str) -> str:
    """A name for a sentence: on one line, whatever characters it holds."""
    return " ".join(name.split())
