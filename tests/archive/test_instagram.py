"""Instagram against a stand-in that refuses in every way it knows; nothing leaves the machine."""

from __future__ import annotations

import importlib.util
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from instaloader import InstaloaderContext
from PIL import Image

from merzmory.archive import ingest
from merzmory.archive.sources import (
    downloads,
    instagram_walk,
    secret,
    waiting,
)
from merzmory.archive.sources.instagram import InstagramSource
from merzmory.errors import ArchiveError, ConfigError, MerzmoryError, WaitingError
from merzmory.manifest import do
from merzmory.records import Progress
from tests.archive.loopback import only_here

POSTS = "29104886249145907"  # doc_id of a profile's posts, logged in
ANYWHERE = "GET cdn image"
COOKIES = {"sessionid": "s3cret", "csrftoken": "t0ken", "ds_user_id": "111", "mid": "m"}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine, and nobody waits between two requests to it."""
    only_here(monkeypatch)
    monkeypatch.setattr(InstaloaderContext, "do_sleep", lambda _self: None)
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(instagram_walk, "RETRIES", (0.0, 0.0))


@pytest.fixture
def fake(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in: 30 posts of `photog`; FAULTS says what goes wrong, CALLS what was asked."""
    file = shared / "tools" / "fake_instagram.py"
    if not file.is_file():
        pytest.skip(f"needs {file}")
    spec = importlib.util.spec_from_file_location("fake_instagram", file)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(requests.Session, "__init__", requests.Session.__init__)  # brought back
    server = module.install()
    yield module
    server.shutdown()
    server.server_close()


def source(place: Path, login: str = "photog", **knobs: Any) -> InstagramSource:
    """`photog`, logged in."""
    private = place / "private"
    if login:
        said = {"format": 1, "account": login, "cookies": COOKIES}
        secret.write(private / f"instagram-{login}.json", json.dumps(said))
    knobs = {"profile": "photog", "accept_risk": True, **knobs}
    return InstagramSource(place / "archives", private, login=login, **knobs)


def fetched(instagram: InstagramSource) -> list[str]:
    return sorted(path.name for path in instagram.downloads.photographs.iterdir())


def test_a_profile_comes_with_what_is_known_of_it(fake: Any, tmp_path: Path) -> None:
    instagram = source(tmp_path)
    heard: list[Progress] = []
    assert do(instagram.plan(), heard.append) == instagram.downloads.folder
    assert (heard[-1].done, heard[-1].total, heard[-1].note) == (30, 30, "30 photographs")
    found = list(instagram.files())
    assert len(found) == 30 and len({file.path for file in found}) == 30
    first = found[-1]
    assert Path(first.path).name == "20231114_221320_SC0000_1.jpg"
    assert Path(first.path).stat().st_mtime == 1_700_000_000
    assert first.origin is not None
    assert first.origin.owner == "photog" and first.origin.caption == "caption 0 ü"
    assert first.origin.url == "https://www.instagram.com/p/SC0000/"
    assert (first.origin.taken, first.origin.taken_from) == ("2023-11-14T22:13:20", "post")
    assert not any("i.instagram.com" in call for call in fake.CALLS)  # no request a post

    archive = tmp_path / "archives" / "instagram-photog-0"
    do(ingest.plan(source=instagram, archive=archive, shard_size=64))
    rows = ingest.catalogue_of(archive).rows()
    assert len(rows) == 30 and {row.verdict for row in rows} == {"kept"}
    assert {row.origin.owner for row in rows if row.origin} == {"photog"}


def test_a_finished_fetch_asks_nothing_and_a_person_asks_for_what_is_new(
    fake: Any, tmp_path: Path
) -> None:
    do(source(tmp_path).plan())
    fake.CALLS.clear()
    assert source(tmp_path, accept_risk=False).plan().shards == 0  # found: no consent needed
    assert not fake.CALLS
    before = set(fetched(source(tmp_path)))
    fake.N, media = 31, fake.media
    fake.IMG.append(fake.jpeg(30))
    fake.media = lambda i, host: media((i - 1) % 31, host)  # one that was never seen comes first
    do(source(tmp_path).plan(again=True))
    assert len(set(fetched(source(tmp_path))) - before) == 1
    assert fake.CALLS[ANYWHERE] == 1
    assert sum(POSTS in call for call in fake.CALLS) == 1
    pages = sum(count for call, count in fake.CALLS.items() if POSTS in call)
    assert pages <= 2


