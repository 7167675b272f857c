"""What the starter upscaler learns from: sharp pictures, and crops of them beside what is left of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from merzmory.errors import ArchiveError
from merzmory.originals import access, decode
from merzmory.upscale.degradations import degraded
from merzmory.upscale.upscaler import Pictures

_FINER = 4  # times, that shapes are drawn finer than they are given
HELD_OUT = (10, 5)  # of each source, by the order of its names: every tenth, from the sixth


def read(sources: Sequence[Path], longest: int, *, held_out: bool = False) -> list[Pictures]:
    """The pictures of folders and ZIPs, RGB uint8 [H, W, 3], no side above `longest` pixels.

    Those to learn from, or with `held_out` the others (`HELD_OUT`), which tell how much was learnt.

    Raises:
        ArchiveError: a source holds no pictures, or one of them cannot be read.
    """
    every, first = HELD_OUT
    found = []
    for source in sources:
        names = _names(source)
        if not names:
            raise ArchiveError(f"{source} holds no pictures to learn from: name another place.")
        for index, name in enumerate(names):
            if (index % every == first) == held_out:
                found.append(_pixels(name, longest))
    return found


def identity(pictures: Sequence[Pictures]) -> str:
    """Equal for equal pictures: hex digits."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(repr(picture.shape).encode())
        digest.update(picture.tobytes())
    return digest.hexdigest()[:16]


class Lessons:
    """Crops of `side` pixels, taken evenly over the area of all pictures, and their small copies.

    A share `shapes` of them is not from pictures: it is `drawn`.
    """

    def __init__(
        self, pictures: Sequence[Pictures], side: int, scale: int, shapes: float = 0.0
    ) -> None:
        self.pictures = [picture for picture in pictures if min(picture.shape[:2]) >= side]
        if not self.pictures:
            raise ArchiveError(f"No picture has {side} x {side} pixels: give larger ones.")
        areas = np.array([p.shape[0] * p.shape[1] for p in self.pictures], float)
        self.chances = areas / areas.sum()
        self.side, self.scale, self.shapes = side, scale, shapes

    def batch(self, size: int, seed: Sequence[int]) -> tuple[Pictures, Pictures]:
        """(small [N, side/scale, side/scale, 3], sharp [N, side, side, 3]): a function of `seed`."""
        rng = np.random.default_rng(seed)
        sharp = [
            drawn(self.side, rng) if rng.random() < self.shapes else self._crop(rng)
            for _ in range(size)
        ]
        small = [degraded(picture, self.scale, rng) for picture in sharp]
        return np.stack(small), np.stack(sharp)

    def _crop(self, rng: np.random.Generator) -> Pictures:
        """Mirrored, turned, and in other colours: a network that saw few of them would tint the rest."""
        picture = self.pictures[rng.choice(len(self.pictures), p=self.chances)]
        top, left = (rng.integers(length - self.side + 1) for length in picture.shape[:2])
        crop = picture[top : top + self.side, left : left + self.side]
        crop = np.rot90(crop[:, :: rng.choice((1, -1))], int(rng.integers(4)))
        if rng.random() < 0.5:
            crop = crop[..., rng.permutation(3)]
        if rng.random() < 0.3:  # each channel's light between two bounds
            low = rng.uniform(0, 80, 3)
            high = rng.uniform(160, 255, 3)
            crop = np.rint(low + crop * ((high - low) / 255)).astype(np.uint8)
        return np.ascontiguousarray(crop)


def drawn(side: int, rng: np.random.Generator) -> Pictures:
    """Discs, bars and corners in plain colours over a slope of light: uint8 [side, side, 3].

    Their edges are as sharp as pixels can be, without the halos that cameras add to them.
    """
    finer = side * _FINER
    picture = Image.new("RGB", (finer, finer), _colour(rng))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(2, 8)):
        x, y, right, below = (rng.random(4) * finer).tolist()
        kind = rng.integers(3)
        if kind == 0:
            pen.ellipse((min(x, right), min(y, below), max(x, right), max(y, below)), _colour(rng))
        elif kind == 1:
            pen.line((x, y, right, below), _colour(rng), width=int(rng.integers(3, 10 * _FINER)))
        else:
            corners = (rng.random(2 * rng.integers(3, 6)) * finer).tolist()
            pen.polygon(corners, _colour(rng))
    plain = np.asarray(picture.reduce(_FINER), float)
    y, x = np.mgrid[:side, :side] / side - 0.5
    slope = (rng.uniform(-60, 60) * x + rng.uniform(-60, 60) * y)[..., None]
    return np.asarray(np.rint((plain + slope).clip(0, 255)), np.uint8)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _names(source: Path) -> list[str]:
    """The pictures' paths, sorted."""
    kinds = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
    if source.is_dir():
        return sorted(str(p) for p in source.rglob("*") if p.suffix.lower() in kinds)
    try:
        inside = [member.name for member in access.members(str(source))]
    except OSError as error:
        raise ArchiveError(
            f"{source} is no folder and no ZIP of pictures: check the path."
        ) from error
    return sorted(access.inside(str(source), n) for n in inside if n.lower().endswith(kinds))


def _pixels(name: str, longest: int) -> Pictures:
    try:
        with access.opened(name) as stream:
            return np.asarray(decode.upright_srgb(stream, longest=longest))
    except (OSError, decode.PictureError) as error:
        raise ArchiveError(f"{name} cannot be read as a picture: take it out.") from error
