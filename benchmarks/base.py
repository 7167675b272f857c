"""How near a base comes to photographs that it was never shown.

    python benchmarks/base.py squares PHOTOS.zip FOLDER     FOLDER/train and FOLDER/held, datasets of 64 px
    python benchmarks/base.py measure NETWORK FOLDER        SWD and KID against both
    python benchmarks/base.py curve RUN FOLDER              of every snapshot, in FOLDER/curve.png, too

Held out is every tenth photograph by name, but for those whose 64-bit pHash lies within ten bits of
another's: a double of a held-out photograph would be a photograph that was shown. KID is x 1000, on
the embedder hoglab, with its standard error; SWD is x 1000, the mean over the pyramid's levels.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory.archaeology.embedders import embed_unit, embedder
from merzmory.gan import checkpoint, generate, metrics
from merzmory.latent.chart import Line, Panel, chart
from merzmory.latent.curve import kid
from merzmory.sheet import LIGHT

_SIDE = 64
_OF, _HELD = 10, 5  # of so many, the one with this remainder
_NEAR = 10  # bits of 64
_SAMPLES, _BATCH = 4000, 100

Squares = NDArray[np.uint8]  # [N, 64, 64, 3]
_Point = tuple[int, float, float, float]  # step, SWD, KID and its standard error, x 1000


def squares(photographs: Path, folder: Path) -> None:
    """The datasets of a ZIP of square photographs: those to train on, and those held out."""
    with zipfile.ZipFile(photographs) as packed:
        names = sorted(name for name in packed.namelist() if name.endswith((".jpg", ".png")))
        pictures, bits = [], []
        for name in names:
            with Image.open(io.BytesIO(packed.read(name))) as picture:
                small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
                pictures.append((Path(name).stem, picture.size, small))
            bits.append(imagehash.phash(small).hash.ravel())
    signs = np.array(bits, np.float32) * 2 - 1
    chosen = np.arange(len(names)) % _OF == _HELD
    apart = (len(signs[0]) - signs[chosen] @ signs[~chosen].T) / 2
    chosen[np.flatnonzero(chosen)[apart.min(axis=1) <= _NEAR]] = False
    for part, rows in (("train", ~chosen), ("held", chosen)):
        (folder / part / "images").mkdir(parents=True)
        lines = []
        for number, row in enumerate(np.flatnonzero(rows)):
            photo, (width, height), small = pictures[row]
            lines.append(
                {"file": f"images/{number:06d}.png", "photo": photo, "box": [0, 0, width, height]}
            )
            small.save(folder / part / lines[-1]["file"])
        about = {"format": 1, "kind": "dataset", "settings": {"resolution": _SIDE, "part": part}}
        (folder / part / "settings.json").write_text(json.dumps(about))
        (folder / part / "manifest.jsonl").write_text("".join(f"{json.dumps(x)}\n" for x in lines))
        print(f"{folder / part}: {len(lines)} photographs")


def measure(network: Path, folder: Path) -> None:
    """A table of the network's running average against both parts, and of these against each other."""
    held, shown = _parts(folder)
    made = _made(network)
    print(f"{network}: {len(made)} pictures, psi 1\n")
    print("| pictures | photographs | SWD | KID |")
    print("| --- | --- | ---: | ---: |")
    for name, ours, against, theirs in (
        ("its own", made, f"{len(held)} held out", held),
        ("its own", made, f"{len(shown)} of training", shown),
        (f"{len(shown)} of training", shown, f"{len(held)} held out", held),
    ):
        swd, value, error = _distances(theirs, ours)
        print(f"| {name} | {against} | {swd:.1f} | {value:.1f} ± {error:.1f} |")


def curve(run: Path, folder: Path) -> None:
    """A table, and a picture, of the distances of a training's snapshots."""
    held, shown = _parts(folder)
    batch = int(json.loads((run / "run.json").read_text("utf-8"))["config"]["batch"])
    found: list[tuple[_Point, _Point]] = []  # held out, of training
    print("| kimg | step | SWD, held out | KID, held out | KID, of training |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for file in sorted((run / "snapshots").glob("step-*.safetensors")):
        step, made = int(file.stem.removeprefix("step-")), _made(file)
        out, seen = ((step, *_distances(theirs, made)) for theirs in (held, shown))
        found.append((out, seen))
        kids = " | ".join(f"{value:.1f} ± {error:.1f}" for *_, value, error in (out, seen))
        print(f"| {step * batch / 1000:.0f} | {step} | {out[1]:.1f} | {kids} |", flush=True)
    last = found[-1][0][0]
    floor = _distances(held, shown)
    lines = (
        ("to those held out", [out for out, _ in found], "#28608f"),
        ("to those of training", [seen for _, seen in found], "#b4522a"),
        ("among themselves", [(step, *floor) for step in (found[0][0][0], last)], LIGHT.ink),
    )
    drawn = chart(
        [
            Panel(
                "Distance of the pictures to photographs (KID x 1000, hoglab)",
                [
                    Line(name, [(step, value, error) for step, _, value, error in points], colour)
                    for name, points, colour in lines
                ],
            ),
            Panel(
                "Distance of the pictures to photographs (SWD x 1000)",
                [
                    Line(name, [(step, swd, 0.0) for step, swd, *_ in points], colour, thin=True)
                    for name, points, colour in lines
                ],
            ),
        ],
        title="How the base learned",
        note=f"{last:,} steps of {batch}: {last * batch / 1000:.0f} thousand photographs shown.",
        foot=(
            f"Bands: one standard error of {_SAMPLES} pictures a step and {len(held)} photographs each.\n"
            "Among themselves: photographs of training, compared with those held out."
        ),
    )
    drawn.save(folder / "curve.png")


def _distances(theirs: Squares, ours: Squares) -> tuple[float, float, float]:
    """(SWD, KID, standard error of KID), each x 1000."""
    by = embedder("hoglab")
    value, error = kid(embed_unit(by, theirs), embed_unit(by, ours))
    return metrics.sliced_wasserstein(theirs, ours)["mean"], 1000 * value, 1000 * error


def _made(network: Path) -> Squares:
    generator = checkpoint.load_generator(network, "ema")
    batches = (range(first, first + _BATCH) for first in range(0, _SAMPLES, _BATCH))
    return np.concatenate([generate.images(generator, seeds) for seeds in batches])


def _parts(folder: Path) -> tuple[Squares, Squares]:
    """Those held out, and as many of training."""
    held, shown = (_read(folder / part) for part in ("held", "train"))
    return held, shown[np.random.default_rng(0).permutation(len(shown))[: len(held)]]


def _read(folder: Path) -> Squares:
    files = sorted((folder / "images").glob("*.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files])


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("squares", "measure", "curve"))
    parser.add_argument("file", type=Path, help="the ZIP, the network, or the run")
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args(words)
    {"squares": squares, "measure": measure, "curve": curve}[asked.what](asked.file, asked.folder)


if __name__ == "__main__":
    main()
