"""Instagram's export in every layout: files, captions, dates; nothing is lost."""

from __future__ import annotations

import datetime
import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from merzmory.archive.sources.instagram_export import InstagramExportSource
from merzmory.archive.sources.source import Found
from merzmory.originals import access as originals


def _files(place: Path) -> dict[str, Found]:
    """What the source finds, by the name inside its ZIP or folder."""
    found = {}
    for file in InstagramExportSource(place).files():
        _archive, member = originals.parts(file.path)
        found[member or str(Path(file.path).relative_to(place))] = file
    return found


def _export(folder: Path, **lists: Any) -> Path:
    """An unpacked export of three pictures with these lists, by path with _ for /."""
    for name in ("posts/202301/a.jpg", "posts/202301/b.jpg", "stories/202302/c.jpg"):
        path = folder / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    for name, content in lists.items():
        path = folder / "your_instagram_activity" / "media" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return folder


_LAYOUTS = {
    "instagram_A": ["instagram_A_content_posts_1.zip"],
    "instagram_B(two zips)": [
        "instagram_B_part2.zip",
        "instagram_B_your_instagram_activity_part1.zip",
    ],
    "instagram_C": ["instagram_C_posts_json.zip"],
    "instagram_D_html": ["instagram_D_html.zip"],
}


@pytest.mark.parametrize("unpacked", [False, True], ids=["zip", "unpacked"])
@pytest.mark.parametrize("layout", _LAYOUTS)
def test_every_layout_is_read_as_it_is_known_to_be(
    layout: str, unpacked: bool, shared: Path, tmp_path: Path
) -> None:
    exports = shared / "photos" / "exports"
    truth = json.loads((exports / "TRUTH.json").read_text("utf-8"))
    for name in _LAYOUTS[layout]:
        if unpacked:
            with zipfile.ZipFile(exports / name) as archive:
                archive.extractall(tmp_path / name.removesuffix(".zip"))
        else:
            shutil.copy(exports / name, tmp_path)
    files = [f for f in InstagramExportSource(tmp_path).files() if f.origin]
    read = {file.path: file for file in files if not file.skip}
    assert len(read) == len(truth[layout])
    for uri, sha256, caption, timestamp in truth[layout]:
        [path] = [path for path in read if path.replace("\\", "/").endswith(uri)]
        origin = read[path].origin
        assert origin and hashlib.sha256(originals.read(path, 2**20)).hexdigest() == sha256
        assert origin.caption == (caption or "")
        taken = timestamp and datetime.datetime.fromtimestamp(timestamp, datetime.UTC).isoformat()
        assert origin.taken == taken and bool(origin.taken_from) == bool(taken)
    drafts = truth["instagram_C_draft_not_published"] if layout == "instagram_C" else []
    aside = [file for file in files if file.skip]
    assert [Path(file.path).name for file in aside] == [Path(uri).name for uri in drafts]
    assert all("draft" in file.skip for file in aside)


def test_every_file_is_one_row_and_lists_say_what_they_are(shared: Path) -> None:
    archive = shared / "photos" / "exports" / "instagram_C_posts_json.zip"
    files = _files(archive)
    assert len(files) == len(zipfile.ZipFile(archive).namelist())
    said = {name.rsplit("/", 1)[1]: file.skip for name, file in files.items()}
    assert "list of 21 pictures" in said["posts.json"] and "subtitles" in said["clip.srt"]
    part = shared / "photos" / "exports" / "instagram_B_your_instagram_activity_part1.zip"
    lists = [f.skip for name, f in _files(part).items() if name.endswith("posts_1.json")]
    assert "not among what was given: 1," in lists[0]
    html = _files(shared / "photos" / "exports" / "instagram_D_html.zip")
    assert "as JSON" in html["start_here.html"].skip


