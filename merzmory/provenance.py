"""How a file says that it is made by AI, and from what.

Pictures and films carry two things: the IPTC digital source type in XMP, which agencies and
search engines read, and a JSON record of our own (seed, psi, step, ...) that `read` gives back.
Neither holds a path or a place: callers put only what may be published. What is made from another
picture takes its record along (`inherited`).

PNG: iTXt `XML:com.adobe.xmp` (XMP specification part 3) and iTXt `merzmory`.
MP4: one top-level `uuid` box behind the film (ISO/IEC 14496-12; XMP part 3), so that the
sample offsets stay as they are. TIFF: tag 700. WebP: pass `xmp(record)` to Pillow's `save(xmp=)`.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape, unescape

from PIL import Image, PngImagePlugin, TiffImagePlugin

from merzmory.errors import FormatError, storage_errors

TRAINED = "trainedAlgorithmicMedia"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"  # photographs and what a network made of them
DATA = "dataDrivenMedia"  # charts
_SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE_TYPE = _SOURCES + TRAINED
_SOURCE_LINE = "   <Iptc4xmpExt:DigitalSourceType>{}</Iptc4xmpExt:DigitalSourceType>\n"
_PNG_XMP = "XML:com.adobe.xmp"
_PNG_RECORD = "merzmory"
_TIFF_XMP = 700  # XMP specification part 3
_XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes

_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:merzmory="https://merzmory.invalid/ns/1/">
{source}   <xmp:CreatorTool>MERZmory</xmp:CreatorTool>
   <merzmory:record>{record}</merzmory:record>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
_RECORD = re.compile(r"<merzmory:record>(.*?)</merzmory:record>", re.DOTALL)
_SOURCE = re.compile(r"cv\.iptc\.org/newscodes/digitalsourcetype/([A-Za-z]{1,60})")
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*")
# what foreign files are read of: a record of ours is some kilobytes
_LONGEST = 1 << 19  # bytes of a text
_CHUNKS = 100_000  # of a PNG
_BOXES = 10_000  # of a film


def xmp(record: Mapping[str, Any], source: str = TRAINED) -> bytes:
    """An XMP packet (UTF-8) that says how it was made, and holds `record`.

    `source` is a word of IPTC's list of digital source types: made by a trained algorithm; "" says
    nothing, which is for what no network made.
    """
    said = _SOURCE_LINE.format(_SOURCES + source) if source else ""
    return _PACKET.format(source=said, record=escape(_json(record))).encode()


def read_xmp(packet: bytes) -> dict[str, Any]:
    """The record inside a packet of ours; {} where there is none.

    Raises:
        FormatError: the packet holds a record that is not JSON.
    """
    found = _RECORD.search(packet.decode("utf-8", "replace"))
    return _parse(unescape(found.group(1)), "This XMP packet") if found else {}


def save_png(
    image: Image.Image, path: Path, record: Mapping[str, Any], source: str = TRAINED
) -> None:
    """Write `image` as a PNG with XMP and `record`; equal input gives equal bytes.

    `source` as in `xmp`.

    Raises:
        StorageError: the disk is full, or `path` cannot be written.
    """
    info = PngImagePlugin.PngInfo()
    info.add_itxt(_PNG_XMP, xmp(record, source).decode())
    info.add_itxt(_PNG_RECORD, _json(record))
    with storage_errors(path.parent):
        image.save(path, format="PNG", pnginfo=info, dpi=image.info.get("dpi"))


def save(image: Image.Image, path: Path, record: Mapping[str, Any]) -> None:
    """Write `image` as PNG, JPEG or TIFF, by the suffix, with XMP and `record`.

    Its `info` gives the "dpi" and the "icc_profile" that the file is tagged with. JPEG keeps full
    colour at quality 95, TIFF loses nothing (LZW).

    Raises:
        StorageError: the disk is full, or `path` cannot be written.
    """
    if path.suffix == ".png":
        save_png(image, path, record)
        return
    tags = {key: image.info[key] for key in ("dpi", "icc_profile") if key in image.info}
    packet = xmp(record)
    with storage_errors(path.parent):
        if path.suffix == ".jpg":
            image.save(path, format="JPEG", quality=95, subsampling=0, xmp=packet, **tags)
        else:
            info = TiffImagePlugin.ImageFileDirectory_v2()
            info[_TIFF_XMP] = packet
            image.save(path, format="TIFF", compression="tiff_lzw", tiffinfo=info, **tags)


def read(path: Path) -> dict[str, Any]:
    """The record inside a PNG, JPEG, TIFF, WebP, MP4 or MOV of ours; {} for any other such file.

    Pixels and films are not decoded, and no more than a few hundred kilobytes are read, whatever
    the file says of its length.

    Raises:
        FormatError: it is none of these, is cut off, or its record is damaged.
    """
    return told(path)[0]


def told(path: Path) -> tuple[dict[str, Any], str]:
    """(record, digital source type) of a file; {} and "" where it does not tell.

    The source type is the last word of IPTC's address, such as trainedAlgorithmicMedia.

    Raises:
        FormatError: as `read`.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise FormatError(f"{path} cannot be read ({error.strerror}): check the path.") from error
    if head[:8] == _PNG:
        texts = _png_texts(path)
        packet = texts.get(_PNG_XMP, "")
        record = texts.get(_PNG_RECORD, "")
        found = _parse(record, str(path)) if record else read_xmp(packet.encode())
    elif head[4:8] == b"ftyp":
        packet = _mp4_packet(path).decode("utf-8", "replace")
        found = read_xmp(packet.encode())
    elif head[:3] == b"\xff\xd8\xff" or head[:4] in _TIFF or head[:4] + head[8:12] == b"RIFFWEBP":
        packet = _embedded(path).decode("utf-8", "replace")
        found = read_xmp(packet.encode())
    else:
        raise FormatError(f"{path} is no PNG, JPEG, TIFF, WebP, MP4 or MOV: choose another file.")
    source = _SOURCE.search(packet)
    return found, source.group(1) if source else ""


