"""Windows computed again from the readings: as the definition says of a log in which nothing is late."""

from dataclasses import replace
from random import Random

import pytest

from processors.windows.again import Again, units
from processors.windows.calendar import Calendar, Span
from processors.windows.roster import Post
from schemas import codec, topics
from schemas.aggregate import DAY, LEVELS, identity
from schemas.ports import Record
from tests.windows_log import MINUTE, TRIAL, devices, log, trial
from tests.windows_oracle import differences, expected
from tests.windows_world import plain

SOMEDAY = 1_768_406_000_000
FOREVER = 1 << 60


@pytest.mark.parametrize("seed", range(30))
def test_late_readings_are_in_their_windows(seed: int) -> None:
    random = Random(seed)
    stream, fleet = trial(random), devices(random)
    calendar = Calendar(random.choice(["Asia/Shanghai", "Asia/Kolkata", "UTC"]))
    start = SOMEDAY + random.randrange(86_400) * 1_000
    sent = log(random, stream, fleet, 1, start, random.choice([8, 70]))
    records = [Record(topics.reading("trial"), 0, at, r.key, r.value, (), r.timestamp_ms) for at, r in enumerate(sent)]
    wanted, missed = expected(replace(stream, lateness_ms=FOREVER), calendar, fleet, [records])
    assert not missed
    decoded = [codec.decode_reading("trial", record.value or b"") for record in records if record.key]
    # In a database there is one of each identity; the log's first counts, as for the tasks
    readings = list({(r.device_id, r.ts_ms // MINUTE if r.event_id else 0, r.identity): r for r in reversed(decoded)}.values())
    random.shuffle(readings)
    times = [reading.ts_ms for reading in readings] or [start]
    span = Span(min(times), max(times) + 1)
    posts = {device.device_id: Post("trial", device.kind, device.zone, device.interval_s * 1_000) for device in fleet}
    found = {}
    for kind in TRIAL.kinds:
        of_kind = {device_id: post for device_id, post in posts.items() if post.kind == kind.name}
        for unit in units(kind, of_kind, calendar, span):
            again = Again(kind, unit.posts, calendar, unit.span, FOREVER)
            given = [reading for reading in readings if again.needs.start <= reading.ts_ms < again.needs.end]
            made = [
                each
                for device_id in unit.posts
                for each in again.device(device_id, [reading for reading in given if reading.device_id == device_id])
            ]
            found |= {identity(level, window): plain(stream, window) for level, window in [*made, *again.zone()]}
    assert not readings or {key[3] for key in found} == set(LEVELS)
    assert differences(wanted, found) == []


def test_only_what_has_a_part_of_the_time_and_is_closed_is_made() -> None:
    random = Random(3)
    stream, fleet = trial(random), devices(random)
    calendar = Calendar("Asia/Shanghai")
    sent = log(random, stream, fleet, 1, SOMEDAY - 6 * 60 * MINUTE, 70)
    readings = [codec.decode_reading("trial", record.value or b"") for record in sent if record.key]
    device = next(device for device in fleet if device.device_id == readings[0].device_id)
    posts = {device.device_id: Post("trial", device.kind, device.zone, device.interval_s * 1_000)}
    at = min(reading.ts_ms for reading in readings if reading.device_id == device.device_id)
    closed = calendar.span(DAY, at).end - 1
    again = Again(stream.by_name[device.kind], posts, calendar, Span(at, at + 1), closed)
    made = list(again.device(device.device_id, [reading for reading in readings if reading.device_id == device.device_id]))
    assert [level for level, _ in made] == ["1m", "15m", "1h"]
    assert all(window["start"] <= at < window["end"] for _, window in made)
    assert made[0][1]["end"] - made[0][1]["start"] == MINUTE
