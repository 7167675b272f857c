"""May I sell this? The strictest link decides, and every link gives its reason in one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from merzmory import licence
from merzmory.errors import FormatError
from merzmory.gan import checkpoint
from merzmory.gan import run as runs
from merzmory.gan.config import EngineError, NetworkConfig
from merzmory.gan.networks import Generator
from merzmory.licence import chain, of_enlarger, of_network, of_photographs
from merzmory.manifest import do, lay_out
from merzmory.weights.ledger import entries


def saved(path: Path, note: str = "CC BY 4.0") -> Path:
    config = NetworkConfig(8, z_dim=6, w_dim=8, mapping_layers=1, channel_base=64, channel_max=8)
    torch.manual_seed(0)
    checkpoint.save_network(path, {"G_ema": Generator(config)}, config, extra={"licence": note})
    return path


def run_folder(folder: Path, base: str = "", sha256: str | None = "", dataset: str = "") -> Path:
    about = {"format": 1, "base": base, "base_sha256": sha256, "dataset": dataset}
    runs.write_json(folder / runs.RUN, about)
    return folder


def dataset(folder: Path, *labels: str, config: str = '[archive]\nfolder = "x"\n') -> Path:
    def make(part: Path, index: int, announce: Any) -> Any:
        for number, label in enumerate(labels):
            line: dict[str, Any] = {"file": f"{number}.png", "photo": str(number)}
            if label:
                line["credit"] = {"owner": "a", "title": "t", "licence": label, "url": ""}
            yield line

    made = do(lay_out("dataset", folder, {}, 1, make))
    (made / "config.toml").write_text(config)
    return made


@pytest.mark.parametrize(
    ("base", "sha256", "said", "sale"),
    [
        ("", "", "trained from scratch", "yes"),
        ("/x/a.safetensors", entries()["starter"].sha256, "CC0 1.0", "yes"),
        ("/x/faces.pkl", entries()["ffhq-1024"].sha256, "evaluation only, no sales", "no"),
        ("/x/lhq.pkl", entries()["lhq-256"].sha256, "not settled here", "ask"),
        ("/x/faces.pkl", "00", "licence of its base faces.pkl is not known here", "ask"),
        ("/x/ffhq-1024.pkl", "00", "not known here", "ask"),  # another file of the same name
    ],
)
def test_a_run_comes_under_the_licence_of_its_base(
    tmp_path: Path, base: str, sha256: str, said: str, sale: str
) -> None:
    found = of_network(run_folder(tmp_path, base, sha256))
    assert said in found.sentence and found.sentence.endswith(".") and "\n" not in found.sentence
    assert found.may_sell == sale


def test_a_run_from_a_file_with_a_note(tmp_path: Path) -> None:
    base = saved(tmp_path / "base.safetensors")
    run_folder(tmp_path / "run", str(base), "00")
    assert of_network(tmp_path / "run").note == "CC BY 4.0"
    assert of_network(tmp_path / "run").may_sell == "ask"
    tensors, metadata = checkpoint.read_tensors(base)
    checkpoint.write_tensors(base, tensors, {**metadata, "licence": "a\x1b[31m\nb" * 99})
    assert re.fullmatch(r"[\x20-\x7e]{1,400}", of_network(base).sentence)
    with pytest.raises(EngineError, match="missing or damaged"):
        of_network(tmp_path)


def test_an_export_keeps_the_answer_of_what_it_was_exported_from(tmp_path: Path) -> None:
    note = of_network(run_folder(tmp_path / "r", "/x.pkl", entries()["ffhq-1024"].sha256)).note
    assert chain(saved(tmp_path / "copy.safetensors", note)).may_sell == "no"


@pytest.mark.parametrize(
    ("labels", "sale", "said"),
    [
        (("", ""), "yes", "count as your own"),
        (("CC BY 2.0", ""), "yes", "1 of the 2 photographs are under CC BY 2.0, which allows"),
        (("CC0 1.0", "CC BY-SA 2.0", "CC BY 4.0"), "ask", "CC BY-SA 2.0, which asks"),
        (("CC BY-SA 2.0", "CC BY-NC-SA 2.0"), "no", "CC BY-NC-SA 2.0, which forbids sales"),
        (("CC BY-ND 2.0",), "no", "forbids to make"),
        (("Public Domain Mark 1.0", "United States Government Work"), "yes", "asks for nothing"),
        (("No known copyright restrictions",), "ask", "does not say"),
    ],
)
def test_photographs(tmp_path: Path, labels: tuple[str, ...], sale: str, said: str) -> None:
    found = of_photographs(dataset(tmp_path / "dataset-1", *labels))
    assert (found.what, found.may_sell) == ("photographs", sale)
    assert said in found.sentence


@pytest.mark.parametrize(
    ("config", "sale"),
    [
        ("[archive]\n", "ask"),  # the sample
        ('[archive]\nsource = "sample"\n', "ask"),
        ('[archive]\nsource = "instagram"\n', "ask"),
        ('[archive]\nsource = "flickr"\n[archive.flickr]\nlicences = ["by", "cc0"]\n', "yes"),
        ('[archive]\nsource = "flickr"\n[archive.flickr]\nlicences = ["by-nc", "by"]\n', "no"),
        ('[archive]\nsource = "takeout"\nfolder = "x"\n', "yes"),
        ("no toml [", "yes"),
    ],
)
def test_photographs_without_a_licence(tmp_path: Path, config: str, sale: str) -> None:
    assert of_photographs(dataset(tmp_path / "d", "", config=config)).may_sell == sale


def test_what_enlarged_them() -> None:
    assert of_enlarger({"engine": "lanczos"}).may_sell == "yes"
    official = of_enlarger({"engine": "native", "weights": "realesr-general-x4v3"})
    assert official.may_sell == "yes" and "BSD-3-Clause" in official.sentence
    mine = of_enlarger({"engine": "spandrel", "weights": "/home/me/4x.pth", "weights_sha256": "0"})
    assert mine.may_sell == "ask" and "upscaler 4x.pth" in mine.sentence
    assert "/home" not in mine.sentence


def test_the_strictest_link_decides(tmp_path: Path) -> None:
    def folder(name: str, kind: str, **settings: str) -> Path:
        return do(lay_out(kind, tmp_path / name, settings, 1, lambda part, i, a: [{"file": "x"}]))

    dataset(tmp_path / "dataset-1", "CC BY-SA 2.0")
    base = str(entries()["ffhq-1024"].sha256)
    trained = run_folder(tmp_path / "run-1", "/x/faces.pkl", base, "elsewhere/dataset-1")
    runs.write_bytes(runs.snapshot_path(trained, 5), b"")
    folder("samples-1", "samples", run="run-1", file="../etc")
    folder("upscaled-1", "upscaled", samples="samples-1", engine="lanczos")
    made = folder("gallery-1", "gallery", pictures="upscaled-1", samples="samples-1")
    (made / "pictures").mkdir()
    for source in (made, made / "pictures" / "1.webp", tmp_path / "upscaled-1"):
        found = chain(source)
        assert [link.what for link in found.links] == ["base", "photographs", "upscaler"]
        assert [link.may_sell for link in found.links] == ["no", "ask", "yes"]
        assert found.may_sell == "no"
        assert re.fullmatch(r"Not for sale: the licence of its base .*no sales.*\.", found.verdict)
    for source in (trained, runs.snapshot_path(trained, 5), tmp_path / "samples-1"):
        assert [link.what for link in chain(source).links] == ["base", "photographs"]
    assert found.notice == found.verdict
    run_folder(trained, "", "", "elsewhere/dataset-1")
    assert chain(made).verdict.startswith("Ask before it is sold: 1 of the 1 photographs")
    assert chain(made).notice.startswith("Not for sale before its licences are settled: 1 of")
    run_folder(trained, "", "", "gone")
    assert chain(made).verdict.startswith("May be sold: no licence")
    assert "sold" not in chain(made).notice  # no permission to whoever looks at the gallery
    (trained / runs.RUN).unlink()
    with pytest.raises(FormatError, match="does not lie beside it"):
        chain(made)
    with pytest.raises(FormatError, match="is no result"):
        chain(tmp_path / "none" / "x.png")


def test_a_ring_of_settings_ends(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        about = {"format": 1, "kind": "samples", "settings": {"x": other, "n": 3, "list": ["a"]}}
        (tmp_path / name / "settings.json").write_text(json.dumps(about))
    with pytest.raises(FormatError, match="does not lie beside it"):
        chain(tmp_path / "a")
    assert licence.Chain((licence.Licence("x"),)).link("upscaler") is None
