"""One file over HTTP, into a part that a later command goes on with (RFC 9110, 13 and 14).

What is there already is looked at before anything is written over it: a page of a hotel's network
does not cost the half that came yesterday. Beside a part lies PART.from: the address it comes from, and
what its server calls that state of the file.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

from merzmory.errors import StorageError
from merzmory.manifest import write_aside
from merzmory.records import Announce, Progress

CHUNK = 1 << 20  # bytes read at once
TIMEOUT = 30.0  # seconds without a byte
_SPARE = 64 * 2**20  # bytes that a disk keeps free
_FAULTS = (OSError, http.client.HTTPException, ValueError)  # ValueError: a URL that is none


class UnreachableError(Exception):
    """The address does not answer, or the connection ended before the file did; the part is kept."""


class WrongFileError(Exception):
    """The address answers with something else; nothing of it was kept. Reads on from "What it sent"."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a part is a part of."""

    url: str
    state: str = ""  # what its server calls it: a strong ETag, or its date
    total: int | None = None  # bytes


def download(
    url: str, part: Path, *, expected: int | None, judged: bool, announce: Announce
) -> None:
    """Bring `part` to its full length from `url`, from where it is.

    `expected` is the length in bytes, where it is known. `judged` says that a checksum will look at the
    whole: only then may the halves of two addresses be joined. Announces Progress("fetch", done, total,
    "MB").

    Raises:
        UnreachableError: the address does not answer, or broke off.
        WrongFileError: it answers with a web page, or a file of another length.
        StorageError: the disk has no room for it.
    """
    origin = _origin(part)
    if part.exists() and not judged and (origin is None or origin.url != url):
        discard(part)
    have = part.stat().st_size if part.exists() else 0
    if expected is not None and have > expected:
        discard(part)
        have = 0
    if have == 0 or have != expected:
        _bring(url, part, have, expected, judged, announce)


def discard(part: Path) -> None:
    """Remove a part, and what lies beside it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def settle(part: Path, target: Path) -> None:
    """Rename a whole part to what it is a part of."""
    part.replace(target)
    _note(part).unlink(missing_ok=True)


def make_room(folder: Path, needed: int) -> None:
    """Raises StorageError where the disk of `folder` has not `needed` bytes left."""
    free = shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        raise StorageError(
            f"The disk that holds {folder} has {free / 1e6:,.0f} MB left, and {needed / 1e6:,.0f} MB "
            "are to come: free some space, or choose another place with --outputs FOLDER."
        )


def _bring(
    url: str, part: Path, have: int, expected: int | None, judged: bool, announce: Announce
) -> None:
    origin = _origin(part)
    headers = {"User-Agent": "merzmory", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if origin is not None and origin.url == url and origin.state:
            headers["If-Range"] = origin.state
    try:
        asked = urllib.request.Request(url, headers=headers)
        answer = urllib.request.urlopen(asked, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if not have or error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise UnreachableError(f"it answers {error.code} {error.reason}") from error
        answer = None
    except _FAULTS as error:
        raise UnreachableError(str(getattr(error, "reason", error))) from error
    if answer is not None:
        with answer:
            begin, total = _span(answer, expected)
            other = (
                origin is not None and None not in (origin.total, total) and origin.total != total
            )
            if begin in (0, have) and not (begin and other and not judged):
                _take(answer, url, part, begin, total, expected, announce)
                return
    if not have:
        raise UnreachableError("it answers with a part that nobody asked for")
    discard(part)  # the server has no such rest: from the start, which asks for no range
    _bring(url, part, 0, expected, judged, announce)


def _span(answer: http.client.HTTPResponse, expected: int | None) -> tuple[int, int | None]:
    """(first byte, length of the whole) of what an answer holds; -1 for one that is not as asked."""
    length = answer.headers.get("Content-Length")
    if answer.status != HTTPStatus.PARTIAL_CONTENT:
        return 0, int(length) if length and length.isdigit() else expected
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if found is None:
        return -1, None
    return int(found[1]), expected if found[2] == "*" else int(found[2])


def _take(
    answer: http.client.HTTPResponse,
    url: str,
    part: Path,
    done: int,
    total: int | None,
    expected: int | None,
    announce: Announce,
) -> None:
    chunk = _read(answer)
    page = answer.headers.get_content_type() == "text/html" or chunk.lstrip()[:1] == b"<"
    if not done and (page or not chunk):
        raise WrongFileError("is a web page or empty")
    if None not in (total, expected) and total != expected:
        raise WrongFileError(f"has {total:,} bytes instead of {expected:,}")
    make_room(part.parent, (total or len(chunk)) - done)
    if not done:
        discard(part)
        tag, date = (answer.headers.get(name, "") for name in ("ETag", "Last-Modified"))
        state = tag if tag.startswith('"') else "" if tag else date
        write_aside(_note(part), json.dumps(asdict(_Origin(url, state, total))).encode())
    with part.open("ab") as out:
        while chunk:
            out.write(chunk)
            done += len(chunk)
            announce(Progress("fetch", done // 10**6, (total or done) // 10**6, "MB"))
            chunk = _read(answer)
    if total is not None and done < total:
        raise UnreachableError(f"the connection ended at {done:,} of {total:,} bytes")


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(CHUNK)
    except _FAULTS as error:
        raise UnreachableError(f"the connection broke: {error}") from error


def _origin(part: Path) -> _Origin | None:
    try:
        return _Origin(**json.loads(_note(part).read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # an older part: nothing is known of it
        return None


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".from")
