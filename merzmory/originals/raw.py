"""What a camera's RAW file shows: its own preview where that is large enough, else developed.

LibRaw reads them (the extra `raw`). The preview is the camera's rendering, and ten times faster.
"""

from __future__ import annotations

import datetime
import functools
import io
from typing import Any, BinaryIO

from PIL import ExifTags, Image

PREVIEW = 1024  # pixels of the shorter side from which a preview will do: the largest square
_MOST = 178_956_970  # pixels: what Pillow allows any other picture
_TURNED = {3: 3, 5: 8, 6: 6}  # LibRaw's flip: the EXIF orientation
_MAIN = (0x010F, 0x0110, 0x0132)  # make, model, date
_DETAIL = (0x9003, 0x9004, 0x9010, 0x9011, 0x9012)  # dates and their offsets from UTC
_PLACE = (1, 2, 3, 4)  # latitude and longitude with their references
_MAGIC = (
    b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"IIII",
)  # Olympus x 3, Panasonic, Fujifilm, Sigma, Minolta, Phase One  # fmt: skip


class UnreadableRawError(Exception):
    """LibRaw does not read it. `large`: because it has more pixels than any photograph."""

    def __init__(self, *, large: bool = False) -> None:
        self.large = large
        super().__init__("too large" if large else "not read by LibRaw")


@functools.cache
def reads_raw() -> bool:
    """Whether RAW can be read: rawpy is there (the extra `raw`)."""
    try:
        import rawpy  # noqa: F401
    except ImportError:
        return False
    return True


def is_raw(head: bytes) -> bool:
    """Whether a file that begins with these bytes (16 or more) is RAW for certain.

    DNG, NEF, ARW and others begin like any TIFF: `is_raw_tiff`.
    """
    canon = head[8:10] == b"CR" or head[6:14] == b"HEAPCCDR" or head[4:12] == b"ftypcrx "
    return head.startswith(_MAGIC) or (canon and head[:2] in {b"II", b"MM", b"\0\0"})


def is_raw_tiff(tags: Any) -> bool:
    """Whether a TIFF with these first tags is RAW: a DNG, or a camera's preview before the rest."""
    preview = tags.get(0x00FE) == 1 and 0x014A in tags and 0x010F in tags
    return 0xC612 in tags or preview


def opened(stream: BinaryIO) -> Image.Image:
    """The picture of a RAW file, with orientation, dates, camera and place in its EXIF.

    Raises:
        UnreadableRawError: it is damaged, not RAW, or of a camera that LibRaw does not know.
    """
    import rawpy

    stream.seek(0)
    try:
        with rawpy.imread(stream) as raw:
            if raw.sizes.width * raw.sizes.height > _MOST:
                raise UnreadableRawError(large=True)
            turned = _TURNED.get(raw.sizes.flip, 1)  # developing forgets it
            when = raw.other.timestamp
            picture = _preview(raw)
            if picture is None:
                pixels = raw.postprocess(use_camera_wb=True, output_bps=8, user_flip=0)
                picture = Image.fromarray(pixels)
    except rawpy.LibRawError as error:
        raise UnreadableRawError from error
    exif = _exif(stream) or picture.getexif()
    picture.info["exif"] = _told(exif, turned, when)
    picture._exif = None  # what was parsed of a preview's own
    return picture


def _preview(raw: Any) -> Image.Image | None:
    """The preview as a JPEG that is not decoded yet; None where it is missing or small."""
    import rawpy

    try:
        found = raw.extract_thumb()
        if found.format != rawpy.ThumbFormat.JPEG:
            return None
        picture = Image.open(io.BytesIO(found.data), formats=("JPEG",))
    except (rawpy.LibRawError, OSError, ValueError, SyntaxError):
        return None
    return picture if min(picture.size) >= PREVIEW else None


def _exif(stream: BinaryIO) -> Image.Exif | None:
    """The EXIF of a RAW file that is laid out as a TIFF."""
    stream.seek(0)
    if stream.read(4) not in {b"II*\0", b"MM\0*"}:
        return None
    exif = Image.Exif()
    stream.seek(0)
    try:
        exif.load(b"Exif\0\0" + stream.read())
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):
        return None
    return exif


def _told(exif: Image.Exif, turned: int, when: datetime.datetime | None) -> bytes:
    """EXIF with no more than what the catalogue asks for, whatever else a camera wrote."""
    kept = Image.Exif()
    detail, place = {}, {}
    try:
        kept.update({tag: exif[tag] for tag in _MAIN if isinstance(exif.get(tag), str)})
        found = exif.get_ifd(ExifTags.IFD.Exif)
        detail = {tag: found[tag] for tag in _DETAIL if isinstance(found.get(tag), str)}
        found = exif.get_ifd(ExifTags.IFD.GPSInfo)
        place = {tag: found[tag] for tag in _PLACE if tag in found}
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):
        pass
    if when and when.year > 1970 and not detail:  # 1970: LibRaw found none
        detail = {0x9003: f"{when:%Y:%m:%d %H:%M:%S}"}
    kept[0x0112] = turned
    kept[ExifTags.IFD.Exif] = detail
    kept[ExifTags.IFD.GPSInfo] = place
    try:
        return kept.tobytes()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # a place of junk
        del kept[ExifTags.IFD.GPSInfo]
        return kept.tobytes()
