"""A file says that it is made by AI, and gives its record back."""

from __future__ import annotations

import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from merzmory import provenance
from merzmory.errors import FormatError

RECORD = {"seed": 7, "psi": 0.7, "step": 200, "title": 'Kölner "Dom" <&> 記憶'}
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def film(path: Path) -> Path:
    """Two boxes are an MP4 as far as metadata goes."""
    path.write_bytes(
        struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + struct.pack(">I4s", 8, b"mdat")
    )
    return path


def picture() -> Image.Image:
    return Image.linear_gradient("L").resize((24, 18)).convert("RGB")


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_record_survives_xmp(record: dict[str, object]) -> None:
    assert provenance.read_xmp(provenance.xmp(record)) == record


def test_xmp_is_xml_and_names_the_source_type() -> None:
    packet = provenance.xmp(RECORD).decode()
    body = packet[packet.index("<x:xmpmeta") : packet.rindex("<?xpacket")]
    assert ElementTree.fromstring(body).find(f".//{IPTC}").text == provenance.SOURCE_TYPE  # type: ignore[union-attr]


def test_png_gives_record_and_pixels_back(tmp_path: Path) -> None:
    provenance.save_png(picture(), tmp_path / "a.png", RECORD)
    provenance.save_png(picture(), tmp_path / "b.png", dict(reversed(RECORD.items())))
    assert provenance.read_png(tmp_path / "a.png") == RECORD
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert provenance.SOURCE_TYPE in image.info["XML:com.adobe.xmp"]
        assert image.tobytes() == picture().tobytes()


def test_foreign_png_has_no_record(tmp_path: Path) -> None:
    picture().save(tmp_path / "foreign.png")
    assert provenance.read_png(tmp_path / "foreign.png") == {}


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_xmp_travels_in_other_formats(tmp_path: Path, format: str) -> None:
    picture().save(tmp_path / "x", format=format, xmp=provenance.xmp(RECORD))
    with Image.open(tmp_path / "x") as image:
        assert provenance.read_xmp(image.info["xmp"]) == RECORD


def test_what_is_no_png_is_named(tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("hello")
    with pytest.raises(FormatError, match=r"note\.png is not a PNG"):
        provenance.read_png(tmp_path / "note.png")


def test_mp4_stamp_is_appended_once(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    before = path.read_bytes()
    assert provenance.read_mp4(path) == {}
    provenance.stamp_mp4(path, {"long": "x" * 5000})
    provenance.stamp_mp4(path, RECORD)
    assert provenance.read_mp4(path) == RECORD
    assert path.read_bytes().startswith(before)
    assert [kind for kind, _, _ in provenance.mp4_boxes(path)] == ["ftyp", "mdat", "uuid"]


def test_other_uuid_boxes_stay(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes() + struct.pack(">I4s", 24, b"uuid") + bytes(16))
    provenance.stamp_mp4(path, RECORD)
    assert [k for k, _, _ in provenance.mp4_boxes(path)] == ["ftyp", "mdat", "uuid", "uuid"]
    assert provenance.read_mp4(path) == RECORD


@pytest.mark.parametrize("data", [b"RIFF0000WAVE", b"\0\0\0\x10ftypisom\0\0\0\0\0\0\1\0mdat"])
def test_what_is_no_whole_mp4_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(FormatError, match="not a whole MP4"):
        provenance.stamp_mp4(tmp_path / "a.mp4", RECORD)
