"""Pieces of Flux. Every query is bounded: in series by the registry and a limit, in points by the window that the range chooses.

Grafana puts in the time range for `v.timeRangeStart` and `v.timeRangeStop`, the variables for `${zone:regex}` and so on. What an
`if` chooses is a plain value when a filter is planned, so that InfluxDB still filters where the data lies.
"""

from collections.abc import Sequence

from grafana.fields import RAW_HOURS, level_choice
from schemas.aggregate import LEVELS
from schemas.fields import AGGREGATES, ALERTS, OPS, READINGS

RANGE = "range(start: v.timeRangeStart, stop: v.timeRangeStop)"
ALL = ".*"
HIGH = 3  # the rank of the severity that somebody must act on soon
MAX_LINES = 12  # more lines than colours, and nobody tells them apart
HOUR_NS = 3_600_000_000_000

SPAN = "span = int(v: v.timeRangeStop) - int(v: v.timeRangeStart)"


def level(given: Sequence[str] = LEVELS) -> str:
    """`level`: the window that the range chooses of those given."""
    return f"{SPAN}\nlevel = {level_choice(given)}"


def pattern(variable: str) -> str:
    return f"/^${{{variable}:regex}}$/"


def registry(measurement: str, *fields: str) -> str:
    """The newest entry of each device: a row for each, device_id and fields as columns."""
    wanted = " or ".join(f'r._field == "{name}"' for name in fields)
    return f"""from(bucket: "{OPS}")
  |> range(start: 2000-01-01T00:00:00Z)
  |> filter(fn: (r) => {of(measurement)})
  |> filter(fn: (r) => {wanted})
  |> last()
  |> keep(columns: ["device_id", "_field", "_value"])"""


def of(measurement: str) -> str:
    """A condition: the measurement itself, or all of a stream where it ends in a star."""
    if measurement == "*":
        return "exists r.device_id"
    if measurement.endswith("*"):
        return f"r._measurement =~ /^{measurement[:-1]}/"
    return f'r._measurement == "{measurement}"'


PICKED = f"r.zone =~ {pattern('zone')} and r.site =~ {pattern('site')} and r.device_id =~ {pattern('device')}"
# Of rows of `quality`; of no row nothing, since a mean of nothing would be a null. Without `r with` Flux loses every row.
SUSPECT_SHARE = """group()
  |> map(fn: (r) => ({r with _value: if r._value == "suspect" then 1.0 else 0.0}))
  |> mean()
  |> filter(fn: (r) => exists r._value)
  |> keep(columns: ["_value"])"""
BY_DEVICE = 'pivot(rowKey: ["device_id"], columnKey: ["_field"], valueColumn: "_value")'


def zone_lines(measurement: str, field: str, levels: Sequence[str] = LEVELS) -> str:
    """Windows of the zones chosen: a line for each zone."""
    return f"""{level(levels)}
from(bucket: "{AGGREGATES}")
  |> {RANGE}
  |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}" and r.window == level)
  |> filter(fn: (r) => exists r.zone and r.zone =~ {pattern("zone")})
  |> keep(columns: ["_time", "_value", "zone"])
  |> rename(columns: {{zone: "series"}})
  |> group(columns: ["series"])"""


def device_lines(measurement: str, raw_field: str, field: str, levels: Sequence[str] = LEVELS) -> str:
    """A line for each device, at most a dozen, and only when a site or a device is chosen; single readings on a short range."""
    raw = f"span <= {RAW_HOURS * HOUR_NS}" if raw_field else "span < 0"
    return f"""import "regexp"
import "strings"
{level(levels)}
raw = {raw}
chosen = "${{site:regex}}" != "{ALL}" or "${{device:regex}}" != "{ALL}"
found = {registry(measurement, "zone", "site")}
  |> {BY_DEVICE}
  |> filter(fn: (r) => {PICKED})
  |> group()
  |> sort(columns: ["device_id"])
  |> limit(n: {MAX_LINES})
  |> findColumn(fn: (key) => true, column: "device_id")
{one_of_found("chosen")}
source = if raw then "{READINGS}" else "{AGGREGATES}"
field = if raw then "{raw_field}" else "{field}"
from(bucket: source)
  |> {RANGE}
  |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == field and r.device_id =~ wanted)
  |> filter(fn: (r) => raw or r.window == level)
  |> keep(columns: ["_time", "_value", "device_id"])
  |> {NUMBERED}
  |> tail(n: 1500)"""


def one_of_found(condition: str = "true") -> str:
    """`wanted`: a pattern of the devices in the array `found`, of none while the condition does not hold; `all` for NUMBERED."""
    return f"""all = "|" + strings.joinStr(arr: found, v: "|") + "|"
some = {condition} and length(arr: found) > 0
wanted = regexp.compile(v: if some then "^(" + strings.joinStr(arr: found, v: "|") + ")$" else "^-$")"""


