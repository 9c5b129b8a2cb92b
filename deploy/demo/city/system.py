"""What the four city systems have in common, so that the city can drive them and sensors can read them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from deploy.demo.city.moment import Moment
from deploy.demo.city.weather import Air
from schemas.metric import Value

Values = dict[str, Value]
Reader = Callable[[], Values]


class Happening(NamedTuple):
    """What a device reports of its own accord: a truck on the weighbridge, a lock that opens. `after_ms` is within the minute."""

    device_id: str
    after_ms: int
    values: Values
    event_id: str = ""


class System(Protocol):
    """One city system. What a reader returns is the truth of the current minute; sensors make readings of it."""

    readers: Mapping[str, Reader]

    def advance(self, moment: Moment, air: Air) -> list[Happening]:
        """Goes on to a moment one minute later than the last; returns what devices report of their own accord."""
        ...

    def close(self) -> None: ...
