"""The registry as a file: what it may look like, and one line for each thing that is wrong with it."""

from collections import Counter
from pathlib import Path

import pytest

from deploy.registry_file import RegistryError, load_devices
from schemas.streams import STREAMS, find_kind

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "deploy" / "demo" / "devices.yaml"
HEAD = "zone: old-town, site: S1, lat: 45.6, lon: 126.6"


def load(tmp_path: Path, text: str) -> list[str]:
    """The ids of the devices, or the problems without the file's name."""
    path = tmp_path / "devices.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        return [device.device_id for device in load_devices(path)]
    except RegistryError as error:
        lines = str(error).splitlines()
        assert all(line.startswith(f"{path}:") for line in lines)
        return [line.removeprefix(f"{path}: ") for line in lines]


def test_the_demonstration_has_every_kind_in_zones() -> None:
    devices = load_devices(DEMO)
    kinds = Counter((device.stream, device.kind) for device in devices)
    assert set(kinds) == {(stream.name, kind.name) for stream in STREAMS for kind in stream.kinds}
    assert 50 <= len(devices) <= 80
    assert {device.zone for device in devices} == {"old-town", "north-industry", "university", "riverside", "airport-road"}
    for device in devices:
        assert abs(device.lat - 45.60) < 0.1
        assert abs(device.lon - 126.63) < 0.1
        assert any("\u4e00" <= letter <= "\u9fff" for letter in device.name)


def test_the_demonstration_gives_the_params_that_ranges_need() -> None:
    of_outfalls = {"catchment_m2", "dry_flow_m3_h"}
    for device in load_devices(DEMO):
        kind = find_kind(device.stream, device.kind)
        assert kind
        assert set(device.params) - of_outfalls == {param.name for param in kind.params} - of_outfalls, device.device_id
        assert device.params.keys() & of_outfalls == (of_outfalls if "Outfall" in device.name else set()), device.device_id


def test_defaults_are_merged_and_overridden(tmp_path: Path) -> None:
    path = tmp_path / "devices.yaml"
    path.write_text(
        f"""
x-common: &common {{zone: old-town, site: S1, lat: 45.6, lon: 126.6}}
defaults:
  drainage/tank: {{interval_s: 30, params: {{depth_m: 4, volume_m3: 900}}}}
devices:
  - {{device_id: DT-001, kind: drainage/tank, {HEAD}}}
  - {{device_id: DT-002, kind: drainage/tank, {HEAD}, interval_s: 10, params: {{depth_m: 6}}}}
  - {{<<: *common, device_id: DL-001, stream: drainage, kind: level}}
  - {{<<: *common, device_id: HX-001, kind: heat/exchange, params: {{heating_curve: [[-24, 58], [5, 37]]}}}}
""",
        encoding="utf-8",
    )
    tank, deeper, level, exchange = load_devices(path)
    assert (tank.interval_s, tank.params) == (30, {"depth_m": 4, "volume_m3": 900})
    assert (deeper.interval_s, deeper.params) == (10, {"depth_m": 6, "volume_m3": 900})
    assert (level.stream, level.kind, level.interval_s) == ("drainage", "level", 60)
    assert exchange.params["heating_curve"] == ((-24, 58), (5, 37))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f"{{device_id: DL-1, kind: drainage/level, {HEAD}, deep: 3}}", "DL-1: deep: Extra inputs are not permitted"),
        (f"{{device_id: DL-1, kind: drainage/pond, {HEAD}}}", "DL-1: "),
        (f"{{device_id: DL-1, kind: 17, {HEAD}}}", "DL-1: "),
        (f"{{kind: drainage/level, {HEAD}}}", "device 1: device_id: Field required"),
        (f"{{device_id: 17, kind: drainage/level, {HEAD}}}", "17: device_id: "),
        (f"{{device_id: D L, kind: drainage/level, {HEAD}}}", "D L: "),
        ("{device_id: DL-1, kind: drainage/level, site: S1, lat: 45.6, lon: 126.6}", "DL-1: zone: Field required"),
        ("{device_id: DL-1, kind: drainage/level, zone: Old Town, site: S1, lat: 45.6, lon: 126.6}", "DL-1: zone: "),
        ("{device_id: DL-1, kind: drainage/level, zone: a, site: S1, lat: 145.6, lon: 126.6}", "DL-1: lat: "),
        (f"{{device_id: DL-1, kind: drainage/level, {HEAD}, interval_s: 0}}", "DL-1: interval_s: "),
        (f"{{device_id: DL-1, kind: drainage/level, {HEAD}, params: {{depth: 3}}}}", "DL-1: params.depth: drainage/level knows "),
        (
            f"{{device_id: DL-1, kind: drainage/rain, {HEAD}, params: {{depth: 3}}}}",
            "DL-1: params.depth: drainage/rain knows no params",
        ),
        (f"{{device_id: DL-1, kind: drainage/level, {HEAD}, params: {{depth_m: deep}}}}", "DL-1: params.depth_m"),
        (f"{{device_id: DL-1, kind: drainage/level, {HEAD}, params: {{depth_m: .nan}}}}", "DL-1: params.depth_m"),
        (f"{{device_id: DL-1, kind: drainage/level, {HEAD}, params: [3]}}", "DL-1: params: wanted names and numbers"),
        (f"{{device_id: DL-1, device_id: DL-2, kind: drainage/level, {HEAD}}}", "line 2: 'device_id' is given twice"),
        ("DL-1", "device 1: wanted fields"),
    ],
)
def test_a_wrong_device_is_named_with_its_field(tmp_path: Path, row: str, problem: str) -> None:
    found = load(tmp_path, f"devices:\n  - {row}\n")
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    row = f"  - {{device_id: DL-1, kind: drainage/level, {HEAD}}}\n"
    found = load(tmp_path, f"device: []\ndevices:\n{row}  - 17\n{row}")
    assert found == [
        "device: not known here; wanted defaults and devices (and x-… for anchors)",
        "device 2: wanted fields, from device_id on",
        "DL-1: device_id: given twice, again as device 3",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "wanted `devices:`"),
        ("devices:\n", "devices: wanted a list"),
        ("devices: {DL-1: {}}\n", "devices: wanted a list"),
        ("- 1\n", "wanted `devices:`"),
        ("devices: [\n", "line 2: "),
        ("devices:\n\t- 1\n", "line 2: "),
        ("devices: !!python/object/apply:os.system [ls]\n", "line 1: "),
        ("a: &a [*a]\ndevices: [*b]\n", "line 2: "),
        ("devices: " + "[" * 2_000 + "]" * 2_000, "device 1: wanted fields"),
        ("at: 2026-13-45\n", "not readable YAML"),
        ("? [1, 2]\n: 3\n", "line 1: "),
        ("defaults: []\ndevices: [1]\n", "defaults: wanted kinds"),
        ("defaults: {drainage/pond: {}}\ndevices: [1]\n", "defaults.drainage/pond: no such kind"),
        ("defaults: {drainage/tank: 3}\ndevices: [1]\n", "defaults.drainage/tank: wanted fields"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, problem: str) -> None:
    assert any(line.startswith(problem) for line in load(tmp_path, text))


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="No such file"):
        load_devices(tmp_path / "none.yaml")
    with pytest.raises(RegistryError, match="directory"):
        load_devices(tmp_path)
    (tmp_path / "latin1.yaml").write_bytes("# Wärme\n".encode("latin-1"))
    with pytest.raises(RegistryError, match="not UTF-8 text at byte 3"):
        load_devices(tmp_path / "latin1.yaml")
