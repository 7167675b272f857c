"""A server on this machine that gives a file out, as badly as a test asks for."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from merzmory.weights import ledger


class Publisher:
    """Serves `body` at every path but /gone; /moved leads to /net.pth. `asked` holds (path, Range)."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.kind = "application/octet-stream"
        self.etag = ""
        self.cut_after: int | None = None  # bytes, then the connection ends
        self.stall = 0.0  # seconds that it falls silent after `cut_after`
        self.ranges = True
        self.says_length = True
        self.lies = 0  # bytes that Content-Length says too many
        self.shift = 0  # bytes by which a range begins elsewhere than asked
        self.pause = 0.0  # seconds before the body
        self.asked: list[tuple[str, str | None]] = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def ranges_asked(self) -> list[str | None]:
        """The Range of each request."""
        return [wanted for _, wanted in self.asked]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one GET (RFC 9110, 14.2)."""
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        if request.path.startswith("/gone"):
            return request.send_error(404)
        if request.path.startswith("/moved"):
            request.send_response(302)
            request.send_header("Location", f"{self.url}/net.pth")
            return request.end_headers()
        time.sleep(self.pause)
        same = request.headers.get("If-Range") in (None, self.etag)
        start, end = 0, len(self.body)
        if wanted and self.ranges and same:
            found = re.fullmatch(r"bytes=(\d+)-", wanted)
            assert found
            start = int(found[1]) + self.shift
            if start >= end:
                return request.send_error(416)
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        else:
            request.send_response(200)
        request.send_header("Content-Type", self.kind)
        if self.etag:
            request.send_header("ETag", self.etag)
        if self.says_length:
            request.send_header("Content-Length", str(end - start + self.lies))
        request.end_headers()
        request.wfile.write(self.body[start:][: self.cut_after])
        request.wfile.flush()
        time.sleep(self.stall)
        return None


@contextmanager
def publishing(body: bytes) -> Iterator[Publisher]:
    """A Publisher that runs."""
    publisher = Publisher(body)
    threading.Thread(target=publisher.server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield publisher
    finally:
        publisher.server.shutdown()
        publisher.server.server_close()


def put_into_ledger(
    monkeypatch: pytest.MonkeyPatch, body: bytes, *urls: str, **changes: Any
) -> ledger.Weight:
    """One entry in place of the real ones: `net`, an upscaler whose file is `body`."""
    entry = ledger.Weight(
        "net", "upscaler", "A net", urls or ("http://127.0.0.1:9/net.pth",), "MIT",
        "https://example.org", "sales allowed", True, False, bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )  # fmt: skip
    entry = replace(entry, **changes)
    monkeypatch.setattr(ledger, "entries", lambda: {"net": entry})
    return entry
