"""How messages leave the house: apprise's services, our webhook, the log."""

import json
import logging
from collections.abc import Sequence

import apprise
import structlog
import urllib3

from processors.notify.texts import Text

log = structlog.get_logger()
LOG = "log://"
WEBHOOK = "webhook+"
_TIMEOUT_S = 10.0
_TYPES = {
    "critical": apprise.NotifyType.FAILURE,
    "high": apprise.NotifyType.FAILURE,
    "medium": apprise.NotifyType.WARNING,
    "low": apprise.NotifyType.WARNING,
}


class People:
    """See `processors.notify.role.Messenger`. Each address is opened once; one that cannot be is said, and tried again."""

    def __init__(self) -> None:
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it says on standard error what we say in one line
        self._services: dict[str, apprise.Apprise] = {}
        self._http = urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False)

    def hand_over(self, to: str, text: Text, bodies: Sequence[dict[str, object]], severity: str) -> str:
        if to == LOG:
            log.info("notice", title=text.title, body=text.body, severity=severity)
            return ""
        if to.startswith(WEBHOOK):
            return self._post(to.removeprefix(WEBHOOK), {"version": 1, "title": text.title, "text": text.body, "alerts": bodies})
        service = self._services.get(to)
        if service is None:
            service = apprise.Apprise()
            if not service.add(to):
                return "apprise does not understand this address"
            self._services[to] = service
        kind = _TYPES.get(severity, apprise.NotifyType.INFO)
        return "" if service.notify(title=text.title, body=text.body, notify_type=kind) else "the service did not take it"

    def _post(self, url: str, body: dict[str, object]) -> str:
        data = json.dumps(body, ensure_ascii=False, default=str).encode()
        try:
            answer = self._http.request("POST", url, body=data, headers={"Content-Type": "application/json"})
        except urllib3.exceptions.HTTPError as error:
            return f"{type(error).__name__}: {error}"
        return "" if answer.status < 300 else f"answered {answer.status}"  # noqa: PLR2004 - HTTP's own


def understands(address: str) -> bool:
    """Whether a message could be sent to such an address, without sending one."""
    if address == LOG or address.startswith(WEBHOOK):
        return True
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    return bool(apprise.Apprise().add(address))
