"""How a file says that it is made by AI, and from what.

Pictures and films carry two things: the IPTC digital source type in XMP, which agencies and
search engines read, and a JSON record of our own (seed, psi, step, ...) that `read_png` and
`read_mp4` give back. Neither holds a path or a place: callers put only what may be published.

PNG: iTXt `XML:com.adobe.xmp` (XMP specification part 3) and iTXt `merzmory`.
MP4: one top-level `uuid` box behind the film (ISO/IEC 14496-12; XMP part 3), so that the
sample offsets stay as they are. JPEG and WebP: pass `xmp(record)` to Pillow's `save(xmp=)`.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape, unescape

from PIL import Image, PngImagePlugin

from merzmory.errors import FormatError, storage_errors

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_PNG_XMP = "XML:com.adobe.xmp"
_PNG_RECORD = "merzmory"
_XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes

_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:merzmory="https://merzmory.invalid/ns/1/">
   <Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
   <xmp:CreatorTool>MERZmory</xmp:CreatorTool>
   <merzmory:record>{record}</merzmory:record>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
_RECORD = re.compile(r"<merzmory:record>(.*?)</merzmory:record>", re.DOTALL)


def xmp(record: Mapping[str, Any]) -> bytes:
    """An XMP packet (UTF-8) that says made by a trained algorithm, and holds `record`."""
    return _PACKET.format(source=SOURCE_TYPE, record=escape(_json(record))).encode()


def read_xmp(packet: bytes) -> dict[str, Any]:
    """The record inside a packet of ours; {} where there is none.

    Raises:
        FormatError: the packet holds a record that is not JSON.
    """
    found = _RECORD.search(packet.decode("utf-8", "replace"))
    return _parse(unescape(found.group(1)), "This XMP packet") if found else {}


def save_png(image: Image.Image, path: Path, record: Mapping[str, Any]) -> None:
    """Write `image` as a PNG with XMP and `record`; equal input gives equal bytes.

    Raises:
        StorageError: the disk is full, or `path` cannot be written.
    """
    info = PngImagePlugin.PngInfo()
    info.add_itxt(_PNG_XMP, xmp(record).decode())
    info.add_itxt(_PNG_RECORD, _json(record))
    with storage_errors(path.parent):
        image.save(path, format="PNG", pnginfo=info, dpi=image.info.get("dpi"))


def read_png(path: Path) -> dict[str, Any]:
    """The record inside a PNG of ours; {} for any other PNG.

    Raises:
        FormatError: the file is no PNG, or its record is damaged.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()  # iTXt may stand behind the pixels
            text = image.info.get(_PNG_RECORD)
    except (OSError, SyntaxError, ValueError) as error:
        raise FormatError(f"{path} is not a PNG that can be read: choose another file.") from error
    return _parse(str(text), str(path)) if text else {}


def stamp_mp4(path: Path, record: Mapping[str, Any]) -> None:
    """Append XMP with `record` to a film; a stamp that is there already is replaced.

    Raises:
        FormatError: `path` is no MP4.
        StorageError: the disk is full, or `path` cannot be written.
    """
    packet = xmp(record)
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
    for kind, start, size in mp4_boxes(path):
        if kind == "uuid" and _is_xmp(path, start):
            with path.open("rb") as film:
                film.seek(start + 24)
                return read_xmp(film.read(size - 24))
    return {}


def mp4_boxes(path: Path) -> Iterator[tuple[str, int, int]]:
    """The top-level boxes of an MP4: (type, offset, size), both in bytes.

    Raises:
        FormatError: the file is no MP4, or is cut off.
    """
    length = path.stat().st_size
    start = 0
    with path.open("rb") as film:
        while start < length:
            film.seek(start)
            head = film.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:  # a 64-bit size follows the type
                size = int.from_bytes(head[8:16], "big")
            elif size == 0:  # to the end of the file
                size = length - start
            if size < 8 or start + size > length or (start == 0 and head[4:8] != b"ftyp"):
                raise FormatError(f"{path} is not a whole MP4: make it again.")
            yield head[4:8].decode("latin-1"), start, size
            start += size


def _is_xmp(path: Path, start: int) -> bool:
    with path.open("rb") as film:
        film.seek(start + 8)
        return film.read(16) == _XMP_BOX


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, ensure_ascii=False)


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise FormatError(f"{name} holds a damaged record: make the file again.") from error
    return dict(found) if isinstance(found, dict) else {}
