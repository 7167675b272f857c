"""A web server of this machine in the place of a service's hosts; nothing else can be reached."""

from __future__ import annotations

import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter


@dataclass
class Request:
    """What was asked: `form` holds the fields of the query and of the body."""

    host: str
    path: str
    form: dict[str, str]
    headers: dict[str, str]


@dataclass
class Answer:
    """What is said; `cut` closes the connection before the end."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@contextmanager
def serving(answer: Callable[[Request], Answer], patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every HTTP request of this process goes to `answer`, whatever host it names."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_words: Any) -> None:
            return

        def do_GET(self) -> None:
            self._say()

        def do_POST(self) -> None:
            self._say()

        def _say(self) -> None:
            address = urllib.parse.urlparse(self.headers["X-Meant-For"])
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            form = dict(urllib.parse.parse_qsl(f"{address.query}&{body}"))
            said = answer(Request(address.hostname or "", address.path, form, dict(self.headers)))
            self.send_response(said.status)
            self.send_header("Content-Type", said.kind)
            self.send_header("Content-Length", str(len(said.body)))
            for key, value in said.headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(said.body[: len(said.body) // 2] if said.cut else said.body)
            self.close_connection = said.cut

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    send = HTTPAdapter.send

    def sent(self: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> Any:
        there = request.copy()
        there.url = f"http://127.0.0.1:{server.server_address[1]}/"
        there.headers["X-Meant-For"] = str(request.url)
        there.headers.pop("Host", None)
        if request.method == "GET":
            there.headers.pop("Content-Length", None)
        answered = send(self, there, **options)
        answered.url, answered.request = str(request.url), request
        return answered

    patch.setattr(HTTPAdapter, "send", sent)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def only_here(patch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere else fails the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in {
            "127.0.0.1",
            "::1",
        }:
            pytest.fail(f"a request left this machine: {address}")
        connect(self, address)

    patch.setattr(socket.socket, "connect", guarded)
