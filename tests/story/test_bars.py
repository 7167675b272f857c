"""A base whose pictures lie between bars: nobody sees the bars, wherever its pictures are shown.

Here the bars are painted magenta, on what the network makes and on the training squares, and all the
rest is grey: one look at everything that was written finds whoever forgot to cut them off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from merzmory import provenance
from merzmory.cli import app
from merzmory.config import Config, load
from merzmory.frame import Frame
from merzmory.gan import checkpoint, generate, run
from merzmory.gan.checkpoint import save_network
from merzmory.gan.config import NetworkConfig
from merzmory.gan.networks import Discriminator, Generator
from merzmory.manifest import read_manifest
from merzmory.pipeline import STEPS
from merzmory.story import archives, lineage
from merzmory.story.opened import Network, opened
from merzmory.story.preview import preview
from merzmory.weights import acquire, ledger

WINDOW, SIDE = (0, 4, 32, 28), 32
SHOWN = (32, 24)
MAGENTA = (255, 0, 255)
RATIO = 4 / 3


@pytest.fixture(scope="module", autouse=True)
def _painted() -> Iterator[None]:
    """Every picture that a network makes is grey, with magenta bars."""
    made = generate.to_uint8

    def painted(x: torch.Tensor) -> Any:
        pixels = made(x)
        pixels[:] = pixels.mean(axis=-1, keepdims=True, dtype=np.float32).astype(np.uint8)
        if pixels.shape[1] == SIDE:
            pixels[:, : WINDOW[1]] = pixels[:, WINDOW[3] :] = MAGENTA
        return pixels

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "to_uint8", painted)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, _painted: None) -> Path:
    """A base of 32 px with a window, brought along, and the story of twelve photographs told on it."""
    place = tmp_path_factory.mktemp("bars")
    shape = NetworkConfig(
        resolution=SIDE, z_dim=8, w_dim=8, mapping_layers=2, channel_base=256, channel_max=8
    )
    torch.manual_seed(0)
    networks = {"G": Generator(shape), "G_ema": Generator(shape), "D": Discriminator(shape)}
    save_network(place / "tiny.safetensors", networks, shape)
    cache = place / "out" / "weights"
    acquire.add("tiny", str(place / "tiny.safetensors"), cache, window=WINDOW, may_sell="yes")
    (place / "photos").mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 24), np.uint8)
        picture = Image.fromarray(pixels.repeat(4, 0).repeat(4, 1)).convert("RGB")
        picture.save(place / "photos" / f"{number:02d}.jpg", quality=95)
    made = config(place)
    for step in (
        "ingest", "cull", "build", "train", "strip", "timelapse", "score", "sample", "match",
        "upscale", "walk", "film", "publish",
    ):  # fmt: skip
        STEPS[step](made, made.workspace())
    return place


def config(place: Path) -> Config:
    return load("demo", [word for word in words(place) if word != "--set"])


def words(place: Path) -> list[str]:
    pairs = [
        f"outputs={place / 'out'}", f"archive.folder={place / 'photos'}", "name=tiny",
        "train.base=tiny", "dataset.bars=#ff00ff", "train.steps=2", "train.batch=4", "train.preview_count=4",
        "train.metric_pictures=0", "train.threads=1", "train.device=cpu", "cull.min_side=16",
        "cull.near_bits=0", "cull.max_clipped=1", "sample.count=4", "strip.seeds=2",
        "strip.columns=2", "walk.seconds=0.5", "walk.fps=4", "walk.size=128", "timelapse.seeds=2",
        "timelapse.seconds=0.5", "timelapse.fps=4", "timelapse.size=90", "film.fps=4",
        "film.size=128", "film.seconds_per_picture=0.5", "film.fade=0", "upscale.engine=lanczos",
        "upscale.scale=2", "walk.through=seeds",
    ]  # fmt: skip
    return [word for pair in pairs for word in ("--set", pair)]


def size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size


def folder(place: Path, kind: str) -> Path:
    [found] = config(place).workspace().results(kind)
    return found


def test_the_window_goes_with_the_base(place: Path) -> None:
    made = config(place)
    assert archives.base_frame(made) == Frame("4:3", (0, 0.125, 1, 0.875))
    assert lineage.frame(made, made.workspace()) == archives.base_frame(made)
    by_path = str(ledger.find("tiny", made.workspace().weights))
    same = made.model_copy(update={"train": replace(made.train, base=by_path)})
    assert archives.base_frame(same) == archives.base_frame(made)
    plain = made.model_copy(
        update={"train": replace(made.train, base=str(place / "tiny.safetensors"))}
    )
    assert archives.base_frame(plain) is None  # a copy of which nobody said anything


def test_squares_have_the_bases_bars_and_pictures_have_none(place: Path) -> None:
    squares, samples = folder(place, "dataset"), folder(place, "samples")
    with Image.open(squares / read_manifest(squares)[0]["file"]) as square:
        assert square.size == (SIDE, SIDE)
        assert (np.asarray(square)[[0, 3, 28, 31]] == MAGENTA).all()
        assert has_bars(np.asarray(square))
    network = run.snapshot_path(lineage.training(config(place), config(place).workspace()), 2)
    own = generate.images(checkpoint.load_generator(network, "ema", torch.device("cpu")), [3], 0.7)[
        0
    ]
    with Image.open(samples / "seed000003.png") as picture:
        assert picture.size == SHOWN
        assert np.array_equal(np.asarray(picture), own[4:28])


@pytest.mark.parametrize("kind", ["samples", "upscaled"])
def test_pictures(place: Path, kind: str) -> None:
    made = folder(place, kind)
    scale = 2 if kind == "upscaled" else 1
    sizes = {size_of(made / line["file"]) for line in read_manifest(made)}
    assert sizes == {(scale * SHOWN[0], scale * SHOWN[1])}


def test_the_previews_of_the_training(place: Path) -> None:
    made = config(place)
    found = run.previews(lineage.training(made, made.workspace()))
    assert {size_of(file) for _, file in found} == {(2 * SHOWN[0], 2 * SHOWN[1])}


@pytest.mark.parametrize("kind", ["walk", "film"])
def test_films_have_the_pictures_shape(place: Path, kind: str) -> None:
    [film] = folder(place, kind).glob("*.mp4")
    frames = imageio_ffmpeg.read_frames(str(film))
    about: Any = next(frames)
    frames.close()
    assert about["source_size"] == (128, 96)


def test_the_gallery_shows_pictures_and_photographs_in_their_shape(place: Path) -> None:
    site = folder(place, "gallery")
    found = [file for file in site.rglob("*") if file.suffix in (".png", ".jpg", ".webp")]
    ratios = {round(size_of(file)[0] / size_of(file)[1], 2) for file in found}
    assert found and ratios <= {1.33, 1.34, 1.32}, ratios


def test_a_point_and_a_file_are_looked_at_without_bars(place: Path, tmp_path: Path) -> None:
    made = config(place)
    base = ledger.find("tiny", made.workspace().weights)
    lone = load("demo", [f"outputs={tmp_path}", "train.device=cpu"])  # knows no photographs
    assert opened(made, made.workspace(), Network()).shape.aspect == "4:3"
    assert opened(lone, lone.workspace(), Network(file=base)).shape.aspect == "4:3"
    snapshot = run.snapshot_path(lineage.training(made, made.workspace()), 2)
    assert opened(lone, lone.workspace(), Network(file=snapshot)).shape.aspect == "4:3"
    starter = ledger.find("starter", tmp_path)
    assert opened(made, made.workspace(), Network(file=starter)).shape.is_plain
    said = CliRunner().invoke(
        app, ["explore", "demo", *words(place), "--columns", "2", "--rows", "2"]
    )
    assert said.exit_code == 0, said.output
    cells = list(folder(place, "explore").glob("cell_*.png"))
    assert {size_of(file) for file in cells} == {SHOWN}


def test_a_contact_sheet_is_made_of_pictures_without_bars(place: Path) -> None:
    said = CliRunner().invoke(
        app, ["prints", "demo", "--picks", "1", "--format", "png", *words(place)]
    )
    assert said.exit_code == 0, said.output
    [printed] = [f for f in folder(place, "prints").rglob("*.png") if "certificate" not in f.name]
    width, height = size_of(printed)
    assert width / height == pytest.approx(RATIO, rel=0.02)


def test_nobody_sees_a_bar(place: Path) -> None:
    results = config(place).workspace().experiment
    blend = ["blend", "demo", str(place / "half.safetensors")]
    for command in (["dig", "demo"], ["directions", "demo"], blend):
        said = CliRunner().invoke(app, [*command, *words(place)])
        assert said.exit_code == 0, said.output
    seen = [file for kind in ("png", "jpg", "webp", "gif") for file in results.rglob(f"*.{kind}")]
    seen = [file for file in seen if "images" not in file.parts]  # what the network learns from
    kinds = {file.relative_to(results).parts[0].split("-")[0] for file in seen}
    assert kinds >= {"run", "strip", "scores", "samples", "matches", "upscaled", "gallery", "dig"}
    assert [file for file in [*seen, place / "half.png"] if has_bars(pixels_of(file))] == []
    films = sorted(results.rglob("*.mp4"))
    assert {film.parent.name.split("-")[0] for film in films} >= {"walk", "film", "timelapse"}
    for film in films:
        about, *frames = imageio_ffmpeg.read_frames(str(film))
        width, height = about["size"]
        whole = np.frombuffer(b"".join(frames), np.uint8).reshape(-1, width, 3)
        assert len(whole) >= height and not has_bars(whole), film


def pixels_of(file: Path) -> Any:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def has_bars(pixels: Any) -> bool:
    red, green, blue = pixels.astype(int).transpose(2, 0, 1)
    return bool(((red > 160) & (green < 110) & (blue > 160)).any())


def test_the_preview_of_a_base(place: Path) -> None:
    cache = config(place).workspace().weights
    heard: list[int] = []
    sheet = preview("tiny", cache, "cpu", lambda progress: heard.append(progress.done))
    assert heard == list(range(1, 17)) and sheet.parent == cache / "previews"
    assert provenance.read(sheet)["seeds"] == list(range(16))
    assert not has_bars(pixels_of(sheet))
    width, height = size_of(sheet)
    assert width > height - 60  # four tiles of 4:3 each way, and a title
    at = sheet.stat().st_mtime_ns
    assert preview("tiny", cache, "cpu") == sheet and sheet.stat().st_mtime_ns == at
    said = CliRunner().invoke(app, ["weights", "show", "tiny", "--outputs", str(place / "out")])
    assert said.exit_code == 0 and "Shown without its bars: 32 x 24 of its 32 x 32" in said.output
    assert str(sheet.name) in said.output.replace("\n", "")
