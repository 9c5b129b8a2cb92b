"""Pushing dashboards over HTTP: twice is once, a person's edit stays, and what Grafana refuses is said in one line."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli.grafana import app
from grafana import push as push_module
from grafana.push import Change, GrafanaError, Server, change_of, signed, stripped
from tests.grafana_server import EDITOR, VIEWER, FakeGrafana, fake_grafana


def board(uid: str, title: str = "Heat") -> dict[str, Any]:
    variable = {"type": "query", "name": "zone"}
    panels = [{"id": 1, "title": "A"}]
    return {
        "uid": uid,
        "title": title,
        "tags": ["hanan"],
        "panels": panels,
        "templating": {"list": [variable]},
        "schemaVersion": 36,
    }


BOARDS = [board("a"), board("b", "Bikes")]


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    with fake_grafana() as server:
        yield server


def pushed(server: Server, boards: list[dict[str, Any]] = BOARDS, *, overwrite: bool = False) -> list[bool]:
    return [server.push(each, overwrite=overwrite) for each in server.compare(boards)]


def test_a_second_push_writes_nothing(grafana: FakeGrafana) -> None:
    server = Server(grafana.url, EDITOR)
    assert pushed(server) == [True, True]
    before = grafana.writes
    assert pushed(server) == [False, False]
    assert grafana.writes == before == 3  # one folder, two dashboards
    assert {each["version"] for each in grafana.dashboards.values()} == {1}


def test_what_is_older_is_replaced(grafana: FakeGrafana) -> None:
    server = Server(grafana.url, EDITOR)
    pushed(server)
    newer = [board("a", "Heat 2"), BOARDS[1]]
    assert [each.change for each in server.compare(newer)] == [Change.OLDER, Change.SAME]
    assert pushed(server, newer) == [True, False]
    assert grafana.dashboards["a"]["title"] == "Heat 2"
    assert grafana.dashboards["a"]["version"] == 2


def test_an_edit_stays_until_told_otherwise(grafana: FakeGrafana) -> None:
    server = Server(grafana.url, EDITOR)
    pushed(server)
    grafana.edit("a", "Heat, as I like it")
    assert [each.change for each in server.compare(BOARDS)] == [Change.EDITED, Change.SAME]
    assert pushed(server) == [False, False]
    assert grafana.dashboards["a"]["title"] == "Heat, as I like it"
    assert pushed(server, overwrite=True) == [True, False]
    assert grafana.dashboards["a"]["title"] == "Heat"


def test_a_dashboard_of_somebody_else_with_that_uid_counts_as_edited(grafana: FakeGrafana) -> None:
    grafana.dashboards["a"] = board("a", "Mine") | {"version": 7}
    assert Server(grafana.url, EDITOR).compare(BOARDS)[0].change is Change.EDITED


def test_a_save_between_comparison_and_push_is_a_conflict(grafana: FakeGrafana) -> None:
    server = Server(grafana.url, EDITOR)
    pushed(server)
    compared = server.compare([board("a", "Newer")])[0]
    grafana.edit("a", "saved at this moment")
    with pytest.raises(GrafanaError, match=r"412 for a: somebody saved it"):
        server.push(compared, overwrite=True)
    assert grafana.dashboards["a"]["title"] == "saved at this moment"


def test_one_that_appeared_since_the_comparison_is_a_conflict(grafana: FakeGrafana) -> None:
    server = Server(grafana.url, EDITOR)
    compared = server.compare(BOARDS)[0]
    grafana.dashboards["a"] = board("a", "Mine") | {"version": 1}
    with pytest.raises(GrafanaError, match="412"):
        server.push(compared)


def test_pull_gives_what_was_pushed(grafana: FakeGrafana) -> None:
    server = Server(grafana.url, EDITOR)
    pushed(server)
    assert server.pull("a") == stripped(BOARDS[0])
    assert server.pull("nothing") is None


def test_grafanas_own_fields_are_no_change() -> None:
    theirs = signed(BOARDS[0]) | {"id": 12, "version": 4, "schemaVersion": 37}
    assert change_of(BOARDS[0], theirs) is Change.SAME


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), (VIEWER, 403)])
def test_a_token_that_may_not(grafana: FakeGrafana, token: str, status: int) -> None:
    with pytest.raises(GrafanaError, match=f"{status}.*service account"):
        pushed(Server(grafana.url, token))
    assert not grafana.dashboards


def test_a_server_error_is_one_line(grafana: FakeGrafana) -> None:
    grafana.broken = 500
    with pytest.raises(GrafanaError, match="Grafana answers 500 for a"):
        pushed(Server(grafana.url, EDITOR))


def test_no_server_at_all(grafana: FakeGrafana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_module, "_TIMEOUT_S", 0.5)
    with pytest.raises(GrafanaError, match="no Grafana answers at"):
        Server("http://127.0.0.1:1", EDITOR).compare(BOARDS)


def test_the_command(grafana: FakeGrafana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANAN_GRAFANA_URL", grafana.url)
    monkeypatch.setenv("HANAN_GRAFANA_TOKEN", EDITOR)
    run = CliRunner().invoke
    assert run(app, ["diff", "hanan-heat-en"]).output.startswith("new     hanan-heat-en")
    assert run(app, ["push"]).exit_code == 0
    count, before = len(grafana.dashboards), grafana.writes
    assert run(app, ["push"]).exit_code == 0
    assert run(app, ["diff"]).exit_code == 0
    assert grafana.writes == before == count + 1
    grafana.edit("hanan-city-zh", "我的总览")
    left = run(app, ["push"])
    assert left.exit_code == 1
    assert "left as somebody edited it  hanan-city-zh" in left.output
    shown = run(app, ["diff", "hanan-city-zh"])
    assert "title: - 我的总览  + 城市总览" in shown.output
    assert run(app, ["push", "hanan-city-zh", "--overwrite"]).exit_code == 0
    assert grafana.dashboards["hanan-city-zh"]["title"] == "城市总览"


def test_the_command_without_a_grafana(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANAN_GRAFANA_URL", raising=False)
    told = CliRunner().invoke(app, ["push"])
    assert told.exit_code == 2
    assert "HANAN_GRAFANA_URL" in told.output
    assert CliRunner().invoke(app, ["diff", "nonsense"]).exit_code == 2
