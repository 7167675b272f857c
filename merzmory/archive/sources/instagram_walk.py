"""One walk over the posts of a profile, from the newest, or from where the last one was stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

import requests
from instaloader import FrozenNodeIterator, NodeIterator, Post, Profile, get_json_structure
from instaloader.exceptions import (
    BadResponseException,
    ConnectionException,
    InvalidArgumentException,
    PostChangedException,
    QueryReturnedForbiddenException,
    QueryReturnedNotFoundException,
)
from urllib3.exceptions import HTTPError

from merzmory.archive.sources.downloads import Downloads, FaultError, Item, body, seconds
from merzmory.archive.sources.instagram_login import Connection, Refusals, UnreachableError
from merzmory.manifest import write_aside
from merzmory.records import Announce, Origin, Progress

KNOWN_IN_A_ROW = 12  # posts, a page (three may be pinned)
BARREN = 8  # posts in a row without a picture: the picture servers refuse
RETRIES = (2.0, 10.0)  # seconds before Instagram is tried again when it stumbled


class Walk:
    """The posts of `profile` ("posts"), or what it saved or is tagged in, into `downloads`."""

    def __init__(
        self,
        downloads: Downloads,
        connection: Connection,
        refusals: Refusals,
        *,
        profile: str,
        what: str,
        newest: int,
        announce: Announce,
    ) -> None:
        self._downloads, self._connection, self._refusals = downloads, connection, refusals
        self._profile, self._what, self._newest = profile, what, newest
        self._announce = announce
        self._state = downloads.folder / "iterator.json"
        self._total = 0

    def run(self, *, again: bool) -> None:
        """Fetch every photograph that is not here; `again`: also those that did not come before.

        Raises:
            WaitingError: Instagram asks to wait.
            ArchiveError: it wants to see the person, or does not answer.
        """
        if again:
            for item in [item for item in self._downloads.items.values() if item.missing]:
                self._take(self._by_code(item.id), item.id)
        stumbled = 0
        while True:
            before = len(self._downloads.items)
            try:
                self._walk()
                break
            except UnreachableError:
                stumbled = 1 if len(self._downloads.items) > before else stumbled + 1
                if stumbled > len(RETRIES):
                    raise
                time.sleep(RETRIES[stumbled - 1])
        self._state.unlink(missing_ok=True)
        self._downloads.finish(self._newest)

    def _walk(self) -> None:
        with self._understood():
            posts = self._posts()
        # everything behind a row of known posts is known, unless a stopped walk left a gap
        complete = self._downloads.is_whole(self._newest)
        complete = (self._thaw(posts) or not self._state.exists()) and complete
        known = 0
        while not self._newest or posts.total_index < self._newest:
            try:
                with self._understood():
                    post = next(posts, None)
            finally:  # it holds the post that is being dealt with
                frozen = posts.freeze()._asdict()
                write_aside(self._state, json.dumps(frozen, default=str).encode())
            if post is None:
                return
            known = known + 1 if self._downloads.has(post.shortcode) else 0
            if not self._downloads.has(post.shortcode):
                self._take(post, post.shortcode)
            elif complete and known >= KNOWN_IN_A_ROW:
                return
            self._say(posts)

    def _posts(self) -> NodeIterator[Post]:
        profile: Profile
        if self._profile == (self._connection.username or "").lower():
            profile = Profile.own_profile(self._connection)
        else:
            profile = Profile.from_username(self._connection, self._profile)
        posts: NodeIterator[Post]
        if self._what == "saved":
            posts = profile.get_saved_posts()
        elif self._what == "tagged":
            posts = profile.get_tagged_posts()
        else:
            posts = profile.get_posts()
            self._total = profile.mediacount or 0
        self._total = self._total or posts.count or 0
        return posts

    def _thaw(self, posts: NodeIterator[Post]) -> bool:
        """Whether the walk goes on where it was stopped."""
        try:
            frozen = FrozenNodeIterator(**json.loads(self._state.read_text("utf-8")))
            if frozen.best_before and datetime.fromtimestamp(frozen.best_before) < datetime.now():
                return False
            posts.thaw(frozen)
        except (OSError, ValueError, TypeError, InvalidArgumentException):
            return False
        return True

    def _take(self, post: Post | None, code: str) -> None:
        """Fetch the photographs of a post, and note it."""
        address = f"https://www.instagram.com/p/{code}/"
        try:
            if post is None:
                raise FaultError("Instagram does not show this post any more")
            item = self._item(post, address)
        except FaultError as fault:
            item = Item(code, missing=((address, str(fault)),))
        self._downloads.note(item)
        if self._downloads.barren >= BARREN:
            raise self._refusals.waiting.refused("picture after picture did not come")

    def _item(self, post: Post, address: str) -> Item:
        origin, when = self._origin(post, address)
        stem = f"{datetime.fromtimestamp(when, UTC):%Y%m%d_%H%M%S}_{post.shortcode}"
        pictures, missing, films = [], [], 0
        for number, url in enumerate(self._addresses(post), 1):
            if url is None:
                films += 1
                continue

            def get(last: FaultError | None, number: int = number, url: str = url) -> bytes:
                if last is not None and last.expired:
                    newer = self._by_code(post.shortcode)
                    urls = self._addresses(newer) if newer is not None else []
                    url = (urls[number - 1] if number <= len(urls) else None) or url
                return self._download(url)

            try:
                pictures.append((self._downloads.picture(f"{stem}_{number}", get, when), origin))
            except FaultError as fault:
                missing.append((f"{address} (number {number})", str(fault)))
        return Item(post.shortcode, tuple(pictures), tuple(missing), films)

    def _addresses(self, post: Post) -> list[str | None]:
        """The address of each picture of a post; None stands for a film."""
        with self._understood(), _gone():
            if post.typename == "GraphSidecar":
                nodes = list(post.get_sidecar_nodes())
                return [None if node.is_video else node.display_url for node in nodes]
            return [None if post.is_video else post.url]

    def _origin(self, post: Post, address: str) -> tuple[Origin, float]:
        with self._understood(), _gone():
            posted = post.date_utc.replace(tzinfo=UTC)
            node = get_json_structure(post)["node"]  # asks nothing
            struct = node.get("iphone_struct") or {}
            owner = post.owner_username
            place = node.get("location") or struct.get("location") or {}
            latitude, longitude = place.get("lat"), place.get("lng")
            origin = Origin(
                source="instagram",
                name=post.shortcode,
                taken=posted.isoformat(timespec="seconds").removesuffix("+00:00"),
                taken_from="post",
                uncertain=True,  # it was posted then, and taken before
                place=(
                    (float(latitude), float(longitude))
                    if latitude is not None and longitude is not None
                    else None
                ),
                caption=post.caption or "",
                album=self._what if self._what != "posts" else "",
                owner=owner,
                url=address,
            )
        return origin, seconds(posted)

    def _by_code(self, code: str) -> Post | None:
        """A post with addresses of today; None where it is gone."""
        try:
            with self._understood(), _gone():
                post: Post = Post.from_shortcode(self._connection, code)
                return post
        except FaultError:
            return None

    def _download(self, url: str) -> bytes:
        try:
            response = self._connection.get_raw(url)
            with response:
                return body(response.iter_content(2**16))
        except QueryReturnedForbiddenException:
            raise FaultError("its address has expired", expired=True) from None
        except QueryReturnedNotFoundException:
            raise FaultError("Instagram does not find it", expired=True) from None
        except ConnectionException as error:
            if " 429 " in f" {error}":
                raise self._refusals.waiting.refused("its picture servers answered 429") from None
            raise FaultError("Instagram's picture server stumbled") from None
        except (requests.RequestException, HTTPError):
            raise FaultError("the connection broke off") from None

    def _understood(self) -> AbstractContextManager[None]:
        return self._refusals.understood()

    def _say(self, posts: NodeIterator[Post]) -> None:
        total = self._total
        if self._newest:
            total = min(total, self._newest) or self._newest
        note = f"{self._downloads.count} photographs"
        done = posts.total_index
        self._announce(Progress("fetch", done, max(done, total), "posts", note))


@contextmanager
def _gone() -> Iterator[None]:
    """A post that Instagram no longer describes becomes a FaultError."""
    try:
        yield
    except (QueryReturnedNotFoundException, BadResponseException, PostChangedException):
        raise FaultError("Instagram does not show this post any more") from None
