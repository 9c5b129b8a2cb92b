"""Writing to and asking InfluxDB 2, through influxdb-client: synchronous, its own retries off."""

import gzip
import random
from collections.abc import Iterator, Mapping, Sequence

import structlog
from influxdb_client.client.flux_table import FluxRecord
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService
from urllib3.exceptions import HTTPError

from processors.io.throttle import Throttle
from schemas.ports import Refusal, RetryLater

log = structlog.get_logger(__name__)

_TIMEOUT_MS = 20_000
_RETRY_MS = 1_000
_MAX_OWN_RETRY_MS = 10_000
_MAX_RETRY_MS = 60_000
# The library would compress at level 9: 5.3 us of CPU a line instead of 1.2, for a tenth less on the wire.
_GZIP_LEVEL = 1
_TOO_LARGE = 413
_REFUSED = {400, 422}  # these lines, and for good; everything else is a state that passes or that an operator ends
_HINTS: Mapping[int, str] = {
    401: "the token is not valid there",
    403: "the token may not write to this bucket",
    404: "bucket or organisation is missing; `hanan up` makes them",
}

_EVER = ("1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z")

_jitter = random.SystemRandom()


class InfluxWriter:
    """See `schemas.ports.PointWriter`. Times are nanoseconds, since events of one device may share a millisecond.

    Milliseconds would cost the same (measured: client and server alike to 2 %), so there is no choice of precision.
    """

    def __init__(self, url: str, token: str, org: str, timeout_ms: int = _TIMEOUT_MS) -> None:
        self._org = org
        self._client = InfluxDBClient(url, token, org=org, timeout=timeout_ms, retries=False)
        self._service = WriteService(self._client.api_client)  # type: ignore[no-untyped-call]
        self._throttle = Throttle()
        self._failures = 0

    def write(self, bucket: str, lines: Sequence[str]) -> list[Refusal]:
        refusals = list(self._narrow(bucket, lines, 0))
        self._failures = 0
        return refusals

    def _narrow(self, bucket: str, lines: Sequence[str], first: int) -> Iterator[Refusal]:
        """Halves what is refused until the lines are found that are meant; writing the good ones again changes nothing.

        So k bad lines of n cost at most 2 k log2 n writes more, and a batch that is too large is split by the way.
        """
        if not lines:
            return
        why = self._post(bucket, lines)
        if why is None:
            return
        if len(lines) == 1:
            yield Refusal(first, why)
            return
        middle = len(lines) // 2
        yield from self._narrow(bucket, lines[:middle], first)
        yield from self._narrow(bucket, lines[middle:], first + middle)

    def _post(self, bucket: str, lines: Sequence[str]) -> str | None:
        """None when stored; why, when these lines as they are will never be. RetryLater for everything else."""
        try:
            self._service.post_write(  # type: ignore[no-untyped-call]
                self._org,
                bucket,
                gzip.compress("\n".join(lines).encode(), _GZIP_LEVEL),
                precision=WritePrecision.NS,
                content_encoding="gzip",
                content_type="text/plain; charset=utf-8",
            )
        except ApiException as error:
            status = int(error.status or 0)
            if status in _REFUSED or status == _TOO_LARGE:
                return f"{status}: {_message(error)}"
            why = f"InfluxDB answers {status}: {_message(error)}"
            if hint := _HINTS.get(status):
                why = f"{why} ({hint})"
                if self._throttle.passes(why):
                    log.error("InfluxDB will take nothing until somebody mends it", bucket=bucket, org=self._org, why=why)  # noqa: TRY400
            raise self._later(why, _retry_after_ms(error)) from error
        except (HTTPError, OSError) as error:
            raise self._later(f"InfluxDB does not answer: {error}", 0) from error
        return None

    def forget(self, bucket: str, device_id: str) -> None:
        """Deletes every point of a device there, whatever its measurement. RetryLater when that could not be done."""
        try:
            self._client.delete_api().delete(_EVER[0], _EVER[1], f'device_id="{device_id}"', bucket, org=self._org)
        except ApiException as error:
            raise self._later(f"InfluxDB answers {error.status}: {_message(error)}", _retry_after_ms(error)) from error
        except (HTTPError, OSError) as error:
            raise self._later(f"InfluxDB does not answer: {error}", 0) from error

    def _later(self, why: str, asked_ms: int) -> RetryLater:
        """Waits longer each time, up to a bound, and at least as long as the server asks; writers do not march in step."""
        own_ms = min(_RETRY_MS * 2**self._failures, _MAX_OWN_RETRY_MS)
        self._failures = min(self._failures + 1, 10)
        return RetryLater(min(max(asked_ms, int(own_ms * _jitter.uniform(0.8, 1.2))), _MAX_RETRY_MS), why)

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]


class InfluxReader:
    """Asks in Flux. RetryLater when there is no answer."""

    def __init__(self, url: str, token: str, org: str, timeout_ms: int = 120_000) -> None:
        self._client = InfluxDBClient(url, token, org=org, timeout=timeout_ms, enable_gzip=True, retries=False)

    def rows(self, flux: str) -> Iterator[FluxRecord]:
        """The records of the answer, as they stream in."""
        try:
            yield from self._client.query_api().query_stream(flux)
        except ApiException as error:
            raise RetryLater(_RETRY_MS, f"InfluxDB answers {error.status}: {_message(error)}") from error
        except (HTTPError, OSError) as error:
            raise RetryLater(_RETRY_MS, f"InfluxDB does not answer: {error}") from error

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]


def _message(error: ApiException) -> str:
    body = getattr(error, "message", None) or error.body or error.reason or ""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    return " ".join(text.split())[:400]


def _retry_after_ms(error: ApiException) -> int:
    headers: Mapping[str, str] = error.headers or {}
    given = headers.get("Retry-After", "")
    return int(given) * 1_000 if given.isdigit() else 0
