"""Files that an archive of forty years may hold: broken, hostile, odd, and what becomes of each.

Nothing is foreign: every file is made here, from numbers. `python -m tests.archive.torture FOLDER`
writes them all.
"""

from __future__ import annotations

import os
import struct
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from merzmory.originals import decode, raw
from tests.archive.crafted import (
    blurred,
    cut,
    flat,
    flat_of,
    floating,
    frames,
    grey16,
    huge_jpeg,
    jpeg,
    lab,
    lab_profile,
    looping_exif,
    photo,
    png,
    profiled,
    rgb16,
    rotten,
    saved,
    seeing_through,
    srgb,
    tagged_by,
    text_bomb,
    tiff_header,
    turned,
)
from tests.cameras import dng

KEPT, DUPLICATE, REJECTED, SKIPPED, ERROR = "kept", "duplicate", "rejected", "skipped", "error"
ANY = ""  # a decoder may find it sound or not; it has its sentence


@dataclass(frozen=True, slots=True)
class Kind:
    """A file: its bytes, the verdict after culling at 16 pixels, and words of its reason."""

    name: str
    make: Callable[[], bytes]
    verdict: str
    words: str = ""


_CODECS = {"WEBP": "webp", "AVIF": "avif", "GIF": "gif", "BMP": "bmp", "TIFF": "tif", "PPM": "ppm"}
_OTHERS = {  # what is named like a picture
    "text.jpg": (b"this is a text and no picture, whatever its name says", ERROR, "holds none"),
    "page.jpg": (b"<!DOCTYPE html><html><body>429</body></html>", ERROR, "web page"),
    "answer.jpg": (b'{"message": "Please wait a few minutes"}', ERROR, "service's answer"),
    "pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\noid", ERROR, "git lfs pull"),
    "paper.jpg": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj", SKIPPED, "PDF"),
    "drawing.png": (b"<?xml version='1.0'?><svg xmlns='x'/>", SKIPPED, "drawing"),
    "postscript.tif": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9", SKIPPED, "drawing"),
    "packed.jpg": (b"PK\3\4\x14\0\0\0\0\0" + bytes(40), SKIPPED, "ZIP"),
    "layers.jpg": (b"8BPS\0\1" + bytes(60), SKIPPED, "Photoshop"),
    "film.heic": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(99), SKIPPED, "film"),
    "film.jpg": (b"RIFF\0\1\0\0AVI LIST" + bytes(99), SKIPPED, "film"),
    "film.png": (b"\x1aE\xdf\xa3\x01\0\0\0" + bytes(99), SKIPPED, "film"),
    "program.jpg": (b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff" + bytes(range(200)), ERROR, "holds none"),
    "zeros.jpg": (bytes(5000), ERROR, "one repeated byte"),
    "ones.jpg": (b"\xff" * 5000, ERROR, "one repeated byte"),
    "byte.jpg": (b"\xff", ERROR, "one repeated byte"),
    "empty.jpg": (b"", ERROR, "empty"),
    "torn.avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(30), ERROR, "."),
}
_LEFT = {  # what is left closed
    "._IMG_1.jpg": (b"\0\5\x16\7\0\2", "macOS"), "Thumbs.db": (b"\xd0\xcf\x11\xe0", "system"),
    ".DS_Store": (b"\0\0\0\1Bud1", "system"), "desktop.ini": (b"[x]", "system"),
    "note.txt": (b"a note", "not a picture"), "data.json": (b"{}", "not a picture"),
    "IMG_77.AAE": (b"<plist/>", "Apple's note"), "IMG_77.xmp": (b"<x/>", "XMP"),
    "a.jpg.crdownload": (b"\xff\xd8\xff", "unfinished"), "b.jpg.temp": (b"x", "unfinished"),
    ".c.jpg.icloud": (b"bplist00", "unfinished"), "d.part": (b"", "unfinished"),
    "old.zip": (b"PK\3\4", "ZIP"), "old.7z": (b"7z\xbc\xaf", "packed"),
    "clip.mov": (bytes(64), "film"), "IMG_9001.MOV": (bytes(64), "film of IMG_9001.JPG"),
    "IMG_9001.AAE": (b"<plist/>", "how IMG_9001.JPG was edited"),
    "page.pdf": (b"%PDF-1.7", "PDF"), "layers.psd": (b"8BPS", "Photoshop"),
    "logo.svg": (b"<svg/>", "drawing"), "empty": (b"", "not a picture"),
    "music.mp3": (b"ID3\3", "not a picture"),
}  # fmt: skip


