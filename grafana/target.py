"""A Flux query as Grafana's builders take one. The foundation SDK has no builder for InfluxDB, so this is it."""

from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE_UID = "hanan-influxdb"
SOURCE = DataSourceRef(type_val="influxdb", uid=SOURCE_UID)


class FluxQuery(variants.Dataquery):
    def __init__(self, ref: str, query: str) -> None:
        self.ref, self.query = ref, query

    def to_json(self) -> dict[str, object]:
        return {"refId": self.ref, "datasource": SOURCE.to_json(), "query": self.query}


class Flux(builder.Builder[FluxQuery]):
    def __init__(self, query: str, ref: str = "A") -> None:
        self._query = FluxQuery(ref, query)

    def build(self) -> FluxQuery:
        return self._query
