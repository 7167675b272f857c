"""A file says that it is made by AI, and gives its record back."""

from __future__ import annotations

import contextlib
import struct
import tempfile
import zlib
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


def chunked(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG of one pixel with `chunks` before its pixels."""
    picture().resize((1, 1)).save(path)
    data = path.read_bytes()
    more = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    path.write_bytes(data[:33] + more + data[33:])
    return path


def test_a_huge_text_is_stepped_over(tmp_path: Path) -> None:
    inside = zlib.compress(b"x" * 50_000_000)
    bomb = chunked(
        tmp_path / "bomb.png",
        (b"iTXt", b"merzmory\0\1\0\0\0" + inside),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"<" * 3_000_000),
        (b"iTXt", b"merzmory\0\1\0\0\0not zlib"),
    )
    assert provenance.told(bomb) == ({}, "")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[" * 100_000, b'{"a": ' * 50_000, b"1" * 5000, b"\xff\xfe", b'"text"', b"null"],
)
def test_a_record_that_is_none_is_a_sentence_or_nothing(tmp_path: Path, body: bytes) -> None:
    path = chunked(tmp_path / "odd.png", (b"iTXt", b"merzmory\0\0\0\0\0" + body))
    try:
        assert provenance.read(path) == {}
    except FormatError as error:
        assert "damaged record" in str(error)


def test_entities_of_a_foreign_packet_are_not_expanded(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))
    packet = f"<!DOCTYPE x [<!ENTITY l0 'lol'>{laughs}]><x:xmpmeta>&l29;</x:xmpmeta>"
    picture().save(tmp_path / "a.jpg", xmp=packet.encode())
    assert provenance.told(tmp_path / "a.jpg") == ({}, "")


def test_a_picture_that_claims_to_be_vast_is_not_decoded(tmp_path: Path) -> None:
    path = chunked(tmp_path / "vast.png")
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 2_000_000_000, 2_000_000_000)
    path.write_bytes(data)
    assert provenance.read(path) == {}


def test_a_film_of_a_million_boxes_ends(tmp_path: Path) -> None:
    path = film(tmp_path / "boxes.mp4")
    path.write_bytes(path.read_bytes() + struct.pack(">I4s", 8, b"free") * 20_000)
    with pytest.raises(FormatError, match="not a whole MP4"):
        provenance.read(path)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x89PNG\r\n\x1a\n\0\0\xff\xffIHDR", b"\xff\xd8\xff\xe0torn"]
)
def test_a_foreign_file_ends_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(FormatError, match=r"x (is|cannot)"):
        provenance.told(tmp_path / "x")
    assert provenance.inherited(tmp_path / "x") == {}
    with pytest.raises(FormatError, match="check the path"):
        provenance.told(tmp_path / "none.png")


@given(st.binary(max_size=300))
def test_nothing_but_a_sentence_comes_out_of_noise(data: bytes) -> None:
    for head in (b"", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x10ftypisom\0\0\0\0", b"RIFF\0\0\0\0WEBP"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x"
            path.write_bytes(head + data)
            with contextlib.suppress(FormatError):
                provenance.told(path)


def test_what_no_network_made_is_not_called_so() -> None:
    assert b"digitalsourcetype" not in provenance.xmp({}, "")
    assert b"/compositeWithTrainedAlgorithmicMedia<" in provenance.xmp({}, provenance.COMPOSITE)
