"""A look at a base before it is trained: sixteen pictures that it makes here, without their bars.

Nobody's pictures come with the project; a preview is made once the file is here, and kept beside it.
"""

from __future__ import annotations

from pathlib import Path

from merzmory import provenance
from merzmory.errors import WeightsError, storage_errors
from merzmory.frame import SQUARE
from merzmory.gan import checkpoint
from merzmory.gan.device import choose_device
from merzmory.latent import sample
from merzmory.manifest import sha256_of
from merzmory.records import Announce, Progress, silent
from merzmory.sheet import sheet
from merzmory.story.archives import frame_of
from merzmory.story.step import engine_errors
from merzmory.weights import ledger

FOLDER = "previews"
_SIDE = 4  # pictures a row, and rows
_PSI = 0.7
_TILE = 256  # pixels of a picture, at most


def preview(name: str, cache: Path, device: str = "auto", announce: Announce = silent) -> Path:
    """The sheet of seeds 0 to 15 of a base or generator; made at the first call, with psi 0.7.

    Seeds take the classes of a network with labels in turn. Announces Progress("preview", done, 16).

    Raises:
        WeightsError: it is not here, is damaged, or makes no pictures.
        StorageError: the cache cannot be written.
    """
    weight = ledger.known(name, cache)
    if weight.kind not in ("base", "generator"):
        raise WeightsError(f"{name} is of the kind {weight.kind} and makes no pictures of its own.")
    file = ledger.find(name, cache)
    out = cache / FOLDER / f"{name}-{sha256_of(file)[:8]}.png"
    if out.is_file():
        return out
    shape, count = frame_of(weight) or SQUARE, _SIDE**2
    with engine_errors():
        generator = checkpoint.load_generator(file, "ema", choose_device(device))
        pictures = []
        for seed in range(count):
            label = seed % generator.c_dim if generator.c_dim else None
            pictures.append(sample.picture(generator, seed, _PSI, "const", label, shape))
            announce(Progress("preview", seed + 1, count, "pictures"))
    drawn = sheet(
        [pictures[row : row + _SIDE] for row in range(0, count, _SIDE)],
        tile=min(_TILE, max(pictures[0].size)),
        ratio=pictures[0].width / pictures[0].height,
        title=weight.title,
        note=f"{name} · seeds 0-{count - 1} · psi {_PSI} · {weight.licence}",
    )
    sale = {True: "yes", False: "no", "ask": "ask"}[weight.may_sell]
    record = {
        "kind": "preview", "base": name, "seeds": list(range(count)), "psi": _PSI, "may_sell": sale,
        "licence": f"{weight.licence}: {weight.licence_phrase}.",
    }  # fmt: skip
    with storage_errors(cache):
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = out.with_name(out.name + ".part")
        provenance.save_png(drawn, aside, record)
        aside.replace(out)
    return out
