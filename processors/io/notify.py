"""How messages leave the house: apprise's services, our webhook, the log."""

import json
import logging
from collections.abc import Callable, Sequence

import apprise
import structlog
import urllib3

from processors.notify.texts import Text

log = structlog.get_logger()
LOG = "log://"
WEBHOOK = "webhook+"
SECRET = "secret:"  # noqa: S105 - says where one is kept
_TIMEOUT_S = 10.0
_TYPES = {
    "critical": apprise.NotifyType.FAILURE,
    "high": apprise.NotifyType.FAILURE,
    "medium": apprise.NotifyType.WARNING,
    "low": apprise.NotifyType.WARNING,
}


class People:
    """See `processors.notify.role.Messenger`. Each address is opened once; one that cannot be is said, and tried again.

    `secret` gives the address that is kept under a name, None where there is none; it is asked each time, so that a changed
    password needs no restart.
    """

    def __init__(self, secret: Callable[[str], str | None]) -> None:
        _quiet()
        self._secret = secret
        self._services: dict[str, apprise.Apprise] = {}
        self._http = urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False)

    def hand_over(self, to: str, text: Text, bodies: Sequence[dict[str, object]], severity: str) -> str:
        address = self.address(to)
        if address is None:
            return f"{to} is not kept anywhere"
        if address == LOG:
            log.info("notice", title=text.title, body=text.body, severity=severity)
            return ""
        if address.startswith(WEBHOOK):
            body = {"version": 1, "title": text.title, "text": text.body, "alerts": bodies}
            return self._post(address.removeprefix(WEBHOOK), body)
        service = self._services.get(address)
        if service is None:
            service = apprise.Apprise()
            if not service.add(address):
                return "apprise does not understand this address"
            self._services[address] = service
        kind = _TYPES.get(severity, apprise.NotifyType.INFO)
        return "" if service.notify(title=text.title, body=text.body, notify_type=kind) else "the service did not take it"

    def address(self, to: str) -> str | None:
        return self._secret(to.removeprefix(SECRET)) if to.startswith(SECRET) else to

    def understands(self, to: str) -> str:
        """Why nothing could be sent there, without sending anything; nothing when it could."""
        address = self.address(to)
        if address is None:
            return "is not kept anywhere"
        if address == LOG or address.startswith((f"{WEBHOOK}http://", f"{WEBHOOK}https://")) or apprise.Apprise().add(address):
            return ""
        return "is not understood"

    def _post(self, url: str, body: dict[str, object]) -> str:
        data = json.dumps(body, ensure_ascii=False, default=str).encode()
        try:
            answer = self._http.request("POST", url, body=data, headers={"Content-Type": "application/json"})
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__  # not its text, which may hold the address, and that a password
        return "" if answer.status < 300 else f"answered {answer.status}"  # noqa: PLR2004 - HTTP's own


def _quiet() -> None:
    """Apprise says on standard error what we say in one line."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