def kinds() -> Iterator[Kind]:
    """Every kind, in a fixed order."""
    for name, (data, verdict, words) in _OTHERS.items():
        yield Kind(name, lambda data=data: data, verdict, words)
    for name, (data, words) in _LEFT.items():
        yield Kind(name, lambda data=data: data, SKIPPED, words)
    yield from _damaged()
    yield from _misnamed()
    yield from _bombs()
    yield from _modes()
    yield from _tags()
    yield from _named()
    yield Kind("black.png", lambda: flat(0), REJECTED, "100% of it is black")
    yield Kind("white.png", lambda: flat(255), REJECTED, "100% of it is white")
    yield Kind("blurred.jpg", lambda: blurred(500), REJECTED, "blurred")
    yield Kind("IMG_9001.JPG", lambda: jpeg(501), KEPT)
    yield Kind("IMG_9002.JPG", lambda: jpeg(502), SKIPPED, "IMG_E9002.JPG is read in its place")
    yield Kind("IMG_E9002.JPG", lambda: jpeg(503), KEPT)
    yield Kind("DSC_9003.JPG", lambda: jpeg(504), KEPT)
    yield Kind("DSC_9003.NEF", lambda: b"MM\0*" + bytes(99), SKIPPED, "RAW of DSC_9003.JPG")
    yield Kind("motion.MP.jpg", lambda: jpeg(505) + b"\0\0\0\x18ftypmp42" + bytes(999), KEPT)
    there = raw.reads_raw()
    yield Kind("camera.dng", dng, KEPT if there else SKIPPED)
    yield Kind(
        "worn.cr2",
        lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(300),
        ERROR if there else SKIPPED,
        "RAW",
    )
    yield Kind("worn-out.dng", lambda: cut(dng(), 0.6), ERROR if there else SKIPPED)
    if decode.reads_heic():
        yield Kind("phone.heic", lambda: saved(photo(510), "HEIF", quality=90), KEPT)
        yield Kind("torn.heic", lambda: cut(saved(photo(511), "HEIF"), 0.5), ERROR, ".")
        yield Kind("rotten.heic", lambda: rotten(saved(photo(512), "HEIF"), 1), ANY)
        yield Kind("heic.jpg", lambda: saved(photo(513), "HEIF", quality=90), KEPT)


def _damaged() -> Iterator[Kind]:
    for number, share in enumerate((0.2, 0.5, 0.75, 0.9)):
        yield Kind(
            f"cut-{share:.0%}.jpg",
            lambda n=number, s=share: cut(jpeg(10 + n), s),
            REJECTED, "rows are lost, as the file is cut off",
        )  # fmt: skip
    yield Kind("cut-1%.jpg", lambda: cut(jpeg(15), 0.01), ERROR, "cut off|damaged|holds none")
    yield Kind("no-end.jpg", lambda: jpeg(16)[:-2], KEPT, "but only 0.4% of its rows are lost")
    yield Kind("zero-tail.jpg", lambda: cut(jpeg(17), 0.6) + bytes(9999), REJECTED, "rows are lost")
    yield Kind(
        "ff-tail.jpg", lambda: cut(jpeg(18), 0.6) + b"\xff" * 9999, REJECTED, "rows are lost"
    )
    yield Kind("cut-progressive.jpg", lambda: cut(jpeg(19, progressive=True), 0.5), ANY)
    yield Kind("rotten.jpg", lambda: rotten(jpeg(20), 1), ANY)
    yield Kind("trailer.jpg", lambda: jpeg(21) + b"SEFT trailer" * 30, KEPT)
    yield Kind("leader.jpg", lambda: b"\0\1\2\3" * 5 + jpeg(22), ERROR, "holds none")
    yield Kind("two.jpg", lambda: jpeg(23) + jpeg(24), KEPT)
    yield Kind("no-tables.jpg", lambda: jpeg(25).replace(b"\xff\xdb", b"\xff\xe9"), ERROR, ".")
    whole = {
        form: lambda n=n, f=form: saved(photo(30 + n, (384, 256)), f)
        for n, form in enumerate(_CODECS)
    }
    for form, make in whole.items():
        suffix = _CODECS[form]
        yield Kind(f"cut.{suffix}", lambda m=make: cut(m(), 0.5), ERROR, ".")
        yield Kind(f"rotten.{suffix}", lambda m=make: rotten(m(), 2), ANY)
    yield Kind("cut.png", lambda: cut(saved(photo(40), "PNG"), 0.5), ERROR, "cut off|damaged")
    yield Kind("crc.png", lambda: rotten(saved(photo(41), "PNG"), 3, 1), ANY)
    yield Kind("end.png", lambda: saved(photo(42), "PNG")[:-12], ANY)
    yield Kind("no-data.png", lambda: png(64, 64), ERROR, "cut off|damaged")


