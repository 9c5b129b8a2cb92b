"""The feed's loop and its ledger, with a broker in the test's hand."""

from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.demo import feed as feed_module
from deploy.demo.feed import at_once, at_speed, by_clock, run_feed
from deploy.demo.ledger import Account, Ledger, Report, read_report
from deploy.demo.player import Due, Track
from deploy.demo.publisher import NO_SUBSCRIBER, BrokerError
from deploy.demo.recordings import Message, Unsendable, open_recording
from schemas.instants import DAY_MS
from schemas.topics import MqttTopic
from tests.memory import ManualClock

GOLDEN = Path(__file__).parents[1] / "golden" / "recordings"
NOW_MS = 1_768_435_200_000


class FakePublisher:
    """Takes `limit` messages and answers at each `serve`."""

    def __init__(self, book: Ledger, limit: int = 3) -> None:
        self.book, self.limit = book, limit
        self.waiting: deque[Message] = deque()
        self.answers: dict[str, str] = {}  # by device
        self.silent = False
        self.down = False
        self.reconnects = 0
        self.trouble = ""
        self.most = 0
        self.served = 0
        self.failure: Exception | None = None

    @property
    def unacked(self) -> int:
        return len(self.waiting)

    @property
    def room(self) -> int:
        return 0 if self.down else self.limit - len(self.waiting)

    def send(self, message: Message) -> None:
        assert self.room > 0
        self.waiting.append(message)
        self.most = max(self.most, len(self.waiting))

    def serve(self, timeout_s: float) -> None:
        self.served += 1
        if self.failure:
            raise self.failure
        if not (self.silent or self.down):
            while self.waiting:
                message = self.waiting.popleft()
                self.book.answered(message, self.answers.get(message.topic.device_id, ""))


def message(n: int, *, stream: str = "bike", device_id: str = "S-1", ts_ms: int | None = None) -> Message:
    ts_ms = NOW_MS + n if ts_ms is None else ts_ms
    return Message(ts_ms, MqttTopic(stream, "station", device_id, "reading"), b"{}", 1, (ts_ms,))


def ledger(path: Path | None = None, **rest: Any) -> Ledger:
    return Ledger(Report(started="s", source="t", speed="max", retention_days=30), path, **rest)


def run(dues: list[Due], publisher: FakePublisher, book: Ledger, **rest: Any) -> None:
    run_feed(iter(dues), publisher, book, ManualClock(NOW_MS), **rest)  # type: ignore[arg-type]  # stands in for a Publisher


def test_everything_is_sent_counted_and_never_more_than_the_limit_is_out() -> None:
    book = ledger()
    publisher = FakePublisher(book)
    run([Due(0, message(n)) for n in range(10)], publisher, book)
    account = book.report.streams["bike"]
    assert (account.messages, account.acknowledged, account.readings, account.readings_acknowledged) == (10, 10, 10, 10)
    assert (publisher.most, book.report.state, book.report.missing, book.report.why) == (3, "complete", 0, "")


def test_only_what_is_due_is_sent() -> None:
    book = ledger()
    positions = iter([0.0, 4.0, 5.0, 20.0])
    sent_by: list[int] = []
    run(
        [Due(0, message(0)), Due(5, message(1)), Due(6, message(2))],
        FakePublisher(book),
        book,
        position=lambda: next(positions),
        each_round=lambda: sent_by.append(book.report.streams["bike"].messages),
    )
    assert sent_by == [1, 1, 2, 3]


def test_stopping_takes_no_more_and_waits_for_what_is_out() -> None:
    book = ledger()
    publisher = FakePublisher(book)
    run([Due(0, message(n)) for n in range(100)], publisher, book, stopped=lambda: publisher.served >= 2)
    assert (book.report.state, book.report.streams["bike"].messages, book.report.missing) == ("stopped", 6, 0)


