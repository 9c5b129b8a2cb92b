"""The rules' own tests, beside the packs in `<pack>.tests.yaml`: series in, states out.

    - rule: heat-circulation-pump
      name: stands, and comes back
      kind: exchange
      series: {circulation_pump: running*3 fault*5 running*10}
      expect: [3m pending, 4m firing, 8m resolved]

A series is values with blanks between: `20`, `20*5` five times, `20..25*6` six values from the one to the other, `95?` a suspect
value (`?stuck` with its flag), `-` none. Where no series has a value nothing is heard. For a rule over windows a value is a
window's, and a series is named as the rule asks for it: `mean(temp_c)`, `share(pump_1, running)`. `expect` is all that becomes
of the rule, in order: when, which state, and where it matters the severity. An empty list: nothing ever does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from processors.rules.load import TESTS, Book, Lines, read_yaml
from processors.rules.pretend import pretended
from processors.rules.problems import Problem, RulesError
from processors.rules.spans import Span, text_of
from processors.rules.windowed import LEVELS_MS
from processors.rules.world import World
from schemas.alert import Alert, Change, State
from schemas.device import Device, first_problem
from schemas.instants import MINUTE_MS, parse_rfc3339
from schemas.reading import Reading
from schemas.reason import Flag
from schemas.streams import find_kind

_ITEM = re.compile(r"(?P<value>[^*?\s]+?)(?P<suspect>\?(?P<flag>[a-z_]*))?(?:\*(?P<times>\d+))?\Z")
_UNTOLD = frozenset({Change.COMMENTED})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _text(value: object) -> object:
    """YAML reads a time as one."""
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else value


class Case(_Part):
    rule: str
    name: str
    kind: str
    start: Annotated[str, BeforeValidator(_text)] = "2026-01-15T08:00:00+08:00"
    interval: Span = 0
    params: Mapping[str, Any] = {}
    series: Mapping[str, str]
    others: Annotated[int, Field(ge=0, le=50)] = 0  # of the same kind, site and gateway
    others_series: Mapping[str, str] = {}
    quiet_after: Span = 0  # ticks go on for so long after the last value
    expect: tuple[str, ...]


class Suite(_Part):
    tests: tuple[Case, ...]


class Verdict(NamedTuple):
    file: str
    line: int
    case: Case
    got: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return self.got == tuple(" ".join(each.split()) for each in self.case.expect)


def suites(files: Sequence[Path]) -> Iterator[tuple[Path, Suite, Lines]]:
    """The tests beside those packs. RulesError for what cannot be read."""
    for pack in files:
        path = pack.with_name(pack.stem + TESTS)
        if not path.exists():
            continue
        body, lines = read_yaml(path)
        try:
            yield path, Suite.model_validate(body), lines
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise RulesError([Problem(str(path), lines.of(first["loc"]), first_problem(error))]) from error


def run(book: Book, files: Sequence[Path], rule: str = "") -> Iterator[Verdict]:
    for path, suite, lines in suites(files):
        for number, case in enumerate(suite.tests):
            if rule and case.rule != rule:
                continue
            line = lines.of(("tests", number))
            try:
                yield Verdict(str(path), line, case, tuple(play(book, case)))
            except ValueError as error:
                raise RulesError([Problem(str(path), line, f"{case.name}: {error}")]) from error


def play(book: Book, case: Case) -> Iterator[str]:
    """What becomes of the case's rule, each change in words."""
    if case.rule not in book.rules:
        raise ValueError(f"there is no rule {case.rule}")
    stream, _, kind_name = case.kind.partition("/")
    kind = find_kind(stream, kind_name)
    if kind is None:
        raise ValueError(f"there is no kind {case.kind}; write it as stream/kind")
    interval_ms = case.interval or kind.interval_s * 1_000
    start_ms = parse_rfc3339(case.start)
    devices = [_device(case, number, stream, kind_name, interval_ms) for number in range(case.others + 1)]
    world = World(book, devices)
    own = _unrolled(case.series)
    if book.rules[case.rule].over:
        _play_windows(world, book.rules[case.rule].over, devices[0], own, start_ms)
        yield from _told(world.changes, case.rule, {devices[0].device_id}, start_ms)
        return
    others = _unrolled(case.others_series) if case.others_series else []
    length = max(len(own), len(others))
    for step in range(length):
        at_ms = start_ms + step * interval_ms
        batch: list[Reading | int] = []
        for number, device in enumerate(devices):
            rows = own if number == 0 or not others else others
            row = rows[step] if step < len(rows) else {}
            if row:
                batch.append(_reading(device, at_ms, row))
        for second in range(0, interval_ms, min(interval_ms, MINUTE_MS)):
            world.read(stream, [*batch, at_ms + second] if not second else [at_ms + second])
    end_ms = start_ms + length * interval_ms
    for at_ms in range(end_ms, end_ms + case.quiet_after, MINUTE_MS):
        world.tick(at_ms)
    subjects = {devices[0].device_id} if book.rules[case.rule].count is None else None
    yield from _told(world.changes, case.rule, subjects, start_ms)


