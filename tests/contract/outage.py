"""What a broker makes of a long outage of Kafka: `python -m tests.contract.outage rabbitmq 500000`.

The collector's sessions are there and nobody reads them. As many messages as asked for are published at QoS 1, over the streams
in turn; then the broker is stopped in order, started, killed, started, and everything is read. CPU is the broker's own, since
the machine may have other work.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from deploy.clock import monotonic_ms
from deploy.demo.publisher import Broker as Place
from deploy.demo.publisher import Publisher
from deploy.demo.recordings.recording import Message
from ingest.io.paho_session import Broker as SessionBroker
from ingest.io.paho_session import PahoSessions
from ingest.slots import slots_of
from schemas.streams import STREAMS
from schemas.topics import MqttTopic
from tests.contract.brokers import MOSQUITTO, RABBITMQ, Broker, running

_STEPS = 5
_PAYLOAD = 212  # bytes of the demonstration's readings, on average
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    ways = {ways.name: ways for ways in (MOSQUITTO, RABBITMQ)}[sys.argv[1]]
    count = int(sys.argv[2])
    payload = int(sys.argv[3]) if len(sys.argv) > 3 else _PAYLOAD
    with running(ways) as broker:
        _sessions_made(broker)
        _fill(broker, count, payload)
        for how in ("stopped and started", "killed and started"):
            if how.startswith("killed"):
                time.sleep(5)
                broker.kill()
            seconds = broker.start()
            _say(f"{how}: {seconds:.1f} s; {_state(broker)}")
        _drain(broker, count)


def _sessions_made(broker: Broker) -> None:
    for slot in slots_of(STREAMS):
        broker.collector(slot.client_id, *slot.filters)
    for person in broker._people:
        person.leave()
    broker._people.clear()
    time.sleep(3)


def _fill(broker: Broker, count: int, size: int) -> None:
    waits: list[float] = []
    sent: dict[int, float] = {}

    def acknowledged(message: Message, against: str) -> None:
        assert not against, against
        waits.append(time.monotonic() - sent.pop(message.at_ms))

    publisher = Publisher(Place(broker.host, broker.port, "gateway", broker.password("gateway")), acknowledged, limit=200)
    publisher.connect()
    topics = [MqttTopic(stream.name, stream.kinds[0].name, f"D-{n:03}", "reading") for n in range(50) for stream in STREAMS]
    body = b"x" * size
    for step in range(_STEPS):
        waits.clear()
        began, cpu = time.monotonic(), _cpu(broker)
        for number in range(step * count // _STEPS, (step + 1) * count // _STEPS):
            while not publisher.room:
                publisher.serve(0.5)
            sent[number] = time.monotonic()
            publisher.send(Message(number, topics[number % len(topics)], body, 1, ()))
            if number % 50 == 0:
                publisher.serve(0)
        assert publisher.drain(300) == 0
        seconds = time.monotonic() - began
        waits.sort()
        _say(
            f"{(step + 1) * count // _STEPS} queued: {count / _STEPS / seconds:.0f}/s, "
            f"{1e6 * (_cpu(broker) - cpu) / (count / _STEPS):.0f} us CPU each, "
            f"PUBACK p50 {1e3 * waits[len(waits) // 2]:.1f} ms, p99 {1e3 * waits[len(waits) * 99 // 100]:.0f} ms, "
            f"longest {waits[-1]:.2f} s; {_state(broker)}"
        )
    publisher.close()
    idle, cpu = time.monotonic(), _cpu(broker)
    time.sleep(10)
    _say(f"left alone: {100 * (_cpu(broker) - cpu) / (time.monotonic() - idle):.0f} % of a core; {_state(broker)}")


def _drain(broker: Broker, count: int) -> None:
    login = broker.stack.endpoints().mqtt_login("collector")
    sessions = PahoSessions(SessionBroker(broker.host, broker.port, login.user, login.password), monotonic_ms=monotonic_ms)
    open_ = [sessions.open(slot.client_id, slot.filters, ()) for slot in slots_of(STREAMS)]
    began, cpu, ours, got = time.monotonic(), _cpu(broker), time.process_time(), 0
    while got < count and time.monotonic() - began < 1_800:
        for session in open_:
            session.tend()
            messages = session.read(500, 1 << 20)
            session.ack([message.mid for message in messages])
            got += len(messages)
        if not any(session.pending for session in open_):
            sessions.wait(open_, 50)
    seconds = time.monotonic() - began
    _say(
        f"read {got} of {count}: {got / seconds:.0f}/s, {1e6 * (_cpu(broker) - cpu) / got:.0f} us CPU each, "
        f"and ours {1e6 * (time.process_time() - ours) / got:.0f}"
    )
    for session in open_:
        session.close()
    time.sleep(10)
    _say(f"afterwards: {_state(broker)}")


def _state(broker: Broker) -> str:
    figures = broker.stack.mqtt_figures()
    data = broker.stack.settings.home / broker.ways.name / "data"
    disk = sum(path.stat().st_size for path in _files(data))
    dropped = f", {figures.dropped} dropped" if figures.dropped else ""
    return f"{(figures.resident_bytes or 0) / 1e6:.0f} MB of memory, {disk / 1e6:.0f} MB on disk{dropped}{figures.refusing}"


def _files(folder: Path) -> Iterator[Path]:
    """They come and go while we look."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                path.stat()
                yield path


def _cpu(broker: Broker) -> float:
    fields = Path(f"/proc/{broker.stack.pid(broker.ways.name)}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
