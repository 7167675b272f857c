"""The ledger: whole, and honest about what is missing; how it is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from merzmory.commands.bases import facts, listed
from merzmory.errors import WeightsError
from merzmory.frame import Frame
from merzmory.gan import checkpoint
from merzmory.story.archives import frame_of
from merzmory.weights import acquire, ledger, vetting
from tests.publisher import put_into_ledger

ROOT = Path(__file__).resolve().parents[2]


def test_the_ledger_is_whole():
    found = ledger.entries()
    assert len(found) > 40
    for name, weight in found.items():
        assert weight.name == name
        assert weight.kind in ("base", "generator", "upscaler", "embedder", "metric", "faces")
        assert bool(weight.urls) != bool(weight.embedded)
        assert all(url.startswith(("https://", "http://d36zk2xti64re0.")) for url in weight.urls)
        assert weight.sha256 is None or re.fullmatch("[0-9a-f]{64}", weight.sha256)
        assert weight.may_sell in (True, False, "ask")
        assert weight.may_sell is True or weight.needs_accept
        assert (weight.resolution is None) == (weight.kind not in ("base", "generator"))
        assert weight.bytes is None or weight.megabytes is None
    shas = [weight.sha256 for weight in found.values() if weight.sha256]
    assert len(set(shas)) == len(shas)
    assert found["starter"].may_sell is True
    assert found["ffhq-1024"].may_sell is False
    assert found["ffhq-1024"].bytes == 381_624_121
    suffixes = {w.cached(Path("c")).suffix for w in found.values() if w.urls}
    assert suffixes == {".pkl", ".pth", ".pt", ".onnx"}


def test_what_is_missing_is_said_with_its_licence_and_the_command(tmp_path):
    with pytest.raises(WeightsError) as caught:
        ledger.find("ffhq-1024", tmp_path)
    sentence = str(caught.value)
    assert "no sales" in sentence
    assert "stylegan2-ada-pytorch/pretrained/ffhq.pkl" in sentence
    assert "`merzmory weights import ffhq-1024 FILE`" in sentence
    with pytest.raises(WeightsError, match="did you mean ffhq-1024"):
        ledger.find("ffhq1024", tmp_path)
    with pytest.raises(WeightsError, match="no file"):
        ledger.find("nets/mine.safetensors", tmp_path)
    with pytest.raises(WeightsError, match=r"weights add NAME https://example.org/net.pkl"):
        ledger.find("https://example.org/net.pkl", tmp_path)


def test_a_path_of_the_users_own_is_taken(tmp_path):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"x")
    assert ledger.find(str(mine), tmp_path) == mine


def test_what_is_embedded_needs_no_cache(tmp_path, monkeypatch):
    put_into_ledger(
        monkeypatch, b"", embedded="weights/ledger.toml", urls=(), bytes=None, sha256=None
    )
    assert ledger.find("net", tmp_path).name == "ledger.toml"
    assert acquire.fetch("net", tmp_path) == ledger.find("net", tmp_path)
    with pytest.raises(WeightsError, match="part of the project"):
        acquire.import_file("net", tmp_path / "x", tmp_path)
    put_into_ledger(
        monkeypatch, b"", embedded="bases/none.safetensors", urls=(), bytes=None, sha256=None
    )
    with pytest.raises(WeightsError, match="install merzmory again"):
        ledger.find("net", tmp_path)


def test_what_the_project_brings_is_right_and_may_be_sold(tmp_path):
    embedded = [weight for weight in ledger.entries().values() if weight.embedded]
    assert {weight.kind for weight in embedded} == {"base", "upscaler"}
    for weight in embedded:
        assert vetting.verify(weight.name, tmp_path).endswith("by the ledger's SHA-256.")
        card = ledger.find(weight.name, tmp_path).with_suffix(".md").read_text("utf-8")
        assert weight.may_sell is True and "CC0 1.0" in card
        for picture in re.findall(r"!\[[^]]+\]\(([^)]+)\)", card):
            assert (ledger.find(weight.name, tmp_path).parent / picture).is_file()
    about = checkpoint.inspect(ledger.find("starter", tmp_path))
    assert about["networks"] == ["G_ema", "D"] and about["notes"]["licence"] == "CC0-1.0"


def test_a_base_of_every_entry_has_a_square_or_a_window():
    barred = [weight for weight in ledger.entries().values() if weight.window]
    assert [weight.name for weight in barred] == ["cars-512"]
    assert frame_of(barred[0]) == Frame("4:3", (0, 0.125, 1, 0.875))
    assert frame_of(ledger.entries()["ffhq-1024"]) is None


def test_the_list_begins_with_what_is_here_and_fits_a_terminal(tmp_path):
    lines = "\n".join(listed(ledger.status(tmp_path))).splitlines()
    assert all(len(line) <= 88 for line in lines)
    assert max(len(line) for line in lines if line.startswith("  ")) <= 80
    assert lines[0].split() == ["px", "size", "sell"]
    assert lines[2:4] == [
        "Here",
        "  starter                      64    5 MB yes  Clothes, in the project",
    ]
    cars = next(line for line in lines if "cars-512" in line)
    assert cars.split()[:5] == ["cars-512", "512", "364", "MB", "no"]
    assert all(any(name in line for line in lines) for name in ledger.entries())
    metfaces = next(line for line in lines if "  metfaces-1024 " in line)
    assert "382 MB" in metfaces  # what is said of it: nobody has confirmed the bytes


def test_what_is_known_of_one(tmp_path):
    lines = [line.strip() for line in facts(ledger.entries()["cars-512"], None)]
    assert "Shown without its bars: 512 x 384 of its 512 x 512 pixels." in lines
    assert "What it makes may not be sold." in lines
    assert lines[-1] == "Not here: merzmory weights fetch cars-512 --accept-licence"
    unknown = " ".join(facts(ledger.entries()["lions-512"], None))
    assert "size not known before it comes" in unknown
    assert "that of the first file is written down" in unknown
    assert "Ask its publisher before you sell" in unknown


def table() -> str:
    """The table of docs/bases.md."""
    lines = [
        "| name | pictures | pixels | megabytes | may it be sold? |",
        "| --- | --- | --- | --- | --- |",
    ]
    for weight in ledger.entries().values():
        if weight.kind in ("base", "generator"):
            x0, y0, x1, y1 = weight.window or (0, 0, weight.resolution, weight.resolution)
            what = re.sub(r", \d+( x \d+)? px", "", weight.title)
            size = f"{round(weight.size / 1e6)}" if weight.size else "?"
            sell = {True: "yes", False: "no", "ask": "ask"}[weight.may_sell]
            lines.append(f"| `{weight.name}` | {what} | {x1 - x0} x {y1 - y0} | {size} | {sell} |")
    return "\n".join(lines)


def test_the_docs_list_every_base_as_the_ledger_does():
    page = (ROOT / "docs" / "bases.md").read_text("utf-8")
    assert table() in page, f"docs/bases.md should hold:\n\n{table()}"