def _misnamed() -> Iterator[Kind]:
    named = {
        "png.jpg": "PNG", "jpg.png": "JPEG", "gif.jpg": "GIF", "webp.jpg": "WEBP", "bmp.jpg": "BMP",
        "tiff.jpg": "TIFF", "avif.jpg": "AVIF", "no-ending": "PNG", "jpg.dat": "JPEG",
        "LOUD.JPG": "JPEG", "odd.jfif": "JPEG", ".hidden.jpg": "JPEG", "jpeg.heic": "JPEG",
    }  # fmt: skip
    for number, (name, form) in enumerate(named.items()):
        yield Kind(name, lambda n=number, f=form: saved(photo(50 + n), f), KEPT)


def _bombs() -> Iterator[Kind]:
    yield Kind("bomb.png", lambda: png(50_000, 50_000), ERROR, "megapixels")
    yield Kind("bomb-wide.png", lambda: png(2**31 - 1, 9), ERROR, "pixels|damaged|holds none")
    yield Kind("bomb.jpg", huge_jpeg, ERROR, "megapixels")
    yield Kind("bomb-text.png", lambda: text_bomb(70), ANY)
    yield Kind(
        "bomb.gif", lambda: b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(9), ERROR, "."
    )
    yield Kind("bomb.tif", lambda: tiff_header(60_000, 60_000), ERROR, "megapixels")
    yield Kind("bomb.ppm", lambda: b"P6 60000 60000 255\n" + bytes(99), ERROR, "megapixels")
    yield Kind(
        "bomb.bmp",
        lambda: (
            b"BM"
            + struct.pack("<IHHIIiiHHI", 54, 0, 0, 54, 40, 50_000, 50_000, 1, 24, 0)
            + bytes(99)
        ),
        ERROR,
        "megapixels",
    )
    yield Kind("dot.png", lambda: flat_of(1, 1), REJECTED, "1 x 1 pixels")
    yield Kind("line.png", lambda: flat_of(1, 5000), REJECTED, "1 x 5000 pixels")
    yield Kind("panorama.jpg", lambda: saved(photo(71, (4000, 200))), KEPT)
    yield Kind(
        "negative.bmp",
        lambda: b"BM" + struct.pack("<IHHIIiiHHI", 54, 0, 0, 54, 40, -5, -5, 1, 24, 0) + bytes(99),
        ERROR,
        ".",
    )


def _modes() -> Iterator[Kind]:
    makes: dict[str, Callable[[], bytes]] = {
        "cmyk.jpg": lambda: saved(photo(100).convert("CMYK")),
        "cmyk.tif": lambda: saved(photo(101).convert("CMYK"), "TIFF"),
        "grey.jpg": lambda: saved(photo(102).convert("L")),
        "grey16.png": lambda: grey16(103, "PNG"),
        "grey16.tif": lambda: grey16(104, "TIFF"),
        "grey16-big.tif": lambda: grey16(105, "TIFF", ">"),
        "rgb16.png": lambda: rgb16(106),
        "palette.png": lambda: saved(photo(107).quantize(200), "PNG"),
        "palette-clear.png": lambda: saved(photo(108).quantize(200), "PNG", transparency=3),
        "grey-alpha.png": lambda: saved(photo(109).convert("LA"), "PNG"),
        "alpha.png": lambda: seeing_through(110, 255),
        "alpha.webp": lambda: saved(photo(111).convert("RGBA"), "WEBP"),
        "float.tif": lambda: floating(112),
        "float-nan.tif": lambda: floating(113, nan=True),
        "int32.tif": lambda: saved(photo(114).convert("L").convert("I"), "TIFF"),
        "lab.tif": lambda: saved(lab(115), "TIFF"),
        "lzw.tif": lambda: saved(photo(117), "TIFF", compression="tiff_lzw"),
        "jpeg.tif": lambda: saved(photo(118, (384, 256)), "TIFF", compression="jpeg", quality=90),
        "progressive.jpg": lambda: jpeg(119, progressive=True),
        "pages.tif": lambda: frames("TIFF", 120),
        "turning.gif": lambda: frames("GIF", 123),
        "turning.webp": lambda: frames("WEBP", 126),
        "turning.png": lambda: frames("PNG", 129),
        "stereo.mpo": lambda: frames("MPO", 132),
        "profile-junk.jpg": lambda: profiled(135, b"no profile at all"),
        "profile-cut.jpg": lambda: profiled(136, cut(srgb(), 0.5)),
        "profile-lab.jpg": lambda: profiled(137, lab_profile()),
        "profile.jpg": lambda: profiled(138, srgb()),
    }  # fmt: skip
    for name, make in makes.items():
        yield Kind(name, make, KEPT)
    yield Kind("bilevel.png", lambda: saved(photo(139).convert("1"), "PNG"), ANY)
    yield Kind("clear.png", lambda: seeing_through(140, 0), REJECTED, "white")