def test_albums_places_and_what_no_list_mentions(tmp_path: Path) -> None:
    exif = {"photo_metadata": {"exif_data": [{"latitude": 0.0, "longitude": 0.0}, {}]}}
    here = {"photo_metadata": {"exif_data": [{"latitude": -33.5, "longitude": 151.25}]}}
    files = _files(
        _export(
            tmp_path,
            posts_1=[
                {"media": [{"uri": "media/posts/202301/a.jpg", "media_metadata": exif}]},
                {"media": [{"uri": "media/posts/202301/a.jpg", "media_metadata": here}]},
            ],
            stories={"ig_stories": [{"uri": "media/stories/202302/c.jpg", "title": "s"}]},
        )
    )
    a, b, c = (files[f"media/{n}"].origin for n in ("posts/202301/a.jpg", "posts/202301/b.jpg",
                                                    "stories/202302/c.jpg"))  # fmt: skip
    assert a and b and c
    assert (a.place, a.album, a.taken) == ((-33.5, 151.25), "posts", None)
    assert (b.album, b.caption, b.name) == ("posts", "", "b.jpg")
    assert (c.album, c.caption) == ("stories", "s")


def test_drafts_bin_and_messages_are_set_aside(tmp_path: Path) -> None:
    def named(letter: str, **more: Any) -> dict[str, Any]:
        return {"media": [{"uri": f"media/posts/202301/{letter}.jpg"}], **more}

    draft = [{"label": "Draft", "value": "True"}]
    folder = _export(
        tmp_path,
        posts=[named("a", label_values=draft), named("b", label_values=draft)],
        posts_1=[named("b", label_values=[{"label": "Draft", "value": "False"}], title="out")],
        recently_deleted_content={
            "ig_recently_deleted_media": [{"uri": "media/stories/202302/c.jpg"}]
        },
    )
    sent = folder / "your_instagram_activity" / "messages" / "inbox" / "x" / "photos" / "d.jpg"
    sent.parent.mkdir(parents=True)
    sent.write_bytes(b"d")
    said = {name.rsplit("/", 1)[1]: file.skip for name, file in _files(folder).items()}
    assert "draft" in said["a.jpg"] and said["b.jpg"] == ""  # it was published after all
    assert "deleted" in said["c.jpg"] and "message" in said["d.jpg"]


def test_the_oldest_layout(tmp_path: Path) -> None:
    picture = tmp_path / "photos" / "201707" / "x.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"x")
    (tmp_path / "media.json").write_text(
        json.dumps(
            {
                "photos": [
                    {
                        "caption": "Café",  # this layout spelt it right
                        "taken_at": "2017-07-14T02:40:00",
                        "path": "photos/201707/x.jpg",
                    }
                ]
            }
        )
    )
    origin = _files(tmp_path)["photos/201707/x.jpg"].origin
    assert origin and (origin.caption, origin.taken, origin.album) == (
        "Café", "2017-07-14T02:40:00+00:00", "posts"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "damaged"),
    [("{", True), ('{"a": ' * 5000, True), ("[1, null, {}]", False), ('{"uri": 3}', False)],
)
def test_a_strange_list_stops_nothing(content: str, damaged: bool, tmp_path: Path) -> None:
    files = _files(_export(tmp_path, posts_1=content))
    assert sum(bool(file.origin) for file in files.values()) == 3
    [note] = [file for file in files.values() if file.path.endswith(".json")]
    assert note.skip and ("damaged" in note.skip) == damaged


@pytest.mark.parametrize("text", ["Café", "plain", "ÃÃ", "☕ warm", "\x80"])
def test_only_what_was_spoilt_is_repaired(text: str, tmp_path: Path) -> None:
    posts = [{"uri": "media/posts/202301/a.jpg", "title": text}]
    origin = _files(_export(tmp_path, posts_1=posts))["media/posts/202301/a.jpg"].origin
    assert origin and origin.caption == text
    spoilt = [{"uri": "media/posts/202301/a.jpg", "title": text.encode().decode("latin-1")}]
    origin = _files(_export(tmp_path, posts_1=spoilt))["media/posts/202301/a.jpg"].origin
    assert origin and origin.caption == text
