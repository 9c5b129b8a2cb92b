"""The `hanan` command."""

import typer

from deploy.cli import alerts, dead, devices, dispatch, grafana, rules, servers
from deploy.cli.contract import contract_command
from deploy.cli.doctor import doctor
from deploy.cli.down import down
from deploy.cli.feed import EPILOG as FEED_EPILOG
from deploy.cli.feed import feed
from deploy.cli.recompute import EPILOG as RECOMPUTE_EPILOG
from deploy.cli.recompute import recompute
from deploy.cli.reconcile import reconcile
from deploy.cli.rewind import EPILOG as REWIND_EPILOG
from deploy.cli.rewind import rewind
from deploy.cli.run import run
from deploy.cli.simulate import EPILOG as SIMULATE_EPILOG
from deploy.cli.simulate import simulate
from deploy.cli.soak import EPILOG as SOAK_EPILOG
from deploy.cli.soak import soak
from deploy.cli.status import status
from deploy.cli.up import up

app = typer.Typer(
    help="Hanan: a city district's sensors from MQTT through Kafka into InfluxDB.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    epilog="Example: hanan up --for 2m",
)

app.command(epilog="Example: hanan up --feed recordings --for 10m")(up)
app.command(epilog="Example: hanan down")(down)
app.command(epilog="Example: hanan run validate --name validate-2")(run)
app.add_typer(servers.app, name="servers")
app.command(epilog=FEED_EPILOG)(feed)
app.command(epilog=SIMULATE_EPILOG)(simulate)
app.add_typer(devices.app, name="devices")
app.add_typer(dead.app, name="dead")
app.command(epilog="Example: hanan reconcile --feed .hanan/feeds/latest.json")(reconcile)
app.command(epilog=REWIND_EPILOG)(rewind)
app.command(epilog=RECOMPUTE_EPILOG)(recompute)
app.command(epilog="Example: hanan status --json")(status)
app.command(epilog="Example: hanan doctor")(doctor)
app.command(epilog=SOAK_EPILOG)(soak)
app.add_typer(alerts.app, name="alerts")
app.add_typer(rules.app, name="rules")
app.add_typer(dispatch.app, name="dispatch")
app.add_typer(grafana.app, name="grafana")
app.command("contract", epilog="Example: hanan contract --check")(contract_command)

if __name__ == "__main__":
    app()
