"""Who may log in to the native broker. Passwords are generated into `<home>/secrets/mqtt/<user>`; the broker sees hashes."""

import os
import signal
import subprocess
from pathlib import Path

from deploy.native import process, tools, vault
from deploy.native.problems import NativeError
from deploy.settings import Settings

COLLECTOR, GATEWAY, OBSERVER = "collector", "gateway", "observer"
STAFF = (COLLECTOR, GATEWAY, OBSERVER)
_FOLDER = "mqtt"


def password(settings: Settings, user: str) -> str:
    found = vault.read(settings.home, f"{_FOLDER}/{user}")
    if found is None:
        raise NativeError(f"mosquitto: there is no password for {user} in {settings.home}", "run `hanan servers start` first")
    return found


def passwords(settings: Settings) -> dict[str, str]:
    """Everyone's; empty before the first start."""
    return {user: password(settings, user) for user in vault.names(settings.home, _FOLDER)}


def admit(settings: Settings, *users: str) -> dict[str, str]:
    """Lets devices (or the staff) log in, at once if the broker runs; gives each one's password, new or as it was."""
    given = {user: vault.ensure(settings.home, f"{_FOLDER}/{user}") for user in users}
    if running := process.find(settings.home, "mosquitto"):
        write_file(settings)
        process.send(running, signal.SIGHUP)
    return given


def password_file(settings: Settings) -> Path:
    return settings.home / "mosquitto" / "passwords"


def write_file(settings: Settings) -> None:
    """Hashed by the broker's own tool, from a file and not from its command line, which everyone on the machine can read."""
    tool = tools.which("mosquitto_passwd")
    if tool is None:
        raise NativeError("mosquitto: `mosquitto_passwd` is missing beside it", "reinstall the mosquitto package")
    path = password_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(".passwords.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.writelines(f"{user}:{secret}\n" for user, secret in passwords(settings).items())
    ended = subprocess.run([tool, "-U", str(fresh)], capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode != 0:
        fresh.unlink(missing_ok=True)
        raise NativeError(f"mosquitto: hashing the passwords failed: {ended.stderr.strip()}", f"see that {tool} works")
    fresh.replace(path)
