"""The two databases that one suite of tests runs on."""

import re
import uuid
from typing import Protocol

from influxdb_client.client.influxdb_client import InfluxDBClient

from deploy.native.stack import Stack
from processors.io.influx import InfluxReader, InfluxWriter
from schemas.ports import PointWriter
from tests.memory import MemoryPointWriter

Value = float | int | str | bool
Points = dict[tuple[str, int], dict[str, Value]]


class Database(Protocol):
    writer: PointWriter

    def bucket(self) -> str: ...

    def points(self, bucket: str) -> Points:
        """(measurement,tags; time) -> fields."""
        ...

    def away(self) -> None: ...

    def back(self) -> None: ...

    def close(self) -> None: ...


class Memory:
    def __init__(self) -> None:
        self._memory = MemoryPointWriter()
        self.writer: PointWriter = self._memory

    def bucket(self) -> str:
        name = uuid.uuid4().hex
        self._memory.create(name)
        return name

    def points(self, bucket: str) -> Points:
        found = self._memory.points(bucket)
        return {at: {name: _value(text) for name, text in fields.items()} for at, fields in found.items()}

    def away(self) -> None:
        self._memory.up = False

    def back(self) -> None:
        self._memory.up = True

    def close(self) -> None:
        pass


def _value(text: str) -> Value:
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text[-1] in "iu":
        return int(text[:-1])
    if text[0] in "tTfF":
        return text[0] in "tT"
    return float(text)


class Influx:
    def __init__(self, stack: Stack) -> None:
        at = stack.endpoints()
        self._stack = stack
        self._away = False
        self._org = at.influx_org
        self._admin = InfluxDBClient(at.influx_url, at.influx_admin_token, org=at.influx_org)
        self._reader = InfluxReader(at.influx_url, at.influx_admin_token, at.influx_org)
        self.writer: PointWriter = InfluxWriter(at.influx_url, at.influx_admin_token, at.influx_org, timeout_ms=2_000)

    def bucket(self) -> str:
        name = uuid.uuid4().hex
        self._admin.buckets_api().create_bucket(bucket_name=name, org=self._org)
        return name

    def points(self, bucket: str) -> Points:
        found: Points = {}
        flux = (
            f'from(bucket: "{bucket}") |> range(start: 1970-01-01T00:00:00Z) |> map(fn: (r) => ({{r with ns: int(v: r._time)}}))'
        )
        for row in self._reader.rows(flux):
            values = row.values
            own = {"result", "table", "ns"}
            tags = [f",{name}={text}" for name, text in sorted(values.items()) if not name.startswith("_") and name not in own]
            found.setdefault((values["_measurement"] + "".join(tags), values["ns"]), {})[values["_field"]] = values["_value"]
        return found

    def away(self) -> None:
        self._away = True
        self._stack.pause("influxdb")

    def back(self) -> None:
        if self._away:
            self._stack.resume("influxdb")
            self._away = False

    def close(self) -> None:
        self.back()
        self.writer.close()
        self._reader.close()
        self._admin.close()  # type: ignore[no-untyped-call]
