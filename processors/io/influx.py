"""Writing to and asking InfluxDB 2, through influxdb-client: synchronous, gzip, its own retries off."""

from collections.abc import Iterator, Mapping, Sequence

import structlog
from influxdb_client.client.flux_table import FluxRecord
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from schemas.ports import Refusal, RetryLater

log = structlog.get_logger(__name__)

_TIMEOUT_MS = 20_000
_RETRY_MS = 1_000
_MAX_RETRY_MS = 60_000
_TOO_LARGE = 413
_REFUSED = {400, 422}  # not this line; everything else is a state that passes or that an operator ends


class InfluxWriter:
    """See `schemas.ports.PointWriter`. Times are nanoseconds, since events of one device may share a millisecond."""

    def __init__(self, url: str, token: str, org: str, timeout_ms: int = _TIMEOUT_MS) -> None:
        self._org = org
        self._client = InfluxDBClient(url, token, org=org, timeout=timeout_ms, enable_gzip=True, retries=False)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        self._failures = 0

    def write(self, bucket: str, lines: Sequence[str]) -> list[Refusal]:
        refusals = list(self._narrow(bucket, lines, 0))
        self._failures = 0
        return refusals

    def _narrow(self, bucket: str, lines: Sequence[str], first: int) -> Iterator[Refusal]:
        """Halves what is refused until the lines are found that are meant; writing the good ones again changes nothing."""
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
            self._api.write(bucket, self._org, "\n".join(lines).encode(), write_precision=WritePrecision.NS)  # type: ignore[arg-type]  # its constants are text
        except ApiException as error:
            status = int(error.status or 0)
            if status in _REFUSED or status == _TOO_LARGE:
                return f"{status}: {_message(error)}"
            raise self._later(f"InfluxDB answers {status}: {_message(error)}", _retry_after_ms(error)) from error
        except (HTTPError, OSError) as error:
            raise self._later(f"InfluxDB does not answer: {error}", 0) from error
        return None

    def _later(self, why: str, asked_ms: int) -> RetryLater:
        """Waits longer each time, up to a bound; at least as long as the server asked for."""
        own_ms = min(_RETRY_MS * 2**self._failures, _MAX_RETRY_MS // 6)
        self._failures = min(self._failures + 1, 10)
        return RetryLater(min(max(asked_ms, own_ms), _MAX_RETRY_MS), why)

    def close(self) -> None:
        self._api.close()  # type: ignore[no-untyped-call]
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
