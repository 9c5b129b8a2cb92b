"""Generated passwords and tokens, one file each under `<home>/secrets`, readable by their owner alone."""

import os
import secrets
from pathlib import Path

from deploy.native.problems import NativeError


def read(home: Path, name: str) -> str | None:
    path = home / "secrets" / name
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise NativeError(f"{path} belongs to another user", "run as the user who started the servers") from error


def keep(home: Path, name: str, secret: str) -> str:
    """Written beside and renamed, so that a crash leaves the old one or the new one, never a half."""
    path = home / "secrets" / name
    home.mkdir(parents=True, exist_ok=True)
    for folder in [home / "secrets", path.parent]:
        folder.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(secret + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    return secret


def ensure(home: Path, name: str) -> str:
    """The secret of that name, made up on first use."""
    return read(home, name) or keep(home, name, secrets.token_urlsafe(32))


def names(home: Path, folder: str) -> list[str]:
    directory = home / "secrets" / folder
    return sorted(path.name for path in directory.glob("*") if not path.name.startswith("."))
