"""RabbitMQ without starting it: how it is installed, what it is told, and who may do what."""

import base64
import hashlib
import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.native import mqtt, process, tools
from deploy.native.problems import NativeError
from deploy.native.progress import QuietProgress, QuietStep
from deploy.native.rabbitmq import program, rights
from deploy.native.rabbitmq.program import RabbitProgram
from deploy.native.rabbitmq.server import RabbitServer
from deploy.native.server import Found
from deploy.settings import Settings, load_settings
from ingest.slots import slots_of
from schemas.streams import STREAMS

Fake = Callable[..., Path]

TREE = "rabbitmq_server-3.10.8"


@pytest.fixture
def step() -> QuietStep:
    return QuietStep(QuietProgress())


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
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", mqtt_broker="rabbitmq")


def tree(root: Path, version: str = "3.10.8", erl: str = "") -> Path:
    """As Debian's packages unpack."""
    (root / f"usr/lib/rabbitmq/lib/rabbitmq_server-{version}/sbin").mkdir(parents=True)
    runtime = root / "usr/lib/erlang/erts-13.1.5/bin"
    runtime.mkdir(parents=True)
    (root / "usr/lib/erlang/bin").mkdir()
    for script in (root / "usr/lib/erlang/bin/erl", runtime / "erl"):
        script.write_text("#!/bin/sh\nROOTDIR=/usr/lib/erlang\n")
    (runtime / "erlexec").write_text(f"#!/bin/sh\n{erl}\n")
    (runtime / "erlexec").chmod(0o755)
    return root


# The program


def debian(fake: Fake, *, erl: str = "echo 25", version: str = "3.10.8", known: bool = True) -> None:
    """An apt whose two packages are marks for `dpkg-deb`, which then makes the tree."""
    lists = "" if known else '[ -e "$(dirname "$0")/updated" ] || exit 100'
    says = r"rabbitmq-server\n  Depends: erlang-base\nerlang-base\n  Depends: libc6\n <erlang-abi>\nlibc6\n"
    fake("apt-cache", f"{lists}\nprintf '{says}'")
    fake(
        "apt-get",
        """case "$*" in
*update) touch "$(dirname "$0")/updated";;
*"download erlang-base rabbitmq-server") touch erlang-base_1.deb rabbitmq-server_2.deb;;
*) exit 1;;
esac""",
    )
    fake(
        "dpkg-deb",
        f"""case "$2" in
*erlang-base_1.deb) r="$3/usr/lib/erlang"; mkdir -p "$r/bin" "$r/erts-1/bin"
  for s in "$r/bin/erl" "$r/erts-1/bin/erl"; do printf '#!/bin/sh\\nROOTDIR=/usr/lib/erlang\\n' > "$s"; done
  printf '#!/bin/sh\\n{erl}\\n' > "$r/erts-1/bin/erlexec"; chmod 755 "$r/erts-1/bin/erlexec";;
*) mkdir -p "$3/usr/lib/rabbitmq/lib/rabbitmq_server-{version}/sbin";;
esac""",
    )


