"""A webhook on loopback that keeps what it is sent, and answers as it is told."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Received(NamedTuple):
    at_ms: int
    path: str
    content_type: str
    body: dict[str, Any]


class Webhook:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/alerts"
        self.status = 200
        self.received: list[Received] = []  # what it took: answered with less than 300
        self.refused = 0

    def alerts(self) -> list[dict[str, Any]]:
        return [alert for one in self.received for alert in one.body["alerts"]]


@contextmanager
def webhook() -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if hook.status < 300:
                at_ms = time.time_ns() // 1_000_000
                hook.received.append(Received(at_ms, self.path, self.headers["Content-Type"], json.loads(data)))
            else:
                hook.refused += 1
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook = Webhook(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
