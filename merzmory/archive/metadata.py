"""What the camera wrote into a photograph: when, where, with what.

Everything here may be missing or nonsense; nonsense is read as missing, never as an error. The day
on which a print was scanned, or a file was saved again, is not the photograph's.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

from merzmory.originals.decode import DAMAGE

_FIRST_YEAR = 1826  # the oldest photograph there is
_DATES: tuple[
    tuple[ExifTags.IFD | None, int, int], ...
] = (  # (where, tag of the date, tag of its offset from UTC), the surest first
    (ExifTags.IFD.Exif, 0x9003, 0x9011),  # DateTimeOriginal
    (ExifTags.IFD.Exif, 0x9004, 0x9012),  # DateTimeDigitized
    (None, 0x0132, 0x9010),  # DateTime: the last change
)
_DATE = re.compile(r"(\d{4})[:\-/](\d\d)[:\-/](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_SCANNER = re.compile(
    r"scan|perfection|coolscan|opticfilm|expression \d|epson (?:gt|v|et|xp)|hp (?:officejet|deskjet)"
    r"|noritsu|frontier|hasselblad flextight|opticbook|pixma|\bmg\d{4}|\bts\d{4}"
)
_OFFSET = re.compile(r"[+-]\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class Metadata:
    """`taken` is ISO 8601 as the camera's clock said; `place` latitude, longitude in degrees."""

    taken: str | None = None
    place: tuple[float, float] | None = None
    camera: str | None = None


def read(picture: Image.Image) -> Metadata:
    """The metadata of an opened picture (before or after its pixels are decoded)."""
    try:
        exif = picture.getexif()
    except DAMAGE:
        return Metadata()
    main = dict(exif)
    detail = _ifd(exif, ExifTags.IFD.Exif)
    camera = _camera(main)
    return Metadata(
        taken=_taken(main, detail, camera),
        place=_place(_ifd(exif, ExifTags.IFD.GPSInfo)),
        camera=camera,
    )


def _ifd(exif: Image.Exif, which: ExifTags.IFD) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(which))
    except DAMAGE:
        return {}


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value or "").split("\0")[0].strip()


def _taken(main: Mapping[int, Any], detail: Mapping[int, Any], camera: str | None) -> str | None:
    """The surest date that is the photograph's.

    A scanner's own are those of the scan, unless a person set the original date apart; without any
    camera, only DateTimeOriginal says when a photograph was taken.
    """
    sure = _DATES
    if camera is None:
        sure = _DATES[:1]
    elif _SCANNER.search(camera.lower()):
        scanned = {_text(detail.get(0x9004))[:10], _text(main.get(0x0132))[:10]}
        sure = () if _text(detail.get(0x9003))[:10] in scanned else _DATES[:1]
    for where, tag, offset_tag in sure:
        found = _DATE.match(_text((detail if where else main).get(tag)))
        if not found:
            continue
        try:
            date = datetime.datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*found.groups()))
        except ValueError:
            continue
        tomorrow = datetime.datetime.now() + datetime.timedelta(days=2)
        if date.year >= _FIRST_YEAR and date <= tomorrow:
            offset = _text(detail.get(offset_tag))
            return date.isoformat() + (offset if _OFFSET.fullmatch(offset) else "")
    return None


def _place(gps: Mapping[int, Any]) -> tuple[float, float] | None:
    latitude = _degrees(gps.get(2), _text(gps.get(1)), "S")
    longitude = _degrees(gps.get(4), _text(gps.get(3)), "W")
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return latitude, longitude


def _degrees(parts: Any, reference: str, negative: str) -> float | None:
    """Degrees, minutes and seconds as one number, to about a tenth of a metre."""
    try:
        units = [float(part) for part in parts]
        value: float = sum(unit / 60.0**power for power, unit in enumerate(units[:3]))
    except DAMAGE:
        return None
    if not units or not math.isfinite(value):
        return None
    return round(-value if reference.upper() == negative else value, 6)


def _camera(main: Mapping[int, Any]) -> str | None:
    make, model = _text(main.get(0x010F)), _text(main.get(0x0110))
    name = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    return name.strip()[:100] or None
