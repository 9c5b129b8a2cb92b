"""Random windows through the city role, in any order of partitions and levels, repeated, with deaths: the same points.

`HANAN_LONG=1` tries thousands of logs; `HANAN_SEED=…` tries one again.
"""

import os
from random import Random

import pytest

from processors.windows.calendar import Calendar
from schemas import topics
from schemas.instants import HOUR_MS, MINUTE_MS
from tests.city_world import CityWorld, expected, fleet, steps

LONG = os.environ.get("HANAN_LONG") == "1"
SEED = os.environ.get("HANAN_SEED")
CASES_IN_A_TEST, TESTS = (100, 20) if LONG else (4, 6)
NEW_YEAR = 1_767_196_800_000  # 2026-01-01T00:00:00+08:00
SUMMER = 1_784_100_000_000

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.mark.timeout(3_600 if LONG else 300)
@pytest.mark.parametrize("first", range(0, CASES_IN_A_TEST * TESTS, CASES_IN_A_TEST))
def test_the_points_are_as_defined_whatever_happens(first: int) -> None:
    if SEED and first:
        pytest.skip("only HANAN_SEED")
    for seed in [int(SEED)] if SEED else range(first, first + CASES_IN_A_TEST):
        problems = problems_of(seed)
        assert not problems, f"HANAN_SEED={seed}: {len(problems)} figures differ, such as {problems[:5]}"


def problems_of(seed: int) -> list[str]:
    random = Random(seed)
    devices, partitions = fleet(random), random.randint(1, 3)
    calendar = Calendar("Asia/Shanghai")
    hours = random.choice([2, 3, 6])
    start = random.choice([NEW_YEAR, SUMMER]) - random.randrange(hours * 60) * MINUTE_MS
    log = steps(random, devices, partitions, start - start % HOUR_MS, hours, calendar)
    calm = CityWorld(devices, partitions, "Asia/Shanghai", Random(seed))
    calm.run(log, chaos=0)
    wild = CityWorld(devices, partitions, "Asia/Shanghai", Random(-seed - 1))
    wild.run(log, chaos=random.choice([0.02, 0.1]))
    problems = [
        f"to the last digit: {point} {wild.points.get(point)} {calm.points.get(point)}"
        for point in wild.points.keys() | calm.points.keys()
        if wild.points.get(point) != calm.points.get(point)
    ]
    wanted = expected(log, devices, calendar)
    for point in wanted.keys() | calm.points.keys():
        here, there = calm.points.get(point, {}), wanted.get(point, {})
        problems += [
            f"{point} {name}: {here.get(name)} is to be {there.get(name)}"
            for name in here.keys() | there.keys()
            if here.get(name) != pytest.approx(there.get(name), rel=1e-9, abs=1e-12)
        ]
    assert not calm.kafka.records(topics.DEAD)
    assert not wild.kafka.records(topics.DEAD)
    return problems
