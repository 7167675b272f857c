"""XMP: what other programs wrote is understood, kept, never written over, and cannot do harm."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from merzmory.archive import sidecars, xmp
from merzmory.archive.marks import FLAGS, LABELS, Marks
from merzmory.errors import ConfigError, FormatError

HEAD = '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
SPACES = (
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:xmpDM="http://ns.adobe.com/xmp/1.0/DynamicMedia/" '
    'xmlns:digiKam="http://www.digikam.org/ns/1.0/" xmlns:darktable="http://darktable.sf.net/"'
)
KEYWORDS = "<dc:subject><rdf:Bag><rdf:li>Grandmother</rdf:li></rdf:Bag></dc:subject>"


def document(attributes: str = "", elements: str = "") -> bytes:
    return (
        f'{HEAD}<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'{SPACES} {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()  # fmt: skip


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ('xmp:Rating="4"', Marks(stars="4")),
        ('xmp:Rating="0"', Marks()),
        ('xmp:Rating="-1"', Marks(flag="reject")),
        ('xmp:Rating="99"', Marks()),
        ('xmp:Rating="4.0"', Marks(stars="4")),
        ('xmp:Rating="nan"', Marks()),
        ('xmp:Label="Red"', Marks(label="red")),
        ('xmp:Label="Grün"', Marks(label="green")),
        ('xmp:Label="To Do"', Marks(label="purple")),
        ('xmp:Label="Urgent"', Marks()),
        ('xmpDM:pick="1"', Marks(flag="pick")),
        ('xmpDM:pick="-1" xmp:Rating="3"', Marks(flag="reject", stars="3")),
        ('xmpDM:pick="0"', Marks()),
        ('xmpDM:good="True"', Marks(flag="pick")),
        ('digiKam:PickLabel="1"', Marks(flag="reject")),
        ('digiKam:PickLabel="2"', Marks()),
        ('digiKam:PickLabel="3" digiKam:ColorLabel="3"', Marks(flag="pick", label="yellow")),
    ],
)
def test_other_programs_are_understood(told: str, said: Marks) -> None:
    assert xmp.read(document(told)) == said
    as_elements = "".join(
        "<{0}>{1}</{0}>".format(*part.removesuffix('"').split('="'))
        for part in told.replace('" ', '"\n').split("\n")
    )
    assert xmp.read(document("", as_elements)) == said


marks = st.builds(
    Marks,
    flag=st.sampled_from(["", *FLAGS]), stars=st.sampled_from(["", *"12345"]),
    label=st.sampled_from(["", *LABELS]), date=st.sampled_from(["", "1962"]),
)  # fmt: skip


@given(marks, marks)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(first: Marks, second: Marks) -> None:
    told = xmp.written(first)
    assert xmp.is_ours(told)
    assert xmp.read(told) == Marks(flag=first.flag, stars=first.stars, label=first.label)
    foreign = document(
        'xmp:Rating="2" darktable:auto="7"', KEYWORDS + "<xmp:Label>Blau</xmp:Label>"
    )
    for base in (told, document('xmp:Rating="-1"'), document('xmpDM:pick="1"'), foreign):
        told = xmp.written(second, base)
        found, before = xmp.read(told), xmp.read(base)
        assert found.stars == (second.stars or before.stars)
        assert found.label == (second.label or before.label)
        assert found.flag == (second.flag or before.flag)
        assert told.count(b"xmp:Rating") <= 1 and told.count(b"xmp:Label") <= 2
    assert b"Grandmother" in told and b'darktable:auto="7"' in told and not xmp.is_ours(told)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "hostile",
    [
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>'.encode() + document(elements="&l9;"),
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + document(elements="&e;"),
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">' + document(),
        b"", b"\0" * 100, b"<a/>", b"<a>" * 50_000, b"\xff\xfe<\0", document()[:-60],
        b" " * (xmp.LARGEST + 1), "<é>".encode("latin-1"),
    ],
)  # fmt: skip
def test_hostile_xml_ends_in_a_sentence(hostile: bytes) -> None:
    with pytest.raises(FormatError, match=r"^It "):
        xmp.read(hostile)
    with pytest.raises(FormatError, match=r"^It "):
        xmp.written(Marks(stars="1"), hostile)


def test_depth_is_no_danger() -> None:
    deep = document('xmp:Rating="5"', "<dc:x>" * 30_000 + "</dc:x>" * 30_000)
    assert xmp.read(deep).stars == "5"
    with pytest.raises(FormatError, match="nested too deep"):
        xmp.written(Marks(stars="1"), deep)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_end_in_marks_or_a_sentence(data: bytes) -> None:
    try:
        assert isinstance(xmp.read(data), Marks)
    except FormatError as error:
        assert str(error).startswith("It ")


@pytest.fixture
def photos(tmp_path: Path, pictures: Callable[[int], Image.Image]) -> Path:
    folder = tmp_path / "photos"
    (folder / "2019").mkdir(parents=True)
    pictures(1).save(folder / "2019" / "plain.jpg", xmp=document('xmp:Rating="2"'))
    pictures(2).save(folder / "own.png")
    pictures(3).save(folder / "raw.jpg")
    (folder / "own.png.xmp").write_bytes(document('xmp:Rating="5"', KEYWORDS))
    (folder / "own.xmp").write_bytes(document('xmp:Rating="1" xmp:Label="Blue"'))
    (folder / "raw.xmp").write_bytes(b"no xmp")
    return folder


def said_of(folder: Path) -> dict[str, sidecars.Told]:
    files = sorted(p for p in folder.rglob("*") if p.suffix in (".jpg", ".png"))
    return {Path(one.path).name: one for one in sidecars.read((str(f), f.name) for f in files)}


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_sidecars_speak_before_what_lies_inside(photos: Path) -> None:
    told = said_of(photos)
    assert told["plain.jpg"].said == Marks(stars="2")
    assert told["own.png"].said == Marks(stars="5", label="blue")
    assert told["raw.jpg"].marks() == [] and "raw.xmp: It is damaged" in told["raw.jpg"].trouble
    (photos / "2019" / "plain.jpg.xmp").write_bytes(document('xmp:Rating="-1"'))
    assert said_of(photos)["plain.jpg"].said == Marks(flag="reject", stars="2")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_for_a_sidecar_is_left_alone(photos: Path) -> None:
    os.mkfifo(photos / "2019" / "plain.jpg.xmp")
    assert said_of(photos)["plain.jpg"].said == Marks(stars="2")


def test_sidecars_go_into_a_folder_of_ours(photos: Path, tmp_path: Path) -> None:
    before = fingerprints(photos)
    said = {str(photos / name): Marks(flag="pick") for name in
            ("own.png", "raw.jpg", "2019/plain.jpg")}  # fmt: skip
    for _again in range(2):
        done = list(sidecars.write(said, folder=tmp_path / "out", root=photos))
        made = {str(one.path.relative_to(tmp_path / "out")): one.how for one in done}
        assert made == {
            "own.png.xmp": "merged", "raw.xmp": "left", str(Path("2019", "plain.jpg.xmp")): "new",
        }  # fmt: skip
        merged = (tmp_path / "out" / "own.png.xmp").read_bytes()
        assert xmp.read(merged) == Marks(flag="pick", stars="5") and b"Grandmother" in merged
    assert not (tmp_path / "out" / "raw.xmp").exists()
    assert fingerprints(photos) == before
    with pytest.raises(ConfigError, match="lies among the photographs"):
        list(sidecars.write(said, folder=photos / "xmp", root=photos))
    assert fingerprints(photos) == before


def test_beside_only_new_ones_and_our_own_are_written(photos: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(photos / "own.png", "own.png")
    before = fingerprints(photos)
    said = {
        str(photos / "own.png"): Marks(flag="pick"),
        str(photos / "2019" / "plain.jpg"): Marks(flag="pick"),
        f"{tmp_path / 'all.zip'}!/own.png": Marks(flag="pick"),
    }
    for flag in ("pick", "reject"):
        said[str(photos / "2019" / "plain.jpg")] = Marks(flag=flag)
        done = {one.path.name: one for one in sidecars.write(said, folder=None, root=photos)}
        assert done["plain.jpg.xmp"].how == "new"
        assert xmp.read((photos / "2019" / "plain.jpg.xmp").read_bytes()).flag == flag
    left = [one.reason for one in sidecars.write(said, folder=None, root=photos) if one.reason]
    assert sorted(left) == ["Another program wrote it.", "The photograph does not lie in a folder."]
    after = fingerprints(photos)
    after.pop(str(Path("2019", "plain.jpg.xmp")))
    assert after == before


def test_real_photographs_are_asked(shared: Path) -> None:
    files = sorted((shared / "photos" / "exif-samples").rglob("*.jpg"))[:40]
    for one in sidecars.read((str(file), file.name) for file in files):
        assert one.said.told or one.trouble
