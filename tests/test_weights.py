"""The ledger, and files that come in by hand or from a server: whole, or not at all."""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from merzmory import weights
from merzmory.errors import StorageError, WeightsError

DATA = bytes(range(256)) * 12_000  # 3 MB
SHA = hashlib.sha256(DATA).hexdigest()


class Publisher:
    """A server on this machine that serves DATA, as badly as the test asks for."""

    def __init__(self) -> None:
        self.body = DATA
        self.cut_after: int | None = None  # bytes, then the connection ends
        self.ranges = True
        self.asked: list[str | None] = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                publisher.asked.append(wanted)
                start = 0
                if self.path.startswith("/gone"):
                    return self.send_error(404)
                if wanted and publisher.ranges:
                    start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
                    if start >= len(publisher.body):
                        return self.send_error(416)
                    self.send_response(206)
                    end = len(publisher.body)
                    self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
                else:
                    self.send_response(200)
                rest = publisher.body[start:]
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest[: publisher.cut_after])
                return None

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Publisher()
    yield running
    running.close()


@pytest.fixture
def known(monkeypatch):
    """Puts entries into the ledger in place of the real ones."""

    def put(*urls: str, name: str = "net", **changes: object) -> weights.Weight:
        entry = weights.Weight(
            name, "upscaler", "A net", urls or ("http://127.0.0.1:9/net.pth",), "MIT",
            "https://example.org", "sales allowed", True, False, len(DATA), SHA,
        )  # fmt: skip
        entry = replace(entry, **changes)
        monkeypatch.setattr(weights, "ledger", lambda: {name: entry})
        return entry

    return put


def test_the_ledger_is_whole():
    found = weights.ledger()
    assert len(found) > 40
    for name, weight in found.items():
        assert weight.name == name
        assert weight.kind in ("base", "generator", "upscaler", "embedder", "metric", "faces")
        assert bool(weight.urls) != bool(weight.embedded)
        assert all(url.startswith(("https://", "http://d36zk2xti64re0.")) for url in weight.urls)
        assert weight.sha256 is None or re.fullmatch("[0-9a-f]{64}", weight.sha256)
        assert weight.may_sell in (True, False, "ask")
        assert weight.may_sell is True or weight.needs_accept
        assert weight.resolution is None or weight.kind in ("base", "generator")
    shas = [weight.sha256 for weight in found.values() if weight.sha256]
    assert len(set(shas)) == len(shas)
    assert found["starter"].may_sell is True
    assert found["ffhq-1024"].may_sell is False
    assert found["ffhq-1024"].bytes == 381_624_121
    suffixes = {w.cached(Path("c")).suffix for w in found.values() if w.urls}
    assert suffixes == {".pkl", ".pth", ".pt", ".onnx"}


def test_what_is_missing_is_said_with_its_licence_and_the_command(tmp_path):
    with pytest.raises(WeightsError) as caught:
        weights.find("ffhq-1024", tmp_path)
    sentence = str(caught.value)
    assert "no sales" in sentence
    assert "stylegan2-ada-pytorch/pretrained/ffhq.pkl" in sentence
    assert "`merzmory weights import ffhq-1024 FILE`" in sentence
    with pytest.raises(WeightsError, match="did you mean ffhq-1024"):
        weights.find("ffhq1024", tmp_path)
    with pytest.raises(WeightsError, match="no file"):
        weights.find("nets/mine.safetensors", tmp_path)


def test_a_path_of_the_users_own_is_taken(tmp_path):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"x")
    assert weights.find(str(mine), tmp_path) == mine


def test_what_is_embedded_needs_no_cache(tmp_path, known):
    known(embedded="weights.toml", urls=(), bytes=None, sha256=None)
    assert weights.find("net", tmp_path).name == "weights.toml"
    assert weights.fetch("net", tmp_path) == weights.find("net", tmp_path)
    assert "built in" in str(weights.status(tmp_path)[0])
    with pytest.raises(WeightsError, match="part of the project"):
        weights.import_file("net", tmp_path / "x", tmp_path)
    known(embedded="bases/none.safetensors", urls=(), bytes=None, sha256=None)
    with pytest.raises(WeightsError, match="install merzmory again"):
        weights.find("net", tmp_path)


