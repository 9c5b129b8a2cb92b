"""InfluxDB's query language is a Rust library, and what its build needs to hear."""

import os
import shutil
from pathlib import Path

from deploy.native import tools
from deploy.native.problems import NativeError

_WRAPPER = """#!/bin/sh
# A newer compiler has stricter lints, which that library makes errors: here they stay warnings.
exec "$@" --cap-lints warn
"""


def environment(scratch: Path) -> dict[str, str]:
    wrapper = scratch / "rustc-wrapper"
    wrapper.write_text(_WRAPPER)
    wrapper.chmod(0o755)
    return {"RUSTC_WRAPPER": str(wrapper), **_toolchain()}


def _toolchain() -> dict[str, str]:
    """The library's own `rust-toolchain` file asks rustup for an old compiler; one that is installed has to be named over it.

    Where Rust came without rustup nobody reads that file, and nothing has to be named.
    """
    rustup = shutil.which("rustup")
    if rustup is None or "RUSTUP_TOOLCHAIN" in os.environ:
        return {}
    listed = tools.output([rustup, "toolchain", "list"], cwd=Path("/")).splitlines()
    installed = [line.split()[0] for line in listed if line.strip() and "no installed" not in line]
    if not installed:
        raise NativeError("influxdb: rustup has no toolchain installed", "run `rustup default stable`")
    return {"RUSTUP_TOOLCHAIN": "stable" if any(name.startswith("stable-") for name in installed) else installed[0]}
