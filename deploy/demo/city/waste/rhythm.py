"""When a city throws things away, and when it is collected [P]."""

from deploy.demo.city.moment import Moment
from deploy.demo.city.weather import monthly

# Of a day's waste by hour, in thousandths: mornings before work, evenings after supper
_HOURS = (8, 5, 4, 4, 8, 24, 62, 88, 72, 48, 42, 48, 58, 44, 34, 34, 40, 52, 76, 88, 72, 46, 28, 15)
_WEEK = (1.10, 1.02, 0.98, 0.97, 1.00, 1.00, 0.93)  # Mondays bring the weekend's
# Melons in August, cabbage leaves in October, Spring Festival
_YEAR = (0.97, 1.02, 0.94, 0.96, 0.99, 1.02, 1.08, 1.10, 1.03, 1.12, 0.97, 0.95)
_SHIFTS = ((4.5, 11.5), (16.5, 21.5))  # collection trucks
_HAULAGE = (5.0, 22.5)  # trucks that take the full containers to the incinerator


def season(moment: Moment) -> float:
    return monthly(_YEAR, moment) * _WEEK[moment.day.weekday]


def share_of_minute(moment: Moment) -> float:
    """Of a mean day's waste, thrown away in this minute."""
    hour = int(moment.hour)
    part = moment.hour - hour
    now = _HOURS[hour] * (1 - part) + _HOURS[(hour + 1) % 24] * part
    return season(moment) * now / sum(_HOURS) / 60


def is_collected(moment: Moment) -> bool:
    return any(start <= moment.hour < end for start, end in _SHIFTS)


def is_hauled(moment: Moment) -> bool:
    return _HAULAGE[0] <= moment.hour < _HAULAGE[1]
