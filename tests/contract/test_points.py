"""What every writer of points must do alike: the one in memory and InfluxDB."""

from collections.abc import Iterator

import pytest

from schemas.ports import RetryLater
from tests.contract.databases import Database, Influx, Memory
from tests.waiting import eventually

T = 1_768_435_200_000_000_000


@pytest.fixture(params=["memory", pytest.param("influx", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    database: Database = Memory() if request.param == "memory" else Influx(request.getfixturevalue("stack"))
    yield database
    database.close()


def test_lines_become_points(database: Database) -> None:
    bucket = database.bucket()
    lines = [
        f'heat_exchange,device_id=HX-1 supply_temp_c=71.5,flow_m3_h=120,starts=7i,running=true,quality="good" {T}',
        f'heat_exchange,device_id=HX-2 supply_temp_c=-3.25e1,quality="say \\"hot, hot\\" 热" {T + 1}',
    ]
    assert database.writer.write(bucket, lines) == []
    assert database.points(bucket) == {
        ("heat_exchange,device_id=HX-1", T): {
            "supply_temp_c": 71.5,
            "flow_m3_h": 120.0,
            "starts": 7,
            "running": True,
            "quality": "good",
        },
        ("heat_exchange,device_id=HX-2", T + 1): {"supply_temp_c": -32.5, "quality": 'say "hot, hot" 热'},
    }


def test_an_empty_batch_is_nothing(database: Database) -> None:
    assert database.writer.write(database.bucket(), []) == []


def test_writing_again_changes_nothing_and_a_correction_overwrites(database: Database) -> None:
    bucket = database.bucket()
    lines = [f"m,device_id=D-{n} a=1,b=2 {T}" for n in range(10)]
    for _ in range(3):
        assert database.writer.write(bucket, lines) == []
    assert len(database.points(bucket)) == 10
    assert database.writer.write(bucket, [f"m,device_id=D-3 a=5 {T}"]) == []
    assert database.points(bucket)["m,device_id=D-3", T] == {"a": 5.0, "b": 2.0}


def test_a_nanosecond_tells_two_events_apart(database: Database) -> None:
    bucket = database.bucket()
    assert database.writer.write(bucket, [f"m,device_id=D a={n} {T + n}" for n in range(5)]) == []
    assert [fields["a"] for _, fields in sorted(database.points(bucket).items())] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("bad", [{0}, {99}, {41}, {0, 1, 2, 98, 99}, set(range(100))], ids=lambda bad: f"{len(bad)} bad")
def test_bad_lines_are_named_and_the_others_stored(database: Database, bad: set[int]) -> None:
    bucket = database.bucket()
    lines = [f"m,device_id=D-{n} a=oops {T}" if n in bad else f"m,device_id=D-{n} a={n} {T}" for n in range(100)]
    refusals = database.writer.write(bucket, lines)
    assert {refusal.index for refusal in refusals} == bad
    assert refusals == sorted(refusals, key=lambda refusal: refusal.index)
    assert all("parse" in refusal.why for refusal in refusals)
    assert {at for at, _ in database.points(bucket)} == {f"m,device_id=D-{n}" for n in range(100) if n not in bad}


def test_a_field_of_another_type_is_refused_and_the_others_stored(database: Database) -> None:
    bucket = database.bucket()
    assert database.writer.write(bucket, [f"m,device_id=D a=1.5 {T}"]) == []
    lines = [f"m,device_id=E a=2.5 {T}", f'm,device_id=F a="text" {T}', f"m,device_id=G a=3.5 {T}"]
    (refusal,) = database.writer.write(bucket, lines)
    assert refusal.index == 1
    assert "type conflict" in refusal.why
    assert {at: fields["a"] for (at, _), fields in database.points(bucket).items()} == {
        "m,device_id=D": 1.5,
        "m,device_id=E": 2.5,
        "m,device_id=G": 3.5,
    }


def test_a_large_batch_is_stored_whole(database: Database) -> None:
    bucket = database.bucket()
    lines = [f"m,device_id=D-{n % 100} a={n},b=1,c=2 {T + n // 100}" for n in range(5_000)]
    assert database.writer.write(bucket, lines) == []
    assert len(database.points(bucket)) == 5_000


def test_without_its_bucket_the_batch_waits(database: Database) -> None:
    with pytest.raises(RetryLater, match="bucket"):
        database.writer.write("nowhere", [f"m a=1 {T}"])


def test_while_it_is_away_the_batch_waits_and_then_is_stored(database: Database) -> None:
    bucket = database.bucket()
    lines = [f"m,device_id=D a=1 {T}"]
    database.away()
    with pytest.raises(RetryLater) as refused:
        database.writer.write(bucket, lines)
    assert refused.value.after_ms > 0
    database.back()

    def stored() -> bool:
        try:
            return database.writer.write(bucket, lines) == []
        except RetryLater:
            return False

    eventually(stored)
    assert len(database.points(bucket)) == 1
