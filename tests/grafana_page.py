"""Looking at a page of Grafana with a headless Chromium, as whoever a token stands for."""

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from grafana.build import Document

ROW_PX, TOP_PX = 38, 60  # a row of Grafana's grid with its gap, and what stands above the first
_REPEATED = 4  # rows of panels that a repeated one grows by, at most
_PATIENCE_MS = 60_000
_ALONE = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--lang=en-US")
_HOP = {"connection", "transfer-encoding", "content-encoding", "content-length", "keep-alive"}


@contextmanager
def signed_in(url: str, token: str) -> Iterator[str]:
    """A door on loopback that adds the token to what passes, since a browser cannot be told to."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            self._pass()

        def do_POST(self) -> None:
            self._pass()

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            kept = {name: value for name, value in self.headers.items() if name.lower() in {"accept", "content-type"}}
            signed = {**kept, "Authorization": f"Bearer {token}"}
            asked = Request(url + self.path, body, signed, method=self.command)  # noqa: S310  # the one that was named
            try:
                answer = urlopen(asked, timeout=60)  # noqa: S310
            except HTTPError as refused:
                answer = refused
            with answer:
                data = answer.read()
                self.send_response(answer.status or 502)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def height_of(board: Document) -> int:
    """In pixels, with all that is open; what lies below the window would not be drawn."""
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    more = sum(_REPEATED * panel["gridPos"]["h"] for panel in board["panels"] if panel.get("repeat"))
    return TOP_PX + ROW_PX * int(bottom + more)


def look(chromium: str, url: str, size: tuple[int, int], picture: Path | None = None) -> str:
    """The page as it stands when nothing is asked any more; a PNG of it where `picture` says so, else its DOM."""
    what = f"--screenshot={picture}" if picture else "--dump-dom"
    with tempfile.TemporaryDirectory(prefix="hanan-chromium-") as profile:
        command = [chromium, *_ALONE, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"]
        command += [f"--virtual-time-budget={_PATIENCE_MS}", what, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout
