"""An exhibition of seven synthetic pictures with their nearest photographs and a film."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from merzmory.film import encode
from merzmory.gallery import site
from merzmory.manifest import do, lay_out
from merzmory.records import Match

PICTURES = 7
SECRET = "/home/anna/Private Album/IMG_4711.jpg"


def colourful(number: int, side: int) -> Image.Image:
    """A soft, colourful picture: three waves of different directions."""
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [
        np.sin(2 * np.pi * ((number % 3 + 1) * x * np.cos(k + number) + 2 * y * np.sin(k)) + number)
        for k in range(3)
    ]
    return Image.fromarray((120 + 90 * np.stack(waves, axis=2)).astype(np.uint8))


def with_place() -> Image.Exif:
    """EXIF as a phone writes it: a camera, a date and a place."""
    exif = Image.Exif()
    exif[0x0110] = "SecretCamera 9000"
    exif[0x9003] = "2014:05:17 12:00:00"
    exif.get_ifd(0x8825).update({1: "N", 2: (50.0, 6.0, 44.5), 3: "E", 4: (8.0, 40.0, 55.2)})
    return exif


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `site.plan` takes, but for its folder and settings."""
    root = tmp_path_factory.mktemp("exhibition")

    def squares(part: Path, _index: int, _announce: object) -> Iterable[dict[str, Any]]:
        for number in range(10):
            colourful(number + 20, 96).save(
                part / f"IMG_4711-{number}.png", exif=with_place(), dpi=(300, 300)
            )
        return [{"file": f"IMG_4711-{number}.png"} for number in range(10)]

    def enlarged(part: Path, _index: int, _announce: object) -> Iterable[dict[str, Any]]:
        for number in range(PICTURES):
            image = colourful(number, 700)
            image = image.resize((700, 560)) if number == 4 else image
            image.save(part / f"large-{number}.png")
            yield {
                "file": f"large-{number}.png",
                "source_file": f"seed-{number}.png",
                "seed": 40 + number,
                "psi": 0.7,
                "step": 200,
            }

    def nearest(_part: Path, _index: int, _announce: object) -> Iterable[dict[str, Any]]:
        for number in range(PICTURES):
            for rank in (3, 1, 2):  # in no order
                yield asdict(
                    Match(
                        sample=f"seed-{number}.png",
                        rank=rank,
                        photo="c0ffee" * 10,
                        path=SECRET,
                        file=f"IMG_4711-{(number + rank) % 10}.png",
                        box=(0, 0, 96, 96),
                        distance=0.1 * rank + 0.01 * number,
                        mirrored=rank == 2,
                        taken=None if rank == 3 else "2014-05-17T12:00:00",
                        place=(50.1123, 8.6821),
                    )
                )

    film = root / "film"
    film.mkdir()
    frames = [np.asarray(colourful(number, 128)) for number in range(12)]
    encode.encode(film / "film.mp4", lambda i: frames[i], frames=12, fps=12, record={"fps": 12})
    Image.fromarray(frames[0]).save(film / "poster.jpg", exif=with_place())
    return {
        "pictures": do(lay_out("upscaled", root / "pictures", {}, 1, enlarged)),
        "matches": do(lay_out("matches", root / "matches", {}, 1, nearest)),
        "originals": do(lay_out("dataset", root / "dataset", {}, 1, squares)),
        "film": film / "film.mp4",
        "title": "Was <bleibt> & geht",
        "subtitle": "Sieben Bilder",
        "photographer": "Anna",
    }


@pytest.fixture(scope="session")
def gallery(inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished site."""
    folder = tmp_path_factory.mktemp("site") / "gallery"
    return do(site.plan(**inputs, folder=folder, settings={"title": "x"}, shard_size=3))