def test_import(tmp_path, known):
    known()
    cache = tmp_path / "cache"
    file = tmp_path / "download (1).pth"
    file.write_bytes(DATA)
    assert "missing" in str(weights.status(cache)[0])
    path = weights.import_file("net", file, cache)
    assert path == weights.find("net", cache) == cache / "net.pth"
    assert path.read_bytes() == DATA
    assert file.exists()
    assert [p.name for p in cache.iterdir()] == ["net.pth"]
    assert "here" in str(weights.status(cache)[0])
    assert weights.import_file("net", path, cache).read_bytes() == DATA  # from the cache itself


@pytest.mark.parametrize(
    ("data", "changes", "sentence"),
    [
        (DATA[:-1], {}, "3,071,999 bytes"),
        (DATA[:-1] + b"!", {}, "is damaged"),
        (b"<!DOCTYPE html><p>Please log in", {"bytes": None, "sha256": None}, "web page"),
        (b"", {"bytes": None, "sha256": None}, "web page or empty"),
    ],
)
def test_what_is_not_the_file_stays_outside(tmp_path, known, data, changes, sentence):
    known(**changes)
    file = tmp_path / "file.pth"
    file.write_bytes(data)
    with pytest.raises(WeightsError, match=sentence):
        weights.import_file("net", file, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_import_of_nothing(tmp_path, known):
    known()
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.import_file("net", tmp_path / "none.pth", tmp_path)
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.import_file("net", tmp_path, tmp_path)
    with pytest.raises(WeightsError, match="did you mean net"):
        weights.import_file("nett", tmp_path / "none.pth", tmp_path)


def test_a_full_disk_is_a_storage_error(tmp_path, known, monkeypatch):
    known()
    file = tmp_path / "net.pth"
    file.write_bytes(DATA)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "_check", full)
    with pytest.raises(StorageError, match="full"):
        weights.import_file("net", file, tmp_path / "cache")


def test_fetch(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth?download=1")
    heard = []
    path = weights.fetch("net", tmp_path / "cache", announce=heard.append)
    assert path.name == "net.pth"
    assert path.read_bytes() == DATA
    assert (heard[-1].step, heard[-1].done, heard[-1].total, heard[-1].unit) == (
        "fetch",
        3,
        3,
        "MB",
    )
    assert weights.fetch("net", tmp_path / "cache") == path
    assert publisher.asked == [None]


def test_a_broken_download_goes_on_where_it_stopped(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth")
    publisher.cut_after = 1_000_000
    with pytest.raises(WeightsError, match="run the same command again"):
        weights.fetch("net", tmp_path)
    assert not (tmp_path / "net.pth").exists()
    assert (tmp_path / "net.pth.part").stat().st_size == 1_000_000
    publisher.cut_after = None
    assert weights.fetch("net", tmp_path).read_bytes() == DATA
    assert publisher.asked == [None, "bytes=1000000-"]
    assert [p.name for p in tmp_path.iterdir()] == ["net.pth"]


def test_a_server_without_ranges_is_read_from_the_start(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth")
    publisher.ranges = False
    (tmp_path / "net.pth.part").write_bytes(b"old" * 100)
    assert weights.fetch("net", tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("size", [len(DATA), len(DATA) + 5])
def test_a_part_that_is_whole_or_too_long(tmp_path, known, publisher, size):
    known(f"{publisher.url}/net.pth", bytes=None)
    (tmp_path / "net.pth.part").write_bytes((DATA + b"extra")[:size])
    assert weights.fetch("net", tmp_path).read_bytes() == DATA


def test_the_next_address_is_tried(tmp_path, known, publisher):
    known(f"{publisher.url}/gone/net.pth", f"{publisher.url}/net.pth")
    assert weights.fetch("net", tmp_path).read_bytes() == DATA


def test_a_wrong_file_from_the_server_is_not_kept(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth")
    publisher.body = DATA[::-1]
    with pytest.raises(WeightsError, match="damaged"):
        weights.fetch("net", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_server(tmp_path, known, publisher):
    known(f"{publisher.url}/gone/net.pth")
    with pytest.raises(WeightsError, match="merzmory weights import net FILE"):
        weights.fetch("net", tmp_path)


def test_a_licence_must_be_accepted_before_anything_is_asked_for(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth", needs_accept=True, licence="Strict licence")
    with pytest.raises(WeightsError, match=r"Strict licence.*--accept-licence"):
        weights.fetch("net", tmp_path)
    assert publisher.asked == []
    assert weights.fetch("net", tmp_path, accept_licence=True).exists()
