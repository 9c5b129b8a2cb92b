"""Stands before InfluxDB and can be told to misbehave: answer 503 or 429, or store what it is sent and swallow the answer."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_PATIENCE_S = 30.0
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "host", "content-length"}


class Mood(Enum):
    FAIR = "passes all on"
    BUSY = "503"
    THROTTLED = "429, Retry-After: 1"
    MUTE = "stores, and breaks the connection instead of answering"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that was killed, or has lost patience: its connection is gone, and nobody misses it."""


_ASKS: dict[Mood, dict[str, str]] = {Mood.BUSY: {}, Mood.THROTTLED: {"Retry-After": "1"}}


class Proxy:
    """One thread a connection. `counts`: requests by the mood they met."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.mood = Mood.FAIR
        self.counts: Counter[Mood] = Counter()
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                mood = proxy.mood
                proxy.counts[mood] += 1
                if mood in (Mood.BUSY, Mood.THROTTLED):
                    self.answer(int(mood.value[:3]), b'{"message": "not now"}', _ASKS[mood])
                    return
                found = self.ask(body)
                if found is None or mood is Mood.MUTE:
                    self.close_connection = True
                    return
                self.answer(*found)

            do_GET = do_POST  # noqa: N815  # the library's spelling

            def ask(self, body: bytes) -> tuple[int, bytes, dict[str, str]] | None:
                """What InfluxDB itself says; None when it says nothing."""
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                try:
                    connection = HTTPConnection(proxy._host, proxy._port, timeout=_PATIENCE_S)
                    connection.request(self.command, self.path, body, headers)
                    response = connection.getresponse()
                    kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
                    return response.status, response.read(), kept
                except (OSError, HTTPException):
                    return None
                finally:
                    connection.close()

            def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:  # which has no body, nor a length
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def serve(self) -> None:
        self._server.serve_forever(0.1)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def proxy_to(target: str) -> Iterator[Proxy]:
    proxy = Proxy(target)
    thread = threading.Thread(target=proxy.serve, name="proxy", daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
