"""A real Grafana, where HANAN_GRAFANA_URL and HANAN_GRAFANA_TOKEN name one: push, diff, pull, each panel's query, each page.

It must have a data source with the uid `hanan-influxdb` with a day of data before HANAN_GRAFANA_TO (RFC 3339; empty: now). The
pages are looked at by a headless Chromium, where one is installed.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from deploy.cli.grafana import documents_of
from deploy.clock import wall_ms
from deploy.settings import load_settings
from grafana.build import Document
from grafana.push import Change, Server, stripped
from schemas.instants import DAY_MS, parse_rfc3339
from tests.grafana_asked import ALL, queries
from tests.grafana_page import height_of, look, signed_in

SETTINGS = load_settings()
TOKEN = SETTINGS.grafana_token.get_secret_value()
UNTIL_MS = parse_rfc3339(os.environ["HANAN_GRAFANA_TO"]) if os.environ.get("HANAN_GRAFANA_TO") else wall_ms()
CHROMIUM = shutil.which("chromium") or ""
DOCUMENTS = {each["uid"]: each for each in documents_of(SETTINGS)} if SETTINGS.grafana_url else {}

pytestmark = [
    pytest.mark.skipif(not SETTINGS.grafana_url, reason="HANAN_GRAFANA_URL names no Grafana"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def server() -> Server:
    """With all dashboards as they are here."""
    there = Server(SETTINGS.grafana_url, TOKEN)
    for difference in there.compare(DOCUMENTS.values()):
        there.push(difference, overwrite=True)
    return there


@pytest.fixture(scope="module")
def door() -> Iterator[str]:
    with signed_in(SETTINGS.grafana_url, TOKEN) as url:
        yield url


def test_twice_is_once_and_it_keeps_what_it_got(server: Server) -> None:
    assert {each.change for each in server.compare(DOCUMENTS.values())} == {Change.SAME}
    assert not any(server.push(each) for each in server.compare(DOCUMENTS.values()))
    uid = next(iter(DOCUMENTS))
    assert server.pull(uid) == stripped(DOCUMENTS[uid])


@pytest.mark.parametrize("uid", DOCUMENTS)
def test_it_runs_the_query_of_each_panel(server: Server, uid: str) -> None:
    board = DOCUMENTS[uid]
    chosen = dict.fromkeys(("zone", "site", "device"), ALL)
    if uid.startswith("hanan-device"):
        chosen["metric"] = "secondary_supply_temp_c"  # of a heat exchange station, with which the dashboard begins
        chosen["device"] = next(v for v in board["templating"]["list"] if v["name"] == "device")["current"]["value"]
    wrong = []
    for asked in queries(board, chosen, None, None):
        source = {"type": "influxdb", "uid": "hanan-influxdb"}
        query: dict[str, Any] = {"refId": asked.ref, "datasource": source, "query": asked.flux}
        query |= {"maxDataPoints": 1_000, "intervalMs": 60_000}  # as the browser does, a round one: Flux knows no 1m26.4s
        answer = post("/api/ds/query", {"queries": [query], "from": str(UNTIL_MS - DAY_MS), "to": str(UNTIL_MS)})
        if error := answer["results"][asked.ref].get("error"):
            wrong.append(f"{asked.name}: {error}")
    assert wrong == []


def test_it_judges_the_dead_mans_switches() -> None:
    """Where the rules were provisioned: each is asked, and none ends in an error. Pressed or not is the data's to say."""
    groups = get("/api/prometheus/grafana/api/v1/rules")["data"]["groups"]
    health = {
        rule["name"]: (rule["health"], rule.get("lastError"))
        for each in groups
        if each["name"] == "hanan-dead-man"
        for rule in each["rules"]
    }
    if not health:
        pytest.skip("Grafana was not given the rules of grafana/provisioning")
    assert {name: how for name, how in health.items() if how[0] not in {"ok", "unknown"}} == {}


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
@pytest.mark.parametrize("uid", DOCUMENTS)
def test_it_draws_the_page_without_an_error(server: Server, door: str, uid: str, tmp_path: Path) -> None:
    board = DOCUMENTS[uid]
    url = f"{door}/d/{uid}?kiosk&from={UNTIL_MS - DAY_MS}&to={UNTIL_MS}"
    dom = look(CHROMIUM, url, (1920, height_of(board)))
    titles = [panel["title"] for panel in board["panels"] if panel["type"] != "row" and not panel.get("repeat")]
    assert [title for title in titles if title.replace("&", "&amp;") not in dom] == []
    assert dom.count("Panel header error") == 0
    assert "Plugin unavailable" not in dom
    assert_drawn(tmp_path / "page.png", url, board)


def assert_drawn(picture: Path, url: str, board: Document) -> None:
    look(CHROMIUM, url, (1920, height_of(board)), picture)
    assert picture.stat().st_size > 50_000  # an empty page of that size has a tenth of it


def get(path: str) -> Any:
    return post(path, None)


def post(path: str, body: dict[str, Any] | None) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    request = Request(SETTINGS.grafana_url + path, data, headers)  # noqa: S310  # as the settings name it
    try:
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)
    except HTTPError as refused:  # Grafana says what is wrong with a query in the body of a 400 or 500
        return json.load(refused)
