"""RabbitMQ's management interface, as far as it is needed."""

import base64
import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from deploy.native import ports, vault
from deploy.native.problems import NativeError
from deploy.native.rabbitmq import rights
from deploy.settings import Settings

SECRET = "rabbitmq-admin"  # noqa: S105  # the name of it
_SECONDS = 60.0  # thousands of users at once take it a while


def get(settings: Settings, path: str, seconds: float = 5.0) -> Any:
    return _call(settings, path, None, seconds)


def add(settings: Settings, definitions: dict[str, Any]) -> None:
    """Users, rights, policies; what is there already is replaced, everything else stays."""
    _call(settings, "definitions", json.dumps(definitions).encode(), _SECONDS)


def _call(settings: Settings, path: str, body: bytes | None, seconds: float) -> Any:
    """A POST when there is a body."""
    place = f"http://{ports.LOOPBACK}:{settings.mqtt_admin_port}/api/{path}"
    login = base64.b64encode(f"{rights.ADMIN}:{vault.ensure(settings.home, SECRET)}".encode()).decode()
    headers = {"authorization": f"Basic {login}", "content-type": "application/json"}
    try:
        with urlopen(Request(place, body, headers), timeout=seconds) as answer:  # http, to loopback
            said = answer.read()
    except HTTPError as error:
        with error:
            why = error.read().decode(errors="replace").strip()
        raise NativeError(f"rabbitmq: {place} answers {error.code}: {why[:300]}", "see its log in logs/rabbitmq.log") from None
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise NativeError(
            f"rabbitmq: {place} does not answer: {reason}", "`hanan servers status` tells whether it runs"
        ) from None
    return json.loads(said) if said else None
