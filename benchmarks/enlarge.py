"""How near enlarged pictures come to the sharp ones: PSNR on held-out photographs, by engine.

python benchmarks/enlarge.py --pictures garments-128.zip

Each held-out photograph is made smaller in two ways: as in the training of the starter upscaler, and
by plain area averaging. PSNR in decibels, of RGB and of the luma of BT.601, mean and standard error over
the photographs, and on how many of them an engine beats lanczos.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from merzmory.upscale.degradations import degraded
from merzmory.upscale.engines import UPSCALERS, engine
from merzmory.upscale.lessons import read
from merzmory.upscale.upscaler import Pictures

SCALE = 4
LUMA = np.array([65.481, 128.553, 24.966]) / 255  # BT.601, of 0..255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True, help="folders or ZIPs")
    parser.add_argument("--longest", type=int, default=1200, help="pixels of the sharp pictures")
    parser.add_argument("--engines", nargs="+", choices=UPSCALERS, default=["lanczos", "starter"])
    parser.add_argument("--weights", type=Path, help="for all but lanczos and starter")
    parser.add_argument("--most", type=int, default=10_000, help="pictures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sharp = [_whole(p) for p in read(options.pictures, options.longest, held_out=True)]
    sharp = sharp[:: -(-len(sharp) // options.most)]
    by: dict[str, Callable[[Pictures], Pictures]] = {
        name: engine(
            name,
            scale=SCALE,
            weights=None if name == "starter" else options.weights,
            device="cpu",
        )
        for name in dict.fromkeys(["lanczos", *options.engines])
    }
    by["bicubic"] = _bicubic
    print(f"{len(sharp)} held-out pictures")
    print(
        f"{'made smaller':<14} {'engine':<11} {'RGB dB':>15} {'Y dB':>15} {'wins':>7} {'tint':>6}"
    )
    for harm, smaller in (("as in training", _suffered), ("area", _reduced)):
        small = [smaller(picture, number) for number, picture in enumerate(sharp)]
        found = {
            name: np.array([_measured(large(s), p) for s, p in zip(small, sharp, strict=True)])
            for name, large in by.items()
        }
        for name, numbers in found.items():
            error = numbers.std(0, ddof=1) / len(sharp) ** 0.5
            wins = (numbers[:, 0] > found["lanczos"][:, 0]).mean()
            cells = " ".join(f"{numbers[:, i].mean():7.3f} ± {error[i]:5.3f}" for i in (0, 1))
            tint = numbers[:, 2].mean()
            print(f"{harm:<14} {name:<11} {cells} {wins:7.1%} {tint:6.2f}")


def _whole(picture: Pictures) -> Pictures:
    height, width = (side // SCALE * SCALE for side in picture.shape[:2])
    return picture[:height, :width]


def _suffered(picture: Pictures, number: int) -> Pictures:
    return degraded(picture, SCALE, np.random.default_rng((0, number)))


def _reduced(picture: Pictures, number: int) -> Pictures:
    height, width = (side // SCALE for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _bicubic(picture: Pictures) -> Pictures:
    height, width = (side * SCALE for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def _measured(made: Pictures, sharp: Pictures) -> tuple[float, float, float]:
    """(PSNR of RGB, PSNR of luma, largest difference of a channel's mean in 0..255)."""
    off = made.astype(float) - sharp
    tint = np.abs(off.mean((0, 1))).max()
    return _psnr(off), _psnr(off @ LUMA), float(tint)


def _psnr(off: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / (off**2).mean()))


if __name__ == "__main__":
    main()
