"""A picture file as people see it: upright, in sRGB, without alpha, eight bits a channel.

Every photograph is opened here and read-only. What cannot be opened becomes one sentence.
"""

from __future__ import annotations

import functools
import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from merzmory.errors import ArchiveError
from merzmory.originals import disguises, mending, raw

# the formats that are opened (MPO by way of JPEG); never EPS, which would start another program
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"}
# what Pillow and its plug-ins raise on files that are broken in one of many ways
DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, struct.error, Image.DecompressionBombError,
)  # fmt: skip
_EXTRA = {
    "heic": 'It is a HEIC photograph: install the extra with pip install "merzmory[heic]" and run '
    "the command again.",
    "raw": 'It is a RAW photograph: install the extra with pip install "merzmory[raw]" and run the '
    "command again.",
}
_FILL = 4096  # equal bytes that no picture begins with
_MAX_SIDE = 65_535  # pixels: the longest side a JPEG can state
_ORIENTATION = 0x0112  # EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# a panorama of 100 megapixels is a photograph; twice Pillow's limit still raises
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# what a damaged file means is said in its own sentence
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class PictureError(ArchiveError):
    """A file that gives no picture. `verdict` is "error", or "skipped" where it is not at fault."""

    def __init__(self, sentence: str, verdict: str = "error") -> None:
        self.verdict = verdict
        super().__init__(sentence)


@functools.cache
def reads_heic() -> bool:
    """Whether HEIC can be read: pillow-heif is there (the extra `heic`)."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    return True


def is_heic(head: bytes) -> bool:
    """Whether a file that begins with these bytes (32 or more) is HEIC or HEIF, and not AVIF."""
    if head[4:8] != b"ftyp" or b"avif" in head[8:]:
        return False
    return head[8:12] in _HEIF_BRANDS


def lacks(extra: str) -> str:
    """The sentence for a file that waits for the extra `heic` or `raw`."""
    return _EXTRA[extra]


def waits_no_more(sentence: str) -> bool:
    """Whether `sentence` says that an extra is missing, and it is there now."""
    return (sentence == _EXTRA["heic"] and reads_heic()) or (
        sentence == _EXTRA["raw"] and raw.reads_raw()
    )


@contextmanager
def opened(source: Path | BinaryIO) -> Iterator[Image.Image]:
    """The picture file, opened read-only; its pixels are not decoded yet.

    Raises:
        PictureError: it is empty, no picture, too large, or of a format that is not read here.
    """
    stream = source.open("rb") if isinstance(source, Path) else source
    try:
        head = stream.read(32)
        stream.seek(0)
        if not head:
            raise PictureError("The file is empty.")
        if not head.strip(head[:1]) and not stream.read(_FILL).strip(head[:1]):
            raise PictureError(
                "It holds nothing but one repeated byte: its content is lost, so look for a copy."
            )
        stream.seek(0)
        Image.init()
        formats = tuple(name for name in FORMATS if name in Image.OPEN)
        if is_heic(head):
            if not reads_heic():
                raise PictureError(lacks("heic"), "skipped")
            formats = ("HEIF",)
        try:
            with in_words():
                picture = _opened(stream, head, formats)
        except PictureError as error:
            known = disguises.known(head)
            if known and isinstance(error.__cause__, UnidentifiedImageError):
                raise PictureError(known.sentence, known.verdict) from error
            raise
        if max(picture.size) > _MAX_SIDE:
            raise PictureError(
                f"It says it is {picture.width} x {picture.height} pixels, which is more than "
                f"{_MAX_SIDE} a side: save a smaller copy."
            )
        with picture:
            yield picture
    finally:
        if isinstance(source, Path):
            stream.close()


def _opened(stream: BinaryIO, head: bytes, formats: tuple[str, ...]) -> Image.Image:
    """What Pillow opens; of RAW, what LibRaw does."""
    if raw.is_raw(head):
        picture = _raw(stream)
        if picture is None:
            raise PictureError(
                "It is a RAW photograph that cannot be read: it is damaged, or its camera is newer "
                "than LibRaw, so export it as JPEG or TIFF."
            )
        return picture
    tiff = head[:4] in {b"II*\0", b"MM\0*"}
    try:
        picture = Image.open(stream, formats=formats)
    except UnidentifiedImageError:
        if tiff and raw.reads_raw() and (found := _raw(stream)) is not None:
            return found
        raise
    if tiff and raw.is_raw_tiff(getattr(picture, "tag_v2", {})):
        return _raw(stream) or picture
    return picture


def _raw(stream: BinaryIO) -> Image.Image | None:
    """The picture in a RAW file; None where LibRaw finds none.

    Raises:
        PictureError: the extra is missing.
        Image.DecompressionBombError: it is too large.
    """
    if not raw.reads_raw():
        raise PictureError(lacks("raw"), "skipped")
    try:
        return raw.opened(stream)
    except raw.UnreadableRawError as error:
        stream.seek(0)
        if error.large:
            raise Image.DecompressionBombError from error
        return None


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what Pillow raises on a damaged file into one sentence.

    Raises:
        PictureError: the file is damaged.
    """
    try:
        yield
    except ArchiveError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(
            "It says it has more than 178 megapixels, which is the limit: save a smaller copy."
        ) from error
    except UnidentifiedImageError as error:
        raise PictureError("It is named like a picture but holds none that can be read.") from error
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise PictureError(f"It cannot be read ({error.strerror}).") from error
        if isinstance(error, MemoryError):
            raise PictureError("It is too large for this machine's memory.") from error
        text = str(error).lower()
        if "truncated" in text or "unexpected end" in text or isinstance(error, EOFError):
            raise PictureError("It is cut off: the file ends before the picture does.") from error
        raise PictureError("It is damaged: its pixels cannot be decoded.") from error


