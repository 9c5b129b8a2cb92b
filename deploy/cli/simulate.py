"""`hanan simulate`: the simulated district, as MQTT or into a file."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, cast
from urllib.parse import unquote, urlsplit

import typer

from deploy.cli.common import USAGE, Json, clear_errors, fail, print_json
from deploy.clock import deployment_clock
from deploy.demo.city.city import STREAMS, City
from deploy.demo.city.connections import Connections, speakers
from deploy.demo.city.district import DEFAULT, District, DistrictError, load_district
from deploy.demo.city.plan import plan_city
from deploy.demo.city.registry import district_devices, write_registry
from deploy.demo.city.scale import Copies, scaled_devices
from deploy.demo.feed import Position, at_speed, by_clock, run_feed
from deploy.demo.ledger import Ledger, Report
from deploy.demo.player import Due
from deploy.demo.publisher import Acknowledged, Broker, BrokerError, Publisher
from deploy.demo.recordings.recording import Message
from deploy.native.endpoints import endpoints
from deploy.native.stack import Stack
from deploy.settings import Settings
from deploy.stop import Stop
from schemas.instants import DAY_MS, MINUTE_MS, format_rfc3339, parse_rfc3339
from schemas.ports import Clock
from schemas.streams import STREAMS as DECLARED

EPILOG = (
    "Examples: hanan simulate · hanan simulate --start 2026-07-20T00:00:00+08:00 --days 7 --out july.txt · "
    "hanan simulate --faults random:20 --days 7 --truth truth.jsonl"
)
_TRUTH_S = 5.0
_SAY_S = 15.0
_CONNECT_S = 10.0
_IN_FLIGHT = 1_000

Connect = Callable[[Acknowledged], Publisher | Connections]


def simulate(
    *,
    seed: Annotated[int, typer.Option(help="Another seed is another run: other weather, trips, noise and faults.")] = 1,
    start: Annotated[str, typer.Option(metavar="TIME", help="RFC 3339; default the deployment's present.")] = "",
    days: Annotated[float | None, typer.Option(min=0.001, help="Simulated days until it ends; default it goes on.")] = None,
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="Simulated seconds in each real one until the present is reached; see below.")
    ] = "max",
    faults: Annotated[str, typer.Option(metavar="FILE|random:N", help="What goes wrong, and when; default nothing.")] = "",
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write what was really wrong, as JSON lines.")
    ] = None,
    scale: Annotated[int, typer.Option(min=1, max=999, help="So many times the district's devices, for load.")] = 1,
    interval: Annotated[int, typer.Option(min=0, help="All devices report every so many seconds; 0: as in the district.")] = 0,
    stream: Annotated[list[str] | None, typer.Option(metavar="|".join(STREAMS), help="Only this one; may be repeated.")] = None,
    district: Annotated[Path, typer.Option(metavar="FILE", help="Numbers and places of the district.")] = DEFAULT,
    registry: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the district's devices and end.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write messages here instead of sending them; - is here.")
    ] = None,
    url: Annotated[str, typer.Option(metavar="mqtt://USER:PASSWORD@HOST:PORT", help="Another broker than the settings'.")] = "",
    fleet: Annotated[
        bool,
        typer.Option("--fleet", help="A connection and login for each gateway and each device without one, not one for all."),
    ] = False,
    ledger: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write what was sent.")] = None,
    as_json: Json = False,
) -> None:
    """Simulate the district: weather, bicycles, waste, heat and drainage, their sensors and their faults.

    Time is that of the deployment (HANAN_CLOCK_START, HANAN_CLOCK_RATE). A start in the past is sent at once, or with --speed so
    many times as fast as the clock, until the present is reached; from there on it goes with the clock. The same district, seed,
    start, days and faults make the same bytes.
    """
    with clear_errors() as settings:
        try:
            place = _with_interval(load_district(district), interval)
            if registry is not None:
                devices = district_devices(place, scale)
                write_registry(registry, devices)
                sys.stdout.write(
                    f"{len(devices):,} devices written to {registry}; load them with `hanan devices load {registry}`\n"
                )
                return
            pace = _pace(speed)
            city = _city(place, seed, start, days, faults, stream or [], settings)
        except (DistrictError, ValueError) as error:
            fail(str(error), USAGE)
        with closing(city):
            end_ms = None if days is None else city.start_ms + round(days * DAY_MS)
            if truth is not None:
                city.write_truth(truth)
            messages = _flatten(Copies(scale).minutes(city.minutes(end_ms), city.start_ms))
            if out is not None:
                _write(messages, out)
            else:
                names = speakers(scaled_devices(city.devices, scale)) if fleet else {}
                make = _fleet(settings, url, names) if fleet else _single(settings, url)
                _send(city, messages, make, settings, pace, truth, ledger, as_json)
            if truth is not None:
                city.conditions.close(city.now_ms)
                city.write_truth(truth)


def _city(
    place: District, seed: int, start: str, days: float | None, faults: str, streams: list[str], settings: Settings
) -> City:
    if unknown := sorted(set(streams) - set(STREAMS)):
        raise ValueError(f"--stream: there is no {unknown[0]!r}; there are {', '.join(STREAMS)}")
    start_ms = _instant(start) if start else deployment_clock(settings).now_ms()
    city = City(place, seed, start_ms, streams=streams or STREAMS, plan=plan_city(place))
    if faults.startswith("random:"):
        if days is None:
            raise ValueError("--faults random:N needs --days: faults are drawn over the whole time")
        if not faults.removeprefix("random:").isdigit():
            raise ValueError(f"--faults: {faults!r} is not random: and a number")
        city.draw_faults(wanted := int(faults.removeprefix("random:")), days)
        if len(city.faults) < wanted:
            sys.stderr.write(f"{days:g} days have room for {len(city.faults)} faults that can be seen and told apart\n")
    elif faults:
        city.load_faults(Path(faults))
    return city


def _instant(text: str) -> int:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise ValueError(f"--start: {text!r} is no time such as 2026-01-12T00:00:00+08:00") from error


def _pace(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ValueError(f"--speed: {text!r} is neither a number above 0 nor max")
    return speed


def _with_interval(place: District, interval: int) -> District:
    if not interval:
        return place
    kinds = {f"{stream.name}/{kind.name}": interval for stream in DECLARED for kind in stream.kinds}
    return place.model_copy(update={"intervals_s": kinds})


def _flatten(minutes: Iterator[list[Message]]) -> Iterator[Message]:
    for minute in minutes:
        yield from minute


def _write(messages: Iterator[Message], out: Path) -> None:
    """A line a message: when it leaves, its topic, its payload."""
    sink = sys.stdout.buffer if str(out) == "-" else out.open("wb")
    try:
        for message in messages:
            sink.write(b"%d %s %s\n" % (message.at_ms, str(message.topic).encode(), message.payload))
    except BrokenPipeError:
        sys.stderr.close()  # the reader has seen enough
    finally:
        if sink is not sys.stdout.buffer:
            sink.close()


def _broker(url: str) -> Broker:
    parts = urlsplit(url)
    if parts.scheme != "mqtt" or not parts.hostname:
        fail("--url: wanted mqtt://user:password@host:port", USAGE)
    return Broker(parts.hostname, parts.port or 1883, unquote(parts.username or ""), unquote(parts.password or ""))


def _own_broker(settings: Settings) -> Broker:
    places = endpoints(settings)
    login = places.mqtt_login("gateway")
    return Broker(places.mqtt_host, places.mqtt_port, login.user, login.password)


def _single(settings: Settings, url: str) -> Connect:
    """Everything over one connection, as one gateway that may speak for all."""
    broker = _broker(url) if url else _own_broker(settings)
    return lambda answered: Publisher(broker, answered, limit=_IN_FLIGHT)


def _fleet(settings: Settings, url: str, names: Mapping[str, str]) -> Connect:
    """Gateways log in as such; every other device as itself, where the broker is ours to admit it."""
    shared = _broker(url) if url else _own_broker(settings)
    own: dict[str, Broker] = {}
    if not url and not settings.mqtt_url:
        alone = [device for device, speaker in names.items() if device == speaker]
        logins = Stack(settings).admit(*alone)
        own = {name: Broker(shared.host, shared.port, name, secret) for name, secret in logins.items()}
    return lambda answered: Connections(names, lambda name: own.get(name, shared), answered)


def _send(
    city: City,
    messages: Iterator[Message],
    make: Connect,
    settings: Settings,
    pace: float | None,
    truth: Path | None,
    ledger: Path | None,
    as_json: bool,
) -> None:
    clock = deployment_clock(settings)
    if city.start_ms > clock.now_ms() + MINUTE_MS:
        wanted = format_rfc3339(city.start_ms)
        fail(
            f"{wanted} lies in the future of the deployment's clock; set HANAN_CLOCK_START to it for all of the deployment", USAGE
        )
    report = Report(
        started=format_rfc3339(clock.now_ms()),
        source="simulated city",
        speed="clock" if pace is None else f"{pace:g}",
        retention_days=settings.readings_retention_days,
    )
    path = ledger or settings.home / "feeds" / f"{report.started.replace(':', '')}.json"
    book = Ledger(report, path, count_repeats=False)
    publisher, stop = make(book.answered), Stop()
    dues = (Due(message.at_ms - city.start_ms, message) for message in messages)
    chores = _Chores(city, clock, publisher, book, truth)
    try:
        publisher.connect(_CONNECT_S)
        position = _up_to_now(clock, city.start_ms, pace)
        run_feed(dues, cast("Publisher", publisher), book, clock, position=position, stopped=stop, each_round=chores)
    except BrokerError as error:
        fail(str(error))
    finally:
        publisher.close()
    _report(book, path, as_json)
    if report.missing or report.why:
        raise typer.Exit(1)


def _up_to_now(clock: Clock, start_ms: int, pace: float | None) -> Position:
    """Never beyond the deployment's present, and no faster towards it than asked for."""
    present = by_clock(clock, start_ms)
    if pace is None:
        return present
    moving = at_speed(pace)
    return lambda: min(present(), moving())


