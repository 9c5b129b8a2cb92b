"""The dashboards that are built: complete in both languages, valid, bounded, from the declarations, and current on disk."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from typer.testing import CliRunner

from deploy.cli.grafana import app, rule_texts
from deploy.registry_file import load_devices
from deploy.settings import load_settings
from grafana import palette, provisioning
from grafana.alert_text import said
from grafana.boards.indicators import against
from grafana.build import Document, all_dashboards
from grafana.fields import level_choice, levels_of
from grafana.options import options_of
from grafana.outline import Place, data_url, hulls
from grafana.units import unit_of, unit_of_indicator
from grafana.words import Words
from schemas.indicator import Target
from schemas.kind import Kind, Stream
from schemas.metric import Param, Range, gauge, state
from schemas.streams import STREAMS
from tests.grafana_asked import panels, queries

DEVICES = load_devices(load_settings().registry)
OPTIONS = options_of(DEVICES, "en", rules=rule_texts())
BOARDS = all_dashboards(OPTIONS)
# Read off the sources of Grafana 9.4: public/app/plugins/panel
SHIPPED = frozenset(
    [
        "alertlist",
        "annolist",
        "barchart",
        "bargauge",
        "candlestick",
        "canvas",
        "dashlist",
        "gauge",
        "geomap",
        "graph",
        "heatmap",
        "histogram",
        "logs",
        "news",
        "nodeGraph",
        "piechart",
        "row",
        "stat",
        "state-timeline",
        "status-history",
        "table",
        "text",
        "timeseries",
        "traces",
        "xychart",
    ]
)


def each_panel() -> Iterator[tuple[Document, dict[str, Any]]]:
    for board in BOARDS:
        for panel in panels(board):
            yield board, panel


def test_what_is_there() -> None:
    names = ["city", *(stream.name for stream in STREAMS), "dispatch", "alerts", "device", "pipeline"]
    assert [board["uid"] for board in BOARDS] == [f"hanan-{name}-{language}" for language in ("en", "zh") for name in names]


def test_both_languages_ask_the_same_of_the_same_panels() -> None:
    half = len(BOARDS) // 2
    for english, chinese in zip(BOARDS[:half], BOARDS[half:], strict=True):
        ones, others = list(panels(english)), list(panels(chinese))
        assert [(one["type"], one["gridPos"], one["id"]) for one in ones] == [(o["type"], o["gridPos"], o["id"]) for o in others]
        assert all(re.search(r"[一-鿿]", other["description"]) for other in others), chinese["uid"]
        assert not [one["title"] for one in ones if re.search(r"[一-鿿]", one["title"] + one["description"])]


def test_every_panel_says_what_it_is() -> None:
    mute = [(board["uid"], panel["title"]) for board, panel in each_panel() if not panel.get("description") or not panel["title"]]
    assert mute == []


def test_no_panel_needs_a_plugin() -> None:
    assert {panel["type"] for _, panel in each_panel()} <= SHIPPED


def test_valid_for_the_schema() -> None:
    """Read by the SDK's own model and written again, nothing is lost but our targets, which it has no model for."""
    for board in BOARDS:
        plain = json.loads(json.dumps(board))
        for panel in panels(plain):
            panel["targets"] = []
        plain["annotations"] = {}  # their Flux query has no place in the SDK's model
        again = json.loads(json.dumps(Dashboard.from_json(plain), cls=JSONEncoder))
        assert again == plain, board["uid"]


def test_panels_do_not_overlap_and_ids_are_their_own() -> None:
    for board in BOARDS:
        ids = [panel["id"] for panel in board["panels"]] + [
            each["id"] for row in board["panels"] for each in row.get("panels", ())
        ]
        assert len(ids) == len(set(ids))
        cells: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            own = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            assert place["x"] + place["w"] <= 24, (board["uid"], panel["title"])
            assert not own & cells, (board["uid"], panel["title"])
            cells |= own


def test_variables_are_told_apart() -> None:
    """Grafana keeps them by id: with one id for all, it fills in none but the last."""
    for board in BOARDS:
        ids, names = zip(*((each["id"], each["name"]) for each in board["templating"]["list"]), strict=True)
        assert ids == names
        assert names == ("zone", "site", "device", *(("metric",) if board["uid"].startswith("hanan-device") else ()))


def test_queries_are_bounded() -> None:
    """By the range or a fixed look back, by a measurement or a device, and by the window where it is windows that are read."""
    chosen = dict.fromkeys(("zone", "site", "device", "metric"), ".*")
    for board in BOARDS:
        for asked in queries(board, chosen, 0, 86_400_000):
            assert asked.flux.count("from(bucket") == asked.flux.count("range("), asked.name
            if 'from(bucket: "aggregates")' in asked.flux:
                assert "r.window ==" in asked.flux, asked.name
            assert "${" not in asked.flux, asked.name


