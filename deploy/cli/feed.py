"""`hanan feed`: plays recordings, or makes readings up, and sends them to the broker as gateways do."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

from deploy import durations
from deploy.cli.common import USAGE, Json, clear_errors, fail, print_json
from deploy.clock import SystemClock, deployment_clock
from deploy.demo.feed import Position, at_once, at_speed, by_clock, run_feed
from deploy.demo.generator import generate
from deploy.demo.ledger import FAILED, Ledger, Report
from deploy.demo.player import Due, Track, put, together
from deploy.demo.publisher import Broker, BrokerError, Publisher
from deploy.demo.recordings import NAMES, RecordingError, Unsendable, open_recording, present
from deploy.native.endpoints import endpoints
from deploy.registry_file import RegistryError, load_devices
from deploy.settings import Settings
from deploy.stop import Stop
from schemas.instants import DAY_MS, format_rfc3339

T = TypeVar("T")

DATA_VARIABLE = "HANAN_DATA"
_BESIDE = Path(__file__).parents[3] / "shared" / "data"  # beside the repository
_LIVE_DAYS = 2.0
CONNECT_S = 10.0
_REDRAWN_S = 0.25
_GATEWAY = "gateway"
EPILOG = "Examples: hanan feed --speed max · hanan feed --recording bike --speed 600 --last 1 · hanan feed --generate --for 10m"


class _Source(NamedTuple):
    """What is sent, and how its time runs."""

    dues: Iterator[Due]
    position: Position
    tracks: Sequence[Track]


def default_data() -> Path:
    return Path(os.environ.get(DATA_VARIABLE) or _BESIDE)


def feed(
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help=f"The recordings; default ${DATA_VARIABLE}, else ../shared/data beside us.")
    ] = None,
    recording: Annotated[list[str] | None, typer.Option(metavar="|".join(NAMES), help="Only this one; may be repeated.")] = None,
    speed: Annotated[str, typer.Option(metavar="N|max", help="Recorded seconds in each real one, or as fast as it goes.")] = "60",
    last: Annotated[
        float | None,
        typer.Option(metavar="DAYS", min=0.01, help=f"Only the end of each; default all with max, else {_LIVE_DAYS:g} days."),
    ] = None,
    keep_time: Annotated[bool, typer.Option("--keep-time", help="Leave the recorded times as they are.")] = False,
    generated: Annotated[bool, typer.Option("--generate", help="Make readings up for the devices of the registry.")] = False,
    for_: Annotated[str, typer.Option("--for", metavar="2m", help="End after this long.")] = "",
    ledger: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write what was sent.")] = None,
    url: Annotated[str, typer.Option(metavar="mqtt://USER:PASSWORD@HOST:PORT", help="Another broker than the settings'.")] = "",
    as_json: Json = False,
) -> None:
    """Send readings over MQTT: recordings, moved by whole weeks to the present, or made-up ones.

    The recorded devices must be in the registry. Ctrl-C ends in order; what was sent is written down for `hanan reconcile`.
    Exit code 1 when something was not acknowledged or could not be sent.
    """
    with clear_errors() as settings:
        seconds = _usage(lambda: durations.seconds(for_), "--for") if for_ else float("inf")
        pace = _usage(lambda: _speed(speed), "--speed")
        names = recording or list(NAMES)
        if unknown := sorted(set(names) - set(NAMES)):
            fail(f"--recording: there is no {unknown[0]!r}; there are {', '.join(NAMES)}", USAGE)
        if generated and (recording or last or keep_time or data):
            fail("--generate makes readings up; --data, --recording, --last and --keep-time are for recordings", USAGE)
        broker = _usage(lambda: _broker(url), "--url") if url else _own_broker(settings)
        clock = deployment_clock(settings)
        started_ms = clock.now_ms()
        if last is None and pace is not None:
            last = _LIVE_DAYS
        report = Report(
            started=format_rfc3339(started_ms),
            source="generator" if generated else str(data or default_data()),
            speed="clock" if generated else speed,
            retention_days=settings.readings_retention_days,
            last_days=None if generated else last,
            keep_time=keep_time,
        )
        path = ledger or settings.home / "feeds" / f"{report.started.replace(':', '')}.json"
        book = Ledger(report, path, count_repeats=not generated)
        if generated:
            source = _made_up(settings, clock, started_ms)
        else:
            required = recording is not None
            tracks = _open(data or default_data(), names, book, started_ms, last, keep_time=keep_time, required=required)
            source = _Source(together(tracks), at_once if pace is None else at_speed(pace), tracks)
        book.begin(source.tracks)
        book.save(started_ms)
        if ledger is None:
            _point_latest_to(path)
        _run(source, broker, book, clock, time.monotonic() + seconds)
    _show_end(book, path, as_json)
    if report.missing or report.unsendable or report.why:
        raise typer.Exit(1)


def _point_latest_to(path: Path) -> None:
    """`feeds/latest.json` is the newest ledger, also while the feed still runs."""
    fresh = path.with_name(".latest.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(path.name)
    fresh.replace(path.with_name("latest.json"))


def _usage(value: Callable[[], T], option: str) -> T:
    try:
        return value()
    except ValueError as error:
        fail(f"{option}: {error}", USAGE)


def _speed(text: str) -> float | None:
    """None is as fast as it goes."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ValueError(f"{text!r} is neither a number above 0 nor max")
    return speed


def _broker(url: str) -> Broker:
    parts = urlsplit(url)
    if parts.scheme != "mqtt" or not parts.hostname:
        raise ValueError("wanted mqtt://user:password@host:port")
    return Broker(parts.hostname, parts.port or 1883, unquote(parts.username or ""), unquote(parts.password or ""))


