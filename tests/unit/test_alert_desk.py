"""Who is told of what, when, how often; and not twice."""

from processors.notify.desk import Desk
from processors.notify.routes import Routes
from processors.notify.texts import message, webhook_body
from processors.rules.load import load_book
from processors.rules.seasons import CityClock
from schemas.alert import Alert, Severity, State
from schemas.instants import MINUTE_MS

T = 1_768_435_200_000
BOOK = load_book()


def alert(number: int = 1, **more: object) -> Alert:
    base = Alert(
        "heat-room-cold", f"RM-00{number}", State.FIRING, n=1, at_ms=T, onset_ms=T, fired_ms=T, severity=Severity.MEDIUM,
        stream="heat", kind="indoor", zone="old-town", site="HX-001", name=f"Flat {number}", values={"temp_c": 18.25},
    )  # fmt: skip
    return base._replace(**more)  # type: ignore[arg-type]


def desk(*routes: dict[str, object]) -> Desk:
    given = [{"name": f"route-{n}", "to": ["log://"]} | route for n, route in enumerate(routes)]
    return Desk(Routes.model_validate({"routes": given}), BOOK.rules, CityClock("Asia/Shanghai"))


def tell(one: Desk, now_ms: int) -> list[tuple[str, int]]:
    """Hands over all that is due: routes, and how many alerts in each message."""
    told = []
    for notice in one.due(now_ms):
        one.handed_over(notice, now_ms)
        told.append((notice.route.name, len(notice.alerts)))
    return told


def test_once_for_each_change_that_matters() -> None:
    one = desk({})
    one.take(alert())
    assert tell(one, T) == [("route-0", 1)]
    assert tell(one, T + 1) == []
    one.take(alert(n=2, severity=Severity.HIGH))
    assert tell(one, T + 2) == [("route-0", 1)]
    one.take(alert(n=3, state=State.RESOLVED, severity=Severity.HIGH))
    assert tell(one, T + 3) == [("route-0", 1)]
    assert tell(one, T + 4) == []


def test_a_successor_who_reads_what_was_told_tells_nothing_again() -> None:
    one, two = desk({}), desk({})
    one.take(alert())
    two.take(alert())
    for notice in one.due(T):
        for key, value in one.handed_over(notice, T):
            two.take_told(key, value)
    assert tell(two, T + 1) == []


def test_what_was_never_told_is_not_resolved_to_anybody() -> None:
    one = desk({})
    one.take(alert(state=State.SUPPRESSED, why="inhibited"))
    assert tell(one, T) == []
    one.take(alert(n=2, state=State.RESOLVED))
    assert tell(one, T + 1) == []


def test_a_burst_in_one_place_is_one_message() -> None:
    one = desk({"group_wait": "10s"})
    for number in range(1, 6):
        one.take(alert(number))
    one.take(alert(7, zone="new-town"))
    assert tell(one, T) == []
    assert sorted(tell(one, T + 10_000)) == [("route-0", 1), ("route-0", 5)]


def test_repeated_until_somebody_acknowledges() -> None:
    one = desk({"repeat": "30m"})
    one.take(alert())
    assert tell(one, T) == [("route-0", 1)]
    assert tell(one, T + 30 * MINUTE_MS) == [("route-0", 1)]
    one.take(alert(n=2, state=State.ACKNOWLEDGED, acked=True))
    assert tell(one, T + 90 * MINUTE_MS) == []


def test_escalated_when_nobody_has_acknowledged() -> None:
    one = desk({}, {"after": "20m", "least": "medium"})
    one.take(alert())
    assert tell(one, T) == [("route-0", 1)]
    assert tell(one, T + 20 * MINUTE_MS) == [("route-1", 1)]


def test_routed_by_stream_zone_severity_audience_and_hour() -> None:
    wrong: list[dict[str, object]] = [
        {"streams": ["bike"]}, {"zones": ["riverside"]}, {"least": "high"}, {"audience": ["fire"]},
        {"hours": {"from": "22:00", "to": "06:00"}},
    ]  # fmt: skip
    one = desk(*wrong, {"streams": ["heat"], "audience": ["heat"], "least": "medium"})
    one.take(alert())
    assert tell(one, T) == [("route-5", 1)]  # it is eight in the morning


def test_a_route_that_fails_is_tried_again_later_and_later_and_the_others_do_not_wait() -> None:
    one = desk({}, {})
    one.take(alert())
    first, second = one.due(T)
    one.handed_over(second, T)
    assert one.failed(first, T) == 5_000
    assert one.due(T + 4_999) == []
    (again,) = one.due(T + 5_000)
    assert one.failed(again, T + 5_000) == 10_000
    assert tell(one, T + 15_000) == [("route-0", 1)]


def test_after_an_outage_people_hear_what_is_so_now() -> None:
    one = desk({})
    one.take(alert())
    (notice,) = one.due(T)
    one.failed(notice, T)
    one.take(alert(n=2, state=State.RESOLVED))
    assert one.due(T + MINUTE_MS) == []


def test_both_languages_say_what_where_since_when_and_what_to_do() -> None:
    for language, words in (("zh", ["【中】Flat 1 室温 18.25 ℃", "old-town HX-001 RM-001", "01-15 08:00", "上门测温"]),
                            ("en", ["[MEDIUM] Flat 1 has 18.25 Cel", "Where:", "Do: Measure on site"])):  # fmt: skip
        text = message([(alert(), BOOK.rules["heat-room-cold"])], language, "Asia/Shanghai")
        assert all(word in text.title + text.body for word in words)


def test_a_webhook_has_the_documented_fields() -> None:
    body = webhook_body(alert(), BOOK.rules["heat-room-cold"], "crew")
    assert {"version", "id", "n", "state", "rule", "subject", "severity", "onset_ms", "values", "summary", "todo"} <= body.keys()
    assert body["summary"]["en"] == "Flat 1 has 18.25 Cel, below the duty of 20"  # type: ignore[index]