def inherited(path: Path) -> dict[str, Any]:
    """What a picture says that another is made from; {} where it says nothing that can be read."""
    try:
        return read(path)
    except FormatError:
        return {}


def read_png(path: Path) -> dict[str, Any]:
    """The record inside a PNG of ours; {} for any other PNG.

    Raises:
        FormatError: the file is no PNG, or its record is damaged.
    """
    text = _png_texts(path).get(_PNG_RECORD, "")
    return _parse(text, str(path)) if text else {}


def stamp_mp4(path: Path, record: Mapping[str, Any], source: str = TRAINED) -> None:
    """Append XMP with `record` to a film; a stamp that is there already is replaced.

    Raises:
        FormatError: `path` is no MP4.
        StorageError: the disk is full, or `path` cannot be written.
    """
    packet = xmp(record, source)
    box = struct.pack(">I4s", 8 + 16 + len(packet), b"uuid") + _XMP_BOX + packet
    end = path.stat().st_size
    for kind, start, size in mp4_boxes(path):
        if kind == "uuid" and start + size == end and _is_xmp(path, start):
            end = start
    with storage_errors(path.parent), path.open("r+b") as film:
        film.seek(end)
        film.write(box)
        film.truncate()


def read_mp4(path: Path) -> dict[str, Any]:
    """The record inside a film of ours; {} for any other film.

    Raises:
        FormatError: `path` is no MP4, or its record is damaged.
    """
    return read_xmp(_mp4_packet(path))


def mp4_boxes(path: Path) -> Iterator[tuple[str, int, int]]:
    """The top-level boxes of an MP4: (type, offset, size), both in bytes.

    Raises:
        FormatError: the file is no MP4, or is cut off.
    """
    length = path.stat().st_size
    start = count = 0
    with path.open("rb") as film:
        while start < length:
            film.seek(start)
            head = film.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:  # a 64-bit size follows the type
                size = int.from_bytes(head[8:16], "big")
            elif size == 0:  # to the end of the file
                size = length - start
            count += 1
            wrong = size < 8 or start + size > length or count > _BOXES
            if wrong or (start == 0 and head[4:8] != b"ftyp"):
                raise FormatError(f"{path} is not a whole MP4: make it again.")
            yield head[4:8].decode("latin-1"), start, size
            start += size


def _is_xmp(path: Path, start: int) -> bool:
    with path.open("rb") as film:
        film.seek(start + 8)
        return film.read(16) == _XMP_BOX


def _mp4_packet(path: Path) -> bytes:
    for kind, start, size in mp4_boxes(path):
        if kind == "uuid" and size <= _LONGEST and _is_xmp(path, start):
            with path.open("rb") as film:
                film.seek(start + 24)
                return film.read(size - 24)
    return b""


def _png_texts(path: Path) -> dict[str, str]:
    """The iTXt texts of a PNG that are ours to read, by keyword; pixels are stepped over."""
    found: dict[str, str] = {}
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            if file.read(8) != _PNG:
                raise FormatError(f"{path} is not a PNG that can be read: choose another file.")
            for _ in range(_CHUNKS):
                head = file.read(8)
                if len(head) < 8 or head[4:] == b"IEND":
                    break
                size, behind = int.from_bytes(head[:4], "big"), file.tell()
                if behind + size + 4 > length:
                    raise FormatError(f"{path} is cut off: look for a whole copy.")
                if head[4:] == b"iTXt" and size <= _LONGEST:
                    keyword, text = _itxt(file.read(size))
                    if keyword in (_PNG_XMP, _PNG_RECORD):
                        found.setdefault(keyword, text)
                file.seek(behind + size + 4)
    except OSError as error:
        raise FormatError(f"{path} is not a PNG that can be read: choose another file.") from error
    return found


def _itxt(data: bytes) -> tuple[str, str]:
    """Keyword and text of an iTXt chunk (PNG 11.3.3.4); a text that swells too far is left out."""
    keyword, _, rest = data.partition(b"\0")
    text = rest[2:].split(b"\0", 2)[-1]
    if rest[:1] == b"\1":
        try:
            inflate = zlib.decompressobj()
            text = inflate.decompress(text, _LONGEST)
        except zlib.error:
            return "", ""
        if inflate.unconsumed_tail:
            return "", ""
    return keyword.decode("latin-1"), text.decode("utf-8", "replace")


def _embedded(path: Path) -> bytes:
    """The XMP packet of a JPEG, TIFF or WebP; b"" where there is none, or a huge one."""
    try:
        with Image.open(path, formats=("JPEG", "TIFF", "WEBP")) as image:
            packet = image.info.get("xmp", b"")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"{path} cannot be read as a picture: choose another file.") from error
    return packet if isinstance(packet, bytes) and len(packet) <= _LONGEST else b""


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, ensure_ascii=False)


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{name} holds a damaged record: make the file again.") from error
    return dict(found) if isinstance(found, dict) else {}
