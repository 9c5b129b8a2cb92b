"""The MQTT broker's own figures among the collect role's metrics: what waits in it, and what it lost behind an acknowledgement.

Every process of the role listens, since Mosquitto tells of a loss once and forgets it (see docs/brokers.md). So the counters are
the same in each, and who adds processes up takes the largest.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import structlog

from deploy.native.brokers import broker
from deploy.native.mqtt import Figures, Listener
from deploy.native.problems import NativeError
from deploy.settings import Settings
from schemas.ports import Meter

log = structlog.get_logger()

_EVERY_S = 5.0
_GOODBYE_S = 1.0  # it may be waiting for an answer, and the role does not wait for that


@contextmanager
def watching_broker(settings: Settings, meter: Meter) -> Iterator[None]:
    """Beside the role's loop, as an answer may take seconds. Of a broker that is not ours nothing is known."""
    if settings.mqtt_url:
        yield
        return
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(broker(settings).listen, meter, ended), name="broker-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join(_GOODBYE_S)


def _watch(listen: Callable[[], Listener], meter: Meter, ended: threading.Event) -> None:
    export = BrokerFigures(meter)
    with closing(listen()) as listener:
        while not ended.is_set():
            try:
                export(listener.figures())
            except NativeError as error:
                export.silent(str(error))
            ended.wait(_EVERY_S)


class BrokerFigures:
    """Carries a broker's figures over to the meter. Its counters begin again with each of its starts, the meter's do not."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._seen = {"mqtt_dropped": 0, "mqtt_unheard": 0}
        self._refusing = ""
        for name in self._seen:
            meter.add(name, 0)

    def __call__(self, figures: Figures) -> None:
        self._meter.set("mqtt_answers", 1)
        self._meter.set("mqtt_queued", figures.queued)
        self._meter.set("mqtt_queued_bytes", figures.queued_bytes)
        self._meter.set("mqtt_refusing", bool(figures.refusing))
        if figures.resident_bytes is not None:
            self._meter.set("mqtt_resident_bytes", figures.resident_bytes)
        self._count("mqtt_dropped", figures.dropped)
        self._count("mqtt_unheard", figures.unheard)
        if figures.refusing != self._refusing:
            self._refusing = figures.refusing
            log.warning("mqtt_broker_refuses" if figures.refusing else "mqtt_broker_takes_again", why=figures.refusing)

    def silent(self, why: str) -> None:
        """Said in the metric alone: the collector's own connection says it in the log."""
        self._meter.set("mqtt_answers", 0)
        log.debug("mqtt_broker_silent", why=why)

    def _count(self, name: str, total: int | None) -> None:
        if total is None:
            return
        before = self._seen[name]
        self._seen[name] = total
        if more := total - before if total >= before else total:
            self._meter.add(name, more)
            log.error(name, messages=more)
