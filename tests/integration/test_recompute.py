"""`hanan recompute` on the real InfluxDB and Kafka: from what is stored, under the same identities, each time the same."""

from contextlib import closing

import pytest

from deploy import recompute as module
from deploy.clock import wall_ms
from deploy.native.endpoints import Endpoints
from deploy.native.progress import QuietProgress
from deploy.native.stack import Stack
from deploy.prepare import ensure_topics, put_devices
from deploy.recompute import Wanted, recompute
from deploy.roles.wiring import open_sink
from processors.io.influx import InfluxWriter
from processors.io.kafka_admin import Admin
from processors.io.kafka_read import read_all
from processors.points import line
from processors.windows.calendar import Calendar, Span
from schemas import topics
from schemas.aggregate import DAY, HOUR, LEVELS, MINUTE, Window, identity
from schemas.device import Device
from schemas.fields import READINGS
from schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.reading import Reading
from tests.windows_world import Key, last_versions

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

CALENDAR = Calendar("Asia/Shanghai")
COMPACTORS = [
    Device(
        device_id=f"WC-AGAIN-{n}", stream="waste", kind="compactor", zone="again", site="S1", lat=45.0, lon=126.0, interval_s=60
    )
    for n in (1, 2)
]
STATES = ("idle", "compacting")


def readings(start: int) -> list[Reading]:
    """Forty minutes of two compactors; each tenth fill is flagged."""
    found = []
    for device in COMPACTORS:
        for n in range(40):
            values = {"fill": n / 40, "cycles": n, "state": STATES[n // 10 % 2]}
            flags = {"fill": "out_of_range"} if n % 10 == 5 else {}
            ts = start + n * MINUTE_MS + 5_000
            found.append(Reading("waste", "compactor", device.device_id, ts, ts + 3 * DAY_MS, values, flags, None, None))
    return found


def windows(servers: Endpoints) -> dict[Key, Window]:
    wanted = [*(topics.aggregate(level, "waste") for level in LEVELS), topics.zone("waste")]
    return {
        key: found for key, found in last_versions(read_all(servers.kafka_bootstrap, wanted)).items() if found["zone"] == "again"
    }


def test_windows_are_made_of_what_is_stored(stack: Stack, servers: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Admin(servers.kafka_bootstrap)) as admin:
        ensure_topics(stack.settings, admin, QuietProgress())
    with closing(open_sink(stack.settings, "test")) as sink:
        put_devices(sink, COMPACTORS)
    start = CALENDAR.span(DAY, wall_ms() - 2 * DAY_MS).start + 10 * HOUR_MS
    stored = readings(start)
    with closing(InfluxWriter(servers.influx_url, servers.influx_token, servers.influx_org)) as writer:
        assert writer.write(READINGS, [line(reading) for reading in stored]) == []
    closed = CALENDAR.span(HOUR, start).end  # the day is still open
    monkeypatch.setattr(module, "closed_ms", lambda _admin, _stream: closed)
    wanted = Wanted(Span(start, start + 30 * MINUTE_MS), "waste", "compactor", frozenset({"WC-AGAIN-1"}))

    dry = recompute(stack.settings, [wanted], QuietProgress(), dry_run=True)
    assert (dry.devices, dry.readings, dry.windows) == (2, 80, {})
    assert windows(servers) == {}

    done = recompute(stack.settings, [wanted], QuietProgress())
    assert (done.readings, done.windows) == (80, {"1m": 60, "15m": 4, "1h": 2})
    made = windows(servers)
    assert {key[1] for key in made} == {"WC-AGAIN-1", ""}
    hour = made["compactor", "WC-AGAIN-1", "", HOUR, start]
    assert (hour["readings"], hour["suspect"], hour["expected"]) == (40, 4, 60)
    assert hour["metrics"]["cycles"][1] == 39
    assert hour["metrics"]["fill"][0] == 36
    assert hour["metrics"]["state"][1] == {"idle": 20 * MINUTE_MS, "compacting": 22 * MINUTE_MS}
    zone = made["compactor", "", "again", MINUTE, start]
    assert (zone["readings"], zone["devices"]) == (2, 2)
    assert all(key == identity(key[3], window) for key, window in made.items())

    recompute(stack.settings, [wanted], QuietProgress())
    assert windows(servers) == made
