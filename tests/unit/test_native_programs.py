"""Installing: what is missing is named, what failed shows its log, and nothing is ever half installed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.native import tools
from deploy.native.influxdb import program as influxdb
from deploy.native.influxdb import rust
from deploy.native.influxdb.program import InfluxProgram
from deploy.native.kafka import program as kafka
from deploy.native.kafka.program import KafkaProgram
from deploy.native.mosquitto.program import MosquittoProgram
from deploy.native.problems import NativeError
from deploy.native.progress import QuietProgress, QuietStep

Fake = Callable[..., Path]

JAVA_17 = """echo 'openjdk version "17.0.15" 2025-04-15' >&2"""
GO_126 = 'case "$1" in env) echo go1.26.0;; install) touch "$GOBIN/pkg-config";; '


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a script on a PATH that holds nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(tools, "_SBIN", ())

    def make(name: str, script: str = "") -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def step() -> QuietStep:
    return QuietStep(QuietProgress())


def everything_for_influxdb(fake: Fake, go: str) -> None:
    fake("go", go)
    for name in ("cargo", "rustc", "gcc", "pkg-config"):
        fake(name)


def test_missing_tools_are_named_together(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    fake("go")
    with pytest.raises(NativeError) as caught:
        InfluxProgram(tmp_path).install(step)
    said = str(caught.value)
    assert said.startswith(
        "influxdb: `cargo`, `rustc`, `gcc`, `pkg-config` not found on PATH, and InfluxDB is built from source with it; "
    )
    assert "apt install build-essential" in said
    assert "HANAN_INFLUX_URL" in said
    assert "\n" not in said


def test_an_old_go_is_named(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    everything_for_influxdb(fake, "echo go1.19.8")
    with pytest.raises(NativeError, match=r"/go is go1\.19\.8, and InfluxDB needs Go 1\.24; install a newer one, or name"):
        InfluxProgram(tmp_path).install(step)


def test_a_failed_build_shows_its_log_and_leaves_nothing(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    everything_for_influxdb(fake, GO_126 + 'build) echo "linking"; echo "ld: out of paper" >&2; exit 2;; esac')
    program = InfluxProgram(tmp_path)
    with pytest.raises(NativeError) as caught:
        program.install(step)
    log = tmp_path / "logs" / "influxdb-install.log"
    assert f"influxdb: building InfluxDB {program.version} failed (exit code 2): " in str(caught.value)
    assert "ld: out of paper" in str(caught.value)
    assert f"the log is {log}" in str(caught.value)
    assert "ld: out of paper" in log.read_text()
    assert program.find() is None
    assert not list(tmp_path.glob("influxdb-new-*"))


def test_a_build_is_installed_whole_and_found(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    everything_for_influxdb(fake, GO_126 + 'build) while [ "$1" != -o ]; do shift; done; echo influxd > "$2";; esac')
    program = InfluxProgram(tmp_path)
    assert program.find() is None
    found = program.install(step)
    assert found == program.find()
    assert found.path.read_text() == "influxd\n"
    assert str(found) == f"{program.version}, built here"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("InfluxDB v2.7.5 (git: 123) build_date: x", "2.7.5"),
        ("InfluxDB 2.8.0 (git: 1)", "2.8.0"),
        ("InfluxDB v1.8.10 (git: 1)", None),
    ],
)
def test_an_influxd_that_is_there_is_used_if_it_is_version_2(fake: Fake, tmp_path: Path, said: str, version: str | None) -> None:
    path = fake("influxd", f"echo '{said}'")
    found = InfluxProgram(tmp_path).find()
    assert (found.version if found else None) == version
    assert found is None or found.path == path


def test_rust_without_rustup_is_left_to_itself(fake: Fake, tmp_path: Path) -> None:
    fake("rustc")
    environment = rust.environment(tmp_path)
    assert environment == {"RUSTC_WRAPPER": str(tmp_path / "rustc-wrapper")}
    assert '"$@" --cap-lints warn' in (tmp_path / "rustc-wrapper").read_text()


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        ("1.80.0-x86_64-unknown-linux-gnu\nstable-x86_64-unknown-linux-gnu (active, default)", "stable"),
        ("1.80.0-x86_64-unknown-linux-gnu (default)", "1.80.0-x86_64-unknown-linux-gnu"),
    ],
)
def test_with_rustup_a_toolchain_that_is_installed_is_named(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, chosen: str
) -> None:
    fake("rustup", f"echo '{listed}'")
    monkeypatch.delenv("RUSTUP_TOOLCHAIN", raising=False)
    assert rust.environment(tmp_path)["RUSTUP_TOOLCHAIN"] == chosen
    monkeypatch.setenv("RUSTUP_TOOLCHAIN", "mine")
    assert "RUSTUP_TOOLCHAIN" not in rust.environment(tmp_path)


def test_rustup_without_a_toolchain_is_named(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake("rustup", "echo 'no installed toolchains'")
    monkeypatch.delenv("RUSTUP_TOOLCHAIN", raising=False)
    with pytest.raises(NativeError, match="rustup default stable"):
        rust.environment(tmp_path)


def test_kafka_without_maven(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    fake("java", JAVA_17)
    with pytest.raises(
        NativeError, match=r"^kafka: `mvn` not found on PATH, .* install Maven \(apt install maven\), or name a Kafka"
    ):
        KafkaProgram(tmp_path).install(step)


def test_kafka_with_an_old_java(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    fake("java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    with pytest.raises(NativeError, match=r'`java -version` says openjdk version "11\.0\.2" .*, and Kafka needs Java 17; '):
        KafkaProgram(tmp_path).install(step)


def test_a_failed_download_keeps_no_half(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    fake("java", JAVA_17)
    fake("mvn", 'for last; do :; done; mkdir "${last#*=}"; echo "[ERROR] Could not transfer artifact"; exit 1')
    program = KafkaProgram(tmp_path)
    with pytest.raises(NativeError, match="Could not transfer artifact"):
        program.install(step)
    assert program.find() is None


def test_mosquitto_without_rights(fake: Fake, tmp_path: Path, step: QuietStep, monkeypatch: pytest.MonkeyPatch) -> None:
    fake("apt-get")
    fake("sudo", "exit 1")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(
        NativeError, match=r"needs root's rights, .*; ask for `apt-get install mosquitto`, or name a broker of your own"
    ):
        MosquittoProgram(tmp_path).install(step)


def test_mosquitto_is_installed_through_sudo_after_an_update(
    fake: Fake, tmp_path: Path, step: QuietStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt fails, as on a fresh machine without lists of packages."""
    broker = "#!/bin/sh\\necho mosquitto version 2.0.11"
    fake(
        "apt-get",
        f"""cd "$(dirname "$0")"
case "$*" in
*update) touch lists;;
*) [ -e lists ] || exit 100
   printf '{broker}\\n' > mosquitto; cp mosquitto mosquitto_passwd; chmod 755 mosquitto mosquitto_passwd;;
esac""",
    )
    fake("sudo", 'shift; exec "$@"')
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    found = MosquittoProgram(tmp_path).install(step)
    assert found.version == "2.0.11"
    assert re.findall(r" (install|update)\b", (tmp_path / "logs" / "mosquitto-install.log").read_text()) == [
        "install", "update", "install"
    ]  # fmt: skip


def test_an_old_mosquitto_is_named(fake: Fake, tmp_path: Path) -> None:
    fake("mosquitto", "echo mosquitto version 1.6.12")
    fake("mosquitto_passwd")
    with pytest.raises(NativeError, match=r"mosquitto is version 1\.6\.12, and Hanan needs 2; "):
        MosquittoProgram(tmp_path).find()


def test_versions_are_pinned_in_one_place_and_no_registry_is_named() -> None:
    assert kafka.pinned_version() == "4.3.1"
    assert influxdb.pinned_version() == "2.7.12"
    for path in [kafka.POM, *Path(influxdb.MODULE).parent.rglob("*.py")]:
        urls = re.findall(r"https?://[^\s\"'{]+", path.read_text())
        assert set(urls) <= {"http://maven.apache.org/POM/4.0.0"}, path