def test_a_stopped_look_for_what_is_new_leaves_no_gap(fake: Any, tmp_path: Path) -> None:
    do(source(tmp_path).plan())
    media, first = fake.media, 50  # fifty newer ones, of which two come before it is stopped
    fake.N = 80
    fake.IMG += [fake.jpeg(number) for number in range(30, 80)]
    fake.media = lambda i, host: media((i - first) % 80, host)

    def stop(progress: Progress) -> None:
        if progress.done == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(source(tmp_path).plan(again=True), stop)
    state = source(tmp_path).downloads.folder / "iterator.json"
    state.write_text("{", "utf-8")  # where it was is lost
    do(source(tmp_path).plan(again=True))
    assert len(fetched(source(tmp_path))) == 80
    assert not state.exists()


def test_nothing_is_asked_before_the_risk_is_accepted(fake: Any, tmp_path: Path) -> None:
    instagram = source(tmp_path, accept_risk=False)
    with pytest.raises(ConfigError, match=r"suspended.*export.*--accept-risk"):
        instagram.plan()
    with pytest.raises(ConfigError, match="suspended"):
        instagram.log_in(lambda: pytest.fail("asked"), lambda: "")
    assert not fake.CALLS
    assert not instagram.downloads.folder.exists()


@pytest.mark.parametrize(
    ("fault", "why"),
    [("429", "429"), ("401", "401"), ("html", "a page instead")],
)
def test_a_refusal_is_believed_at_once_and_remembered(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, why: str
) -> None:
    fake.FAULTS[POSTS] = [fault] * 9
    with pytest.raises(WaitingError, match=rf"asked us to wait until \d\d:\d\d.*{why}") as caught:
        do(source(tmp_path).plan())
    assert len(fake.FAULTS[POSTS]) == 8  # it was asked once
    minutes = (caught.value.until - waiting.now()) / timedelta(minutes=1)
    assert 30 < minutes <= 31
    asked = sum(fake.CALLS.values())
    with pytest.raises(WaitingError, match="the same command goes on then"):
        source(tmp_path).plan(again=True)  # another command, a person's too
    with pytest.raises(WaitingError):
        source(tmp_path, login="", profile="other").plan()  # the whole service
    assert sum(fake.CALLS.values()) == asked

    later = waiting.now() + timedelta(minutes=32)
    monkeypatch.setattr(waiting, "now", lambda: later)
    with pytest.raises(WaitingError) as caught:  # refused again: half a day
        do(source(tmp_path).plan())
    assert caught.value.until - later == timedelta(hours=12)
    much_later = later + timedelta(hours=12, minutes=1)
    monkeypatch.setattr(waiting, "now", lambda: much_later)
    fake.FAULTS.clear()
    do(source(tmp_path).plan())
    assert len(fetched(source(tmp_path))) == 30


@pytest.mark.parametrize("fault", ["400checkpoint", "400feedback"])
def test_a_challenge_stops_until_a_person_has_looked(fake: Any, tmp_path: Path, fault: str) -> None:
    fake.FAULTS[POSTS] = [fault]
    for _ in range(2):  # the second time without asking Instagram
        with pytest.raises(
            ArchiveError, match=r"you are a person.*as photog.*day's rest"
        ) as caught:
            do(source(tmp_path).plan())
        assert not isinstance(caught.value, WaitingError)
    assert sum(count for call, count in fake.CALLS.items() if POSTS in call) == 1
    do(source(tmp_path).plan(again=True))
    assert len(fetched(source(tmp_path))) == 30


def test_a_dead_session_is_asked_for_again_and_progress_is_kept(fake: Any, tmp_path: Path) -> None:
    fake.FAULTS[POSTS] = ["login"]
    instagram = source(tmp_path)
    with pytest.raises(ArchiveError, match=r"logged photog out.*merzmory fetch"):
        do(instagram.plan())
    assert instagram.needs_login
    with pytest.raises(ArchiveError, match="Nobody has logged in as photog"):
        do(instagram.plan())
    do(source(tmp_path).plan())
    assert len(fetched(instagram)) == 30


@pytest.mark.parametrize(
    ("call", "fault", "words"),
    [
        ("GET www.instagram.com/photog/", "login", "only to people who are logged in.*export"),
        (
            "GET www.instagram.com/photog/",
            "404",
            "no such profile: check archive.instagram.profile",
        ),
        ("GET www.instagram.com/photog/", "429", "asked us to wait"),
    ],
)
def test_what_an_anonymous_visitor_is_refused(
    fake: Any, tmp_path: Path, call: str, fault: str, words: str
) -> None:
    fake.FAULTS[call] = [fault] * 3
    with pytest.raises(MerzmoryError, match=words):
        do(source(tmp_path, login="").plan())