def _tags() -> Iterator[Kind]:
    for turn in range(10):
        yield Kind(f"turn-{turn}.jpg", lambda t=turn: turned(200 + t, t), KEPT)
    camera = {0x010F: "Camera"}
    tagged: dict[str, bytes] = {
        "exif-junk": b"Exif\0\0" + bytes(range(200)),
        "exif-loop": looping_exif(),
        "exif-long": tagged_by({**camera, 0x9286: "x" * 60_000}),
        "date-zero": tagged_by({**camera, 0x0132: "0000:00:00 00:00:00"}),
        "date-future": tagged_by({**camera, 0x0132: "2199:01:01 00:00:00"}),
        "date-junk": tagged_by({**camera, 0x0132: "yesterday"}),
        "date-nul": tagged_by({**camera, 0x0132: "\0" * 19}),
        "gps-beyond": tagged_by({**camera, 0x8825: {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)}}),
        "gps-junk": tagged_by({**camera, 0x8825: {1: "Q", 2: (1.0, 2.0, 3.0), 3: "Z"}}),
    }  # fmt: skip
    for number, (name, exif) in enumerate(tagged.items()):
        yield Kind(f"{name}.jpg", lambda n=number, e=exif: jpeg(220 + n, exif=e), KEPT)


def _named() -> Iterator[Kind]:
    names = [
        "Übung – «été» 写真 🎞.jpg", unicodedata.normalize("NFD", "modifié.jpg"),
        unicodedata.normalize("NFC", "modifié.jpg"), "-rf.jpg", "two\nlines.jpg", "a" * 240 + ".jpg",
        "100%s %d %n.jpg", "$HOME `id` 'x' \"y\".jpg", " spaces .jpg", "dots...jpg", "a!@1.5.jpg",
        "a!b.jpg", "*.jpg", "\\.jpg", os.fsdecode(b"caf\xe9.jpg"),
    ]  # fmt: skip
    for number, name in enumerate(names):
        yield Kind(name, lambda n=number: jpeg(300 + n), KEPT)


def build(folder: Path) -> dict[str, Kind]:
    """Write every kind into `folder`, and what is no regular file beside them; the kinds by name.

    Names that this file system refuses are left out.
    """
    made = {}
    for kind in kinds():
        if (folder / kind.name).exists():  # under a name that is the same here
            continue
        try:
            (folder / kind.name).write_bytes(kind.make())
        except OSError:
            continue
        made[kind.name] = kind
    (folder / "directory.jpg").mkdir()
    deep = folder.joinpath(*["deep"] * 60)
    deep.mkdir(parents=True)
    (deep / "far.jpg").write_bytes(jpeg(400))
    made["far.jpg"] = Kind("far.jpg", bytes, KEPT)
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "linked.jpg").symlink_to(folder / "IMG_9001.JPG")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    os.link(folder / "IMG_9001.JPG", folder / "hard.jpg")
    made["hard.jpg"] = Kind("hard.jpg", bytes, DUPLICATE, "same bytes")
    os.mkfifo(folder / "pipe.jpg")
    return made


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True)
    build(Path(sys.argv[1]))
