"""Where the player puts a recording in time, and how several run beside each other."""

from collections.abc import Iterator

import pytest

from deploy.demo.player import Track, put, together, whole_weeks
from deploy.demo.recordings import Message, Period, Unsendable
from schemas.device import Device
from schemas.instants import DAY_MS, HOUR_MS, WEEK_MS, from_ms, parse_rfc3339
from schemas.topics import MqttTopic

NOW_MS = parse_rfc3339("2026-11-24T09:00:00Z")
TOPIC = MqttTopic("bike", "station", "S-1", "reading")


class Recorded:
    """A recording of given sending times."""

    notes: tuple[str, ...] = ()
    unsendable: tuple[Unsendable, ...] = ()

    def __init__(self, *times: int, stream: str = "bike") -> None:
        self.stream = stream
        self.times = times
        self.period = Period(min(times), max(times))

    def devices(self) -> list[Device]:
        return []

    def messages(self, shift_ms: int) -> Iterator[Message]:
        return (
            Message(at_ms + shift_ms, TOPIC._replace(stream=self.stream), b"{}", 1, (at_ms + shift_ms,)) for at_ms in self.times
        )


@pytest.mark.parametrize(
    "recorded",
    [
        "2014-06-17T20:41:00Z",
        "2026-11-24T09:00:00Z",  # now itself stays
        "2026-11-24T09:00:00.001Z",  # a moment later goes back a week
        "2026-11-17T09:00:00Z",
        "2031-02-03T04:05:06Z",  # a deployment's clock may run before the recording
        "1969-12-31T23:59:59Z",
    ],
)
def test_the_end_is_moved_into_the_week_that_ends_now_and_keeps_its_weekday_and_hour(recorded: str) -> None:
    last_ms = parse_rfc3339(recorded)
    shift_ms = whole_weeks(last_ms, NOW_MS)
    assert shift_ms % WEEK_MS == 0
    assert NOW_MS - WEEK_MS < last_ms + shift_ms <= NOW_MS
    before, after = from_ms(last_ms), from_ms(last_ms + shift_ms)
    assert (before.weekday(), before.time()) == (after.weekday(), after.time())


def test_all_of_a_recording_is_moved_by_one_number() -> None:
    track = put(Recorded(0, 100 * DAY_MS, 400 * DAY_MS), NOW_MS)
    moved = [message.at_ms for message in track.messages()]
    assert [at_ms - track.shift_ms for at_ms in moved] == [0, 100 * DAY_MS, 400 * DAY_MS]
    assert track.period == Period(moved[0], moved[-1])


def test_keep_time_moves_nothing() -> None:
    track = put(Recorded(5, 7), NOW_MS, keep_time=True)
    assert [message.at_ms for message in track.messages()] == [5, 7]


def test_the_last_days_count_from_the_recordings_own_end() -> None:
    recorded = Recorded(0, 9 * DAY_MS - 1, 9 * DAY_MS, 10 * DAY_MS)
    for keep_time in (False, True):
        track = put(recorded, NOW_MS, last_days=1, keep_time=keep_time)
        assert [message.at_ms - track.shift_ms for message in track.messages()] == [9 * DAY_MS, 10 * DAY_MS]
        assert track.period.first_ms - track.shift_ms == 9 * DAY_MS


def test_more_days_than_there_are_is_all_of_it() -> None:
    track = put(Recorded(0, DAY_MS), NOW_MS, last_days=1_000)
    assert len(list(track.messages())) == 2
    assert track.period.first_ms == track.shift_ms


def test_what_lies_before_the_retention_is_told_in_days() -> None:
    track = put(Recorded(0, 40 * DAY_MS), 40 * DAY_MS)
    assert track.days_before(NOW_MS - 30 * DAY_MS) == 40  # all of it
    assert track.days_before(track.shift_ms + 10 * DAY_MS) == 10
    assert track.days_before(track.shift_ms) == 0
    assert put(Recorded(0, 40 * DAY_MS), 40 * DAY_MS, last_days=35).days_before(10 * DAY_MS) == 5


def test_tracks_begin_together_and_are_merged_by_the_time_since_then() -> None:
    early, late = Recorded(0, 2 * HOUR_MS, 9 * HOUR_MS), Recorded(5 * DAY_MS, 5 * DAY_MS + HOUR_MS, stream="heat")
    dues = list(together([Track(early, WEEK_MS), Track(late, 0)]))
    assert [(due.at_ms // HOUR_MS, due.message.topic.stream) for due in dues] == [
        (0, "bike"),
        (0, "heat"),
        (1, "heat"),
        (2, "bike"),
        (9, "bike"),
    ]
    assert [due.message.at_ms for due in dues] == [
        WEEK_MS,
        5 * DAY_MS,
        5 * DAY_MS + HOUR_MS,
        WEEK_MS + 2 * HOUR_MS,
        WEEK_MS + 9 * HOUR_MS,
    ]


def test_a_track_without_messages_and_no_track_at_all_are_nothing() -> None:
    assert list(together([])) == []
    assert list(together([Track(Recorded(1), 0, from_ms=2)])) == []
