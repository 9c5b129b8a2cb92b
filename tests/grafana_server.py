"""A small HTTP server that behaves as Grafana's API documents: folders, dashboards, versions, tokens."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EDITOR, VIEWER = "glsa_editor", "glsa_viewer"


class FakeGrafana:
    """What it holds, and what was asked of it. `broken` answers everything with that status."""

    def __init__(self) -> None:
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.folders: dict[str, str] = {}
        self.asked: list[str] = []
        self.broken = 0
        self.url = ""

    def edit(self, uid: str, title: str) -> None:
        """As a person who saves a change in the browser."""
        board = self.dashboards[uid]
        board["title"] = title
        board["version"] += 1

    @property
    def writes(self) -> int:
        return sum(not line.startswith("GET") for line in self.asked)

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if self.broken:
            return self.broken, {"message": "broken"}
        if token not in {EDITOR, VIEWER}:
            return 401, {"message": "Invalid API key"}
        if method != "GET" and token != EDITOR:
            return 403, {"message": "You'll need additional permissions to perform this action"}
        if path.startswith("/api/folders/"):
            uid = path.rpartition("/")[2]
            title = self.folders.get(uid)
            return (200, {"uid": uid, "title": title}) if title else (404, {"message": "folder not found"})
        if (method, path) == ("POST", "/api/folders"):
            return self._folder(body)
        if path.startswith("/api/dashboards/uid/"):
            found = self.dashboards.get(path.rpartition("/")[2])
            return (200, {"meta": {}, "dashboard": found}) if found else (404, {"message": "Dashboard not found"})
        if (method, path) == ("POST", "/api/dashboards/db"):
            return self._save(body)
        return 404, {"message": "Not found"}

    def _folder(self, body: Any) -> tuple[int, Any]:
        if body["uid"] in self.folders:
            return 409, {"message": "a folder or dashboard in the general folder with the same name already exists"}
        self.folders[body["uid"]] = body["title"]
        return 200, {"uid": body["uid"], "title": body["title"], "version": 1}

    def _save(self, body: Any) -> tuple[int, Any]:
        given = body["dashboard"]
        if not given.get("title"):
            return 400, {"message": "Dashboard title cannot be empty"}
        if body.get("folderUid") and body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        there = self.dashboards.get(given["uid"])
        if there and not body.get("overwrite") and given.get("version") != there["version"]:
            text = "The dashboard has been changed by someone else"
            return 412, {"status": "version-mismatch", "message": text}
        version = (there["version"] if there else 0) + 1
        kept = {name: value for name, value in given.items() if name != "id"}
        self.dashboards[given["uid"]] = kept | {"id": len(self.dashboards) + 1, "version": version}
        return 200, {"uid": given["uid"], "status": "success", "version": version, "url": f"/d/{given['uid']}"}


@contextmanager
def fake_grafana() -> Iterator[FakeGrafana]:
    grafana = FakeGrafana()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body: Any) -> None:
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, answer = grafana.answer(self.command, self.path, token, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    grafana.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield grafana
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
