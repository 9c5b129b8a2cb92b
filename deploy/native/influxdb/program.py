"""Finds an `influxd` of version 2, or builds the one that `go.mod` names."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from deploy.native import build, tools
from deploy.native.influxdb import rust
from deploy.native.problems import NativeError
from deploy.native.progress import Step
from deploy.native.server import Found

MODULE = Path(__file__).parent
COMMAND = "github.com/influxdata/influxdb/v2/cmd/influxd"
PKG_CONFIG = "github.com/influxdata/pkg-config@v0.2.14"
GO_AT_LEAST = (1, 24)
_MINUTES = 45.0
_INSTEAD = "or name an InfluxDB 2 of your own in HANAN_INFLUX_URL and HANAN_INFLUX_TOKEN"


def pinned_version() -> str:
    """The version that go.mod names: the only place it is written."""
    found = re.search(r"github\.com/influxdata/influxdb/v2 v(\S+)", (MODULE / "go.mod").read_text())
    assert found
    return found.group(1)


class InfluxProgram:
    """One binary; the build takes minutes, so it is kept in the cache for every clone on the machine."""

    name = "influxdb"

    def __init__(self, cache: Path) -> None:
        self.version = pinned_version()
        self._cache = cache
        self._binary = cache / f"influxdb-{self.version}" / "influxd"

    def find(self) -> Found | None:
        path = tools.which("influxd")
        if path is not None:
            installed = re.search(r"v?(2\.\d+\.\d+)", tools.output([path, "version"]))
            if installed:  # version 1 has the same name and another API
                return Found(Path(path), installed.group(1), f"at {path}")
        return Found(self._binary, self.version, "built here") if self._binary.exists() else None

    def install(self, step: Step) -> Found:
        go = _require_tools()
        with build.only_one(self._cache / "influxdb.lock", step, minutes=_MINUTES):
            if found := self.find():
                return found
            with tempfile.TemporaryDirectory(dir=self._cache, prefix="influxdb-new-") as scratch:
                self._build(go, Path(scratch), step)
        return Found(self._binary, self.version, "built here")

    def _build(self, go: str, scratch: Path, step: Step) -> None:
        module = scratch / "module"  # a copy: an installed package may lie where Go cannot lock its files
        module.mkdir()
        for name in ("go.mod", "go.sum"):
            shutil.copy(MODULE / name, module)
        environment = {**os.environ, "GOWORK": "off", "GOBIN": str(scratch), **rust.environment(scratch)}

        def run(what: str, *arguments: str) -> None:
            build.run(
                f"influxdb: {what}",
                [go, *arguments],
                step=step,
                log=self._cache / "logs" / "influxdb-install.log",
                cwd=module,
                env=environment,
                minutes=_MINUTES,
            )

        run("building InfluxData's pkg-config", "install", PKG_CONFIG)
        environment["PKG_CONFIG"] = str(scratch / "pkg-config")
        flags = ["-mod=readonly", "-buildvcs=false", "-trimpath", "-v", "-ldflags", f"-s -w -X main.version=v{self.version}"]
        run(f"building InfluxDB {self.version}", "build", *flags, "-o", str(scratch / "influxd"), COMMAND)
        self._binary.parent.mkdir(parents=True, exist_ok=True)
        (scratch / "influxd").replace(self._binary)


def _require_tools() -> str:
    wanted = ".".join(map(str, GO_AT_LEAST))
    needed = {
        "go": f"Go {wanted} or newer",
        "cargo": "Rust (its rustup, or apt install cargo)",
        "rustc": "Rust (its rustup, or apt install cargo)",
        "gcc": "a C compiler (apt install build-essential)",
        "pkg-config": "pkg-config (apt install pkg-config)",
    }
    go, *_ = tools.require("influxdb", needed, "InfluxDB is built from source with it", _INSTEAD)
    said = tools.output([go, "env", "GOVERSION"], env={**os.environ, "GOTOOLCHAIN": "local"}, cwd=Path("/")).strip()
    if tools.version(said) < GO_AT_LEAST:
        raise NativeError(
            f"influxdb: {go} is {said or 'of no version'}, and InfluxDB needs Go {wanted}", f"install a newer one, {_INSTEAD}"
        )
    return go