def test_colours_are_those_of_the_palette() -> None:
    known = {value for name, value in vars(palette).items() if isinstance(value, str) and value.startswith("#")}
    used = set(re.findall(r"#[0-9A-Fa-f]{6}\b", json.dumps(BOARDS)))
    assert used <= known
    assert "palette-classic" not in json.dumps(BOARDS)


def test_colours_can_be_read_on_a_dark_wall() -> None:
    """WCAG's contrast of 4.5 for text, against Grafana's dark panel."""
    colors = {*palette.SERIES, *palette.SEVERITY.values(), palette.GOOD, palette.WARN, palette.BAD, palette.SUSPECT}
    assert {color: round(contrast(color, "#181b1f"), 1) for color in colors if contrast(color, "#181b1f") < 4.5} == {}


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_maps_ask_nothing_of_the_internet() -> None:
    for _, panel in each_panel():
        if panel["type"] == "geomap":
            layers = [panel["options"]["basemap"], *panel["options"]["layers"]]
            assert [layer["config"]["src"][:5] for layer in layers if layer["type"] == "geojson"] == ["data:"]
            assert {layer["type"] for layer in layers} == {"geojson", "markers"}


def test_a_tile_server_is_a_setting() -> None:
    given = options_of(DEVICES, "en", "https://t/{z}/{x}/{y}.png")
    maps = [panel for board in all_dashboards(given) for panel in panels(board) if panel["type"] == "geomap"]
    assert {panel["options"]["basemap"]["config"]["url"] for panel in maps} == {"https://t/{z}/{x}/{y}.png"}


def test_zones_are_called_by_their_names() -> None:
    given = options_of(DEVICES, "zh", zone_names={"old-town": Words("Old town", "老城区")})
    (heat,) = [board for board in all_dashboards(given) if board["uid"] == "hanan-heat-zh"]
    named = {panel["type"] for panel in panels(heat) if "老城区" in json.dumps(panel["fieldConfig"], ensure_ascii=False)}
    assert {"timeseries", "table"} <= named
    assert given.titles["riverside"] == "riverside"


AIR = Kind(
    name="air",
    en="Tunnel air",
    zh="管廊环境",
    metrics=(
        gauge("oxygen_percent", "%", "Oxygen", "氧气", plausible=Range(15, 23.5)),
        state("fan", "Fan", "风机"),
        gauge("level_m", "m", "Level", "水位", plausible=Range(0, Param("depth_m"))),
    ),
)


def test_a_fifth_stream_gets_its_dashboard_from_its_declaration() -> None:
    tunnel = Stream(name="tunnel", en="Utility tunnels", zh="地下管廊", kinds=(AIR,))
    boards = {board["uid"]: board for board in all_dashboards(OPTIONS, (*STREAMS, tunnel))}
    shown = {panel["title"]: panel for panel in panels(boards["hanan-tunnel-zh"])}
    assert {"氧气", "风机", "水位", "分布"} <= shown.keys()
    assert shown["氧气"]["fieldConfig"]["defaults"]["unit"] == "percent"
    assert '"tunnel_air"' in shown["氧气"]["targets"][0]["query"]
    assert "hanan-tunnel-not-stored" in provisioning.files((*STREAMS, tunnel))["alerting/hanan.yaml"]


def test_every_indicator_has_its_trend_and_those_with_a_target_their_figure() -> None:
    boards = {board["uid"]: board for board in BOARDS}
    for stream in STREAMS:
        shown = [(panel["type"], panel["title"]) for panel in panels(boards[f"hanan-{stream.name}-zh"])]
        for row in stream.indicators:
            assert ("timeseries", row.zh) in shown
        judged = [row for row in stream.indicators if row.target is not None]
        assert {("stat", row.zh) for row in judged[:12]} <= set(shown)


def test_the_wall_shows_four_indicators_of_each_stream() -> None:
    (city,) = [board for board in BOARDS if board["uid"] == "hanan-city-en"]
    titles = {panel["title"] for panel in city["panels"] if panel["type"] == "stat"}
    for stream in STREAMS:
        assert len(titles & {row.en for row in stream.indicators}) == 4


@pytest.mark.parametrize("target", [Target(0.98, 0.95, "P"), Target(0, 3, "P"), Target(-2, -5, "P")])
def test_a_figure_has_the_colour_of_its_judgement(target: Target) -> None:
    steps = against(target).build().steps
    colors = {"good": palette.GOOD, "fair": palette.WARN, "poor": palette.BAD}
    between = (target.good + target.poor) / 2
    for value in (target.good, target.poor, between, 2 * target.good - between, 2 * target.poor - between):
        (color,) = [step.color for step in steps if step.value is None or value >= step.value][-1:]
        assert color == colors[target.judge(value)], value