def _play_windows(world: World, level: str, device: Device, rows: Sequence[Mapping[str, tuple[Any, str]]], start_ms: int) -> None:
    """A row is a window, and is told when it ends."""
    kind = find_kind(device.stream, device.kind)
    assert kind
    for step, row in enumerate(rows):
        at_ms = start_ms + step * LEVELS_MS[level]
        told = {term: value for term, (value, _) in row.items()}
        windows = [pretended(device, kind, level, at_ms, told)] if told else []
        world.windows(level, device.stream, windows, at_ms + LEVELS_MS[level])


def _told(changes: Sequence[Alert], rule: str, subjects: set[str] | None, start_ms: int) -> Iterator[str]:
    before: tuple[State, str] = (State.NORMAL, "")
    for alert in changes:
        if alert.rule != rule or (subjects is not None and alert.subject not in subjects) or alert.change in _UNTOLD:
            continue
        now = (alert.state, alert.severity.value if alert.is_open else "")
        if now == before:
            continue
        before = now
        yield " ".join(word for word in (text_of(alert.at_ms - start_ms), alert.state.value, now[1]) if word)


def _device(case: Case, number: int, stream: str, kind: str, interval_ms: int) -> Device:
    body = {
        "device_id": f"TEST-{number}", "stream": stream, "kind": kind, "zone": "zone", "site": "SITE", "gateway": "GW-1",
        "lat": 45.6, "lon": 126.6, "interval_s": interval_ms // 1_000, "params": case.params,
    }  # fmt: skip
    return Device.model_validate(body)


def _reading(device: Device, at_ms: int, row: Mapping[str, tuple[Any, str]]) -> Reading:
    values = {name: value for name, (value, _) in row.items()}
    flags = {name: flag for name, (_, flag) in row.items() if flag}
    return Reading(device.stream, device.kind, device.device_id, at_ms, at_ms, values, flags)


def _unrolled(series: Mapping[str, str]) -> list[dict[str, tuple[Any, str]]]:
    columns = {name: list(_values(text)) for name, text in series.items()}
    length = max((len(column) for column in columns.values()), default=0)
    return [
        {name: cell for name, column in columns.items() if step < len(column) and (cell := column[step]) is not None}
        for step in range(length)
    ]


def _values(text: str) -> Iterator[tuple[Any, str] | None]:
    for item in text.split():
        match = _ITEM.match(item)
        if match is None:
            raise ValueError(f"{item!r} is no item of a series")
        times = int(match["times"] or 1)
        flag = (match["flag"] or Flag.OUT_OF_RANGE.value) if match["suspect"] else ""
        if match["value"] == "-":
            yield from [None] * times
            continue
        first, dots, last = match["value"].partition("..")
        if dots:
            low, high = float(first), float(last)
            for n in range(times):
                yield low + (high - low) * n / max(1, times - 1), flag
        else:
            yield from [(_plain(first), flag)] * times


def _plain(text: str) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text
