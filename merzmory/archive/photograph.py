"""One file of the archive: its bytes are read once, hashed, and decoded once at about 1000 pixels.

Everything that culling and cropping need is measured on that one small picture.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from typing import BinaryIO

import cv2
import numpy as np

from merzmory.archive import crops, faces, hashes, kinds, metadata, quality
from merzmory.archive.assets import ERROR, READ, SKIPPED, Asset, Location
from merzmory.originals import access as originals
from merzmory.originals import decode, raw, stills

ALGORITHM = 3  # version of all measures: a new one decodes every picture again
LOOK_AT = 1000  # pixels of the longer side at which a photograph is measured
_IN_MEMORY = 128 * 2**20  # bytes: larger files are hashed and decoded from disk

PICTURES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp",
        ".gif", ".avif", ".heic", ".heif", ".hif", ".ppm", ".pgm",
    }
)  # fmt: skip
RAW = frozenset(
    {
        ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos",
        ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf",
        ".srw", ".x3f",
    }
)  # fmt: skip
FILMS = frozenset(
    {
        ".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".mpeg", ".mts", ".webm", ".wmv",
    }
)  # fmt: skip
_UNFINISHED = frozenset(
    {
        ".crdownload", ".download", ".icloud", ".part", ".partial", ".temp", ".tmp",
    }
)  # fmt: skip
_NOTES = {
    ".aae": "It is Apple's note of how a photograph was edited: pictures are read as they lie there.",
    ".xmp": "It holds a program's notes about a photograph (XMP), not a picture.",
    ".lrcat": "It is Lightroom's catalogue, not a picture.",
    ".psd": "It is a Photoshop file, which is not read: export it as TIFF or PNG.",
    ".pdf": "It is a PDF, not a photograph: export its pages as pictures to have them read.",
    ".svg": "It is a drawing of lines (SVG), not a photograph: export it as PNG.",
}
_SYSTEM = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".localized"})
_PACKED = frozenset({".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip"})
_HEADS = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"BM",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """An open file: where it lies, and its content's hash where the bytes were wanted."""

    location: Location
    data: bytes | None = None  # None: read it from the path


def may_hold_a_picture(path: str) -> bool:
    """Whether a file's name, or else its first bytes, say it is a picture that is read here."""
    said = by_name(path)
    return said is None or (not said and _looks_like_a_picture(path))


def by_name(path: str) -> str | None:
    """The sentence for a file that its name says is none of the pictures that are read.

    None of one that is, and "" where the name says nothing.
    """
    name = os.path.basename(path).lower()  # noqa: PTH119  (called for every file)
    suffix = os.path.splitext(name)[1]  # noqa: PTH122
    if name.startswith("._"):
        return "It holds macOS's notes about another file, not a picture."
    if suffix in PICTURES:
        return None
    if name in _SYSTEM:
        return "It is the operating system's own file about its folder, not a picture."
    if suffix in _UNFINISHED:
        return "It is an unfinished download."
    if suffix in RAW:
        return None if raw.reads_raw() else decode.lacks("raw")
    if suffix in _PACKED:
        return "It is a packed archive: unpack it into a folder to have its photographs read."
    if suffix in FILMS:
        return "It is a film, not a photograph: archive.film_frames reads frames of it."
    if suffix in _NOTES:
        return _NOTES[suffix]
    return None if stills.parts(path) else ""


def hold(path: str, skip: str = "") -> Held | None:
    """Look at a file: skip it (saying `skip`, where its source says so), or read and hash it.

    None where it is gone, or no file any more.
    """
    try:
        size, changed = originals.status(path)
    except OSError:
        return None

    def said(verdict: str, reason: str = "", sha256: str | None = None) -> Location:
        return Location(path, size, changed, sha256, verdict, reason)

    sentence = skip or by_name(path)
    if sentence == "" and not _looks_like_a_picture(path):
        sentence = "It is not a picture."
    if sentence:
        return Held(said(SKIPPED, sentence))
    try:
        with originals.opened(path) as file:
            if size > _IN_MEMORY:
                return Held(said(READ, sha256=hashlib.file_digest(file, "sha256").hexdigest()))
            data = file.read()
    except OSError as error:
        return Held(said(ERROR, f"It cannot be opened ({error.strerror or error})."))
    return Held(said(READ, sha256=hashlib.sha256(data).hexdigest()), data)


def measure(held: Held) -> Asset:
    """What there is to know of a picture that was held; damage becomes its verdict and reason."""
    location = held.location
    sha256 = location.sha256 or ""
    try:
        if held.data is not None:
            return _measured(io.BytesIO(held.data), location)
        with originals.opened(location.path) as file:
            return _measured(file, location)
    except decode.PictureError as error:
        return Asset(sha256, location.bytes, error.verdict, str(error))
    except (*decode.DAMAGE, cv2.error):
        return Asset(sha256, location.bytes, ERROR, "It is damaged: it cannot be measured.")


def _measured(file: BinaryIO, location: Location) -> Asset:
    with decode.opened(file) as picture:
        found = metadata.read(picture)  # before decoding: Pillow turns a TIFF and drops its tags
        kind = picture.format or ""
        grey, colour, (width, height) = decode.glimpsed(picture, longest=LOOK_AT)
        lost = float(picture.info.get("lost", 0.0))
    pixels = np.asarray(grey)
    tiny = hashes.reduced(pixels)
    judged = quality.measure(pixels)
    sort = kinds.measure(
        pixels, np.asarray(colour), size=(width, height), camera=found.camera,
        name=os.path.basename(location.path),  # noqa: PTH119
    )  # fmt: skip
    scale = max(width, height) / max(grey.size)
    return Asset(
        sha256=location.sha256 or "",
        bytes=location.bytes,
        format=kind,
        width=width,
        height=height,
        taken=found.taken,
        latitude=found.place[0] if found.place else None,
        longitude=found.place[1] if found.place else None,
        camera=found.camera,
        phash64=hashes.perceptual(tiny, 8),
        phash256=hashes.perceptual(tiny, 16),
        crops=crops.crops(tiny),
        blur=judged.blur,
        detail=judged.detail,
        dark=judged.dark,
        light=judged.light,
        colour=sort.colour,
        text=sort.text,
        caption=sort.caption,
        screen=sort.screen,
        lost=lost,
        faces=tuple(
            (
                max(0, round(x0 * scale)), max(0, round(y0 * scale)),
                min(width, round(x1 * scale)), min(height, round(y1 * scale)),
            )
            for x0, y0, x1, y1 in faces.faces(pixels)
        ),
    )  # fmt: skip


def _looks_like_a_picture(path: str) -> bool:
    try:
        with originals.opened(path) as file:
            head = file.read(32)
    except OSError:
        return False
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    avif = head[4:11] == b"ftypavi"
    return head.startswith(_HEADS) or webp or avif or decode.is_heic(head) or raw.is_raw(head)