def test_indicators_are_fractions_or_counts_as_they_are_formed() -> None:
    units = {row.name: unit_of_indicator(row) for stream in STREAMS for row in stream.indicators}
    assert units["rooms_warm"] == units["fill_highest"] == units["storage_used"] == "percentunit"
    assert units["trucks"] == units["bikes_available"] == units["room_days_half"] == "none"
    assert units["minutes_to_full"] == "suffix: min"


def test_a_level_that_an_indicator_lacks_is_the_next_longer_one() -> None:
    assert level_choice(("1d",)) == '"1d"'
    assert level_choice(("1h", "1d")).startswith('if span <= 5184000000000000 then "1h"')
    assert '"15m"' not in level_choice(("1h", "1d"))


def test_every_unit_of_a_metric_is_one_of_grafanas() -> None:
    known = {
        "celsius",
        "kwatt",
        "kwatth",
        "volt",
        "amp",
        "conmgm3",
        "percent",
        "percentunit",
        "none",
        "velocityms",
        "pH",
        "degree",
    }
    for stream in STREAMS:
        for kind in stream.kinds:
            for metric in kind.metrics:
                assert unit_of(metric) in known or unit_of(metric).startswith("suffix: "), metric.name


def test_a_zone_has_no_window_shorter_than_its_devices_report() -> None:
    """Else each window would be of other devices, and the line of their differences."""
    (container,) = [kind for stream in STREAMS for kind in stream.kinds if kind.name == "bin"]
    assert levels_of(container) == ("1h", "1d")
    (waste,) = [board for board in BOARDS if board["uid"] == "hanan-waste-en"]
    asked = [asked.flux for asked in queries(waste, dict.fromkeys(("zone", "site", "device"), ".*"), 0, 86_400_000)]
    of_bins = [flux for flux in asked if '"waste_bin"' in flux and "level = if" in flux]
    assert of_bins
    assert not [flux for flux in of_bins if '"1m"' in flux or '"15m"' in flux]


def test_alerts_speak_in_the_words_of_the_rules_in_both_languages() -> None:
    rules = {"r": Words("{name}: {a} of {b}", "{name}：{b} 之 {a}")}
    assert '"r": "{name}：{b} 之 {a}"' in said(rules, "zh")
    assert said(rules, "en").count("|> filled(r: r)") == 2, "as many holes as the text with the most has besides the name"
    assert said({}, "en") == "said = (r) => r.rule"


def test_files_are_current() -> None:
    done = CliRunner().invoke(app, ["build", "--check"])
    assert done.exit_code == 0, done.output


def test_drift_is_told(tmp_path: Any) -> None:
    run = CliRunner().invoke
    assert run(app, ["build", "--out", str(tmp_path)]).exit_code == 0
    assert "files are current" in run(app, ["build", "--out", str(tmp_path)]).output
    path = tmp_path / "generated" / "zh" / "hanan-city-zh.json"
    path.write_text("{}")
    (tmp_path / "generated" / "zh" / "old.json").write_text("{}")
    told = run(app, ["build", "--out", str(tmp_path), "--check"])
    assert told.exit_code == 1
    assert str(path) in told.output
    assert "old.json" in told.output


def test_provisioning() -> None:
    files = {path: yaml.safe_load(text) for path, text in provisioning.files().items()}
    source = files["datasources/hanan.yaml"]["datasources"][0]
    used = {target["datasource"]["uid"] for _, panel in each_panel() for target in panel.get("targets", ())}
    assert used == {source["uid"]}
    assert source["secureJsonData"] == {"token": "$HANAN_INFLUX_GRAFANA_TOKEN"}
    (group,) = files["alerting/hanan.yaml"]["groups"]
    assert group["rules"][0]["uid"] == "hanan-nothing-stored"
    assert len({rule["uid"] for rule in group["rules"]}) == 2 + len(STREAMS)
    for rule in group["rules"]:
        assert rule["noDataState"] == "OK"
        assert rule["for"] == "5m"
        assert "$" not in json.dumps(rule), (
            "Grafana 9.4 takes $$ in a model as it stands, and other files take $ for the environment's"
        )


def test_outlines_are_hulls() -> None:
    square = [Place("a", lat, lon) for lat, lon in ((0, 0), (0, 2), (2, 2), (2, 0), (1, 1))]
    found = hulls([*square, Place("b", 5, 5)])
    assert found == {"a": [(0, 0), (2, 0), (2, 2), (0, 2)], "b": [(5, 5)]}
    assert data_url(found).startswith("data:application/geo+json,{")


def test_sizes_stay_small() -> None:
    """A dashboard is read whole by every browser on the wall."""
    assert max(len(json.dumps(board)) for board in BOARDS) < 400_000
