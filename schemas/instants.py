"""Time inside is integer milliseconds since 1970 in UTC; text and aware datetimes exist only at the edge."""

from datetime import UTC, datetime, timedelta

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds of an aware datetime, exact (no float on the way). A naive one is refused: ValueError."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no offset from UTC")
    delta = moment - _EPOCH
    return delta.days * DAY_MS + delta.seconds * SECOND_MS + delta.microseconds // 1_000


def parse_rfc3339(text: str) -> int:
    """Milliseconds of an RFC 3339 time such as `2026-01-15T08:00:00+08:00`; ValueError if it is none or lacks its offset."""
    if "T" not in text and "t" not in text and " " not in text:
        raise ValueError(f"{text!r} is not a date and time")
    return to_ms(datetime.fromisoformat(text))


def format_rfc3339(ms: int) -> str:
    """`2026-01-15T00:00:00.000Z`; ValueError outside the years 1 to 9999."""
    moment = from_ms(ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def from_ms(ms: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError as error:
        raise ValueError(f"{ms} ms is outside the years 1 to 9999") from error
