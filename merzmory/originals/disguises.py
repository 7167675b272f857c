"""What a file is that is named like a picture, and is none."""

from __future__ import annotations

from typing import NamedTuple


class Disguise(NamedTuple):
    """What a person is told; `verdict` is "error" where the picture might have been there."""

    sentence: str
    verdict: str


_PICTURES = (b"avi", b"hei", b"hev", b"mif", b"msf")  # brands of AVIF, HEIC and HEIF
_FILM = Disguise("It is a film that is named like a picture.", "skipped")
_BY_START = (  # first bytes, in lower case
    ((b"\x1ae\xdf\xa3", b"\0\0\1\xba"), _FILM),
    (
        (b"%pdf",),
        Disguise("It is a PDF that is named like a picture: export its pages.", "skipped"),
    ),
    (
        (b"%!ps", b"\xc5\xd0\xd3\xc6", b"<svg", b"<?xml"),
        Disguise("It is a drawing of lines (SVG, EPS): export it as PNG.", "skipped"),
    ),
    (
        (b"8bps",),
        Disguise("It is a Photoshop file: export it as TIFF or PNG.", "skipped"),
    ),
    (
        (b"pk\3\4",),
        Disguise("It is a ZIP that is named like a picture: unpack it into a folder.", "skipped"),
    ),
    (
        (b"<!doctype html", b"<html"),
        Disguise("It holds a web page: its download failed, so fetch it again.", "error"),
    ),
    (
        (b"{",),
        Disguise("It holds a service's answer: its download failed, so fetch it again.", "error"),
    ),
    (
        (b"version https://git-lfs",),
        Disguise("Git LFS keeps its content elsewhere: fetch it with git lfs pull.", "error"),
    ),
)


def known(head: bytes) -> Disguise | None:
    """What begins with these bytes (32 or so), if it is one of the usual things."""
    if head[4:8] == b"ftyp" and not head[8:].startswith(_PICTURES):
        return _FILM
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return _FILM
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((said for starts, said in _BY_START if start.startswith(starts)), None)
