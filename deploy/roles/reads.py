"""Who reads what: every stage of the flow, for those who ask how far it has come."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from deploy.roles import groups
from processors.aggregate import GROUP as AGGREGATE
from processors.city.role import topics_read
from processors.store import StoreTasks
from schemas import topics
from schemas.aggregate import HOUR, QUARTER
from schemas.alert import GROUP as ALERT_GROUP
from schemas.streams import BY_NAME
from schemas.workorder import EVENT as WORKORDER_EVENT


class Reads(NamedTuple):
    """One stage: a group, and topics that it reads."""

    group: str
    topics: tuple[str, ...]


def _of_each(name: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(map(name, BY_NAME))


# In the order in which data flow: what is at rest once a stage is will stay so when those before it are.
READS: Sequence[Reads] = (
    Reads(groups.VALIDATE, _of_each(topics.raw)),
    Reads(AGGREGATE, _of_each(topics.reading)),
    Reads(AGGREGATE, _of_each(partial(topics.aggregate, QUARTER))),
    Reads(AGGREGATE, _of_each(partial(topics.aggregate, HOUR))),
    Reads(AGGREGATE, _of_each(topics.zone_part)),
    Reads(groups.CITY, topics_read(BY_NAME)),
    Reads(groups.CITY, _of_each(topics.city_part)),
    Reads(groups.CITY, (WORKORDER_EVENT,)),
    Reads(groups.ALERT, _of_each(topics.reading)),
    *(Reads(groups.ALERT, _of_each(partial(topics.aggregate, level))) for level in groups.JUDGED_LEVELS),
    Reads(groups.ALERT, (ALERT_GROUP,)),
    Reads(groups.ALERT, (topics.ALERT,)),
    Reads(groups.STORE, tuple(StoreTasks().topics)),
)


def topics_of(group: str) -> tuple[str, ...]:
    return tuple(topic for reads in READS if reads.group == group for topic in reads.topics)