def test_an_anonymous_visitor_sees_a_public_profile(fake: Any, tmp_path: Path) -> None:
    do(source(tmp_path, login="", newest=14).plan())
    assert len(fetched(source(tmp_path, login=""))) == 14
    assert not (tmp_path / "private").exists()


def test_saved_posts_cost_no_request_each(fake: Any, tmp_path: Path) -> None:
    saved = source(tmp_path, profile="", what="saved", newest=14)
    do(saved.plan())
    assert len(fetched(saved)) == 14
    assert {file.origin.album for file in saved.files() if file.origin} == {"saved"}
    assert not any("i.instagram.com" in call for call in fake.CALLS)


@pytest.mark.parametrize("fault", ["403", "404", "500", "short", "html200img", "empty", "reset"])
def test_a_picture_that_comes_broken_is_fetched_again(
    fake: Any, tmp_path: Path, fault: str
) -> None:
    fake.FAULTS[ANYWHERE] = [fault, fault]
    instagram = source(tmp_path, newest=3)
    do(instagram.plan())
    assert len(fetched(instagram)) == 3
    assert fake.CALLS[ANYWHERE] == 5
    if fault == "403":  # its address had expired: a new one was asked for
        assert any("27128499623469141" in call for call in fake.CALLS)


@pytest.mark.parametrize("fault", ["403", "404", "short", "html200img", "empty"])
def test_a_picture_that_never_comes_is_listed_and_tried_at_the_next_asking(
    fake: Any, tmp_path: Path, fault: str
) -> None:
    fake.FAULTS[ANYWHERE] = [fault] * 3
    instagram = source(tmp_path, newest=3)
    do(instagram.plan())
    assert len(fetched(instagram)) == 2
    listed = (instagram.downloads.folder / "missing.txt").read_text("utf-8")
    assert "https://www.instagram.com/p/SC0000/ (number 1)" in listed
    assert "1 photographs did not come" in instagram.downloads.summary()
    do(source(tmp_path, newest=3).plan(again=True))
    assert len(fetched(instagram)) == 3
    assert not (instagram.downloads.folder / "missing.txt").exists()


def test_picture_servers_that_give_nothing_are_a_refusal(fake: Any, tmp_path: Path) -> None:
    fake.FAULTS[ANYWHERE] = ["html200img"] * 999
    with pytest.raises(WaitingError, match="picture after picture"):
        do(source(tmp_path).plan())
    assert fake.CALLS[ANYWHERE] == 3 * instagram_walk.BARREN
    assert not fetched(source(tmp_path))


def test_a_stumbling_instagram_is_asked_three_times(fake: Any, tmp_path: Path) -> None:
    fake.FAULTS[POSTS] = ["500", "reset"]
    do(source(tmp_path, newest=2).plan())
    assert len(fetched(source(tmp_path))) == 2
    fake.FAULTS[POSTS] = ["500"] * 9
    with pytest.raises(ArchiveError, match="cannot be reached") as caught:
        do(source(tmp_path).plan())
    assert not isinstance(caught.value, WaitingError)
    assert len(fake.FAULTS[POSTS]) == 6


def test_an_answer_that_nobody_understands_names_the_update(fake: Any, tmp_path: Path) -> None:
    fake.PROFILE["username"] = None
    with pytest.raises(ArchiveError, match=r"instaloader 4.*pip install -U instaloader"):
        do(source(tmp_path).plan())


