"""What `hanan up` brings to the registry."""

from pathlib import Path
from typing import Any

import pytest

from deploy import prepare
from deploy.native.progress import QuietProgress
from deploy.settings import load_settings
from schemas.device import Device, encode
from schemas.ports import OutRecord


class Sent:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[OutRecord] = []

    def send(self, record: OutRecord, done: Any = None) -> None:
        assert done is None
        self.records.append(record)

    def serve(self, timeout_ms: int) -> None: ...

    def flush(self, timeout_ms: int) -> None: ...

    def close(self) -> None: ...


def test_a_device_of_the_feed_stands_for_the_one_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "devices.yaml"
    row = "  - {{device_id: {}, kind: heat/indoor, zone: of-the-file, site: s, lat: 45, lon: 126}}\n"
    path.write_text("devices:\n" + row.format("HI-1") + row.format("HI-2"))
    fed = Device(device_id="HI-2", stream="heat", kind="indoor", zone="of-the-feed", site="s", lat=45, lon=126)
    shown: list[Any] = []
    monkeypatch.setattr(prepare, "show_registry", lambda _, found: shown.extend(found))
    sink = Sent()
    assert prepare.load_registry(load_settings(registry=path), sink, QuietProgress(), [fed]) == 2
    assert [(one.device_id, one.zone) for one in shown] == [("HI-1", "of-the-file"), ("HI-2", "of-the-feed")]
    assert [record.value for record in sink.records] == [encode(one) for one in shown]
