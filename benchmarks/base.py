"""How near a base comes to photographs that it was never shown.

    python benchmarks/base.py squares PHOTOS.zip FOLDER     FOLDER/train and FOLDER/held, datasets of 64 px
    python benchmarks/base.py measure NETWORK FOLDER        SWD and KID against both

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
from merzmory.latent.curve import kid

_SIDE = 64
_OF, _HELD = 10, 5  # of so many, the one with this remainder
_NEAR = 10  # bits of 64
_SAMPLES, _BATCH = 4000, 100

Squares = NDArray[np.uint8]  # [N, 64, 64, 3]


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
    by = embedder("hoglab")
    held, shown = (_read(folder / part) for part in ("held", "train"))
    shown = shown[np.random.default_rng(0).permutation(len(shown))]
    few = shown[: len(held)]
    generator = checkpoint.load_generator(network, "ema")
    made = np.concatenate(
        [generate.images(generator, range(n, n + _BATCH)) for n in range(0, _SAMPLES, _BATCH)]
    )
    print(f"{network}: {len(made)} pictures, psi 1\n")
    print("| pictures | photographs | SWD | KID |")
    print("| --- | --- | ---: | ---: |")
    for name, ours, against, theirs in (
        ("its own", made, f"{len(held)} held out", held),
        ("its own", made, f"{len(few)} of training", few),
        (f"{len(few)} of training", few, f"{len(held)} held out", held),
    ):
        swd = metrics.sliced_wasserstein(theirs, ours)["mean"]
        value, error = kid(embed_unit(by, theirs), embed_unit(by, ours))
        print(f"| {name} | {against} | {swd:.1f} | {1000 * value:.2f} ± {1000 * error:.2f} |")


def _read(folder: Path) -> Squares:
    files = sorted((folder / "images").glob("*.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files])


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("squares", "measure"))
    parser.add_argument("file", type=Path, help="the ZIP, or the network")
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args(words)
    {"squares": squares, "measure": measure}[asked.what](asked.file, asked.folder)


if __name__ == "__main__":
    main()
