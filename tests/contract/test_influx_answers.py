"""What the InfluxDB writer makes of answers that a healthy server does not give. A server of a few lines gives them here."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from processors.io.influx import InfluxWriter
from schemas.ports import Refusal, RetryLater

LINES = [f"m,device_id=D-{n} a=1 {n}" for n in range(8)]


class Answers(ThreadingHTTPServer):
    """Gives the next of `queue`, then 204; refuses batches above `most` lines. Keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.queue: list[tuple[int, dict[str, str]]] = []
        self.most = 1_000_000
        self.sent: list[list[str]] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answers

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Encoding"] == "gzip"
        assert self.headers["Authorization"] == "Token secret"
        lines = gzip.decompress(body).decode().split("\n")
        self.server.sent.append(lines)
        self.server.paths.append(self.path)
        status, headers = self.server.queue.pop(0) if self.server.queue else (204, {})
        if len(lines) > self.server.most:
            status = 413
        if status == 0:
            self.close_connection = True
            self.connection.close()
            return
        text = b"" if status == 204 else b'{"code":"some","message":"the message"}'
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def answers() -> Iterator[Answers]:
    with Answers() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def writer(answers: Answers) -> Iterator[InfluxWriter]:
    writer = InfluxWriter(answers.url, "secret", "hanan", timeout_ms=2_000)
    yield writer
    writer.close()


def refused(writer: InfluxWriter) -> RetryLater:
    with pytest.raises(RetryLater) as raised:
        writer.write("readings", LINES)
    return raised.value


def test_a_batch_is_one_request_in_nanoseconds(answers: Answers, writer: InfluxWriter) -> None:
    assert writer.write("readings", LINES) == []
    assert answers.sent == [LINES]
    assert answers.paths == ["/api/v2/write?org=hanan&bucket=readings&precision=ns"]


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_a_state_of_the_server_is_waited_for(answers: Answers, writer: InfluxWriter, status: int) -> None:
    answers.queue = [(status, {})]
    why = refused(writer).why
    assert str(status) in why
    assert "the message" in why
    assert len(answers.sent) == 1, "the library's own retries are off"
    assert writer.write("readings", LINES) == []


def test_the_server_may_say_how_long(answers: Answers, writer: InfluxWriter) -> None:
    answers.queue = [(429, {"Retry-After": "17"}), (503, {"Retry-After": "86400"}), (503, {"Retry-After": "soon"})]
    assert refused(writer).after_ms == 17_000
    assert refused(writer).after_ms == 60_000
    assert refused(writer).after_ms < 10_000


def test_the_wait_grows_and_begins_anew_after_success(answers: Answers, writer: InfluxWriter) -> None:
    answers.queue = [(503, {})] * 8
    waits = [refused(writer).after_ms for _ in range(8)]
    assert 800 <= waits[0] <= 1_200
    assert 3_200 <= waits[2] <= 4_800
    assert 8_000 <= waits[7] <= 12_000
    writer.write("readings", LINES)
    answers.queue = [(503, {})]
    assert refused(writer).after_ms <= 1_200


def test_what_is_too_large_is_split(answers: Answers, writer: InfluxWriter) -> None:
    answers.most = 3
    assert writer.write("readings", LINES) == []
    assert [lines for lines in answers.sent if len(lines) <= 3] == [LINES[:2], LINES[2:4], LINES[4:6], LINES[6:]]


def test_one_line_that_is_too_large_is_refused(answers: Answers, writer: InfluxWriter) -> None:
    answers.most = 0
    assert writer.write("readings", LINES[:1]) == [Refusal(0, "413: the message")]


def test_one_bad_line_of_many_is_found_with_few_requests(answers: Answers, writer: InfluxWriter) -> None:
    answers.queue = [(400, {}), (204, {}), (422, {}), (400, {}), (204, {}), (400, {})]
    assert writer.write("readings", LINES) == [Refusal(5, "400: the message")]
    assert [len(lines) for lines in answers.sent] == [8, 4, 4, 2, 1, 1, 2]


def test_a_state_in_the_midst_of_narrowing_lets_the_whole_batch_wait(answers: Answers, writer: InfluxWriter) -> None:
    answers.queue = [(400, {}), (204, {}), (503, {})]
    refused(writer)


def test_a_connection_that_breaks_is_waited_for(answers: Answers, writer: InfluxWriter) -> None:
    answers.queue = [(0, {})]
    refused(writer)
    assert writer.write("readings", LINES) == []


def test_nobody_there_is_waited_for() -> None:
    writer = InfluxWriter("http://127.0.0.1:1", "secret", "hanan", timeout_ms=500)
    assert "does not answer" in refused(writer).why
    writer.close()