# A line for each device; its place in `all` stands before its name, so that the first is always of the first colour
NUMBERED = """map(fn: (r) => ({r with at: strings.index(v: all, substr: "|" + r.device_id + "|") + 1}))
  |> map(fn: (r) => ({r with place: strings.countStr(v: strings.substring(v: all, start: 0, end: r.at), substr: "|")}))
  |> map(fn: (r) => ({_time: r._time, _value: float(v: r._value), series: string(v: r.place) + " " + r.device_id}))
  |> group(columns: ["series"])"""


def before(measurement: str, field: str, days: int, how: str, name: str, levels: Sequence[str] = LEVELS) -> str:
    """The zones chosen as one line, so many days earlier, moved to where today's is."""
    shift = f"{days}d"
    bounds = RANGE if not days else (
        f"range(start: experimental.subDuration(d: {shift}, from: v.timeRangeStart),"
        f" stop: experimental.subDuration(d: {shift}, from: v.timeRangeStop))"
    )  # fmt: skip
    moved = f"\n  |> timeShift(duration: {shift})" if days else ""
    load = 'import "experimental"\n' if days else ""
    return f"""{load}{level(levels)}
from(bucket: "{AGGREGATES}")
  |> {bounds}
  |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}" and r.window == level)
  |> filter(fn: (r) => exists r.zone and r.zone =~ {pattern("zone")})
  |> group(columns: ["_time"])
  |> {how}()
  |> group(){moved}
  |> keep(columns: ["_time", "_value"])
  |> set(key: "series", value: "{name}")
  |> group(columns: ["series"])"""


def state_shares(measurement: str, fields: dict[str, str], levels: Sequence[str] = LEVELS) -> str:
    """How the zones' time divides over a metric's states, as shares: a line for each state, by its title."""
    wanted = " or ".join(f'r._field == "{field}"' for field in fields)
    titles = "".join(f'if r._field == "{field}" then "{title}" else ' for field, title in fields.items()) + "r._field"
    return f"""{level(levels)}
rows = from(bucket: "{AGGREGATES}")
  |> {RANGE}
  |> filter(fn: (r) => r._measurement == "{measurement}" and r.window == level)
  |> filter(fn: (r) => {wanted})
  |> filter(fn: (r) => exists r.zone and r.zone =~ {pattern("zone")})
  |> map(fn: (r) => ({{_time: r._time, _value: float(v: r._value), series: {titles}}}))
rows
  |> group(columns: ["_time", "series"])
  |> sum()
  |> group(columns: ["series"])
  |> sort(columns: ["_time"])"""


def latest(measurement: str, metrics: list[str], *, order: str, descending: bool, rows: int = 10, hours: int = 24) -> str:
    """One table: a row for each device with its newest values, its quality and its age; the first so many by `order`."""
    wanted = " or ".join(f'r._field == "{name}"' for name in ["quality", *metrics])
    return f"""lately = {lately(hours)}
values = from(bucket: "{READINGS}")
  |> range(start: lately, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "{measurement}")
  |> filter(fn: (r) => {wanted})
  |> last()
seen = values
  |> filter(fn: (r) => r._field == "quality")
  |> map(fn: (r) => ({{device_id: r.device_id, _field: "age_s", _value: int(v: v.timeRangeStop) - int(v: r._time)}}))
  |> map(fn: (r) => ({{r with _value: r._value / 1000000000}}))
  |> group(columns: ["device_id", "_field"])
entries = {registry(measurement, "name", "zone", "site")}
union(tables: [entries, values |> keep(columns: ["device_id", "_field", "_value"]), seen])
  |> {BY_DEVICE}
  |> filter(fn: (r) => exists r.zone and exists r.age_s)
  |> filter(fn: (r) => {PICKED})
  |> group()
  |> sort(columns: ["{order}"], desc: {str(descending).lower()})
  |> limit(n: {rows})"""


def lately(hours: int) -> str:
    """So many hours before the end of the range: how far back the newest value of a device is looked for."""
    return f"time(v: int(v: v.timeRangeStop) - {hours * HOUR_NS})"


def lately_minutes(minutes: int) -> str:
    return f"time(v: int(v: v.timeRangeStop) - {minutes * 60_000_000_000})"


def condition(measurement: str, hours: int = 24) -> str:
    """Each device chosen with where it stands and how it is: 0 reports, 1 suspect, 2 silent for three of its intervals."""
    return f"""lately = {lately(hours)}
quality = from(bucket: "{READINGS}")
  |> range(start: lately, stop: v.timeRangeStop)
  |> filter(fn: (r) => {of(measurement)})
  |> filter(fn: (r) => r._field == "quality")
  |> last()
seen = quality
  |> map(fn: (r) => ({{device_id: r.device_id, _field: "seen", _value: r._time}}))
  |> group(columns: ["device_id", "_field"])
entries = {registry(measurement, "name", "zone", "site", "lat", "lon", "interval_s")}
condition = union(tables: [entries, quality |> keep(columns: ["device_id", "_field", "_value"]), seen])
  |> {BY_DEVICE}
  |> filter(fn: (r) => exists r.zone)
  |> filter(fn: (r) => {PICKED})
  |> group()
  |> map(fn: (r) => ({{r with age: if exists r.seen then int(v: v.timeRangeStop) - int(v: r.seen) else int(v: v.timeRangeStop)}}))
  |> map(fn: (r) => ({{r with silent: r.age > 3000000000 * r.interval_s}}))
  |> map(fn: (r) => ({{r with state: if r.silent then 2 else if r.quality == "suspect" then 1 else 0}}))"""


