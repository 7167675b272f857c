"""`merzmory fetch` at the terminal: what it says first, what it asks, and what it never shows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from instaloader import InstaloaderContext
from PIL import Image
from typer.testing import CliRunner

from merzmory.archive.sources import flickr_api
from merzmory.archive.sources.flickr import KEY
from merzmory.cli import app
from tests.archive.loopback import only_here, serving
from tests.archive.test_flickr import SECRET, Service
from tests.archive.test_instagram_login import CODE, PASSWORD, Instagram

COOKIE = "Cr4mbl3"  # what the stand-in gives to whom it lets in


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    only_here(monkeypatch)
    monkeypatch.setattr(InstaloaderContext, "do_sleep", lambda _self: None)
    monkeypatch.setattr(flickr_api.time, "sleep", lambda _seconds: None)


def noise(number: int) -> Image.Image:
    return Image.effect_noise((96, 64), 40 + number).convert("RGB")


def merzmory(*words: str, typed: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words), input=typed)
    return result.exit_code, result.output


def everything(folder: Path) -> str:
    """All that lies below, but for the private place."""
    files = [p for p in folder.rglob("*") if p.is_file() and "private" not in p.parts]
    return "".join(f"{path}{path.read_text('utf-8', 'replace')}" for path in files)


def test_a_person_is_told_warned_and_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(
        f'outputs = "{tmp_path}/outputs"\n[archive]\nsource = "instagram"\n'
        '[archive.instagram]\nlogin = "anna"\nwhat = "tagged"\n', "utf-8",
    )  # fmt: skip
    stand_in = Instagram(noise)
    stand_in.two_factor = True
    with serving(stand_in, monkeypatch):
        code, said = merzmory("fetch", str(config))
        assert code == 2 and "suspended" in said and "--accept-risk" in said
        code, said = merzmory("fetch", str(config), "--accept-risk")  # nobody types
        assert code == 2 and "run `merzmory fetch` in a terminal" in said
        code, said = merzmory("run", str(config), "--set", "archive.instagram.accept_risk=true")
        assert code == 2 and "Nobody has logged in as anna" in said
        assert stand_in.asked == []

        typed = f"{PASSWORD}\n{CODE}\n"
        code, said = merzmory("fetch", str(config), "--accept-risk", typed=typed)
        assert code == 0, said
        first = said.splitlines()[0]
        assert "from instagram.com, logged in as anna, into" in first
        assert "2 photographs lie in" in said and "2 films were left out" in said
        asked = len(stand_in.asked)
        code, _ = merzmory("ingest", str(config))  # reads what was fetched; asks nobody
        assert code == 0 and len(stand_in.asked) == asked
    kept = everything(tmp_path)
    assert COOKIE in (tmp_path / "outputs" / "private" / "instagram-anna.json").read_text("utf-8")
    assert CODE not in kept
    for word in (PASSWORD, COOKIE):
        assert word not in kept + said


def test_waiting_is_a_sentence_with_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        "--set", f"outputs={tmp_path}", "--set", "archive.source=flickr",
        "--set", "archive.flickr.text=alps", "--set", "archive.flickr.count=2",
    ]  # fmt: skip
    data = io.BytesIO()
    noise(1).save(data, "JPEG")
    service = Service(data.getvalue())
    service.fill(2)
    code, said = merzmory("fetch", "demo", *words)
    assert code == 2 and KEY in said
    monkeypatch.setenv(KEY, SECRET)
    with serving(service, monkeypatch):
        from tests.archive.test_flickr import fail

        service.faults["search"] = [fail(201, "over the limit")]
        code, said = merzmory("fetch", "demo", *words)
        assert code == 2 and "Flickr asked us to wait until" in said
        assert "the same command goes on then" in said
        asked = len(service.asked)
        assert merzmory("run", "demo", *words)[0] == 2  # before any server is started
        assert len(service.asked) == asked
        (tmp_path / "archives" / "flickr" / "waiting.json").unlink()
        code, said = merzmory("fetch", "demo", *words)
        assert code == 0 and "2 photographs lie in" in said
    assert SECRET not in everything(tmp_path) + said


def test_photographs_of_this_machine_are_not_fetched(tmp_path: Path) -> None:
    code, said = merzmory("fetch", "demo", "--set", f"outputs={tmp_path}")
    assert code == 2 and "lie on this machine" in said
