"""Which faults when: from a file, or drawn by chance so that each can be seen and none hides another."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml

from deploy.demo.city.chance import dice
from deploy.demo.city.district import DistrictError
from deploy.demo.city.faults import bike, drainage, heat, shared, waste
from deploy.demo.city.faults.drainage import first_rain
from deploy.demo.city.faults.kind import Fault, FaultKind, Levers
from schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, parse_rfc3339

KINDS: Mapping[str, FaultKind] = {
    kind.name: kind for kind in (*bike.KINDS, *waste.KINDS, *heat.KINDS, *drainage.KINDS, *shared.KINDS)
}
_UNITS_MS = {"d": DAY_MS, "h": HOUR_MS, "m": MINUTE_MS, "s": SECOND_MS}
_FIRST_MS = 6 * HOUR_MS  # random faults leave the beginning alone, so that whoever watches knows what is normal
_LAST_MS = 2 * HOUR_MS
_APART_MS = 3 * HOUR_MS  # between two faults that could be taken for each other
_TRIES = 60


def load_faults(path: Path, city: Levers, start_ms: int) -> list[Fault]:
    """`faults:` a list of {fault, device, from, to, severity}; times are RFC 3339, or `+1d6h30m` from the run's beginning."""
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
        rows = body["faults"]
        return [_row(row, f"f{number:03d}", city, start_ms) for number, row in enumerate(rows, 1)]
    except OSError as error:
        raise DistrictError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise DistrictError(f"{path}: {str(error).splitlines()[0]}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DistrictError(f"{path}: {error.args[0] if error.args else error!r}") from error


def _row(row: Mapping[str, Any], id_: str, city: Levers, start_ms: int) -> Fault:
    kind = KINDS.get(row["fault"])
    if kind is None:
        raise ValueError(f"there is no fault {row['fault']!r}; there are {', '.join(KINDS)}")
    device = str(row["device"])
    if device not in city.reporters:
        raise ValueError(f"{kind.name}: the district has no device {device!r}")
    found = city.reporters[device].device.kind
    if found not in kind.kinds:
        raise ValueError(f"{kind.name} sits on {', '.join(kind.kinds)}; {device} is of kind {found}")
    severity = float(row.get("severity", 0.8))
    if not 0 <= severity <= 1:
        raise ValueError(f"{kind.name} on {device}: severity is between 0 and 1")
    from_ms, to_ms = (_time(row[name], start_ms) for name in ("from", "to"))
    if to_ms <= from_ms:
        raise ValueError(f"{kind.name} on {device}: it ends before it begins")
    return Fault(id_, kind.name, device, from_ms, to_ms, severity, float(row.get("luck", 0.5)))


def _time(value: Any, start_ms: int) -> int:
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    if not text.startswith("+"):
        return parse_rfc3339(text)
    total, digits = 0, ""
    for letter in text[1:]:
        if letter.isdigit():
            digits += letter
        elif letter in _UNITS_MS and digits:
            total += int(digits) * _UNITS_MS[letter]
            digits = ""
        else:
            raise ValueError(f"{text!r} is no time such as +1d6h30m")
    if digits:
        raise ValueError(f"{text!r}: {digits} of what? d, h, m or s")
    return start_ms + total


def random_faults(count: int, city: Levers, seed: int, start_ms: int, end_ms: int, streams: Iterable[str]) -> list[Fault]:
    """As many as asked for, or as the time has room for. The kinds take turns in an order of the seed's."""
    random = dice(seed, "faults")
    wanted = frozenset(streams)
    kinds = [kind for kind in KINDS.values() if not kind.stream or kind.stream in wanted]
    faults: list[Fault] = []
    turn: list[FaultKind] = []
    passes = 0
    while len(faults) < count and passes < count + len(kinds):
        if not turn:
            turn = random.sample(kinds, len(kinds))
        passes += 1
        fault = _draw(turn.pop(), f"f{len(faults) + 1:03d}", city, random, (start_ms, end_ms), faults, wanted)
        if fault is not None:
            faults.append(fault)
    return sorted(faults, key=lambda fault: fault.from_ms)


def _draw(
    kind: FaultKind,
    id_: str,
    city: Levers,
    random: Random,
    span: tuple[int, int],
    others: Sequence[Fault],
    streams: frozenset[str],
) -> Fault | None:
    """One that shows within its time and is far from the others, or None when there is no room for one."""
    for _ in range(_TRIES):
        device = _device(kind, city, random, streams)
        if device is None:
            return None
        length_ms = round(random.uniform(*kind.hours) * HOUR_MS)
        latest = span[1] - _LAST_MS - length_ms
        if latest <= span[0] + _FIRST_MS:
            length_ms = round(kind.hours[0] * HOUR_MS)
            latest = span[1] - _LAST_MS - length_ms
        if latest <= span[0] + _FIRST_MS:
            return None
        from_ms = random.randrange(span[0] + _FIRST_MS, latest) // SECOND_MS * SECOND_MS
        if kind.season == "rain":
            rain_ms = first_rain(city, device, from_ms, span[1] - length_ms)
            if rain_ms is None:
                continue
            from_ms = max(span[0] + HOUR_MS, rain_ms - random.randrange(1, 6) * HOUR_MS)
        fault = Fault(id_, kind.name, device, from_ms, from_ms + length_ms, round(random.uniform(0.4, 1.0), 2), random.random())
        shows = kind.shows(city, fault)
        if shows is not None and shows < fault.to_ms and _in_season(kind, city, fault) and not _confused(city, fault, others):
            return fault
    return None


def _device(kind: FaultKind, city: Levers, random: Random, streams: frozenset[str]) -> str | None:
    """First the kind of device, then one of it, or the many rooms and manholes would have nearly all faults."""
    by_kind: dict[str, list[str]] = {}
    for id_, reporter in city.reporters.items():
        device = reporter.device
        if device.kind in kind.kinds and device.stream in streams and kind.may_sit_on(city, id_):
            by_kind.setdefault(device.kind, []).append(id_)
    if not by_kind:
        return None
    return random.choice(by_kind[random.choice(sorted(by_kind))])


def _in_season(kind: FaultKind, city: Levers, fault: Fault) -> bool:
    days = [city.times.at(ms).day.month_day for ms in (fault.from_ms - DAY_MS, fault.to_ms + 8 * DAY_MS)]
    calendar = city.plan.district.calendar
    stream, device_kind = (getattr(city.reporters[fault.device].device, name) for name in ("stream", "kind"))
    if stream == "heat" and device_kind != "indoor":
        return all(calendar.heating.holds(day) for day in days)
    if kind.season == "heating":
        return all(calendar.heating.holds(day) for day in days)
    if stream == "bike":
        return not any(calendar.bikes_away.holds(day) for day in days)
    return True


def _confused(city: Levers, fault: Fault, others: Sequence[Fault]) -> bool:
    mine = set(reach(city, fault))
    for other in others:
        near = fault.from_ms - _APART_MS < other.to_ms and other.from_ms - _APART_MS < fault.to_ms
        if near and not mine.isdisjoint(reach(city, other)):
            return True
    return False


def reach(city: Levers, fault: Fault) -> tuple[str, ...]:
    """Every device that may show something because of it."""
    kind = KINDS[fault.name]
    return (*kind.sites(city, fault), *kind.touches(city, fault))
