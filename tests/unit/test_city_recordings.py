"""The hand checks of docs/city.md by the code: recordings through validate, aggregate and city, in memory."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.cli.feed import default_data
from deploy.demo.recordings import NAMES, open_recording, present
from schemas.instants import to_ms
from schemas.streams import BY_NAME
from tests.city_recordings import points_of

DATA = default_data()

pytestmark = [
    pytest.mark.usefixtures("quiet_log"),
    pytest.mark.recordings,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not DATA.is_dir() or set(present(DATA)) != set(NAMES), reason=f"the recordings are not in {DATA}; set HANAN_DATA"
    ),
]


def district(name: str, time_zone: str, period: tuple[str, str], window: tuple[str, str], **params: Any) -> dict[str, float]:
    """The district's indicators in a window (length, start) of the readings of a period; times are local.

    `params` are given to the devices of the kind `level`.
    """
    recording = open_recording(DATA, name)
    since, until, start = (
        to_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(time_zone))) for text in (*period, window[1])
    )
    messages = [message for message in recording.messages(0) if any(since <= ts < until for ts in message.times)]
    devices = [
        device.model_copy(update={"params": params}) if device.kind == "level" else device for device in recording.devices()
    ]
    return points_of(BY_NAME[name], devices, messages, time_zone)[f"city_{name}", "district", window[0], start]


def test_bike_stations_of_an_hour() -> None:
    hour = ("2024-04-06T14:00", "2024-04-06T15:00")
    found = district("bike", "America/Mexico_City", hour, ("1h", hour[0]))
    assert found["stations_with_bike"] == pytest.approx(663 / 708)
    assert found["stations_with_dock"] == pytest.approx(689 / 708)
    assert found["minutes_empty"] == pytest.approx(45 * 60)


def test_waste_containers_of_a_day() -> None:
    found = district("waste", "America/New_York", ("2014-02-14", "2014-02-15"), ("1d", "2014-02-14"))
    assert found == {"containers_due": 6, "containers_due_share": pytest.approx(6 / 33)}


def test_heat_spread_of_an_hour() -> None:
    hour = ("2017-07-14T14:00", "2017-07-14T15:00")
    found = district("heat", "Europe/Berlin", hour, ("1h", hour[0]))
    assert found["primary_spread_k"] == pytest.approx((4203.2 - 2719.4) / 60)


def test_drainage_rain_and_runoff_of_an_evening() -> None:
    found = district(
        "drainage",
        "UTC",
        ("2024-06-20", "2024-06-22"),
        ("1h", "2024-06-21T23:00"),
        catchment_m2=5_000_000.0,
        dry_flow_m3_h=2_000.0,
    )
    assert found["rain_1h_mm"] == pytest.approx(13.1)
    assert found["rain_3h_mm"] == pytest.approx(5.6 + 2.5 + 13.1)
    assert found["rain_event_mm"] == found["rain_24h_mm"] == pytest.approx(43.2)
    runoff_m3 = 815.0 + 5084.3 + 7012.6 + 6490.8 + 5875.4 + 6274.6
    assert found["runoff_event_m3"] == pytest.approx(runoff_m3, abs=0.2)
    assert found["held_back_event"] == pytest.approx(1 - runoff_m3 / 216_000, abs=1e-4)
