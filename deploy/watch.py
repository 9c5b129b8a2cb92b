"""What the running roles say of themselves, sampled and turned into what a person wants to know. Pure but for `scrape`."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from deploy.metrics import PREFIX
from schemas.fields import READINGS
from schemas.streams import BY_NAME

Labels = tuple[tuple[str, str], ...]
Series = Mapping[tuple[str, Labels], float]

MINUTE_MS = 60_000


class Used(NamedTuple):
    """What a process has used: CPU since its start, memory now."""

    cpu_seconds: float
    resident_bytes: int


@dataclass(frozen=True)
class Sample:
    """All series of all roles at one moment. Counters of a role that died are gone with it; `Watch` keeps what they had."""

    at_ms: int
    series: Series
    lag: Mapping[str, int] = field(default_factory=dict)  # by stream, of what devices sent, over all groups
    servers: Mapping[str, Used | None] = field(default_factory=dict)  # the native ones; None is one that should run and does not

    def total(self, name: str, **labels: str) -> float:
        wanted = set(labels.items())
        return sum(value for (found, have), value in self.series.items() if found == name and wanted <= set(have))

    def latest(self, name: str, **labels: str) -> float | None:
        wanted = set(labels.items())
        values = [value for (found, have), value in self.series.items() if found == name and wanted <= set(have)]
        return max(values, default=None)

    def by_label(self, name: str, label: str, **labels: str) -> Counter[str]:
        wanted = set(labels.items())
        found: Counter[str] = Counter()
        for (metric, have), value in self.series.items():
            if metric == name and wanted <= set(have):
                found[dict(have).get(label, "")] += int(value)
        return found


@dataclass(frozen=True)
class StreamRow:
    stream: str
    received: int
    received_per_s: float
    stored: int
    stored_per_s: float
    suspect: int
    lag: int | None
    last_ms: float | None
    dead: int
    dead_reasons: Sequence[tuple[str, int]]  # the most frequent first
    p50_ms: float | None
    p99_ms: float | None
    late: int = 0
    repeated: int = 0
    reconnects: int = 0
    in_flight: int = 0
    age_p50_ms: float | None = None  # since the reading's own time, when it was stored
    age_p99_ms: float | None = None


@dataclass(frozen=True)
class RoleRow:
    role: str
    processes: int
    cpu_percent: float
    resident_mb: float


@dataclass(frozen=True)
class ServerRow:
    server: str
    is_up: bool
    cpu_percent: float
    resident_mb: float


class Watch:
    """The last minute of samples."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        self._samples.append(sample)
        while sample.at_ms - self._samples[0].at_ms > MINUTE_MS:
            self._samples.popleft()

    @property
    def latest(self) -> Sample:
        """The newest one; an empty one before the first."""
        return self._samples[-1] if self._samples else Sample(0, {})

    def streams(self, names: Iterable[str] = tuple(BY_NAME)) -> list[StreamRow]:
        if not self._samples:
            return []
        return [self._stream(name, self._samples[-1]) for name in names]

    def roles(self) -> list[RoleRow]:
        if not self._samples:
            return []
        now, before = self._samples[-1], self._recent(10_000)
        seconds = (now.at_ms - before.at_ms) / 1_000
        rows = []
        for role in sorted({dict(labels).get("role", "") for _, labels in now.series}):
            cpu = now.total("hanan_cpu_seconds", role=role) - before.total("hanan_cpu_seconds", role=role)
            processes = sum(1 for name, labels in now.series if name == "hanan_cpu_seconds" and dict(labels).get("role") == role)
            megabytes = now.total("hanan_resident_bytes", role=role) / 1e6
            rows.append(RoleRow(role, processes, max(0.0, 100 * cpu / seconds) if seconds else 0.0, megabytes))
        return rows

    def servers(self) -> list[ServerRow]:
        if not self._samples:
            return []
        now, before = self._samples[-1], self._recent(10_000)
        seconds = (now.at_ms - before.at_ms) / 1_000
        rows = []
        for name, used in sorted(now.servers.items()):
            if used is None:
                rows.append(ServerRow(name, False, 0.0, 0.0))
                continue
            earlier = before.servers.get(name) or used
            cpu = 100 * (used.cpu_seconds - earlier.cpu_seconds) / seconds if seconds else 0.0
            rows.append(ServerRow(name, True, max(0.0, cpu), used.resident_bytes / 1e6))
        return rows

    def _recent(self, span_ms: int) -> Sample:
        """The oldest sample within the span; the last one if there is no other."""
        end = self._samples[-1].at_ms
        return next(sample for sample in self._samples if end - sample.at_ms <= span_ms)

    def _stream(self, name: str, now: Sample) -> StreamRow:
        before = self._recent(10_000)
        received, stored = now.total("hanan_received_total", stream=name), now.total("hanan_points_total", stream=name)
        dead = now.by_label("hanan_dead_total", "reason", stream=name)
        p50, p99 = self._latency(now, "hanan_stored_after_ms_bucket", stream=name, bucket=READINGS)
        age_p50, age_p99 = self._latency(now, "hanan_stored_age_ms_bucket", stream=name)
        return StreamRow(
            name,
            int(received),
            _rate(received, before.total("hanan_received_total", stream=name), now, before),
            int(stored),
            _rate(stored, before.total("hanan_points_total", stream=name), now, before),
            int(now.total("hanan_suspect_total", stream=name)),
            now.lag.get(name),
            now.latest("hanan_last_stored_ms", stream=name, bucket=READINGS),
            sum(dead.values()),
            dead.most_common(),
            p50,
            p99,
            late=int(now.total("hanan_late_total", stream=name)),
            repeated=int(now.total("hanan_repeated_total", stream=name)),
            reconnects=int(now.total("hanan_mqtt_reconnects_total", stream=name)),
            in_flight=int(now.total("hanan_in_flight", stream=name)),
            age_p50_ms=age_p50,
            age_p99_ms=age_p99,
        )

    def _latency(self, now: Sample, name: str, **labels: str) -> tuple[float | None, float | None]:
        after = now.by_label(name, "le", **labels)
        before = self._samples[0].by_label(name, "le", **labels)
        if now is self._samples[0]:
            before = Counter()
        cumulative = sorted((float(bound), count - before.get(bound, 0)) for bound, count in after.items())
        return quantile(cumulative, 0.5), quantile(cumulative, 0.99)


def quantile(cumulative: Sequence[tuple[float, int]], q: float) -> float | None:
    """The value below which a share `q` lies, from (upper bound, count up to it); straight lines within a bucket."""
    if not cumulative or cumulative[-1][1] <= 0:
        return None
    wanted = q * cumulative[-1][1]
    low, below = 0.0, 0
    for bound, count in cumulative:
        if count >= wanted:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return low


def _rate(after: float, before: float, now: Sample, then: Sample) -> float:
    seconds = (now.at_ms - then.at_ms) / 1_000
    return max(0.0, after - before) / seconds if seconds else 0.0


def scrape(ports: Iterable[int], timeout_s: float = 2.0) -> dict[tuple[str, Labels], float]:
    """All series of the roles that answer. One that does not answer is dying or starting, and shown as absent."""
    series: dict[tuple[str, Labels], float] = {}
    for port in ports:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=timeout_s) as answer:
                text = answer.read().decode()
        except (URLError, OSError):
            continue
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith(PREFIX):
                    key = sample.name, (*sorted(sample.labels.items()), ("port", str(port)))
                    series[key] = sample.value
    return series