def test_what_is_never_answered_is_missing_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(1_000))
    monkeypatch.setattr(feed_module, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    book = ledger()
    publisher = FakePublisher(book)
    publisher.silent = True
    publisher.trouble = "Connection refused"
    run([Due(0, message(n)) for n in range(2)], publisher, book, patience_s=5)
    assert (book.report.state, book.report.missing) == ("complete", 2)
    assert book.report.why == "2 messages without an answer after 5 s: Connection refused"


def test_a_broker_that_turns_us_away_ends_the_feed_and_the_ledger_says_why(tmp_path: Path) -> None:
    book = ledger(tmp_path / "l.json")
    publisher = FakePublisher(book)
    publisher.failure = BrokerError("it refuses")
    with pytest.raises(BrokerError):
        run([Due(0, message(0))], publisher, book)
    report = read_report(tmp_path / "l.json")
    assert (report.state, report.why, report.missing) == ("failed", "it refuses", 1)


def test_answers_are_kept_apart() -> None:
    book = ledger()
    publisher = FakePublisher(book)
    publisher.answers = {"S-2": NO_SUBSCRIBER, "S-3": "Not authorized"}
    run([Due(0, message(n, device_id=f"S-{n}")) for n in (1, 2, 3, 3)], publisher, book)
    account = book.report.streams["bike"]
    assert (account.messages, account.acknowledged, account.no_subscriber) == (4, 1, 1)
    assert (account.refused, account.missing) == ({"Not authorized": 2}, 3)


def test_repeats_and_what_is_beyond_retention_are_counted_by_reading() -> None:
    book = ledger()
    old = NOW_MS - 30 * DAY_MS
    for one in (
        message(1),
        message(1),
        message(2),
        message(1, device_id="S-2"),
        message(0, ts_ms=old),
        message(0, ts_ms=old - 1),
    ):
        book.sent(one, NOW_MS)
    book.sent(message(1)._replace(readings=3, times=(NOW_MS + 1, NOW_MS + 9, NOW_MS + 9)), NOW_MS)
    account = book.report.streams["bike"]
    assert (account.messages, account.readings, account.repeats, account.beyond_retention) == (7, 9, 3, 1)


def test_without_an_end_nothing_is_remembered() -> None:
    book = ledger(count_repeats=False)
    book.sent(message(1), NOW_MS)
    book.sent(message(1), NOW_MS)
    assert book.report.streams["bike"].repeats == 0


def test_the_file_is_whole_at_any_moment_and_says_all(tmp_path: Path) -> None:
    path = tmp_path / "feeds" / "now.json"
    book = ledger(path)
    book.begin([Track(open_recording(GOLDEN, "waste"), 7 * DAY_MS)])
    book.unsendable("bike", [Unsendable("bike", "there is no such folder")])
    book.sent(message(1), NOW_MS)
    book.save(NOW_MS)
    book.answered(message(1), "")
    book.save(NOW_MS)
    assert [each.name for each in path.parent.iterdir()] == ["now.json"]
    report = read_report(path)
    assert report == book.report
    assert report.streams["waste"] == Account(
        shift_ms=7 * DAY_MS, recorded_from="2025-03-09T06:58:00.000Z", recorded_to="2025-11-02T07:10:00.000Z"
    )
    assert report.streams["bike"].first == "2026-01-15T00:00:00.001Z"
    assert [part["stream"] for part in report.unsendable] == ["waste", "waste", "waste", "bike"]
    assert len(report.notes) == 2


@pytest.mark.parametrize("text", ["", "{}", '{"started": 1}', "[]"])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match="validation error"):
        read_report(tmp_path / "x.json")


def test_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert at_once() == float("inf")
    moments = iter([10.0, 10.0, 12.5])
    monkeypatch.setattr(feed_module, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    at_sixty = at_speed(60)
    assert (at_sixty(), at_sixty()) == (0, 150_000)
    clock = ManualClock(NOW_MS)
    with_clock = by_clock(clock, NOW_MS)
    clock.advance(1_500)
    assert with_clock() == 1_500
