"""How what is stored is named in InfluxDB. Writers and dashboards both read it here.

Windows lie in the bucket `aggregates`, in the measurement of their kind's readings, with the tags `window` and `device_id` or
`zone`; their time is their start. Of each metric they have a field for each of its aggregations, of states one for each state.
"""

from typing import Final

from schemas.kind import Kind
from schemas.metric import Aggregation, Metric

READINGS: Final = "readings"
AGGREGATES: Final = "aggregates"
ALERTS: Final = "alerts"
OPS: Final = "ops"


def aggregate_field(metric: Metric, aggregation: Aggregation) -> str:
    return f"{metric.name}_{aggregation.value}"


def state_field(kind: Kind, metric: Metric, state: str) -> str:
    """How long devices were in it; of events, which last no time, how many had it."""
    return f"{metric.name}_{state}_{'count' if kind.event else 'seconds'}"


def states_of(metric: Metric) -> tuple[str, ...]:
    return metric.states or ("false", "true")
