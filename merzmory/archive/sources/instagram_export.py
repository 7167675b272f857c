"""Instagram's own export ("Download your information"), as a ZIP, as its parts, or unpacked.

Its layout has changed almost every year, so nothing is looked up by path: every list of its JSON is
walked for objects that name a file, wherever they are nested. A file that no list names is read
all the same. The photographs carry no EXIF: date, place and caption come from these lists alone.
"""

from __future__ import annotations

import datetime
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from merzmory.archive.sources.contents import Item, contents
from merzmory.archive.sources.notes import BrokenNoteError, json_of, place_of, utc
from merzmory.archive.sources.source import Found, Placed
from merzmory.originals import remote
from merzmory.records import Origin

_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".gif")
_SUBTITLES = (".srt", ".vtt")
_ALBUMS = {  # how a list calls what it holds: a key of its JSON, or else its file's name
    "ig_stories": "stories", "ig_reels_media": "reels", "ig_igtv_media": "IGTV",
    "ig_archived_post_media": "archived posts", "ig_profile_picture": "profile pictures",
    "ig_recently_deleted_media": "recently deleted", "photos": "posts", "profile": "profile pictures",
    "stories": "stories", "direct": "messages", "archived_posts": "archived posts",
    "profile_photos": "profile pictures", "reels": "reels", "igtv_videos": "IGTV", "posts": "posts",
    "recently_deleted_content": "recently deleted",
}  # fmt: skip
_MESSAGES = re.compile(r"(^|/)(messages|direct)/")
_IN_FOLDER = re.compile(
    r"(?:^|/)(?:media/)?(posts|stories|reels|archived_posts|profile|photos|igtv)/"
)
_DELETED = "You had deleted it on Instagram before the export."
_DRAFT = "It is a draft that was never published on Instagram."
_MESSAGE = (
    "It was sent in a message and may be somebody else's: copy it into a folder of its own to have "
    "it read."
)


@dataclass(frozen=True, slots=True)
class _Mention:
    """What the lists say of one file."""

    album: str
    caption: str = ""
    taken: str | None = None
    place: tuple[float, float] | None = None
    draft: bool = False

    def with_more(self, other: _Mention) -> _Mention:
        """What both say; `self` where they differ. A post that was published is no draft."""
        return _Mention(
            self.album,
            self.caption or other.caption,
            self.taken or other.taken,
            self.place or other.place,
            self.draft and other.draft,
        )


class InstagramExportSource(Placed):
    """An export. Posts, stories, archived posts and profile pictures are read; drafts are not."""

    name = "instagram_export"

    def files(self, closed: Callable[[str], None] = lambda _folder: None) -> Iterator[Found]:
        """Every file of every part, with its caption, date, place and album where a list says them.

        Raises:
            ArchiveError: the place is missing, is neither folder nor ZIP, or cannot be opened.
        """
        items = list(contents(self.place, closed, parts=True))
        mentions: dict[str, _Mention] = {}
        named: dict[str, list[str]] = {}  # pictures by the path of the list that names them
        broken: set[str] = set()
        for item in sorted(items, key=lambda i: (i.name, i.found.path)):
            if _is_list(item):
                try:
                    found = dict(_mentions(json_of(item.found), _album(item.name)))
                except BrokenNoteError:
                    broken.add(item.found.path)
                    continue
                named[item.found.path] = [
                    uri
                    for uri in found
                    if uri.lower().endswith(_PICTURES) and not remote.is_url(uri)
                ]
                for uri, mention in found.items():
                    known = mentions.get(uri)
                    mentions[uri] = known.with_more(mention) if known else mention
        uris = {item.found.path: _uri(item.name, mentions) for item in items}
        there = set(uris.values())
        for item in items:
            path = item.found.path
            if item.found.skip:
                yield item.found
            elif path in broken:
                yield replace(
                    item.found,
                    skip="It is a damaged list: its captions and dates are missing, so download "
                    "the export again.",
                )
            elif path in named:
                absent = sum(uri not in there for uri in named[path])
                yield replace(item.found, skip=_list_says(len(named[path]), absent))
            else:
                yield _file(item, mentions.get(uris[path]))