def test_a_killed_fetch_goes_on_and_fetches_nothing_twice(fake: Any, tmp_path: Path) -> None:
    instagram = source(tmp_path)
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from merzmory.archive.sources import downloads\n"
        "from merzmory.manifest import do\n"
        "from tests.archive import test_instagram as t\n"
        "from instaloader import InstaloaderContext\n"
        "InstaloaderContext.do_sleep = lambda self: None\n"
        "import importlib.util, requests\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "import fake_instagram as fake\n"
        "fake.Rewrite.port = int(sys.argv[3])\n"
        "o = requests.Session.__init__\n"
        "def init(self, *a, **k):\n"
        "    o(self, *a, **k)\n"
        "    self.mount('https://', fake.Rewrite())\n"
        "requests.Session.__init__ = init\n"
        "kept = downloads.write_aside\n"
        "def killing(path, data):\n"
        "    if 'SC0016' in path.name:\n"
        "        path.with_name(path.name + '.part').write_bytes(data[:99])\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    kept(path, data)\n"
        "downloads.write_aside = killing\n"
        "do(t.source(Path(sys.argv[1])).plan())\n"
    )
    root = Path(__file__).resolve().parents[2]
    tools = str(Path(fake.__spec__.origin).parent)
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), tools, str(fake.Rewrite.port)],
        cwd=root, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len(fetched(instagram)) == 17  # sixteen and a half
    assert fake.CALLS[ANYWHERE] == 17
    do(source(tmp_path).plan())
    assert fake.CALLS[ANYWHERE] == 31
    assert len(fetched(instagram)) == 30 and not any("part" in name for name in fetched(instagram))
    assert len(list(instagram.files())) == 30


def test_ctrl_c_keeps_what_is_whole(fake: Any, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(source(tmp_path).plan(), stop)
    do(source(tmp_path).plan())
    assert fake.CALLS[ANYWHERE] == 30


def test_a_photograph_that_a_power_cut_spoilt_is_fetched_again(fake: Any, tmp_path: Path) -> None:
    instagram = source(tmp_path, newest=3)
    do(instagram.plan())
    ledger = instagram.downloads.folder / "fetched.jsonl"
    lines = ledger.read_text("utf-8").splitlines(keepends=True)
    ledger.write_text("".join(lines[:2]) + lines[2][:40], "utf-8")  # its line was cut off, too
    spoilt = instagram.downloads.photographs / fetched(instagram)[0]
    spoilt.write_bytes(b"<html>")
    (instagram.downloads.folder / "whole.json").unlink()
    do(source(tmp_path, newest=3).plan())
    with Image.open(spoilt) as picture:
        picture.load()
    assert fake.CALLS[ANYWHERE] == 4
    assert len(list(instagram.files())) == 3


def test_own_limits_outlive_the_command(fake: Any, tmp_path: Path) -> None:
    do(source(tmp_path, newest=2).plan())
    path = tmp_path / "archives" / "instagram" / "requests.json"
    times = json.loads(path.read_text("utf-8"))["times"]
    assert times["other"] and all(time.time() - at < 60 for at in times["other"])
    times["other"] = [time.time() - 60 + number / 100 for number in range(75)]  # of 75 in 11 min
    path.write_text(json.dumps({"times": times}), "utf-8")
    asked = sum(fake.CALLS.values())
    with pytest.raises(WaitingError, match="as many requests as are proper") as caught:
        do(source(tmp_path).plan())
    assert 9 < (caught.value.until - waiting.now()) / timedelta(minutes=1) < 11
    assert sum(fake.CALLS.values()) - asked == 2  # the profile; then no page
    assert json.loads((path.parent / "waiting.json").read_text("utf-8")).get("refusals") is None


def test_cookies_never_show(
    fake: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.FAULTS[POSTS] = ["500", "html"]
    fake.FAULTS[ANYWHERE] = ["403", "500"]
    with pytest.raises(WaitingError) as caught:
        do(source(tmp_path).plan())
    out, err = capfd.readouterr()
    assert out == err == ""  # a library does not print
    session = tmp_path / "private" / "instagram-photog.json"
    said = "".join(
        path.read_text("utf-8", "replace")
        for path in tmp_path.rglob("*") if path.is_file() and path != session
    )  # fmt: skip
    assert "s3cret" in session.read_text("utf-8")
    assert '"tok"' in session.read_text("utf-8")  # Instagram renewed it
    for word in ("s3cret", "t0ken"):
        assert word not in said + str(caught.value) + caplog.text
    if sys.platform != "win32":
        assert session.stat().st_mode & 0o777 == 0o600
        assert session.parent.stat().st_mode & 0o777 == 0o700
        session.chmod(0o644)
        (tmp_path / "archives" / "instagram" / "waiting.json").unlink()
        with pytest.raises(ArchiveError, match="chmod 600"):
            do(InstagramSource(tmp_path / "archives", session.parent, login="photog",
                               accept_risk=True).plan())  # fmt: skip


def test_one_command_at_a_time(fake: Any, tmp_path: Path) -> None:
    instagram, other = source(tmp_path), source(tmp_path, what="saved", profile="")
    with (
        instagram.downloads.opened("Instagram"),
        pytest.raises(ArchiveError, match="one at a time"),
    ):
        do(other.plan())
    assert not fake.CALLS
