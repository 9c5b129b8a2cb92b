"""The registry and the roles' figures as points."""

from collections.abc import Sequence

from deploy.health_points import health_points
from deploy.registry_points import points, store_registry
from deploy.watch import RoleRow, StreamRow
from schemas.device import Device
from schemas.ports import Refusal

NOW_MS = 1_768_435_200_000  # 15 January 2026
YEAR_NS = 1_767_225_600_000_000_000


class Kept:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, bucket: str, lines: Sequence[str]) -> list[Refusal]:
        assert bucket == "ops"
        self.lines += lines
        return []

    def close(self) -> None:
        pass


def device(**given: object) -> Device:
    fixed = {"device_id": "HX-1", "stream": "heat", "kind": "exchange", "zone": "z", "site": "s", "lat": 45.5, "lon": 126}
    return Device.model_validate(fixed | given)


def test_an_entry_is_one_point_at_the_beginning_of_the_year() -> None:
    (line,) = points(device(params={"heated_area_m2": 1000}, name='South "gate"\\'), NOW_MS)
    assert line == (
        'heat_exchange,device_id=HX-1 name="South \\"gate\\"\\\\",zone="z",site="s",gateway="-",lat=45.5,lon=126.0,'
        f"interval_s=60i,param_heated_area_m2=1000.0 {YEAR_NS}"
    )


def test_a_curve_is_a_point_for_each_pair() -> None:
    first, second, _ = points(device(params={"heating_curve": ((-24.0, 58.0), (5.0, 37.0))}), NOW_MS)
    assert first == f"heat_exchange_heating_curve,device_id=HX-1,place=000 x=-24.0,y=58.0 {YEAR_NS}"
    assert second.startswith("heat_exchange_heating_curve,device_id=HX-1,place=001 x=5.0,y=37.0 ")


def test_no_text_is_empty() -> None:
    assert '=""' not in next(points(device(), NOW_MS))


def test_loading_again_writes_the_same() -> None:
    one, other = Kept(), Kept()
    assert store_registry(one, [device(), device(device_id="HX-2")], NOW_MS) == 2
    store_registry(other, [device(), device(device_id="HX-2")], NOW_MS + 86_400_000)
    assert one.lines == other.lines


def test_health() -> None:
    stream = StreamRow("bike", 9, 1.0, 8, 1.0, 2, None, None, 1, [], None, 310.5)
    role = RoleRow("store", 2, 12.5, 101.0)
    assert list(health_points([stream], [role], 5)) == [
        "pipeline_stream,stream=bike received=9.0,stored=8.0,suspect=2.0,dead=1.0,p99_ms=310.5 5000000",
        "pipeline_role,role=store processes=2.0,cpu_percent=12.5,resident_mb=101.0 5000000",
    ]
