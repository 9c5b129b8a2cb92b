"""The published contract: complete, resolvable, current, and its command says what is stale."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from deploy.cli.contract import contract_command
from schemas import contract
from schemas.metric import Param, Range
from schemas.payload import decode
from schemas.reason import Flag, Reason
from schemas.streams import STREAMS, find_kind
from schemas.topics import SENML, MqttTopic, parse

ROOT = Path(__file__).parents[2]
DOCUMENTS = contract.documents(STREAMS)
KINDS = [(stream, kind) for stream in STREAMS for kind in stream.kinds]
PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")

app = typer.Typer()
app.command()(contract_command)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_resolves(name: str) -> None:
    for reference in references(DOCUMENTS[name]):
        path, _, pointer = reference.partition("#/")
        node: Any = DOCUMENTS[path.removeprefix("./") or name]
        for step in pointer.split("/") if pointer else ():
            node = node[step]


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "asyncapi.json"])
def test_a_schema_is_a_schema_and_says_where_it_came_from(name: str) -> None:
    Draft202012Validator.check_schema(DOCUMENTS[name])
    assert list(DOCUMENTS[name])[:2] == ["$schema", "$comment"]
    assert "hanan contract" in DOCUMENTS[name]["$comment"]


def test_every_channel_has_its_topic_and_operation() -> None:
    document = DOCUMENTS["asyncapi.json"]
    addresses = {channel["address"] for channel in document["channels"].values()}
    for stream, kind in KINDS:
        for channel in (kind.channel, "status", *([] if kind.event else [SENML])):
            topic = f"hanan/{stream.name}/{kind.name}/{{device_id}}/{channel}"
            assert topic in addresses
            assert isinstance(parse(topic.replace("{device_id}", "X-001")), MqttTopic)
    assert set(document["operations"]) == set(document["channels"])
    assert {operation["bindings"]["mqtt"]["qos"] for operation in document["operations"].values()} == {1}


def test_a_metric_carries_its_row() -> None:
    plant = DOCUMENTS["heat/plant.reading.json"]["$defs"]["item"]["properties"]["supply_temp_c"]
    assert plant["type"] == ["number", "null"]
    assert plant["x-title-zh"] == "供水温度"
    assert plant["x-unit"] == "Cel"
    assert plant["x-plausible"] == {"low": -5, "high": 150}
    level = DOCUMENTS["drainage/level.reading.json"]["$defs"]["item"]["properties"]["level_m"]
    assert level["x-plausible"]["high"] == {"param": "depth_m", "scale": 1.0, "offset": 2}
    words = DOCUMENTS["waste/compactor.reading.json"]["$defs"]["item"]["properties"]["state"]
    assert words["enum"] == ["idle", "compacting", "full", "fault", None]


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        (Range(), ""),
        (Range(0, None), "from 0"),
        (Range(None, 2.5), "to 2.5"),
        (Range(-5, 20_000), "-5 to 20 000"),
        (Range(0, Param("depth_m")), "0 to depth_m"),
        (Range(0, Param("docks", 2, 1)), "0 to 2 docks + 1"),
        (Range(Param("home_lat", offset=-0.4), None), "from home_lat - 0.4"),
    ],
)
def test_a_range_in_words(bounds: Range, text: str) -> None:
    assert contract.range_text(bounds) == text


def test_the_page_names_every_kind_metric_and_code() -> None:
    tables = contract.markdown(STREAMS)
    for stream, kind in KINDS:
        assert f"`{stream.name}/{kind.name}`" in tables
        assert all(f"| `{metric.name}` | {metric.en} | {metric.zh} |" in tables for metric in kind.metrics)
    for code in (*Reason, *Flag):
        assert f"| `{code}` | {code.meaning} | {code.advice} |" in tables
    assert tables in PAGE


def test_the_page_speaks_of_reasons_that_exist() -> None:
    words, _, rest = PAGE.partition("<!-- begin")
    words += rest.partition("<!-- end")[2]
    codes = {str(code) for code in (*Reason, *Flag)}
    named = set(re.findall(r"\(`([a-z]+_[a-z_]+)`", words)) - {"device_id", "clean_session"}
    assert named <= codes, named - codes


def test_the_examples_of_the_page_are_understood() -> None:
    kinds = {"primary_supply_temp_c": "exchange", "temp_c": "indoor"}
    found = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 3
    for text in found:
        kind = find_kind("heat", next(name for metric, name in kinds.items() if metric in text))
        assert kind
        assert orjson.loads(text)
        channel = SENML if '"n":' in text else "reading"
        decoded = decode(text.encode(), kind, "HX-012", channel)
        assert decoded.candidates
        assert not decoded.faults


def test_the_files_in_the_tree_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, ["--check"])
    assert (done.exit_code, done.output) == (0, "")


def test_check_lists_what_is_stale_and_writes_nothing(tmp_path: Path) -> None:
    run, out = CliRunner(), str(tmp_path / "contract")
    assert run.invoke(app, ["--check", "--out", out]).exit_code == 1
    assert list(tmp_path.iterdir()) == []
    assert run.invoke(app, ["--out", out]).exit_code == 0
    assert run.invoke(app, ["--check", "--out", out]).exit_code == 0

    (tmp_path / "contract" / "senml.json").write_text("{}\n")
    orphan = tmp_path / "contract" / "heat" / "stove.reading.json"
    orphan.write_bytes(orjson.dumps({"$comment": contract.GENERATED}))
    kept = tmp_path / "contract" / "own.json"
    kept.write_text("{}\n")
    done = run.invoke(app, ["--check", "--out", out])
    assert done.exit_code == 1
    assert done.stdout.split() == [f"{out}/senml.json", str(orphan)]
    assert "run `hanan contract`" in done.stderr

    assert run.invoke(app, ["--out", out]).exit_code == 0
    assert run.invoke(app, ["--check", "--out", out]).exit_code == 0
    assert not orphan.exists()
    assert kept.exists()


def test_what_people_wrote_around_the_tables_stays(tmp_path: Path) -> None:
    run, page = CliRunner(), tmp_path / "contract.md"
    assert run.invoke(app, ["--out", str(tmp_path / "contract")]).exit_code == 0
    tables = page.read_text()
    page.write_text(f"# Ours\n{tables}\n## Also ours\n")
    assert run.invoke(app, ["--check", "--out", str(tmp_path / "contract")]).exit_code == 0
    page.write_text("# Ours, without the marks\n")
    done = run.invoke(app, ["--out", str(tmp_path / "contract")])
    assert done.exit_code == 2
    assert "lacks the marks" in done.stderr


def test_elsewhere_than_in_the_project_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["--check"])
    assert done.exit_code == 2
    assert "go to the project's folder" in done.stderr
    assert not list(tmp_path.iterdir())


def test_show() -> None:
    run = CliRunner(env={"COLUMNS": "200"})
    shown = run.invoke(app, ["--show", "drainage/level"])
    assert shown.exit_code == 0
    assert "-0.05 to depth_m + 2" in shown.stdout
    assert "params.depth_m (m): From the bed to the cover" in shown.stdout
    as_json = run.invoke(app, ["--show", "drainage/level", "--json"])
    assert orjson.loads(as_json.stdout) == DOCUMENTS["drainage/level.reading.json"]
    unknown = run.invoke(app, ["--show", "drainage"])
    assert unknown.exit_code == 2
    assert "drainage/level" in unknown.stderr
