"""The table of `hanan status --city`, from the records of a query."""

from datetime import UTC, datetime

from rich.console import Console

from deploy import indicators
from schemas.instants import to_ms
from schemas.streams import STREAMS

MORNING = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)


def record(measurement: str, field: str, window: str, value: float) -> dict[str, object]:
    return {"_measurement": measurement, "_field": field, "window": window, "_time": MORNING, "_value": value}


RECORDS = [
    record("city_heat", "rooms_warm", "15m", 0.9),
    record("city_heat", "rooms_warm", "1d", 0.99),
    record("city_bike", "stations_with_bike", "15m", 0.9),
    record("city_bike", "an_indicator_of_before", "15m", 1.0),
    record("city_waste", "tonnes", "1d", 1234.5),
]


def test_rows_have_values_units_and_verdicts() -> None:
    rows = indicators.rows(STREAMS, "district", RECORDS)
    assert [(row.name, row.window, row.value, row.unit, row.verdict) for row in rows] == [
        ("stations_with_bike", "15m", 0.9, "1", "fair"),
        ("tonnes", "1d", 1234.5, "t", ""),
        ("rooms_warm", "15m", 0.9, "1", "poor"),
        ("rooms_warm", "1d", 0.99, "1", "good"),
    ]
    assert {row.start for row in rows} == {to_ms(MORNING)}


def test_the_table_shows_them_and_says_what_is_missing() -> None:
    console = Console(width=160, force_terminal=True)
    with console.capture() as capture:
        console.print(indicators.table(STREAMS, "district", indicators.rows(STREAMS, "district", RECORDS), 0))
    text = capture.get()
    assert "Rooms at 20 °C and above" in text
    assert "室温达标率" in text
    assert ">= 0.98" in text
    assert "\x1b[31m0.900\x1b[0m" in text.replace(" ", "")  # poor is red
    assert "1,234" in text
    assert "Sponge city 海绵城市 · district: no indicator in the last three days" in text


def test_the_query_names_all_measurements() -> None:
    query = indicators.query(STREAMS, "old-town", to_ms(MORNING))
    assert all(f'"city_{stream.name}"' in query for stream in STREAMS)
    assert 'r.zone == "old-town"' in query
    assert "start: 2026-01-12T08:00:00.000Z" in query


def test_numbers_are_short() -> None:
    assert [indicators.number(value) for value in (0.0, 0.9534, 1.5, 12.44, 1234.5)] == ["0", "0.953", "1.50", "12.4", "1,234"]