def alerts_now(days: int = 30, also: Sequence[str] = ()) -> str:
    """`open`: a row for each alert that is open at the end of the range, in the zones chosen; `also` are further fields.

    An alert about more than a zone has "-" for one, and belongs to every choice.
    """
    names = ("state", "severity", "rank", "stream", "zone", "fired_ms", "is_open", *also)
    wanted = " or ".join(f'r._field == "{name}"' for name in names)
    return f"""lately = {lately(days * 24)}
open = from(bucket: "{ALERTS}")
  |> range(start: lately, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "alert")
  |> filter(fn: (r) => {wanted})
  |> last()
  |> keep(columns: ["rule", "subject", "_field", "_value"])
  |> pivot(rowKey: ["rule", "subject"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> filter(fn: (r) => r.is_open and r.state != "suppressed" and r.state != "shelved")
  |> filter(fn: (r) => r.zone == "-" or r.zone =~ {pattern("zone")})"""


def alert_changes(since: str, fields: Sequence[str], where: str = "true", most: int = 300) -> str:
    """A row for each change of an alert from `since` to the end of the range, the newest first.

    Where there were more than `most`, no further back than these: a week of a flood need not be put together for its last hour.
    """
    wanted = " or ".join(f'r._field == "{name}"' for name in ("change", *fields))
    return f"""times = from(bucket: "{ALERTS}")
  |> range(start: {since}, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "alert" and r._field == "n" and {where})
  |> keep(columns: ["_time"])
  |> sort(columns: ["_time"], desc: true)
  |> limit(n: {most})
  |> findColumn(fn: (key) => true, column: "_time")
from(bucket: "{ALERTS}")
  |> range(start: if length(arr: times) == 0 then {since} else times[length(arr: times) - 1], stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "alert" and {where})
  |> filter(fn: (r) => {wanted})
  |> pivot(rowKey: ["_time", "rule", "subject"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> sort(columns: ["_time"], desc: true)"""


def alarms(where: str = "true") -> str:
    """A row for each time an alert fired in the range."""
    return f"""from(bucket: "{ALERTS}")
  |> {RANGE}
  |> filter(fn: (r) => r._measurement == "alert" and r._field == "change")
  |> filter(fn: (r) => r._value == "fired")
  |> filter(fn: (r) => {where})
  |> group()"""


def annotations(stream: str) -> str:
    """What fired of a stream, as marks on its trends: high and critical alone, the last hundred."""
    return f"""from(bucket: "{ALERTS}")
  |> {RANGE}
  |> filter(fn: (r) => r._measurement == "alert")
  |> filter(fn: (r) => r._field == "change" or r._field == "rank" or r._field == "stream")
  |> pivot(rowKey: ["_time", "rule", "subject"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> filter(fn: (r) => r.change == "fired" and r.rank >= 3 and r.stream == "{stream}")
  |> map(fn: (r) => ({{time: r._time, text: r.rule + " " + r.subject}}))
  |> sort(columns: ["time"])
  |> tail(n: 100)"""


def worst_alerts(measurement: str) -> str:
    """Each site chosen: where it stands, the rank of its devices' worst open alert (-1 without one), its name if that is high.

    Sites that move are none: bicycles stand at stations, or anywhere.
    """
    return f"""{alerts_now()}
ranks = open
  |> group(columns: ["subject"])
  |> max(column: "rank")
  |> group()
  |> map(fn: (r) => ({{device_id: r.subject, _field: "rank", _value: r.rank}}))
  |> group(columns: ["device_id", "_field"])
entries = {registry(measurement, "name", "zone", "site", "lat", "lon")}
places = union(tables: [entries, ranks])
  |> {BY_DEVICE}
  |> filter(fn: (r) => exists r.zone)
  |> filter(fn: (r) => {PICKED})
  |> group()
  |> map(fn: (r) => ({{r with state: if exists r.rank then r.rank else -1}}))
  |> group(columns: ["site"])
  |> sort(columns: ["state", "device_id"])
  |> last(column: "state")
  |> group()
places
  |> map(fn: (r) => ({{r with label: if r.state >= {HIGH} then r.name else ""}}))
  |> keep(columns: ["site", "device_id", "name", "label", "zone", "lat", "lon", "state"])
  |> sort(columns: ["state"])
  |> limit(n: 5000)"""
