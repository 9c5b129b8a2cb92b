"""InfluxDB's organisation, buckets and tokens: as the settings say after every start, whatever was there before."""

# mypy: disallow-untyped-calls=False
# (the generated half of influxdb-client has no types)

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.authorization import Authorization
from influxdb_client.domain.bucket import Bucket
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.onboarding_request import OnboardingRequest
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.rest import ApiException
from influxdb_client.service.setup_service import SetupService
from urllib3.exceptions import HTTPError

from deploy.native import vault
from deploy.native.influxdb.names import ADMIN, GRAFANA, ROLES
from deploy.native.problems import NativeError
from deploy.settings import Settings

_USER = "hanan"
_TIMEOUT_MS = 10_000
_DAY_SECONDS = 86_400


def retention_seconds(settings: Settings) -> dict[str, int]:
    """Of every bucket; 0 keeps for ever: InfluxDB goes by the real clock, and would drop a simulated past on arrival."""
    simulated = bool(settings.clock_start)
    days = {
        "readings": settings.readings_retention_days,
        "aggregates": settings.aggregates_retention_days,
        "alerts": settings.aggregates_retention_days,
        "ops": settings.aggregates_retention_days,
    }
    return {bucket: 0 if simulated else kept * _DAY_SECONDS for bucket, kept in days.items()}


def set_up(settings: Settings, url: str) -> list[str]:
    """Brings it all about and says what it changed; safe to call again after a crash at any point."""
    home = settings.home
    token = vault.ensure(home, ADMIN)  # kept before it is used: a crash between the two loses nothing
    changed = []
    with _client(settings, url, token) as client:
        setup = SetupService(client.api_client)
        if setup.get_setup().allowed:
            setup.post_setup(
                OnboardingRequest(
                    username=_USER,
                    password=vault.ensure(home, "influx-password"),
                    org=settings.influx_org,
                    bucket="readings",
                    retention_period_seconds=retention_seconds(settings)["readings"],
                    token=token,
                )
            )
            changed.append(f"organisation {settings.influx_org}")
        org_id = _org_id(client, settings)
        buckets = _buckets(client, settings, org_id, changed)
        reading = [_permission("read", bucket, org_id) for bucket in buckets]
        writing = [_permission("write", bucket, org_id) for bucket in buckets]
        for name, rights in ((GRAFANA, reading), (ROLES, reading + writing)):
            if _token(client, home, name, org_id, rights):
                changed.append(f"token {name}")
    return changed


@contextmanager
def _client(settings: Settings, url: str, token: str) -> Iterator[InfluxDBClient]:
    try:
        with InfluxDBClient(url, token, timeout=_TIMEOUT_MS, org=settings.influx_org) as client:
            yield client
    except ApiException as error:
        if error.status == 401:  # noqa: PLR2004  # HTTP's own number
            raise NativeError(
                f"influxdb: its data do not know the token in {settings.home}/secrets/{ADMIN}",
                f"bring back the secrets that belong to {settings.home}/influxdb, or remove both and begin anew",
            ) from error
        raise NativeError(
            f"influxdb: setting it up failed with {error.status} {error.reason}", "see logs/influxdb.log"
        ) from error
    except HTTPError as error:
        raise NativeError(f"influxdb: it stopped answering while being set up: {error}", "see logs/influxdb.log") from error


def _org_id(client: InfluxDBClient, settings: Settings) -> str:
    found = [org.id for org in client.organizations_api().find_organizations() if org.name == settings.influx_org]
    return str(found[0]) if found else str(client.organizations_api().create_organization(settings.influx_org).id)


def _buckets(client: InfluxDBClient, settings: Settings, org_id: str, changed: list[str]) -> list[str]:
    """Ids of ours. A bucket whose retention was changed by hand gets it back from the settings."""
    api = client.buckets_api()
    there: dict[str, Bucket] = {bucket.name: bucket for bucket in api.find_buckets_iter(org_id=org_id)}
    ids = []
    for name, seconds in retention_seconds(settings).items():
        rules = [BucketRetentionRules(type="expire", every_seconds=seconds)]
        bucket = there.get(name)
        if bucket is None:
            bucket = api.create_bucket(bucket_name=name, retention_rules=rules, org=org_id)
            changed.append(f"bucket {name}")
        elif _kept_seconds(bucket) != seconds:
            bucket.retention_rules = rules
            api.update_bucket(bucket)
            changed.append(f"retention of {name}")
        ids.append(str(bucket.id))
    return ids


def _kept_seconds(bucket: Bucket) -> int:
    return int(bucket.retention_rules[0].every_seconds) if bucket.retention_rules else 0


def _permission(action: str, bucket_id: str, org_id: str) -> Permission:
    return Permission(action=action, resource=PermissionResource(type="buckets", id=bucket_id, org_id=org_id))


def _token(client: InfluxDBClient, home: Path, name: str, org_id: str, permissions: list[Permission]) -> bool:
    """A token with exactly these rights, in InfluxDB and in the vault; one that differs or was lost is replaced."""
    api = client.authorizations_api()
    wanted = {(one.action, one.resource.id) for one in permissions}
    kept = vault.read(home, name)
    for old in api.find_authorizations():
        if old.description != name:
            continue
        if old.token == kept and {(one.action, one.resource.id) for one in old.permissions} == wanted:
            return False
        api.delete_authorization(old)
    made = api.create_authorization(authorization=Authorization(org_id=org_id, permissions=permissions, description=name))
    vault.keep(home, name, made.token)
    return True
