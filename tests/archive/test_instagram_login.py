"""Logging in, and posts of several pictures, against a small stand-in of our own."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from instaloader import InstaloaderContext
from PIL import Image

from merzmory.archive.sources import downloads
from merzmory.archive.sources.instagram import InstagramSource
from merzmory.errors import ArchiveError, ConfigError, WaitingError
from merzmory.manifest import do
from tests.archive.loopback import Answer, Request, only_here, serving

PASSWORD = "correct horse battery"
CODE = "123456"


class Instagram:
    """What it says; `refusal` is its answer to a login, `posts` are what an account is tagged in."""

    def __init__(self, picture: Callable[[int], Image.Image]) -> None:
        self.refusal: dict[str, Any] = {}
        self.two_factor = False
        self.asked: list[str] = []
        self._picture = picture

    def __call__(self, request: Request) -> Answer:
        self.asked.append(request.path)
        if request.path == "/":
            return Answer(b"<html>", kind="text/html",
                          headers={"Set-Cookie": "csrftoken=first; Path=/"})  # fmt: skip
        if request.path.startswith("/api/v1/web/accounts/login"):
            if self.refusal:
                return said(self.refusal)
            if not request.form["enc_password"].endswith(PASSWORD):
                return said({"authenticated": False, "user": True, "status": "ok"})
            if self.two_factor:
                info = {"two_factor_identifier": "id"}
                return said({"two_factor_required": True, "two_factor_info": info})
            return self._welcome()
        if request.path.endswith("/two_factor/"):
            if request.form["verificationCode"] != CODE:
                return said({"status": "fail", "message": "wrong"}, status=400)
            return self._welcome()
        if request.form.get("query_hash") == "e31a871f7301132ceaab56507a66bbb7":
            return said({"status": "ok", "data": {"user": {"edge_user_to_photos_of_you": {
                "count": 2, "page_info": {"has_next_page": False},
                "edges": [{"node": carousel()}, {"node": film()}]}}}})  # fmt: skip
        if request.form.get("doc_id") == "27937681195819736":
            return said({"data": {"user": {"pk": "111", "id": "111", "username": "anna",
                                           "media_count": 2}}, "status": "ok"})  # fmt: skip
        if request.form.get("query_hash"):
            return said({"status": "ok", "data": {"user": {"id": "111", "username": "anna"}}})
        if request.host.endswith("cdninstagram.com"):
            data = io.BytesIO()
            self._picture(len(request.path)).save(data, "JPEG")
            return Answer(data.getvalue(), kind="image/jpeg")
        return said({"status": "fail"}, status=404)

    def _welcome(self) -> Answer:
        answer = said({"authenticated": True, "user": True, "userId": "111", "status": "ok"})
        answer.headers["Set-Cookie"] = "csrftoken=Cr4mbl3; Path=/"
        return answer


def said(what: dict[str, Any], status: int = 200) -> Answer:
    return Answer(json.dumps(what).encode(), status)


def carousel() -> dict[str, Any]:
    """A post of Ben's: two photographs and a film between them."""
    return {
        "__typename": "GraphSidecar", "id": "1", "shortcode": "CAR", "is_video": False,
        "taken_at_timestamp": 1_500_000_000, "display_url": "https://a.cdninstagram.com/1.jpg",
        "owner": {"id": "222", "username": "ben"},
        "location": {"id": "9", "name": "Frankfurt", "lat": 50.11, "lng": 8.68},
        "edge_media_to_caption": {"edges": [{"node": {"text": "three of us"}}]},
        "edge_sidecar_to_children": {"edges": [
            {"node": {"is_video": False, "display_url": "https://a.cdninstagram.com/1.jpg"}},
            {"node": {"is_video": True, "display_url": "https://a.cdninstagram.com/2.jpg",
                      "video_url": "https://a.cdninstagram.com/2.mp4"}},
            {"node": {"is_video": False, "display_url": "https://a.cdninstagram.com/333.jpg"}},
        ]},
    }  # fmt: skip


def film() -> dict[str, Any]:
    return {
        "__typename": "GraphVideo", "id": "2", "shortcode": "FILM", "is_video": True,
        "taken_at_timestamp": 1_400_000_000, "display_url": "https://a.cdninstagram.com/4.jpg",
        "video_url": "https://a.cdninstagram.com/4.mp4", "owner": {"id": "222", "username": "ben"},
        "location": None, "edge_media_to_caption": {"edges": []},
    }  # fmt: skip