def _file(item: Item, mention: _Mention | None) -> Found:
    name = item.name.lower()
    if name.endswith(_SUBTITLES):
        return replace(item.found, skip="It holds the subtitles of a film.")
    if name.endswith((".json", ".html")):
        return replace(item.found, skip=_note_says(name))
    if not name.endswith(_PICTURES):
        return item.found
    album = mention.album if mention else _album_of_folder(name)
    skip = ""
    if album == "messages" or _MESSAGES.search(name):
        skip = _MESSAGE
    elif album == "recently deleted":
        skip = _DELETED
    elif mention and mention.draft:
        skip = _DRAFT
    origin = Origin(
        source=InstagramExportSource.name,
        name=posixpath.basename(item.name),
        taken=mention.taken if mention else None,
        taken_from="post" if mention and mention.taken else "",
        place=mention.place if mention else None,
        caption=mention.caption if mention else "",
        album=album,
    )
    return replace(item.found, origin=origin, skip=skip)


def _mentions(node: Any, album: str) -> Iterator[tuple[str, _Mention]]:
    """(path in the export, what is said of it) of every object in a list that names a file."""
    seen: dict[str, _Mention] = {}
    todo: list[tuple[Any, _Mention]] = [(node, _Mention(album))]
    while todo:
        here, post = todo.pop()
        if isinstance(here, list):
            todo += [(inner, post) for inner in reversed(here)]
        elif isinstance(here, dict):
            uri = here.get("uri", here.get("path"))
            if isinstance(uri, str) and uri:
                mention = replace(_said(here, post), place=_place(here))
                seen[uri] = seen[uri].with_more(mention) if uri in seen else mention
                continue
            if "media" in here or "label_values" in here:
                post = _said(here, post)
            for key, inner in reversed(here.items()):
                if isinstance(inner, dict | list):
                    todo.append((inner, replace(post, album=_ALBUMS.get(key, post.album))))
    yield from seen.items()


def _said(here: Mapping[str, Any], post: _Mention) -> _Mention:
    """What an object says of its files, and for the rest what the post around it says."""
    caption = _repaired(here.get("title") or here.get("caption"))
    taken = utc(here.get("creation_timestamp", here.get("timestamp"))) or _iso(here.get("taken_at"))
    labels = here.get("label_values")
    draft = any(
        isinstance(label, dict)
        and label.get("label") == "Draft"
        and str(label.get("value")).lower() not in {"false", "none", "", "0", "no"}
        for label in (labels if isinstance(labels, list) else ())
    )
    return replace(
        post,
        caption=caption or post.caption,
        taken=taken or post.taken,
        draft=draft or post.draft,
    )


def _repaired(text: Any) -> str:
    """UTF-8 whose bytes were written as characters of their own, as it was meant."""
    if not isinstance(text, str):
        return ""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _place(media: Mapping[str, Any]) -> tuple[float, float] | None:
    try:
        for exif in media["media_metadata"]["photo_metadata"]["exif_data"]:
            found = place_of(exif)
            if found:
                return found
    except (KeyError, TypeError):
        pass
    return None


def _iso(text: Any) -> str | None:
    """A date of the oldest exports, which is UTC where it names no zone."""
    try:
        date = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).isoformat()


def _uri(name: str, mentions: Mapping[str, _Mention]) -> str:
    """How the lists name this file: its path, without the folders above the export."""
    rest = name
    while rest not in mentions:
        _above, between, rest = rest.partition("/")
        if not between:
            return ""
    return rest


def _is_list(item: Item) -> bool:
    name = item.name.lower()
    return name.endswith(".json") and not item.found.skip and not _MESSAGES.search(name)


def _album(name: str) -> str:
    stem = posixpath.basename(name).lower().removesuffix(".json")
    return _ALBUMS.get(re.sub(r"_\d+$", "", stem), "posts")


def _album_of_folder(name: str) -> str:
    found = _IN_FOLDER.search(name)
    return _ALBUMS.get(found[1], found[1]) if found else ""


def _list_says(named: int, absent: int) -> str:
    if not named:
        return "It is Instagram's data about your account, not a picture."
    pictures = f"{named} picture{'s' * (named != 1)}"
    lacking = (
        f"; not among what was given: {absent}, so put the other parts of the export beside it"
        if absent
        else ""
    )
    return f"It is a list of {pictures}, whose captions and dates are kept{lacking}."


def _note_says(name: str) -> str:
    if name.endswith(".html"):
        return (
            "It is a page of an export as HTML, from which captions and dates are not read: ask "
            "Instagram for the export as JSON to have them."
        )
    return "It is Instagram's data about your account, not a picture."
