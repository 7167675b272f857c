"""Flickr against a stand-in that speaks its interface, with its quirks; nothing leaves the machine."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from merzmory.archive import ingest
from merzmory.archive.sources import downloads, flickr_api, waiting
from merzmory.archive.sources.flickr import KEY, FlickrSource
from merzmory.archive.sources.flickr_api import FIRST_DAY, Flickr
from merzmory.archive.sources.waiting import Waiting
from merzmory.errors import ArchiveError, ConfigError, MerzmoryError, WaitingError
from merzmory.manifest import do
from tests.archive.loopback import Answer, Request, only_here, serving

SECRET = "0123456789abcdef0123456789abcdef"
NOW = 1_700_000_000
LICENCES = {
    0: "", 1: "by-nc-sa/2.0/", 2: "by-nc/2.0/", 3: "by-nc-nd/2.0/", 4: "by/2.0/", 5: "by-sa/2.0/",
    6: "by-nd/2.0/", 11: "by/4.0/", 12: "by-sa/4.0/", 13: "by-nd/4.0/", 14: "by-nc/4.0/",
}  # fmt: skip
OTHERS = {
    7: "https://www.flickr.com/commons/usage/",
    8: "http://www.usa.gov/copyright.shtml",
    9: "https://creativecommons.org/publicdomain/zero/1.0/",
    10: "https://creativecommons.org/publicdomain/mark/1.0/",
}


class Service:
    """Some records, and what goes wrong: lists of answers by method, or "picture"."""

    def __init__(self, jpeg: bytes) -> None:
        self.records: list[dict[str, Any]] = []
        self.faults: dict[str, list[Answer]] = {}
        self.calls: Counter[str] = Counter()
        self.asked: list[Request] = []
        self.trusted = True  # whether the licence that was asked for is obeyed
        self._jpeg = jpeg

    def fill(self, count: int, licence: int = 4, **more: Any) -> None:
        """`count` photographs, a day apart, the newest first."""
        for _ in range(count):
            number = len(self.records)
            self.records.append(
                {
                    "id": str(1000 + number), "owner": f"{number % 3}@N00", "media": "photo",
                    "ownername": f"Owner {number % 3}", "title": f"Title {number}",
                    "license": str(licence), "dateupload": NOW - 60_000 * number - 1,
                    "datetaken": "2016-07-04 12:11:10", "datetakenunknown": "0",
                    "latitude": "50.1", "longitude": "8.6",
                    "url_o": f"https://live.staticflickr.com/{1000 + number}_o.jpg",
                    "url_l": f"https://live.staticflickr.com/{1000 + number}_l.jpg", **more,
                }
            )  # fmt: skip

    def __call__(self, request: Request) -> Answer:
        self.asked.append(request)
        if request.host != "api.flickr.com":
            self.calls["picture"] += 1
            if self.faults.get("picture"):
                return self.faults["picture"].pop(0)
            return Answer(self._jpeg + request.path.encode(), kind="image/jpeg")
        method = request.form.get("method", "").removeprefix("flickr.photos.")
        self.calls[method] += 1
        if self.faults.get(method):
            return self.faults[method].pop(0)
        if request.form.get("api_key") != SECRET:
            return fail(100, "Invalid API Key (Key has invalid format)")
        if method == "licenses.getInfo":
            known = {
                n: f"https://creativecommons.org/licenses/{u}" for n, u in LICENCES.items() if u
            }
            known = {0: "", **known, **OTHERS}
            return ok({"licenses": {"license": [
                {"id": number, "name": "…", "url": url} for number, url in known.items()]}})  # fmt: skip
        return ok({"photos": self._page(request.form)})

    def _page(self, form: dict[str, str]) -> dict[str, Any]:
        found = [
            record for record in self.records
            if int(form.get("min_upload_date", 0))
            <= record["dateupload"] <= int(form.get("max_upload_date", NOW))
        ]  # fmt: skip
        if self.trusted and "license" in form:  # `licence` is ignored, as Flickr ignores it
            found = [r for r in found if r["license"] in form["license"].split(",")]
        size, number = int(form["per_page"]), int(form["page"])
        within = min(len(found), 4000)
        first = min((number - 1) * size, max(0, within - size))  # behind 4,000 pages repeat
        extras = {"license", *form.get("extras", "").replace("owner_name", "ownername").split(",")}
        always = {"id", "owner", "title", "dateupload"}
        if "date_taken" in extras:
            always |= {"datetaken", "datetakenunknown"}
        if "geo" in extras:
            always |= {"latitude", "longitude"}
        return {
            "page": number, "pages": -(-len(found) // size), "perpage": size, "total": len(found),
            "photo": [{k: v for k, v in r.items() if k in extras | always}
                      for r in found[first : min(first + size, within)]],
        }  # fmt: skip


def ok(what: dict[str, Any]) -> Answer:
    return Answer(json.dumps({**what, "stat": "ok"}).encode())


def fail(code: int, message: str) -> Answer:
    return Answer(json.dumps({"stat": "fail", "code": code, "message": message}).encode())


@pytest.fixture
def service(
    monkeypatch: pytest.MonkeyPatch, pictures: Callable[[int], Image.Image]
) -> Iterator[Service]:
    data = io.BytesIO()
    pictures(1).save(data, "JPEG")
    only_here(monkeypatch)
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(flickr_api, "RETRIES", (0.0, 0.0))
    it = Service(data.getvalue())
    with serving(it, monkeypatch):
        yield it


def search(place: Path, **knobs: Any) -> FlickrSource:
    usual = {"licences": ("by", "by-sa"), "count": 6, "originals": True, "per_hour": 10**9}
    knobs = {"text": "alps", **usual, **knobs}
    return FlickrSource(place / "archives", **knobs)


def client(place: Path) -> Flickr:
    return Flickr(SECRET, Waiting(place / "waiting.json", "Flickr"), per_hour=10**9)


def test_photographs_come_with_what_their_licences_ask(service: Service, tmp_path: Path) -> None:
    service.fill(6)
    flickr = search(tmp_path)
    assert do(flickr.plan()) == flickr.downloads.folder
    found = list(flickr.files())
    assert [Path(file.path).name for file in found] == [f"{1000 + n}.jpg" for n in range(6)]
    origin = found[0].origin
    assert origin is not None
    assert (origin.owner, origin.licence, origin.name) == ("Owner 0", "CC BY 2.0", "Title 0")
    assert origin.url == "https://www.flickr.com/photos/0@N00/1000/"
    assert (origin.taken, origin.place) == ("2016-07-04T12:11:10", (50.1, 8.6))
    archive = tmp_path / "archives" / "flickr-alps-0"
    do(ingest.plan(source=flickr, archive=archive, shard_size=64))
    rows = ingest.catalogue_of(archive).rows()
    assert {row.origin.licence for row in rows if row.origin} == {"CC BY 2.0"} and len(rows) == 6


def test_licences_are_chosen_by_their_meaning(service: Service, tmp_path: Path) -> None:
    kinds = {known.id: (known.kind, known.label) for known in client(tmp_path).licences().values()}
    assert kinds["4"] == ("by", "CC BY 2.0") and kinds["11"] == ("by", "CC BY 4.0")
    assert kinds["12"] == ("by-sa", "CC BY-SA 4.0") and kinds["9"] == ("cc0", "CC0 1.0")
    assert kinds["7"][0] == "no-known-restrictions" and kinds["8"][0] == "us-government"
    assert {number for number, (kind, _) in kinds.items() if not kind} == {"0", "3", "6", "13"}
    service.fill(2, licence=4)
    do(search(tmp_path, licences=("by", "cc0")).plan())
    asked = [r.form["license"] for r in service.asked if "license" in r.form]
    assert set(asked[0].split(",")) == {"4", "11", "9"}


@pytest.mark.parametrize("kind", ["by-nd", "by-nc-nd", "all-rights-reserved", "gpl"])
def test_no_derivatives_is_never_an_option(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"{kind}.*without derivatives may not be trained on"):
        search(tmp_path, licences=("by", kind))
    with pytest.raises(ConfigError, match="a word to search for"):
        search(tmp_path, text="")


def test_every_record_s_licence_is_looked_at_again(service: Service, tmp_path: Path) -> None:
    service.trusted = False  # as where the parameter is misspelt: everything comes
    for licence in (0, 6, 3, 13, 4, 2, 5):
        service.fill(1, licence)
    service.fill(1, media="video")
    flickr = search(tmp_path)
    do(flickr.plan())
    assert {f.origin.licence for f in flickr.files() if f.origin} == {"CC BY 2.0", "CC BY-SA 2.0"}
    assert service.calls["picture"] == 2


def test_more_than_four_thousand_come_in_slices(service: Service, tmp_path: Path) -> None:
    service.fill(9500)
    flickr = client(tmp_path)
    found = list(flickr.search(text="alps", tags=(), licences=["4"], now=NOW))
    assert len(found) == len({record["id"] for record in found}) == 9500
    assert [r["id"] for r in found[:4000]] == [str(1000 + n) for n in range(4000)]  # by relevance
    assert service.calls["search"] < 80
    dates = [int(r.form["min_upload_date"]) for r in service.asked if "min_upload_date" in r.form]
    assert min(dates) == FIRST_DAY


def test_a_second_asking_fetches_only_what_is_new(service: Service, tmp_path: Path) -> None:
    service.fill(4)
    do(search(tmp_path).plan())
    assert service.calls["picture"] == 4
    assert search(tmp_path).plan().shards == 0
    service.fill(1)
    do(search(tmp_path).plan(again=True))
    assert service.calls["picture"] == 5
    service.fill(9)
    do(search(tmp_path, count=7).plan())  # more were asked for
    assert service.calls["picture"] == 7
    before = sum(service.calls.values())
    do(search(tmp_path, count=7).plan(again=True))
    assert sum(service.calls.values()) == before + 1  # the licences


def test_the_largest_size_there_is(service: Service, tmp_path: Path) -> None:
    service.fill(1)
    service.fill(1, url_o=None)
    service.records[-1].pop("url_o")
    service.records[-1]["url_k"] = "https://live.staticflickr.com/1001_k.jpg"
    service.fill(1, url_o=None, url_l=None)
    flickr = search(tmp_path)
    do(flickr.plan())
    paths = [r.path for r in service.asked if "staticflickr" in r.host]
    assert paths == ["/1000_o.jpg", "/1001_k.jpg"]
    listed = (flickr.downloads.folder / "missing.txt").read_text("utf-8")
    assert "photos/2@N00/1002/" in listed and "no size of 1024 pixels" in listed
    do(search(tmp_path, originals=False, count=1).plan())
    assert service.asked[-1].path == "/1000_l.jpg"


@pytest.mark.parametrize(
    ("fault", "size"),
    [
        (Answer(b"<html>", kind="text/html"), "o"), (Answer(b"", kind="image/jpeg"), "o"),
        (Answer(b"x" * 4000, kind="image/jpeg", cut=True), "o"), (Answer(b"", 500), "o"),
        (Answer(b"", 404), "l"), (Answer(b"", 403), "l"),
        (Answer(b"", 302, headers={"Location": "https://x.staticflickr.com/photo_unavailable.png"}),
         "l"),
    ],
)  # fmt: skip
def test_a_picture_that_comes_broken_is_fetched_again(
    service: Service, tmp_path: Path, fault: Answer, size: str
) -> None:
    service.fill(1)
    service.faults["picture"] = [fault]
    do(search(tmp_path).plan())
    assert len(list(search(tmp_path).files())) == 1
    assert service.asked[-1].path == f"/1000_{size}.jpg"


def test_a_picture_that_never_comes_is_listed_and_tried_again(
    service: Service, tmp_path: Path
) -> None:
    service.fill(2)
    service.faults["picture"] = [Answer(b"<html>")] * 3
    flickr = search(tmp_path)
    do(flickr.plan())
    assert [Path(file.path).name for file in flickr.files()] == ["1001.jpg"]
    assert "1 photographs did not come" in flickr.downloads.summary()
    do(search(tmp_path).plan(again=True))
    assert len(list(flickr.files())) == 2


@pytest.mark.parametrize(
    ("fault", "times", "words"),
    [
        (fail(105, "Service currently unavailable"), 1, None), (Answer(b"", 502), 2, None),
        (Answer(b"<html>"), 2, None), (Answer(b"12345678", cut=True), 1, None),
        (fail(105, "Service currently unavailable"), 9, r"asked us to wait.*out of order"),
        (Answer(b"", 503), 9, r"asked us to wait.*out of order"),
        (fail(3, "Parameterless searches have been disabled"), 1, "refuses the search .3: Parameter"),
        (fail(201, "limit"), 1, "hour's requests are used up"),
        (Answer(b"", 429, headers={"Retry-After": "120"}), 1, "hour's requests are used up"),
    ],
)  # fmt: skip
def test_what_flickr_refuses(
    service: Service, tmp_path: Path, fault: Answer, times: int, words: str | None
) -> None:
    service.fill(2)
    service.faults["search"] = [fault] * times
    if words is None:
        do(search(tmp_path).plan())
        assert len(list(search(tmp_path).files())) == 2
        return
    with pytest.raises(MerzmoryError, match=words) as caught:
        do(search(tmp_path).plan())
    if isinstance(caught.value, WaitingError):
        minutes = (caught.value.until - waiting.now()) / timedelta(minutes=1)
        assert minutes == pytest.approx({429: 2, 503: 10}.get(fault.status, minutes), abs=0.2)
        before = sum(service.calls.values())
        with pytest.raises(WaitingError):
            search(tmp_path).plan()
        assert sum(service.calls.values()) == before


def test_the_key_is_asked_for_and_never_shows(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    service.fill(1)
    service.faults["search"] = [fail(116, f"Bad URL found: {SECRET}")]
    said = []
    with pytest.raises(ArchiveError) as refused:
        do(search(tmp_path).plan())
    service.faults["search"] = [Answer(b"123456", cut=True)] * 3
    with pytest.raises(MerzmoryError) as broken:
        do(search(tmp_path).plan())
    said += [str(refused.value), str(broken.value)]
    assert not any(SECRET in request.path + str(request.headers) for request in service.asked)
    (tmp_path / "archives" / "flickr" / "waiting.json").unlink(missing_ok=True)

    monkeypatch.delenv(KEY)
    with pytest.raises(ConfigError, match=rf"{KEY} in the environment"):
        search(tmp_path).plan()
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n", "utf-8")
    file.chmod(0o600)
    do(search(tmp_path, key_file=file).plan())
    if sys.platform != "win32":
        file.chmod(0o640)
        with pytest.raises(ArchiveError, match="chmod 600"):
            search(tmp_path, key_file=file, count=9).plan()
    file.unlink()
    said += [path.read_text("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert SECRET not in "".join([*said, caplog.text, *capfd.readouterr()])


def test_a_wrong_key_is_one_sentence(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "wrong")
    with pytest.raises(ConfigError, match="Flickr does not know this key"):
        do(search(tmp_path).plan())
    assert service.calls == {"licenses.getInfo": 1}


def test_requests_are_spaced(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 0.0
        slept = 0.0

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += seconds
            self.slept += seconds

    clock = Clock()
    monkeypatch.setattr(flickr_api, "time", clock)
    service.fill(6)
    do(search(tmp_path, per_hour=3600).plan())  # a second each: two calls and six pictures
    assert clock.slept == pytest.approx(7.0)


def test_a_stopped_search_goes_on(service: Service, tmp_path: Path) -> None:
    service.fill(6)

    def stop(progress: Any) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(search(tmp_path).plan(), stop)
    do(search(tmp_path).plan())
    assert service.calls["picture"] == 6 and len(list(search(tmp_path).files())) == 6
