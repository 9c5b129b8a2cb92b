"""The registry and the roles' figures as points."""

from collections.abc import Sequence

from deploy.health_points import health_points
from deploy.registry_points import points, store_registry
from deploy.watch import Sample, Used, Watch
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
    watch = Watch()
    for at_ms, amount in ((0, 0.0), (10_000, 50.0)):
        series: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {
            ("hanan_points_total", (("role", "store"), ("stream", "bike"))): amount,
            ("hanan_dead_total", (("reason", "not_json"), ("role", "validate"), ("stream", "bike"))): 2.0,
            ("hanan_late_total", (("role", "aggregate"), ("stream", "bike"))): 3.0,
            ("hanan_cpu_seconds", (("role", "store"),)): amount / 100,
            ("hanan_resident_bytes", (("role", "store"),)): 101e6,
        }
        watch.add(Sample(at_ms, series, {"bike": 4}, {"influxdb": Used(amount / 10, 90_000_000), "mosquitto": None}))
    lines = [line for line in health_points(watch, 5) if "stream=bike" in line or "stream=" not in line]
    assert lines == [
        (
            "pipeline_stream,stream=bike received=0.0,received_per_s=0.0,stored=50.0,stored_per_s=5.0,suspect=0.0,dead=2.0,"
            "late=3.0,repeated=0.0,lag=4.0,in_flight=0.0,reconnects=0.0 5000000"
        ),
        "pipeline_dead,stream=bike,reason=not_json letters=2.0 5000000",
        "pipeline_role,role=aggregate processes=0.0,cpu_percent=0.0,resident_mb=0.0 5000000",
        "pipeline_role,role=store processes=1.0,cpu_percent=5.0,resident_mb=101.0 5000000",
        "pipeline_role,role=validate processes=0.0,cpu_percent=0.0,resident_mb=0.0 5000000",
        "pipeline_server,server=influxdb up=1.0,cpu_percent=50.0,resident_mb=90.0 5000000",
        "pipeline_server,server=mosquitto up=0.0,cpu_percent=0.0,resident_mb=0.0 5000000",
    ]
