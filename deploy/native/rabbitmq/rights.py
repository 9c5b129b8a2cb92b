"""Who may do what, in RabbitMQ's words: the same as `deploy/mosquitto/acl.conf` says in Mosquitto's.

To RabbitMQ a session is the queue `mqtt-subscription-<client id>qos1`, bound to the exchange amq.topic. So there are two kinds of
right: which queues one may make, fill and read, and by that, which sessions one may hold; and which topics one may publish or
subscribe to. A topic's `/` is a `.` here. What is not written is refused.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from deploy.native import mqtt

ADMIN = "hanan-admin"
"""Has the management interface and no topic."""

SESSION_MESSAGES = 5_000_000
"""About 3.3 GB of disk, at 200 bytes each."""

SESSION_BYTES = 4 * 1024**3

_VHOST = "/"
_EXCHANGE = "amq.topic"
_NOTHING = "^$"


def definitions(passwords: Mapping[str, str], admin_password: str) -> dict[str, Any]:
    """All of it, for the start."""
    admin = {"name": ADMIN, **_secret(ADMIN, admin_password), "tags": ["administrator"]}
    nothing = {"user": ADMIN, "vhost": _VHOST, "configure": _NOTHING, "write": _NOTHING, "read": _NOTHING}
    users = admitted(passwords)
    return {
        "vhosts": [{"name": _VHOST}],
        "users": [admin, *users["users"]],
        "permissions": [nothing, *users["permissions"]],
        "topic_permissions": users["topic_permissions"],
        # Lazy: what waits is on disk and not in memory, so that hours of it cost no more memory than minutes. A session that is
        # full takes nothing more, so nothing is acknowledged, while those who read go on; a full disk would stop them as well.
        "policies": [
            {
                "vhost": _VHOST,
                "name": "sessions",
                "pattern": "^mqtt-subscription-",
                "apply-to": "queues",
                "definition": {
                    "queue-mode": "lazy",
                    "max-length": SESSION_MESSAGES,
                    "max-length-bytes": SESSION_BYTES,
                    "overflow": "reject-publish",
                },
                "priority": 0,
            }
        ],
    }


def admitted(passwords: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Users with their rights, to be added while it runs."""
    return {
        "users": [
            {"name": user, **_secret(user, password), "tags": ["monitoring"] if user == mqtt.OBSERVER else []}
            for user, password in passwords.items()
        ],
        "permissions": [_queues(user) for user in passwords],
        "topic_permissions": [_topics(user) for user in passwords],
    }


def _queues(user: str) -> dict[str, str]:
    if user == mqtt.COLLECTOR:
        own = _sessions("hanan-collector")
    elif user == mqtt.OBSERVER:
        own = _sessions("hanan-observer")
    else:
        return {"user": user, "vhost": _VHOST, "configure": _NOTHING, "write": r"^amq\.topic$", "read": _NOTHING}
    both = rf"^(amq\.topic|{own})$"
    return {"user": user, "vhost": _VHOST, "configure": f"^{own}$", "write": both, "read": both}


def _topics(user: str) -> dict[str, str]:
    write, read = {
        # Its own presence is told outside hanan/, or it would read that as a device's.
        mqtt.COLLECTOR: (_below("hanan-collector"), _below("hanan", "hanan-collector")),
        # A gateway speaks for many devices (here: the demonstration's feed).
        mqtt.GATEWAY: (_below("hanan"), _NOTHING),
        mqtt.OBSERVER: (_NOTHING, _below("hanan-collector")),
    }.get(user, (_below(r"hanan\.[^.]+\.[^.]+\.{username}"), _NOTHING))
    return {"user": user, "vhost": _VHOST, "exchange": _EXCHANGE, "write": write, "read": read}


def _sessions(prefix: str) -> str:
    return rf"mqtt-subscription-{prefix}-.*qos[01]"


def _below(*roots: str) -> str:
    """The topic itself and all under it, as `/#` has it."""
    return rf"^({'|'.join(roots)})(\..*)?$"


def _secret(user: str, password: str) -> dict[str, str]:
    """Hashed. The salt is always the same, so that unchanged definitions look unchanged: the passwords are random ones."""
    salt = hashlib.sha256(user.encode()).digest()[:4]
    digest = salt + hashlib.sha256(salt + password.encode()).digest()
    return {"password_hash": base64.b64encode(digest).decode(), "hashing_algorithm": "rabbit_password_hashing_sha256"}
