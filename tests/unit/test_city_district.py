"""The district's file, what it lays out, and the registry that comes of it."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from deploy.demo.city.district import DEFAULT, District, DistrictError, load_district
from deploy.demo.city.plan import Plan, plan_city
from deploy.demo.city.registry import district_devices, write_registry
from deploy.registry_file import load_devices
from schemas.streams import find_kind

OF_OUTFALLS = {"catchment_m2", "dry_flow_m3_h"}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_city(load_district())


def edited(tmp_path: Path, **parts: object) -> Path:
    body = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    for name, value in parts.items():
        part, _, field = name.partition("__")
        if field:
            body[part][field] = value
        else:
            body[part] = value
    path = tmp_path / "district.yaml"
    path.write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")
    return path


def test_the_district_has_what_the_issue_asks_for(plan: Plan) -> None:
    count = Counter((device.stream, device.kind) for device in plan.devices)
    assert count["bike", "station"] == 120
    assert count["bike", "vehicle"] == 2_500
    assert count["waste", "weighbridge"] == 6
    assert (count["heat", "plant"], count["heat", "exchange"]) == (3, 40)
    assert count["heat", "indoor"] == 300
    assert [count["drainage", kind] for kind in ("rain", "level", "tank", "underpass")] == [12, 150, 8, 10]
    assert len({device.zone for device in plan.devices}) == 6


def test_each_device_has_an_id_of_its_own_and_all_params_of_its_kind(plan: Plan) -> None:
    assert len({device.device_id for device in plan.devices}) == len(plan.devices)
    for device in plan.devices:
        kind = find_kind(device.stream, device.kind)
        assert kind
        missing = {param.name for param in kind.params} - device.params.keys()
        assert missing in (set(), OF_OUTFALLS), f"{device.device_id} lacks {missing}"
    outfalls = [device for device in plan.devices if device.params.keys() >= OF_OUTFALLS]
    assert len(outfalls) == len(plan.drainage.tanks)
    areas = sum(hole.hectares for hole in plan.drainage.manholes) + sum(under.hectares for under in plan.drainage.underpasses)
    assert sum(device.params["catchment_m2"] for device in outfalls) == pytest.approx(10_000 * areas, rel=1e-4)


def test_places_lie_in_the_district_and_stations_apart_from_each_other(plan: Plan) -> None:
    for device in plan.devices:
        assert plan.plane.distance_km((device.lat, device.lon), (plan.district.lat, plan.district.lon)) < 12
    places = [(device.lat, device.lon) for device in plan.devices if device.kind in {"station", "exchange", "level"}]
    assert len(set(places)) == len(places)


def test_the_layout_is_the_same_each_time(plan: Plan) -> None:
    assert plan_city(load_district()).devices == plan.devices


def test_sewers_fall_towards_their_basin_and_pipes_widen(plan: Plan) -> None:
    holes = {hole.id: hole for hole in plan.drainage.manholes}
    for hole in holes.values():
        if hole.below in holes:
            below = holes[hole.below]
            assert hole.bed_m > below.bed_m, hole.id
            assert hole.diameter_m <= below.diameter_m, hole.id
        assert 2.5 < hole.depth_m < 6


def test_each_exchange_is_fed_and_no_boiler_house_has_more_than_it_can_give(plan: Plan) -> None:
    known = {plant.id for plant in plan.heat.plants}
    for one in plan.heat.exchanges:  # upstream ones come first
        assert one.upstream in known
        known.add(one.id)
    for plant in plan.heat.plants:
        area = sum(one.area_m2 for one in plan.heat.exchanges if one.plant == plant.id)
        assert area * plan.district.heat.load_w_m2 / 1000 < plant.rated_kw


def test_the_registry_file_is_read_by_the_pipeline(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "devices.yaml"
    write_registry(path, list(plan.devices))
    assert load_devices(path) == list(plan.devices)


def test_copies_have_names_sites_and_gateways_of_their_own() -> None:
    devices = district_devices(load_district(), scale=3)
    assert len(devices) == 3 * 3_287
    assert len({device.device_id for device in devices}) == len(devices)
    copy = next(device for device in devices if device.device_id == "HI-0001-002")
    assert (copy.site, copy.gateway, copy.zone) == ("HX-001-002", "GW-HX-001-002", devices[0].zone)


def test_numbers_can_be_changed(tmp_path: Path) -> None:
    path = edited(tmp_path, drainage__manholes=40, bike__reporting_bikes=10, intervals_s={"drainage/level": 300})
    devices = plan_city(load_district(path)).devices
    assert sum(device.kind == "level" for device in devices) == 40
    assert sum(device.kind == "vehicle" for device in devices) == 10
    assert {device.interval_s for device in devices if device.kind == "level"} == {300}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bike__stations": {"nowhere": 3}}, "zone nowhere is used"),
        ({"waste__bin_m3": -1}, "waste.bin_m3"),
        ({"calendar__heating": {"from": "13-01", "to": "04-20"}}, "calendar.heating"),
        ({"heat__colour": "red"}, "heat.colour"),
    ],
)
def test_a_wrong_file_is_refused_with_its_field(tmp_path: Path, change: dict[str, object], says: str) -> None:
    with pytest.raises(DistrictError, match=says.replace(".", r"\.")):
        load_district(edited(tmp_path, **change))


def test_a_file_that_is_absent_or_no_yaml_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DistrictError, match="No such file"):
        load_district(tmp_path / "nothing.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("zones: [", encoding="utf-8")
    with pytest.raises(DistrictError, match=r"broken\.yaml"):
        load_district(broken)


def test_the_season_runs_over_new_year() -> None:
    district: District = load_district()
    heating = district.calendar.heating
    assert [heating.holds(day) for day in (1019, 1020, 101, 419, 420, 701)] == [False, True, True, True, False, False]