def test_debians_packages_are_unpacked_and_moved(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    debian(fake)
    found = RabbitProgram(tmp_path / "cache", tmp_path / "machine").install(step)
    assert str(found) == "3.10.8, unpacked from Debian's packages"
    assert found.path == tmp_path / "cache" / "rabbitmq"
    for script in (found.path / "usr/lib/erlang").glob("**/erl"):
        assert script.read_text() == f"#!/bin/sh\nROOTDIR={found.path}/usr/lib/erlang\n"
    assert program.scripts(found.path) == found.path / f"usr/lib/rabbitmq/lib/{TREE}/sbin"
    assert not list((tmp_path / "cache").glob("rabbitmq-new-*"))


def test_lists_of_packages_that_are_missing_are_fetched(
    fake: Fake, tmp_path: Path, step: QuietStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian(fake, known=False)
    fake("sudo", 'shift; exec "$@"')
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert RabbitProgram(tmp_path / "cache", tmp_path / "machine").install(step).version == "3.10.8"


def test_without_lists_and_rights_it_says_what_to_ask_for(
    fake: Fake, tmp_path: Path, step: QuietStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian(fake, known=False)
    fake("sudo", "exit 1")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(NativeError, match=r"; ask for `apt-get update`, or name a broker of your own in HANAN_MQTT_URL$"):
        RabbitProgram(tmp_path / "cache", tmp_path / "machine").install(step)


def test_a_version_it_is_not_written_for_is_refused(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    debian(fake, version="4.0.5")
    with pytest.raises(NativeError, match=r"apt offers version 4\.0\.5, and Hanan's configuration is for 3\.10 to 3\.12; "):
        RabbitProgram(tmp_path / "cache", tmp_path / "machine").install(step)


def test_an_erlang_that_does_not_run_is_not_kept(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    debian(fake, erl="echo libcrypto.so.3: cannot open shared object file >&2; exit 127")
    rabbit = RabbitProgram(tmp_path / "cache", tmp_path / "machine")
    with pytest.raises(NativeError, match=r"Erlang does not run here: libcrypto\.so\.3: cannot open .*; install what is missing"):
        rabbit.install(step)
    assert rabbit.find() is None


def test_without_apt(fake: Fake, tmp_path: Path, step: QuietStep) -> None:
    fake("apt-get")
    with pytest.raises(NativeError, match=r"^rabbitmq: `apt-cache`, `dpkg-deb` not found on PATH, .* by hand, or name a broker"):
        RabbitProgram(tmp_path / "cache", tmp_path / "machine").install(step)


@pytest.mark.parametrize(("version", "used"), [("3.9.13", False), ("3.10.8", True), ("3.12.1", True), ("3.13.0", False)])
def test_the_machines_own_is_used_if_it_will_do(tmp_path: Path, version: str, used: bool) -> None:
    found = RabbitProgram(tmp_path / "cache", tree(tmp_path / "machine", version)).find()
    assert found == (Found(tmp_path / "machine", version, "of this machine") if used else None)


# What it is told


def test_it_listens_on_loopback_alone_and_to_no_other_node(settings: Settings, tmp_path: Path, step: QuietStep) -> None:
    root = tree(tmp_path / "root")
    launch = RabbitServer(settings, RabbitProgram(tmp_path)).prepare(Found(root, "3.10.8", "here"), step)
    home = settings.home / "rabbitmq"
    text = (home / "rabbitmq.conf").read_text()
    assert "\nlisteners.tcp = none\n" in text
    assert "\nmqtt.listeners.tcp.1 = 127.0.0.1:11883\n" in text
    assert "\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = 11884\n" in text
    assert "\nmqtt.subscription_ttl = 259200000\n" in text
    assert "$" not in text
    assert launch.command[:2] == ("/usr/bin/env", "-i"), "nothing set for another RabbitMQ reaches this one"
    environment = dict(word.split("=", 1) for word in launch.command[2:-1])
    assert environment["ERL_AFLAGS"].startswith("-start_epmd false -dist_listen false ")
    assert environment[process.MARK] == str(settings.home)
    assert environment["PATH"].split(":")[0] == str(root / "usr/lib/erlang/bin")
    places = [value for name, value in environment.items() if name.endswith(("_FILE", "_DIR", "_BASE")) and value != "/dev/null"]
    assert len(places) > 8
    assert all(place.startswith(f"{settings.home}/") for place in places)
    assert launch.command[-1] == str(root / f"usr/lib/rabbitmq/lib/{TREE}/sbin/rabbitmq-server")


def test_what_holds_hashes_and_secrets_is_for_its_owner_alone(settings: Settings, tmp_path: Path, step: QuietStep) -> None:
    server = RabbitServer(settings, RabbitProgram(tmp_path))
    for _ in range(2):
        server.prepare(Found(tree(tmp_path / "root") if not (tmp_path / "root").exists() else tmp_path / "root", "3", ""), step)
        for name in ("definitions.json", ".erlang.cookie", "rabbitmq.conf"):
            assert stat.S_IMODE((settings.home / "rabbitmq" / name).stat().st_mode) == 0o600
    mqtt.ensure(settings, ["DEV-1"])
    first = json.dumps(server._definitions())
    assert json.dumps(server._definitions()) == first, "unchanged definitions look unchanged, and are not read again"
    for secret in mqtt.passwords(settings).values():
        assert secret not in first


def test_its_second_port_is_its_own(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, mqtt_broker="rabbitmq")
    assert (11884, "mqtt_admin_port") in settings.native_ports()
    assert RabbitServer(settings, RabbitProgram(tmp_path)).ports == ((11883, "mqtt_port"), (11884, "mqtt_admin_port"))
    assert (11884, "mqtt_admin_port") not in load_settings(home=tmp_path).native_ports()


# Rights


def definitions() -> dict[str, Any]:
    return rights.definitions({**dict.fromkeys(mqtt.STAFF, "secret"), "DEV-1": "hush"}, "admin's")


def topic_right(user: str, right: str) -> str:
    [found] = [one for one in definitions()["topic_permissions"] if one["user"] == user]
    return str(found[right]).replace("{username}", user)


def may(user: str, right: str, topic: str) -> bool:
    """As RabbitMQ asks: the topic with dots, a filter's `+` as `*`."""
    return re.search(topic_right(user, right), topic.replace("/", ".").replace("+", "*")) is not None


def queue_right(user: str, right: str, queue: str) -> bool:
    [found] = [one for one in definitions()["permissions"] if one["user"] == user]
    return re.search(found[right], queue) is not None


@pytest.mark.parametrize(
    ("user", "topic", "allowed"),
    [
        ("DEV-1", "hanan/bike/station/DEV-1/reading", True),
        ("DEV-1", "hanan/x/y/DEV-1", True),
        ("DEV-1", "hanan/bike/station/DEV-11/reading", False),
        ("DEV-1", "hanan/bike/station/XDEV-1/reading", False),
        ("DEV-1", "hanan/bike/DEV-1/reading", False),
        ("DEV-1", "hanan/bike/station/a/DEV-1/reading", False),
        ("DEV-1", "x/hanan/bike/station/DEV-1/reading", False),
        ("gateway", "hanan", True),
        ("gateway", "hanan/bike/station/any/reading", True),
        ("gateway", "hananas/bike", False),
        ("gateway", "hanan-collector/x", False),
        ("collector", "hanan-collector/x", True),
        ("collector", "hanan/bike/station/any/reading", False),
        ("observer", "hanan-collector/x", False),
    ],
)
def test_who_may_publish_what(user: str, topic: str, allowed: bool) -> None:
    assert may(user, "write", topic) == allowed


def test_who_may_read_what() -> None:
    filters = [each for slot in slots_of(STREAMS) for each in slot.filters]
    assert all(may("collector", "read", each) for each in [*filters, "hanan/#"])
    assert not any(may("collector", "read", each) for each in ("#", "+/bike/#", "hananas/#"))
    assert not any(may(user, "read", each) for user in ("DEV-1", "gateway", "observer") for each in [*filters, "#", "hanan/#"])
    assert may("observer", "read", "hanan-collector/#")


def test_a_session_is_for_its_user() -> None:
    own = [f"mqtt-subscription-{slot.client_id}qos{qos}" for slot in slots_of(STREAMS) for qos in (0, 1)]
    for right in ("configure", "write", "read"):
        assert all(queue_right("collector", right, queue) for queue in own)
        for user in ("DEV-1", "gateway", "observer", rights.ADMIN):
            assert not any(queue_right(user, right, queue) for queue in own), (user, right)
    assert queue_right("DEV-1", "write", "amq.topic")
    assert not queue_right("DEV-1", "read", "amq.topic")
    assert not queue_right("DEV-1", "write", "amqxtopic")


def test_there_is_no_guest_and_passwords_are_hashed() -> None:
    users = {user["name"]: user for user in definitions()["users"]}
    assert users.keys() == {"collector", "gateway", "observer", "DEV-1", rights.ADMIN}
    assert {name: user["tags"] for name, user in users.items() if user["tags"]} == {
        rights.ADMIN: ["administrator"],
        "observer": ["monitoring"],
    }
    digest = base64.b64decode(users["DEV-1"]["password_hash"])
    assert digest[4:] == hashlib.sha256(digest[:4] + b"hush").digest()