def upright_srgb(
    source: Path | BinaryIO, *, longest: int | None = None, shortest: int | None = None
) -> Image.Image:
    """The photograph upright, RGB in sRGB, alpha laid on white, 8 bits a channel.

    `longest` reduces the longer side to at most that many pixels; `shortest` lets a JPEG be decoded
    at 1/2, 1/4 or 1/8 as long as its shorter side keeps that many. Nothing is ever enlarged.

    Raises:
        PictureError: the file is no picture, or is damaged.
    """
    with opened(source) as picture:
        return developed(picture, longest=longest, shortest=shortest)[0]


def developed(
    picture: Image.Image,
    *,
    longest: int | None = None,
    shortest: int | None = None,
    mend: bool = False,
) -> tuple[Image.Image, tuple[int, int]]:
    """An opened picture as `upright_srgb` gives it, and its full upright size (width, height).

    With `mend`, a JPEG that ends too soon gives what is left of it.

    Raises:
        PictureError: the pixels are damaged.
    """
    with in_words():
        turned, full = _loaded(picture, longest, shortest, mend=mend)
        image = _converted(picture, longest)
        return _upright(image, turned), (full[::-1] if turned >= 5 else full)


def glimpsed(
    picture: Image.Image, *, longest: int
) -> tuple[Image.Image, Image.Image, tuple[int, int]]:
    """An opened picture as it is measured: (grey, colour, full upright size).

    `grey` (mode L) is `developed` with this `longest`, in grey; `colour` (RGB) is box-reduced to
    between a quarter and a half of it. Grey is reduced alone where no profile asks for colours.
    `picture.info["lost"]` is the share of the rows that a JPEG which ends too soon has lost.

    Raises:
        PictureError: the pixels are damaged.
    """
    with in_words():
        turned, full = _loaded(picture, longest, None, mend=True)
        profile = picture.info.get("icc_profile")
        plain = picture.mode == "RGB" and not picture.has_transparency_data
        if plain and (not profile or _transform(profile, "RGB") is None):
            colour, grey = picture, picture.convert("L")
            if max(grey.size) > longest:
                grey = _reduced(grey, longest)
        else:
            colour = _converted(picture, longest)
            grey = colour.convert("L")
        factor = max(colour.size) * 4 // longest
        if factor > 1:
            colour = colour.reduce(factor)
        upright = full[::-1] if turned >= 5 else full
        return _upright(grey, turned), _upright(colour, turned), upright