@pytest.fixture
def stand_in(
    monkeypatch: pytest.MonkeyPatch, pictures: Callable[[int], Image.Image]
) -> Iterator[Instagram]:
    only_here(monkeypatch)
    monkeypatch.setattr(InstaloaderContext, "do_sleep", lambda _self: None)
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.0)
    it = Instagram(pictures)
    with serving(it, monkeypatch):
        yield it


@pytest.fixture
def anna(tmp_path: Path) -> InstagramSource:
    """What Anna is tagged in."""
    return InstagramSource(
        tmp_path / "archives", tmp_path / "private", login="anna", what="tagged", accept_risk=True
    )


def never() -> str:
    pytest.fail("it was asked")


@pytest.mark.parametrize("two_factor", [False, True])
def test_a_person_logs_in_once(
    stand_in: Instagram, anna: InstagramSource, tmp_path: Path, two_factor: bool,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    stand_in.two_factor = two_factor
    assert anna.needs_login
    anna.log_in(lambda: PASSWORD, (lambda: CODE) if two_factor else never)
    assert not anna.needs_login
    kept = (tmp_path / "private" / "instagram-anna.json").read_text("utf-8")
    assert json.loads(kept)["cookies"]["csrftoken"] == "Cr4mbl3"
    do(anna.plan())
    everything = "".join(
        p.read_text("utf-8", "replace") for p in tmp_path.rglob("*") if p.is_file()
    )
    assert PASSWORD not in everything + caplog.text + "".join(capfd.readouterr())
    assert b"\x80" not in (tmp_path / "private" / "instagram-anna.json").read_bytes()  # no pickle


def test_a_post_of_several_pictures_and_a_film(stand_in: Instagram, anna: InstagramSource) -> None:
    anna.log_in(lambda: PASSWORD, never)
    do(anna.plan())
    found = list(anna.files())
    assert [Path(file.path).name for file in found] == [
        "20170714_024000_CAR_1.jpg", "20170714_024000_CAR_3.jpg",
    ]  # fmt: skip
    for file in found:
        assert file.origin is not None
        assert (file.origin.owner, file.origin.place) == ("ben", (50.11, 8.68))
        assert (file.origin.caption, file.origin.album) == ("three of us", "tagged")
    assert "2 films were left out" in anna.downloads.summary()
    assert not any("explore" in path for path in stand_in.asked)  # no request for a place


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ({"checkpoint_url": "/challenge/", "status": "fail"}, "you are a person.*as anna"),
        ({"authenticated": False, "user": False, "status": "ok"}, "There is no account anna"),
        ({"authenticated": False, "user": True, "status": "ok"}, "does not accept the password"),
    ],
)
def test_a_refused_login_is_one_sentence(
    stand_in: Instagram, anna: InstagramSource, refusal: dict[str, Any], words: str
) -> None:
    stand_in.refusal = refusal
    with pytest.raises(ArchiveError, match=words):
        anna.log_in(lambda: PASSWORD, never)
    assert anna.needs_login


def test_a_wrong_code_and_a_request_to_wait(stand_in: Instagram, anna: InstagramSource) -> None:
    stand_in.two_factor = True
    with pytest.raises(ArchiveError, match="does not accept the password or the code"):
        anna.log_in(lambda: PASSWORD, lambda: "000000")
    stand_in.refusal = {"status": "fail", "message": "Please wait a few minutes."}
    with pytest.raises(WaitingError, match="the login was refused"):
        anna.log_in(lambda: PASSWORD, never)
    asked = len(stand_in.asked)
    with pytest.raises(WaitingError):
        anna.log_in(never, never)
    assert len(stand_in.asked) == asked


@pytest.mark.parametrize(
    "knobs",
    [{}, {"profile": "a/../b"}, {"profile": "ben", "login": "anna", "what": "saved"},
     {"profile": "ben", "what": "tagged"}],
)  # fmt: skip
def test_names_that_do_not_fit(tmp_path: Path, knobs: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"archive\.instagram\.login"):
        InstagramSource(tmp_path, tmp_path, **knobs)
