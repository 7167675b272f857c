"""Screenshots, documents, memes and black and white are told from photographs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from merzmory.archive import culling, kinds, metadata
from merzmory.archive.assets import Asset
from merzmory.config import Cull
from merzmory.originals import decode

_WORDS = ["the", "memory", "of", "a", "machine", "is", "made", "from", "light", "on", "silver"]
_KNOBS: dict[str, Any] = {**Cull().model_dump(), "max_blur": 1.0, "min_side": 1}


def _measured(picture: Image.Image, *, name: str = "", camera: str | None = None) -> kinds.Kind:
    size, small = picture.size, picture.copy()
    small.thumbnail((1000, 1000))
    colour = np.asarray(small.convert("RGB").reduce(3))
    return kinds.measure(
        np.asarray(small.convert("L")), colour, size=size, camera=camera, name=name
    )


def _judged(kind: kinds.Kind, camera: str | None = None, **knobs: Any) -> tuple[str, str, str]:
    asset = Asset(
        "x", 1, width=900, height=900, camera=camera, phash64="0" * 16, phash256="0" * 64,
        colour=kind.colour, text=kind.text, caption=kind.caption, screen=kind.screen,
    )  # fmt: skip
    (said,) = culling.judge([asset], culling.Thresholds(**{**_KNOBS, **knobs}), {})
    return said.verdict, said.stage, said.reason


def _write(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], size: int, ink: Any, seed: int
) -> None:
    font, dice, y = ImageFont.load_default(size), random.Random(seed), box[1]
    while y + size < box[3]:
        line = dice.choice(_WORDS)
        while font.getlength(line) < 0.8 * (box[2] - box[0]):
            line += f" {dice.choice(_WORDS)}"
        draw.text((box[0], y), line, font=font, fill=ink)
        y += size * 7 // 5


def _document() -> Image.Image:
    page = Image.new("RGB", (1240, 1754), (244, 241, 232))
    _write(ImageDraw.Draw(page), (110, 120, 1080, 1634), 22, (30, 30, 35), 1)
    return page


def _by_phone(page: Image.Image) -> Image.Image:
    """A page in uneven light, noisy, and a little askew."""
    light = np.linspace(0.65, 1, page.width)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 5, (page.height, page.width, 3))
    pixels = np.clip(np.asarray(page) * light + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).rotate(1.2, fillcolor=(90, 70, 50), expand=True)


def _chat(size: tuple[int, int]) -> Image.Image:
    screen = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(screen)
    for number, top in enumerate(range(150, size[1] - 400, 330)):
        left, mine = 40 + 300 * (number % 2), number % 2
        bubble = (left, top, left + size[0] - 380, top + 260)
        draw.rounded_rectangle(bubble, 30, fill=(225, 225, 230) if mine else (0, 122, 255))
        inside = (left + 40, top + 25, bubble[2] - 60, top + 250)
        _write(draw, inside, 44, "black" if mine else "white", number)
    return screen


def _captioned(photo: Image.Image, *, bar: bool) -> Image.Image:
    picture = photo.resize((800, 800))
    if bar:
        picture = ImageOps.expand(picture, (0, 200, 0, 0), "white")
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(56)
        for y, line in ((30, "WHEN THE ARCHIVE"), (105, "REMEMBERS YOU FIRST")):
            draw.text((40, y), line, font=font, fill="black")
        return picture
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(84)
    for y, line, anchor in ((20, "ONE DOES NOT", "ma"), (780, "JUST FORGET", "md")):
        draw.text(
            (400, y), line, font=font, fill="white", stroke_fill="black", stroke_width=5,
            anchor=anchor,
        )  # fmt: skip
    return picture


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    from skimage import data

    return [Image.fromarray(pixels) for pixels in (data.astronaut(), data.coffee(), data.chelsea())]


@pytest.mark.parametrize("made", [_document, lambda: _by_phone(_document())], ids=["scan", "phone"])
def test_a_page_of_writing_is_a_document(made: Callable[[], Image.Image]) -> None:
    found = _measured(made())
    assert found.text > 0.3
    verdict, stage, reason = _judged(found, camera="Phone")
    assert (verdict, stage) == ("rejected", "text") and "of it; the limit is 25%" in reason
    said = _judged(found, camera="Phone", max_text=1.0, screenshots="keep")
    assert said == ("kept", "", "It is sound.")
    assert _measured(ImageOps.invert(_document())).text > 0.3  # light on dark is writing, too


def test_a_screenshot_needs_two_signs() -> None:
    chat = _chat((1170, 2532))
    found = _measured(chat, name="IMG_0001.PNG")
    verdict, stage, _ = _judged(found)
    assert (verdict, stage) == ("rejected", "screenshot")
    assert _judged(found, screenshots="keep", max_text=1.0)[0] == "kept"
    assert _measured(chat, camera="Phone").screen == 0  # a camera's picture is none
    plain = Image.effect_noise((900, 700), 60).convert("RGB")
    named = _measured(plain, name="Screenshot_20240101.png")
    assert 0 < named.screen < 0.6
    assert _judged(named)[:2] == ("kept", "doubt") and "may be a screenshot" in _judged(named)[2]
    sized = _measured(plain.resize((1920, 1080)), name="Bildschirmfoto 2024.png")
    assert _judged(sized)[:2] == ("rejected", "screenshot")


@pytest.mark.parametrize("bar", [True, False])
def test_a_caption_makes_a_meme(photos: list[Image.Image], bar: bool) -> None:
    for photo in photos:
        found = _measured(_captioned(photo, bar=bar))
        assert found.caption > 0.1
        assert _judged(found)[:2] == ("rejected", "meme")
        assert _judged(found, camera="Phone", max_text=1.0)[0] == "kept"  # a label on a photograph
        assert _judged(found, memes="keep")[1] != "meme"
        assert _measured(photo.resize((800, 800))).caption == 0


def test_toned_is_black_and_white(photos: list[Image.Image]) -> None:
    for photo in photos:
        grey = photo.convert("L")
        sepia = ImageOps.colorize(grey, "#2a1708", "#f5e6c8")
        for bw in (grey.convert("RGB"), sepia):
            found = _measured(bw)
            assert found.colour < 0.04
            assert _judged(found, colour="colour")[1] == "colour"
            assert _judged(found, colour="bw")[0] == "kept"
        found = _measured(photo)
        assert found.colour > 0.2 and _judged(found)[0] == "kept"
        assert "cull.colour is bw" in _judged(found, colour="bw")[2]


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (330, 330), (2, 2)])
def test_any_size_can_be_measured(shape: tuple[int, int]) -> None:
    grey = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    colour = np.zeros((max(1, shape[0] // 3), max(1, shape[1] // 3), 3), np.uint8)
    found = kinds.measure(grey, colour, size=shape, camera=None, name="")
    assert found.colour == found.caption == 0 and 0 <= found.screen <= 1 and 0 <= found.text <= 1


def test_no_real_photograph_is_thrown_away(shared: Path) -> None:
    """Of the shared photographs every third, all kinds of cameras: none rejected, few doubted."""
    files = sorted(
        file
        for folder in ("aerial", "conch", "exif-orientation", "produce-camera", "exif-samples/jpg")
        for file in (shared / "photos" / folder).rglob("*")
        if file.suffix.lower() == ".jpg" and "invalid" not in file.parts
    )[::3]
    doubted, count = [], 0
    for file in files:
        try:
            with decode.opened(file) as picture:
                camera = metadata.read(picture).camera
                grey, colour, size = decode.glimpsed(picture, longest=1000)
        except decode.PictureError:
            continue
        if min(size) < 200:  # thumbnails and icons
            continue
        found = kinds.measure(
            np.asarray(grey), np.asarray(colour), size=size, camera=camera, name=file.name
        )
        count += 1
        verdict, stage, _reason = _judged(found, camera)
        assert verdict == "kept", file
        doubted += [file] * (stage == "doubt")
    assert count > 25 and len(doubted) <= count // 20