class _Chores:
    """Between two batches: the truth file, and a sign of life."""

    def __init__(self, city: City, clock: Clock, publisher: Publisher | Connections, book: Ledger, truth: Path | None) -> None:
        self._city, self._clock, self._publisher, self._book, self._truth = city, clock, publisher, book, truth
        self._next_truth = self._next_say = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if self._truth is not None and now >= self._next_truth:
            self._next_truth = now + _TRUTH_S
            self._city.write_truth(self._truth)
        if now >= self._next_say:
            self._next_say = now + _SAY_S
            behind_s = max(0, self._clock.now_ms() - self._city.now_ms) / 1_000
            sent = sum(account.messages for account in self._book.report.streams.values())
            trouble = f"; {self._publisher.trouble}" if self._publisher.trouble else ""
            late = f", {behind_s:,.0f} s behind the clock" if behind_s > 2 * MINUTE_MS / 1_000 else ""
            sys.stderr.write(f"simulated to {format_rfc3339(self._city.now_ms)[:16]}Z, {sent:,} messages{late}{trouble}\n")


def _report(book: Ledger, path: Path, as_json: bool) -> None:
    if as_json:
        print_json(book.as_json() | {"ledger": str(path)})
        return
    for name, account in book.report.streams.items():
        silent = account.missing - account.no_subscriber
        thrown = f", {account.no_subscriber:,} thrown away by the broker: nobody subscribes" if account.no_subscriber else ""
        sys.stdout.write(f"{name:9} {account.messages:>12,} messages, {silent:,} without an answer{thrown}\n")
    sys.stdout.write(f"{book.report.state}; ledger: {path}\n")
