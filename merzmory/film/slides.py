"""A slideshow's frames: a compositor of our own, each frame from its index alone.

    picture i     |---- shot i ----|
    picture i+1             |---- shot i+1 ----|
                            <-fade->  centred on the cut

While a picture is shown, a window moves slowly over it (as Ken Burns did with a rostrum camera),
by a path that its own bytes choose: the same picture moves alike in every film. The window never
leaves the picture. A picture of another shape than the film hangs whole on near-black, as on a
wall, or fills the frame, which then shows a part of it.

Each picture is made planes once (`pixels`), and the frames are drawn in those.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merzmory.errors import ArchiveError
from merzmory.film import pixels
from merzmory.film.captions import Caption
from merzmory.film.encode import even
from merzmory.film.pixels import RGB, Pixels, scaled
from merzmory.originals import decode

Picture = NDArray[np.uint8]  # [H, W, 3]
Size = int | str | tuple[int, int]  # pixels of the longer side, a `HEIGHTS` name, or (W, H)
Place = tuple[int, int, int, int]  # left, top, width, height in the film's pixels
Window = tuple[float, float, float, float]  # left, top, width, height in a picture's pixels

MOTION = 0.06  # the window is smaller by this share at one end of its way
WALL = (13, 13, 14)  # near-black behind the pictures
HEIGHTS = {"720p": 720, "1080p": 1080, "4k": 2160}  # pixels of the shorter side


@dataclass(frozen=True, slots=True)
class Look:
    """How pictures hang and move in a film."""

    motion: float = MOTION  # 0: still
    fill: bool = False  # the frame, whatever is cut off; else the whole picture is seen


class Slides:
    """Frame i of a slideshow: `Slides(...)(i)` is a frame of `pixels`, from i alone.

    Raises:
        ArchiveError: a picture cannot be read (when it is shown).
    """

    def __init__(
        self,
        pictures: Sequence[Path],
        cuts: Sequence[int],
        fade: int,
        size: tuple[int, int],
        *,
        look: Look = Look(),
        captions: Sequence[str] = (),
        wipes: frozenset[int] = frozenset(),
        read: Callable[[Path], Image.Image] = decode.upright_srgb,
        kind: str = RGB,
    ) -> None:
        """Shot i shows `pictures[i]` from frame `cuts[i]` to `cuts[i + 1]`; `fade` in frames.

        `fade` is at most the shortest shot, so that two pictures at most are seen at once. A shot
        in `wipes` is wiped in from the left instead. `captions[i]` stands below picture i. Frames
        are of `kind`: `pixels.RGB`, or `pixels.YUV`, which takes half the time.
        """
        self.pictures = pictures
        self.cuts = list(cuts)
        self.size = size
        self.fade = min(fade, *np.diff(self.cuts).tolist())
        self.look, self.wipes = look, wipes
        self._captions = [Caption(text, size, kind) for text in captions]
        self._read, self._kind = read, kind
        self._empty = pixels.plain(WALL, size, kind)
        self._loaded = lru_cache(maxsize=3)(self._load)
        self._shown: Callable[[int, int], Pixels] = self._drawn
        if not look.motion:  # each picture is one frame
            still = lru_cache(maxsize=3)(lambda shot: self._drawn(shot, 0))
            self._shown = lambda shot, _index: still(shot)

    def __call__(self, index: int) -> Pixels:
        """Frame `index`: a picture, or two in a cross-fade; the film's ends are near-black."""
        shot = int(np.searchsorted(self.cuts, index, side="right")) - 1
        half = self.fade / 2
        before = index - self.cuts[shot]
        behind = self.cuts[shot + 1] - index
        if before < half:
            older, newer, share = shot - 1, shot, 0.5 + before / self.fade
        elif behind < half:
            older, newer, share = shot, shot + 1, 0.5 - behind / self.fade
        else:
            return self._shown(shot, index)
        if older < 0:
            return _mixed(self._empty, self._shown(shot, index), eased(2 * share - 1))
        if newer == len(self.pictures):
            return _mixed(self._shown(shot, index), self._empty, eased(2 * share))
        old, new = self._shown(older, index), self._shown(newer, index)
        if newer in self.wipes:
            return self._wiped(old, new, 2 * round(eased(share) * self.size[0] / 2))
        return _mixed(old, new, eased(share))

    def window(self, shot: int, share: float) -> Window:
        """What is seen of picture `shot` when `share` (0 .. 1) of it has been shown."""
        (picture, *_), place, key = self._loaded(shot)
        return moved(picture.shape[1], picture.shape[0], place[2] / place[3], self.look, key, share)

    def _drawn(self, shot: int, index: int) -> Pixels:
        """Picture `shot` on the wall at film frame `index`, as far on its way as it is by then."""
        parts, (x, y, width, height), _ = self._loaded(shot)
        start = self.cuts[shot] - self.fade / 2
        share = (index - start) / (self.cuts[shot + 1] + self.fade / 2 - start)
        left, top, across, down = self.window(shot, share)
        # between centres of pixels: x_picture = zoom * (x + 1/2) - 1/2 + left
        zoom_x, zoom_y = across / width, down / height
        frame = self._empty.copy()
        for part, plane in zip(parts, pixels.planes(frame), strict=True):
            n = self.size[0] // plane.shape[1]  # 2 in a halved plane
            seen = plane[y // n : (y + height) // n, x // n : (x + width) // n]
            offset = [left / n + (zoom_x - 1) / 2, top / n + (zoom_y - 1) / 2]
            seen[:] = cv2.warpAffine(
                part,
                np.array([[zoom_x, 0, offset[0]], [0, zoom_y, offset[1]]]),
                seen.shape[1::-1],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        if shot < len(self._captions):
            self._captions[shot].write(frame)
        return frame

    def _wiped(self, old: Pixels, new: Pixels, edge: int) -> Pixels:
        """`new` left of column `edge`, which is even, and `old` right of it."""
        frame = old.copy()
        for plane, over in zip(pixels.planes(frame), pixels.planes(new), strict=True):
            n = self.size[0] // plane.shape[1]
            plane[:, : edge // n] = over[:, : edge // n]
        return frame

    def _load(self, shot: int) -> tuple[list[Pixels], Place, bytes]:
        path = self.pictures[shot]
        try:
            upright = self._read(path)
            key = hashlib.sha256(upright.tobytes()).digest()
        except (OSError, ArchiveError) as error:
            raise ArchiveError(
                f"{path} cannot be read: move its folder away and make the pictures again."
            ) from error
        sides = upright.width, upright.height
        place = (0, 0, *self.size) if self.look.fill else _evened(fit(*sides, self.size), self.size)
        # at its nearest, the window still has a pixel of the picture for each of the frame
        scale = max(place[2] / sides[0], place[3] / sides[1]) * (1 + self.look.motion)
        width, height = (even(side * scale) for side in sides)
        return pixels.drawn(np.asarray(upright), width, height, self._kind), place, key


def moved(width: int, height: int, ratio: float, look: Look, key: bytes, share: float) -> Window:
    """The window of `ratio` (width over height) on its way over a picture, `share` done.

    Its path is chosen by `key`, 32 bytes: nearer or farther, and from where to where. At its
    widest it is the largest that fits into the picture; it never leaves it.
    """
    across, down = min(width, height * ratio), min(height, width / ratio)
    done = min(1.0, max(0.0, share))
    zoom = 1 + look.motion * (done if key[0] % 2 == 0 else 1 - done)
    angle, length = 2 * math.pi * key[1] / 256, 0.4 if look.motion else 0.0
    middle = (2 * done - 1) * length / 2
    # where the free room around the window lies: 0 all right and below, 1 all left and above
    u, v = 0.5 + middle * math.cos(angle), 0.5 + middle * math.sin(angle)
    across, down = across / zoom, down / zoom
    return (width - across) * u, (height - down) * v, across, down


def eased(share: float) -> float:
    """Smoothstep 3x^2 - 2x^3: 0 at 0, 1/2 at 1/2, 1 at 1, level at both ends."""
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def frame_size(size: Size, ratio: float = 1.0) -> tuple[int, int]:
    """`size` as even (width, height) in pixels, in the shape of `ratio` (width over height)."""
    if isinstance(size, tuple):
        width, height = float(size[0]), float(size[1])
    elif isinstance(size, str):
        shorter = HEIGHTS[size]
        width, height = shorter * max(1.0, ratio), shorter * max(1.0, 1 / ratio)
    else:
        width, height = size * min(1.0, ratio), size * min(1.0, 1 / ratio)
    return even(width), even(height)


def fit(width: int, height: int, box: tuple[int, int]) -> Place:
    """The largest rectangle of that shape in the middle of `box`: x, y, width, height."""
    scale = min(box[0] / width, box[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    return (box[0] - inner[0]) // 2, (box[1] - inner[1]) // 2, *inner


def hung(picture: Picture, box: tuple[int, int]) -> Picture:
    """`picture` as large as `box` (width, height) holds it, on the near-black wall."""
    x, y, width, height = fit(picture.shape[1], picture.shape[0], box)
    wall = pixels.plain(WALL, box, RGB)
    wall[y : y + height, x : x + width] = scaled(picture, width, height)
    return wall


def _mixed(old: Pixels, new: Pixels, share: float) -> Pixels:
    return np.asarray(cv2.addWeighted(new, share, old, 1 - share, 0), dtype=np.uint8)


def _evened(place: Place, size: tuple[int, int]) -> Place:
    """A place in the middle of a frame of even `size`, made of even numbers: chromas are halved."""
    inner = even(place[2]), even(place[3])
    x, y = (2 * ((whole - part + 2) // 4) for whole, part in zip(size, inner, strict=True))
    return x, y, *inner