def _own_broker(settings: Settings) -> Broker:
    places = endpoints(settings)
    login = places.mqtt_login(_GATEWAY)
    return Broker(places.mqtt_host, places.mqtt_port, login.user, login.password)


def _made_up(settings: Settings, clock: SystemClock, started_ms: int) -> _Source:
    try:
        devices = load_devices(settings.registry)
    except RegistryError as error:
        fail(str(error))
    return _Source(generate(devices, started_ms), by_clock(clock, started_ms), [])


def _open(
    data: Path, names: Sequence[str], book: Ledger, now_ms: int, last: float | None, *, keep_time: bool, required: bool
) -> list[Track]:
    """What can be played. What cannot goes into the ledger, and to the terminal; nothing at all ends the command."""
    if not present(data):
        fail(f"there are no recordings in {data}; name their folder with --data or {DATA_VARIABLE}, or use --generate")
    tracks = []
    for name in names:
        try:
            tracks.append(put(open_recording(data, name), now_ms, last_days=last, keep_time=keep_time))
        except RecordingError as error:
            if required:
                fail(str(error))
            book.unsendable(name, [Unsendable(name, str(error))])
    days = book.report.retention_days
    for track in tracks:
        beyond = track.days_before(now_ms - days * DAY_MS)
        if beyond:
            line = f"{beyond:.0f} days of it lie beyond the {days} days that readings are kept, and will be dead letters"
            book.report.notes.append(f"{track.recording.stream}: {line}")
    return tracks


def _run(source: _Source, broker: Broker, book: Ledger, clock: SystemClock, deadline: float) -> None:
    publisher = Publisher(broker, book.answered)
    stop = Stop()
    try:
        publisher.connect(CONNECT_S)
        with _progress(source, publisher, book) as redraw:
            run_feed(
                source.dues,
                publisher,
                book,
                clock,
                position=source.position,
                stopped=lambda: stop() or time.monotonic() > deadline,
                each_round=redraw,
            )
    except BrokerError as error:
        book.report.state, book.report.why = FAILED, str(error)
        book.save(clock.now_ms())
        fail(str(error))
    finally:
        publisher.close()


@contextmanager
def _progress(source: _Source, publisher: Publisher, book: Ledger) -> Iterator[Callable[[], None]]:
    """A live table at a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    rates = _Rates()
    shifts = {track.recording.stream: track.shift_ms for track in source.tracks}
    due_s = 0.0
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:

        def redraw() -> None:
            nonlocal due_s
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + _REDRAWN_S
                live.update(_live_table(book, publisher, rates, shifts), refresh=True)

        yield redraw


class _Rates:
    """Messages a second between two looks, a little smoothed."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, int, float]] = {}

    def of(self, stream: str, messages: int) -> float:
        now = time.monotonic()
        at, count, rate = self._before.get(stream, (now, messages, 0.0))
        if now > at:
            rate += 0.4 * ((messages - count) / (now - at) - rate)
        self._before[stream] = now, messages, rate
        return rate


def _live_table(book: Ledger, publisher: Publisher, rates: _Rates, shifts: dict[str, int]) -> RenderableType:
    thrown_away = book.report.missing - publisher.unacked
    trouble = f", {thrown_away:,} thrown away by the broker" if thrown_away else ""
    trouble += f", waiting for the broker: {publisher.trouble}" if publisher.trouble else ""
    table = Table(caption=f"{publisher.unacked} unacknowledged{trouble}   Ctrl-C ends", header_style="bold")
    table.add_column("stream")
    for title in ("messages", "per s", "acknowledged", "readings", "recorded"):
        table.add_column(title, justify="right")
    for stream, account in book.report.streams.items():
        position_ms = book.position_ms(stream)
        recorded = "" if position_ms is None else format_rfc3339(position_ms - shifts.get(stream, 0))[:16]
        rate = f"{rates.of(stream, account.messages):,.0f}"
        table.add_row(stream, f"{account.messages:,}", rate, f"{account.acknowledged:,}", f"{account.readings:,}", recorded)
    return table


def _show_end(book: Ledger, path: Path, as_json: bool) -> None:
    report = book.report
    if as_json:
        print_json(book.as_json() | {"ledger": str(path)})
        return
    table = Table(title=f"feed {report.state}", header_style="bold")
    table.add_column("stream")
    for title in ("messages", "acknowledged", "readings", "repeats", "too old", "weeks"):
        table.add_column(title, justify="right")
    for stream, account in report.streams.items():
        numbers = (account.messages, account.acknowledged, account.readings, account.repeats, account.beyond_retention)
        table.add_row(stream, *(f"{number:,}" for number in numbers), f"{account.shift_ms // (7 * DAY_MS):,}")
    Console().print(table)  # weeks: how many the recording was moved by
    lines = [*report.notes, report.why and f"{report.state}: {report.why}"]
    for stream, account in report.streams.items():
        if account.no_subscriber:
            lines.append(f"{stream}: nobody was there to take {account.no_subscriber:,} messages; does `hanan run collect` run?")
        lines += [f"{stream}: {count:,} messages refused by the broker: {why}" for why, count in account.refused.items()]
    lines += [f"not sent: {part['stream']} {part['where']}: {part['why']}" for part in report.unsendable[:20]]
    if len(report.unsendable) > 20:  # noqa: PLR2004
        lines.append(f"not sent: {len(report.unsendable) - 20:,} more, see the ledger")
    lines.append(f"ledger: {path}")
    sys.stdout.write("\n".join(line for line in lines if line) + "\n")
