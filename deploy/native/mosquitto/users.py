"""The password file of the native Mosquitto: it sees hashes, and reads them again at SIGHUP."""

import os
import signal
import subprocess
from pathlib import Path

from deploy.native import mqtt, process, tools
from deploy.native.problems import NativeError
from deploy.settings import Settings


def password_file(settings: Settings) -> Path:
    return settings.home / "mosquitto" / "passwords"


def reload(settings: Settings) -> None:
    """Everyone in the vault, at once if the broker runs."""
    write_file(settings)
    if running := process.find(settings.home, "mosquitto"):
        process.send(running, signal.SIGHUP)


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
        stream.writelines(f"{user}:{secret}\n" for user, secret in mqtt.passwords(settings).items())
    ended = subprocess.run([tool, "-U", str(fresh)], capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode != 0:
        fresh.unlink(missing_ok=True)
        raise NativeError(f"mosquitto: hashing the passwords failed: {ended.stderr.strip()}", f"see that {tool} works")
    fresh.replace(path)
