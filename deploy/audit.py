"""`hanan reconcile` as questions to Kafka and InfluxDB; the sums are made in reconcile.py."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from deploy.native.endpoints import Endpoints, endpoints
from deploy.observe import lag_by_stream
from deploy.reconcile import Account, Identity, by_origin, raw_side, reading_side, refused_side, stored_side
from deploy.roles import groups
from deploy.settings import Settings
from processors.io.influx import InfluxReader
from processors.io.kafka_admin import Admin
from processors.io.kafka_read import read_all
from schemas import topics
from schemas.dead import DeadLetter
from schemas.fields import READINGS
from schemas.kind import Stream
from schemas.streams import STREAMS

_SKEW_MS = 5_000  # between the clocks of collectors


def under_way(settings: Settings) -> tuple[int, int]:
    """How many records of what devices sent are not processed yet, and the time of receipt up to which all is stored.

    The time is 0 when nothing ever was.
    """
    names = [stream.name for stream in STREAMS]
    with closing(Admin(endpoints(settings).kafka_bootstrap)) as admin:
        lag = sum(lag_by_stream(admin).values())
        partitions = admin.partitions(map(topics.reading, names))
        committed = admin.committed(groups.STORE, partitions)
    clocks = [committed[partition].clock_ms if partition in committed else 0 for partition in partitions]
    return lag, max(0, min(clocks, default=0) - _SKEW_MS)


def audit(settings: Settings, from_ms: int | None, to_ms: int | None, ledger: Mapping[str, Any]) -> list[Account]:
    """One account a stream, for what was received in the period."""
    places = endpoints(settings)
    dead, at_collector, by_store = by_origin(read_all(places.kafka_bootstrap, [topics.DEAD], from_ms, to_ms))
    return [_account(places, stream, from_ms, to_ms, ledger, dead, at_collector, by_store) for stream in STREAMS]


def _account(
    places: Endpoints,
    stream: Stream,
    from_ms: int | None,
    to_ms: int | None,
    ledger: Mapping[str, Any],
    dead: Mapping[str, list[DeadLetter]],
    at_collector: Counter[str],
    by_store: list[DeadLetter],
) -> Account:
    account = Account(stream.name, dead_at_collector=at_collector[stream.name])
    sent = ledger.get("streams", {}).get(stream.name)
    if sent:
        account.sent, account.acknowledged = sent["messages"], sent["acknowledged"]
    raw_side(account, stream, read_all(places.kafka_bootstrap, [topics.raw(stream.name)], from_ms, to_ms), dead)
    reading_side(account, read_all(places.kafka_bootstrap, [topics.reading(stream.name)], from_ms, to_ms))
    refused_side(account, by_store)
    with closing(InfluxReader(places.influx_url, places.influx_token, places.influx_org)) as influx:
        stored_side(account, _stored(influx, stream, account))
    return account


def _stored(influx: InfluxReader, stream: Stream, account: Account) -> dict[Identity, bool]:
    """Every point's identity and whether it is suspect, over the time that the expected readings span."""
    found: dict[Identity, bool] = {}
    for kind in stream.kinds:
        times = [identity.time_ns for identity in account.expected if identity.kind == kind.name]
        if not times:
            continue
        flux = f"""
            from(bucket: "{READINGS}")
              |> range(start: time(v: {min(times)}), stop: time(v: {max(times) + 1}))
              |> filter(fn: (r) => r._measurement == "{stream.measurement(kind.name)}" and r._field == "quality")
              |> map(fn: (r) => ({{device_id: r.device_id, ns: int(v: r._time), suspect: r._value == "suspect"}}))
        """
        for row in influx.rows(flux):
            found[Identity(kind.name, row["device_id"], int(row["ns"]))] = bool(row["suspect"])
    return found
