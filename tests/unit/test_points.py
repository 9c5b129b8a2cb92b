from processors.points import line
from schemas.reading import Reading

WHOLE = Reading("heat", "indoor", "RM-1", 1_000, 2_000, {"temp_c": 21.0, "n": 3, "open": True, "state": "idle"}, {})


def test_every_type_is_written_as_itself() -> None:
    assert (
        line(WHOLE) == 'heat_indoor,device_id=RM-1 temp_c=21.0,n=3i,open=true,state="idle",quality="good",reasons="-" 1000000000'
    )


def test_quality_and_its_reasons_are_fields() -> None:
    suspect = WHOLE._replace(values={"temp_c": 90.5}, flags={"temp_c": "out_of_range", "p": "sentinel"})
    assert line(suspect) == (
        'heat_indoor,device_id=RM-1 temp_c=90.5,quality="suspect",reasons="temp_c:out_of_range,p:sentinel" 1000000000'
    )


def test_a_reading_of_sentinels_only_is_a_point_without_values() -> None:
    nothing = WHOLE._replace(values={}, flags={"p": "sentinel"})
    assert line(nothing) == 'heat_indoor,device_id=RM-1 quality="suspect",reasons="p:sentinel" 1000000000'


def test_text_cannot_break_out_of_its_field() -> None:
    quoted = WHOLE._replace(values={"state": 'a"b\\c'})
    assert 'state="a\\"b\\\\c",quality' in line(quoted)


def test_two_events_in_one_millisecond_stay_two_and_a_repeat_stays_one() -> None:
    first, second = WHOLE._replace(event_id="E1"), WHOLE._replace(event_id="E2")
    times = [int(line(event).rsplit(" ", 1)[1]) for event in (first, second, first)]
    assert times[0] != times[1]
    assert times[0] == times[2]
    assert all(time // 1_000_000 == 1_000 for time in times)
