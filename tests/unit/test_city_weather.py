"""The weather: the climate it has, the spells and storms the file asks for, and that it is a function of time alone."""

from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest

from deploy.demo.city.district import DistrictError, RecordedRain, load_district
from deploy.demo.city.moment import Times
from deploy.demo.city.storms import Rain, hyetograph
from deploy.demo.city.weather import Weather
from schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS, parse_rfc3339

DISTRICT = load_district()
TIMES = Times(DISTRICT.utc_offset_h, DISTRICT.calendar.holidays)


def at(text: str) -> int:
    return parse_rfc3339(f"{text}+08:00")


def mean_c(weather: Weather, start_ms: int, days: int) -> float:
    return fmean(weather.outdoor(TIMES.at(start_ms + hour * HOUR_MS)) for hour in range(24 * days))


def test_local_time_is_counted_as_people_do() -> None:
    moment = TIMES.at(at("2026-01-15T07:30:00"))
    assert (moment.day.date, moment.day.weekday, moment.hour) == (date(2026, 1, 15), 3, 7.5)
    assert not moment.day.free
    assert TIMES.at(at("2026-02-17T12:00:00")).day.free  # Spring Festival
    assert TIMES.at(at("2026-01-17T12:00:00")).day.free  # a Saturday
    assert TIMES.start_ms(moment.day) == at("2026-01-15T00:00:00")


def test_months_are_as_cold_and_warm_as_harbin_s() -> None:
    for month, normal in ((2, -12.4), (4, 7.6), (7, 23.1), (10, 6.2)):
        means = [mean_c(Weather(DISTRICT, seed, TIMES), at(f"2026-{month:02d}-01T00:00:00"), 28) for seed in range(6)]
        assert fmean(means) == pytest.approx(normal, abs=2.5), month


def test_a_cold_spell_is_as_cold_as_the_file_says() -> None:
    for seed in range(3):
        weather = Weather(DISTRICT, seed, TIMES)
        assert mean_c(weather, at("2026-01-12T00:00:00"), 7) == pytest.approx(-25, abs=1.5)


def test_weather_depends_on_the_seed_and_the_moment_only() -> None:
    moment = TIMES.at(at("2026-05-03T11:17:00"))
    one, other = Weather(DISTRICT, 5, TIMES), Weather(DISTRICT, 5, TIMES)
    one.at(TIMES.at(at("2026-01-01T00:00:00")))  # what was asked before makes no difference
    assert one.at(moment) == other.at(moment)
    assert one.at(moment) != Weather(DISTRICT, 6, TIMES).at(moment)


def test_nothing_jumps() -> None:
    weather = Weather(DISTRICT, 1, TIMES)
    start = at("2026-01-10T00:00:00")
    temps = [weather.outdoor(TIMES.at(start + minute * MINUTE_MS)) for minute in range(3 * 1440)]
    assert max(abs(b - a) for a, b in pairwise(temps)) < 0.3


@pytest.mark.parametrize(("depth_mm", "minutes"), [(32, 90), (5, 30), (80, 600)])
def test_a_hyetograph_brings_its_depth_with_one_peak(depth_mm: float, minutes: float) -> None:
    mm_h = hyetograph(depth_mm, minutes)
    assert sum(mm_h) / 60 == pytest.approx(depth_mm)
    peak = mm_h.index(max(mm_h))
    assert peak == pytest.approx(0.4 * minutes, abs=2)
    assert mm_h[:peak] == sorted(mm_h[:peak])
    assert mm_h[peak:] == sorted(mm_h[peak:], reverse=True)


def rain_mm(rain: Rain, start_ms: int, days: float, east: float = 0.0, north: float = 0.0) -> float:
    return sum(rain.at(TIMES.at(start_ms + minute * MINUTE_MS), east, north) for minute in range(int(days * 1440))) / 60


def test_the_storm_week_brings_its_storms_and_they_come_later_down_their_way() -> None:
    rain = Weather(DISTRICT, 1, TIMES).rain
    assert rain_mm(rain, at("2026-07-22T17:00:00"), 0.2) == pytest.approx(58, rel=0.05)
    firsts = [
        next(m for m in range(240) if rain.at(TIMES.at(at("2026-07-22T16:00:00") + m * MINUTE_MS), east, 0) > 0)
        for east in (-3.0, 0.0, 3.0)
    ]
    assert firsts == sorted(firsts)
    assert firsts[0] < firsts[2]


def test_a_year_has_harbin_s_rain_most_of_it_in_summer() -> None:
    plain = DISTRICT.weather.model_copy(update={"storms": ()})
    years = [Rain(plain, TIMES, seed) for seed in range(2)]
    total = summer = 0.0
    for rain in years:
        for day in range(365):
            start = at("2026-01-01T00:00:00") + day * DAY_MS
            if any(rain.storms_of(TIMES.at(start).day.number - back) for back in (0, 1)):
                mm = sum(rain.at(TIMES.at(start + m * MINUTE_MS), 0, 0) for m in range(0, 1440, 5)) / 12
                total += mm
                summer += mm if 152 <= day < 243 else 0.0
    assert total / 2 == pytest.approx(538, rel=0.3)
    assert summer / total > 0.5


def test_recorded_rain_takes_the_place_of_the_generated(tmp_path: Path) -> None:
    file = tmp_path / "rain.csv"
    file.write_text("time,mm\n2024-03-01 00:00:00,0.0\n2024-03-01 01:00:00,6.0\n2024-03-01 02:00:00,\n", encoding="utf-8")
    part = RecordedRain.model_validate({"file": file, "time": "time", "mm": "mm", "from": "2026-07-20"})
    rain = Rain(DISTRICT.weather.model_copy(update={"recorded_rain": part}), TIMES, 1)
    start = at("2026-07-20T00:00:00")
    hours = [rain.at(TIMES.at(start + hour * HOUR_MS), 0.0, 0.0) for hour in range(3)]
    assert hours[0] == hours[2] == 0
    assert hours[1] == pytest.approx(6, rel=0.25)


def test_a_recording_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rain.csv"
    file.write_text("when,mm\n2024-03-01,1\n", encoding="utf-8")
    part = RecordedRain.model_validate({"file": file, "time": "time", "mm": "mm", "from": "2026-07-20"})
    with pytest.raises(DistrictError, match="recorded_rain"):
        Rain(DISTRICT.weather.model_copy(update={"recorded_rain": part}), TIMES, 1)


@pytest.mark.recordings
def test_rain_of_the_recordings_drives_the_city() -> None:
    file = Path(__file__).parents[3] / "shared" / "data" / "drainage-inflow" / "data.csv"
    if not file.exists():
        pytest.skip("needs the real recordings beside the project")
    part = RecordedRain.model_validate({"file": file, "time": "time", "mm": "acc_precip", "from": "2026-11-07"})
    rain = Rain(DISTRICT.weather.model_copy(update={"recorded_rain": part}), TIMES, 1)
    # 2023-11-07 14:00 had 3.0 mm
    assert rain.at(TIMES.at(at("2026-11-07T14:30:00")), 0.0, 0.0) == pytest.approx(3.0, rel=0.25)