def _loaded(
    picture: Image.Image, longest: int | None, shortest: int | None, *, mend: bool
) -> tuple[int, tuple[int, int]]:
    """Decode the pixels, a JPEG's at 1/2, 1/4 or 1/8; (orientation still to be made up, size)."""
    stored = picture.size
    # TIFF is turned by Pillow, and HEIC by its plug-in, while the pixels load
    turned = 1 if picture.format in {"TIFF", "HEIF"} else orientation(picture)
    if picture.format in {"JPEG", "MPO"}:  # DCT scaling: the inverse transform gives fewer
        # libjpeg rounds up: 3998 pixels give 1000 at 1/4
        scales = [(max(stored) - 1) // max(1, longest - 1)] if longest else []
        scales += [min(stored) // shortest] if shortest else []
        scale = max(1, min(scales, default=1))
        picture.draft(None, (max(1, stored[0] // scale), max(1, stored[1] // scale)))
        if mend:
            picture.info["lost"] = mending.load(picture)
    picture.load()
    return turned, (picture.size if picture.format in {"TIFF", "HEIF"} else stored)


def _converted(picture: Image.Image, longest: int | None) -> Image.Image:
    """Decoded pixels in sRGB, the longer side at most `longest` of them."""
    small = picture
    if longest and max(picture.size) > longest and picture.mode[0] not in "P1IF":
        small = _reduced(picture, longest)
    image = srgb(small, picture.info.get("icc_profile"))
    if longest and max(image.size) > longest:
        image = _reduced(image, longest)
    return image


def _upright(image: Image.Image, turned: int) -> Image.Image:
    return image.transpose(_TURNS[turned]) if turned in _TURNS else image


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where it is missing or nonsense."""
    try:
        value = int(picture.getexif().get(_ORIENTATION, 1))
    except DAMAGE:
        return 1
    return value if 1 <= value <= 8 else 1


def srgb(picture: Image.Image, profile: bytes | None = None) -> Image.Image:
    """Pixels of any mode as 8-bit sRGB; `profile` is the ICC profile they are in."""
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        opaque = srgb(rgba.convert("RGB"), profile)
        white = Image.new("RGB", rgba.size, "white")
        white.paste(opaque, mask=rgba.getchannel("A"))
        return white
    if picture.mode in {"1", "P"}:
        picture = picture.convert("RGB")
    if picture.mode == "LAB":
        return _transformed(picture, None) or picture.getchannel(0).convert("RGB")
    if profile and picture.mode in {"RGB", "CMYK", "L"}:
        converted = _transformed(picture, profile)
        if converted is not None:
            return converted
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _reduced(picture: Image.Image, longest: int) -> Image.Image:
    """`picture` with its longer side at `longest` pixels."""
    scale = longest / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float grey, scaled rather than clipped to white."""
    grey = np.asarray(picture).astype(np.float64)
    grey = np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(grey.max(initial=0.0))
    if picture.mode.startswith("I;16"):
        white = 65_535.0
    elif picture.mode == "F":
        white = next((w for w in (1.0, 255.0, 65_535.0) if peak <= w), peak)
    else:
        white = next((w for w in (255.0, 65_535.0) if peak <= w), peak)
    return Image.fromarray(np.clip(grey * (255.0 / white), 0, 255).round().astype(np.uint8))


@functools.lru_cache(maxsize=32)
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From `profile` to sRGB; None where it is broken, not for `mode`, or sRGB itself."""
    try:
        if profile is None:
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
                return None
        return ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB",
            flags=ImageCms.Flags.NOCACHE,  # a transform without cache may be used by many threads
        )  # fmt: skip
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _transformed(picture: Image.Image, profile: bytes | None) -> Image.Image | None:
    transform = _transform(profile, picture.mode)
    if transform is None:
        return None
    try:
        return ImageCms.applyTransform(picture, transform)
    except (ImageCms.PyCMSError, ValueError):
        return None
