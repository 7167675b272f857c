"""Files that come in by hand or from a server: whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from merzmory import licence, turns
from merzmory.cli import app
from merzmory.errors import FormatError, StorageError, WeightsError
from merzmory.gan.checkpoint import save_network
from merzmory.gan.config import NetworkConfig
from merzmory.gan.networks import Discriminator, Generator
from merzmory.weights import acquire, download, ledger, passports, vetting
from tests.publisher import publishing, put_into_ledger

DATA = b"\x80" + bytes(range(256)) * 12_000  # 3 MB
OTHER = DATA[:-1] + b"!"


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with publishing(DATA) as running:
        yield running


@pytest.fixture
def known(monkeypatch):
    return lambda *urls, **changes: put_into_ledger(monkeypatch, DATA, *urls, **changes)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """A tiny base of 16 pixels."""
    config = NetworkConfig(
        resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
    )
    torch.manual_seed(0)
    networks = {"G": Generator(config), "G_ema": Generator(config), "D": Discriminator(config)}
    path = tmp_path_factory.mktemp("network") / "mine.safetensors"
    save_network(path, networks, config)
    return path


def left(folder: Path) -> list[str]:
    """What lies in a cache, but for locks."""
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def merzmory(*words: object, **env: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], env=env)
    return result.exit_code, result.output


def test_import(tmp_path, known):
    known()
    cache = tmp_path / "cache"
    file = tmp_path / "download (1).pth"
    file.write_bytes(DATA)
    assert ledger.status(cache)[0].path is None
    path = acquire.import_file("net", file, cache)
    assert path == ledger.find("net", cache) == cache / "net.pth"
    assert path.read_bytes() == DATA
    assert file.exists()
    assert left(cache) == ["net.pth"]
    assert ledger.status(cache)[0].path == path
    assert acquire.import_file("net", path, cache).read_bytes() == DATA  # from the cache itself


@pytest.mark.parametrize(
    ("data", "changes", "sentence"),
    [
        (DATA[:-1], {}, "3,072,000 bytes"),
        (OTHER, {}, "is damaged"),
        (b"<!DOCTYPE html><p>Please log in", {"bytes": None, "sha256": None}, "web page"),
        (b"", {"bytes": None, "sha256": None}, "web page or empty"),
        (b'{"error": "login"}', {"bytes": None, "sha256": None}, "no file of weights"),
    ],
)
def test_what_is_not_the_file_stays_outside(tmp_path, known, data, changes, sentence):
    known(**changes)
    file = tmp_path / "file.pth"
    file.write_bytes(data)
    with pytest.raises(WeightsError, match=sentence):
        acquire.import_file("net", file, tmp_path / "cache")
    assert left(tmp_path / "cache") == []


def test_import_of_nothing(tmp_path, known):
    known()
    with pytest.raises(WeightsError, match="cannot be read"):
        acquire.import_file("net", tmp_path / "none.pth", tmp_path)
    with pytest.raises(WeightsError, match="cannot be read"):
        acquire.import_file("net", tmp_path, tmp_path)
    with pytest.raises(WeightsError, match="did you mean net"):
        acquire.import_file("nett", tmp_path / "none.pth", tmp_path)


def test_a_disk_without_room_is_named_before_anything_is_written(
    tmp_path, known, publisher, monkeypatch
):
    known(f"{publisher.url}/net.pth")
    usage = shutil.disk_usage(tmp_path)._replace(free=download._SPARE + 1_000_000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    (tmp_path / "net.pth").write_bytes(DATA)
    with pytest.raises(StorageError, match="3 MB are to come"):
        acquire.import_file("net", tmp_path / "net.pth", tmp_path / "cache")
    with pytest.raises(StorageError, match="--outputs"):
        acquire.fetch("net", tmp_path / "cache")
    assert left(tmp_path / "cache") == []


def test_fetch(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth?download=1")
    heard = []
    path = acquire.fetch("net", tmp_path / "cache", announce=heard.append)
    assert path.name == "net.pth"
    assert path.read_bytes() == DATA
    last = heard[-1]
    assert (last.step, last.done, last.total, last.unit) == ("fetch", 3, 3, "MB")
    publisher.server.shutdown()  # from here on without any network
    assert acquire.fetch("net", tmp_path / "cache", offline=True) == path
    assert publisher.ranges_asked == [None]
    assert left(tmp_path / "cache") == ["net.pth"]


def test_a_broken_download_goes_on_where_it_stopped(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth")
    publisher.cut_after = 1_000_000
    with pytest.raises(WeightsError, match="run the same command again, which goes on"):
        acquire.fetch("net", tmp_path)
    assert not (tmp_path / "net.pth").exists()
    assert (tmp_path / "net.pth.part").stat().st_size == 1_000_000
    publisher.cut_after = None
    assert acquire.fetch("net", tmp_path).read_bytes() == DATA
    assert publisher.ranges_asked == [None, "bytes=1000000-"]
    assert left(tmp_path) == ["net.pth"]


def test_ctrl_c_keeps_the_part_and_says_how_to_go_on(tmp_path, known, publisher, monkeypatch):
    known(f"{publisher.url}/net.pth")
    publisher.etag = '"one"'

    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("merzmory.commands.terminal.Board.announce", lambda _self, p: stop(p))
    code, said = merzmory("weights", "fetch", "net", "--outputs", tmp_path)
    assert code == 130
    assert "the same command goes on" in said
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    known(f"{publisher.url}/net.pth")
    code, said = merzmory("weights", "fetch", "net", "--outputs", tmp_path)
    assert code == 0 and "about 3.1 MB · MIT: sales allowed" in said
    assert (tmp_path / "weights" / "net.pth").read_bytes() == DATA
    assert publisher.ranges_asked[0] is None and publisher.ranges_asked[1].startswith("bytes=")


@pytest.mark.parametrize(
    "badly",
    [
        {"ranges": False},
        {"shift": 7},  # sends another rest than was asked for
        {"says_length": False},
        {"says_length": False, "ranges": False},
        {"pause": 0.2},
    ],
    ids=str,
)
def test_a_part_and_a_server_that_answers_in_its_own_way(tmp_path, known, publisher, badly):
    known(f"{publisher.url}/net.pth")
    for name, value in badly.items():
        setattr(publisher, name, value)
    (tmp_path / "net.pth.part").write_bytes(DATA[:500_000])
    assert acquire.fetch("net", tmp_path).read_bytes() == DATA
    assert left(tmp_path) == ["net.pth"]


@pytest.mark.parametrize("size", [len(DATA), len(DATA) + 5])
@pytest.mark.parametrize("length", [len(DATA), None])
def test_a_part_that_is_whole_or_too_long(tmp_path, known, publisher, size, length):
    known(f"{publisher.url}/net.pth", bytes=length)
    (tmp_path / "net.pth.part").write_bytes((DATA + b"extra")[:size])
    assert acquire.fetch("net", tmp_path).read_bytes() == DATA


def test_a_server_that_falls_silent(tmp_path, known, publisher, monkeypatch):
    known(f"{publisher.url}/net.pth")
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    publisher.cut_after, publisher.stall = 2_000_000, 0.4
    with pytest.raises(WeightsError, match="the connection broke: timed out"):
        acquire.fetch("net", tmp_path)
    assert (tmp_path / "net.pth.part").exists()


def test_moved_gone_and_the_next_address(tmp_path, known, publisher):
    known(f"{publisher.url}/gone/net.pth")
    with pytest.raises(WeightsError, match=r"404.*merzmory weights import net FILE"):
        acquire.fetch("net", tmp_path)
    known(f"{publisher.url}/gone/net.pth", f"{publisher.url}/moved/net.pth")
    assert acquire.fetch("net", tmp_path).read_bytes() == DATA
    known("http://127.0.0.1:9/net.pth")
    with pytest.raises(WeightsError, match="check the connection"):
        acquire.fetch("net", tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("badly", "sentence"),
    [
        ({"body": DATA[::-1]}, "damaged"),
        ({"body": DATA + b"more"}, "has 3,072,005 bytes instead of 3,072,001"),
        ({"body": DATA[:-5]}, "has 3,071,996 bytes instead of"),
        ({"body": b"<html>Please log in to the hotel's network"}, "is a web page"),
        ({"body": DATA, "kind": "text/html; charset=utf-8"}, "is a web page"),
        ({"body": b""}, "is a web page or empty"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_a_wrong_file_from_the_server_is_not_kept(tmp_path, known, publisher, badly, sentence):
    known(f"{publisher.url}/net.pth")
    for name, value in badly.items():
        setattr(publisher, name, value)
    with pytest.raises(WeightsError, match=sentence) as caught:
        acquire.fetch("net", tmp_path)
    assert left(tmp_path) == []
    assert "\n" not in str(caught.value)


def test_a_length_that_is_a_lie_is_half_a_file(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth", bytes=None)
    publisher.lies = 1000
    with pytest.raises(WeightsError, match="ended at 3,072,001 of 3,073,001"):
        acquire.fetch("net", tmp_path)
    assert not (tmp_path / "net.pth").exists()


def test_a_page_in_between_does_not_cost_the_half_that_is_here(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth")
    (tmp_path / "net.pth.part").write_bytes(DATA[:2_000_000])
    publisher.ranges, publisher.kind = False, "text/html"
    with pytest.raises(WeightsError, match="web page"):
        acquire.fetch("net", tmp_path)
    publisher.ranges, publisher.kind = True, "application/octet-stream"
    assert acquire.fetch("net", tmp_path).read_bytes() == DATA
    assert publisher.ranges_asked[-1] == "bytes=2000000-"


def test_a_licence_must_be_accepted_before_anything_is_asked_for(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth", needs_accept=True, licence="Strict licence")
    with pytest.raises(WeightsError, match=r"Strict licence.*--accept-licence"):
        acquire.fetch("net", tmp_path)
    assert publisher.asked == []
    assert acquire.fetch("net", tmp_path, accept_licence=True).exists()


def test_offline_nothing_is_asked(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth")
    code, said = merzmory("weights", "fetch", "net", "--outputs", tmp_path, MERZMORY_OFFLINE="1")
    assert code == 2 and "MERZMORY_OFFLINE is set" in said
    assert publisher.asked == []


def test_a_mirror_is_asked_first_by_the_files_own_name(tmp_path, known, publisher):
    known("http://127.0.0.1:9/far/stylegan-net.pth")
    code, _ = merzmory(
        "weights", "fetch", "net", "--outputs", tmp_path, MERZMORY_MIRROR=f"{publisher.url}/here/"
    )
    assert code == 0
    assert [path for path, _ in publisher.asked] == ["/here/stylegan-net.pth"]
    known(f"{publisher.url}/net.pth")  # a mirror without it, and one with another file
    (tmp_path / "net.pth").write_bytes(OTHER)
    for mirror in (f"{publisher.url}/gone", str(tmp_path / "empty")):
        place = tmp_path / mirror[-5:].strip("/")
        assert acquire.fetch("net", place, mirror=mirror).read_bytes() == DATA
    with pytest.raises(WeightsError, match="damaged"):
        acquire.fetch("net", tmp_path / "third", mirror=str(tmp_path))


def test_a_mirror_may_be_a_folder_and_needs_no_network(tmp_path, known):
    known("http://127.0.0.1:9/net.pth")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "net.pth").write_bytes(DATA)
    path = acquire.fetch("net", tmp_path / "c", mirror=str(tmp_path / "disk"), offline=True)
    assert path.read_bytes() == DATA


def test_two_commands_for_one_name_wait_for_each_other(tmp_path, known, publisher, monkeypatch):
    known(f"{publisher.url}/net.pth")
    monkeypatch.setattr(turns, "LOOK_AGAIN_SECONDS", 0.02)
    publisher.pause = 0.3
    heard, found = [], []

    def bring() -> None:
        found.append(acquire.fetch("net", tmp_path, announce=heard.append))

    both = [threading.Thread(target=bring) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [path.read_bytes() for path in found] == [DATA, DATA]
    assert len(publisher.asked) == 1
    assert any("this one waits for it" in progress.note for progress in heard)


def test_the_first_file_is_remembered_where_nobody_published_a_checksum(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth?key=secret", bytes=None, sha256=None)
    path = acquire.fetch("net", tmp_path)
    first = passports.read(path)
    assert first is not None and first.sha256 == hashlib.sha256(DATA).hexdigest()
    assert first.source == "http://127.0.0.1/net.pth" and first.since
    assert "came first" in vetting.verify("net", tmp_path)

    path.unlink()  # it comes again, and is another
    publisher.body = OTHER
    with pytest.raises(WeightsError, match=r"another file.*import net FILE --accept-change"):
        acquire.fetch("net", tmp_path)
    file = tmp_path / "other.pth"
    file.write_bytes(OTHER)
    with pytest.raises(WeightsError, match="another file than the one that came first"):
        acquire.import_file("net", file, tmp_path)
    assert not path.exists()
    acquire.import_file("net", file, tmp_path, accept_change=True)
    assert "came first" in vetting.verify("net", tmp_path)
    path.write_bytes(DATA)
    with pytest.raises(WeightsError, match="another file"):
        vetting.verify("net", tmp_path)


def test_halves_of_two_files_are_not_joined_where_no_checksum_would_tell(
    tmp_path, known, publisher
):
    known(f"{publisher.url}/net.pth", bytes=None, sha256=None)
    publisher.cut_after, publisher.etag = 1_000_000, '"one"'
    with pytest.raises(WeightsError, match="goes on"):
        acquire.fetch("net", tmp_path)
    publisher.body, publisher.etag, publisher.cut_after = OTHER * 2, '"two"', None
    assert acquire.fetch("net", tmp_path).read_bytes() == OTHER * 2
    (tmp_path / "net.pth").unlink()
    (tmp_path / "net.pth.json").unlink()
    (tmp_path / "net.pth.part").write_bytes(DATA[:500])  # nobody knows of what
    assert acquire.fetch("net", tmp_path).read_bytes() == OTHER * 2


def test_half_a_network_is_seen_without_a_checksum(tmp_path, known, publisher, network):
    known(f"{publisher.url}/net.safetensors", kind="base", bytes=None, sha256=None)
    whole = network.read_bytes()
    publisher.says_length, publisher.body = False, whole[: len(whole) // 2]
    with pytest.raises(WeightsError, match="damaged"):
        acquire.fetch("net", tmp_path)
    assert left(tmp_path) == []
    publisher.body = whole
    assert acquire.fetch("net", tmp_path).read_bytes() == whole


def test_verify_at_the_door(tmp_path, known, publisher):
    known(f"{publisher.url}/net.pth")
    where = ("--outputs", tmp_path)
    assert merzmory("weights", "verify", "net", *where)[0] == 2
    file = tmp_path / "weights" / "net.pth"
    file.parent.mkdir()
    file.write_bytes(DATA)
    code, said = merzmory("weights", "verify", *where)
    assert code == 0 and "right, by the ledger's SHA-256" in said
    file.write_bytes(OTHER)
    code, said = merzmory("weights", "verify", *where)
    assert code == 2 and "1 of 1 files are not" in said
    known(f"{publisher.url}/net.pth", bytes=None, sha256=None)
    assert "is written down" in vetting.verify("net", tmp_path / "weights")
    (tmp_path / "weights" / "net.pth.json").write_text("{")
    with pytest.raises(FormatError, match="move it away"):
        vetting.verify("net", tmp_path / "weights")
    (tmp_path / "weights" / "net.pth.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(FormatError, match="update merzmory"):
        vetting.verify("net", tmp_path / "weights")


def test_a_base_of_ones_own(tmp_path, network):
    cache = tmp_path / "weights"
    code, said = merzmory(
        "weights", "add", "attic", network, "--licence", "CC BY 4.0, A. Friend", "--may-sell",
        "yes", "--title", "Attics", "--window", "0,2,16,14", "--outputs", tmp_path,
    )  # fmt: skip
    assert code == 0 and "--set train.base=attic" in said
    path = ledger.find("attic", cache)
    assert path.read_bytes() == network.read_bytes()
    attic = ledger.known("attic", cache)
    assert (attic.kind, attic.resolution, attic.window, attic.aspect) == (
        "base", 16, (0, 2, 16, 14), "4:3",
    )  # fmt: skip
    assert licence.of_network(path).may_sell == "yes"
    assert "CC BY 4.0, A. Friend: sales allowed, as you stated" in licence.of_network(path).sentence
    assert licence.of_network(network).may_sell == "ask"  # a copy elsewhere, of which nobody spoke
    listed = merzmory("weights", "list", "--outputs", tmp_path)[1].splitlines()
    here = next(line for line in listed if "attic" in line)
    assert here.split() == ["attic", "16", "0", "MB", "yes", "Attics"]
    assert "as when it was brought" in vetting.verify("attic", cache)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert licence.of_network(path).may_sell == "ask"


def test_a_base_at_an_address(tmp_path, publisher, network):
    publisher.body = network.read_bytes()
    url = f"{publisher.url}/nets/mine.safetensors?token=1"
    with pytest.raises(WeightsError, match="MERZMORY_OFFLINE"):
        acquire.add("mine", url, tmp_path, offline=True)
    path = acquire.add("mine", url, tmp_path)
    assert licence.of_network(path).may_sell == "ask"
    assert "licence not stated" in licence.of_network(path).sentence
    assert "token" not in (tmp_path / "mine.safetensors.json").read_text()
    with pytest.raises(WeightsError, match="404"):
        acquire.add("gone", f"{publisher.url}/gone/x.pkl", tmp_path)
    publisher.body = b"<html>"
    with pytest.raises(WeightsError, match="web page"):
        acquire.add("page", f"{publisher.url}/x.pkl", tmp_path)
    assert left(tmp_path) == ["mine.safetensors", "mine.safetensors.json"]


def test_what_cannot_be_brought(tmp_path, network):
    cache, wrong = tmp_path / "cache", tmp_path / "text.pkl"
    wrong.write_bytes(b"\x80\x04hello")
    starter = ledger.find("starter", cache)
    for name, source, more, sentence in (
        ("ffhq-1024", network, {}, "cannot be the name"),
        ("../up", network, {}, "cannot be the name"),
        ("mine", "photo.jpg", {}, "no network file"),
        ("mine", tmp_path / "none.pkl", {}, "cannot be read"),
        ("mine", wrong, {}, "The file text.pkl is damaged"),
        ("mine", starter, {"may_sell": "no"}, "is starter of the ledger: use that name"),
        ("mine", network, {"window": (0, 4, 32, 28)}, "not inside a square of 16"),
    ):
        with pytest.raises(WeightsError, match=sentence):
            acquire.add(name, str(source), cache, **more)
    assert not cache.exists() or left(cache) == []
    acquire.add("mine", str(network), cache)
    with pytest.raises(WeightsError, match="cannot be the name"):
        acquire.add("mine", str(network), cache)
    for option, value in (("--window", "a,b"), ("--may-sell", "perhaps")):
        code, said = merzmory("weights", "add", "x", network, option, value, "--outputs", tmp_path)
        assert code == 2 and value in said
