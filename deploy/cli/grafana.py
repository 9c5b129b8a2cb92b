"""`hanan grafana`: dashboards written as files, and brought to a Grafana that is already there."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.common import FAILED, USAGE, Json, clear_errors, fail, print_json
from deploy.demo.city.district import load_district
from deploy.demo.city.registry import district_devices
from deploy.registry_file import RegistryError, load_devices
from deploy.settings import Settings
from grafana import build, differences, provisioning
from grafana.options import options_of
from grafana.push import Change, Difference, GrafanaError, Server, stripped
from grafana.words import Words
from processors.rules.load import DEFAULT as PACKS
from processors.rules.load import load_book, pack_files
from processors.rules.problems import RulesError

app = typer.Typer(help="Dashboards: files, and a Grafana that is already there.", no_args_is_help=True)

_OUT = Path("grafana")
Out = Annotated[Path, typer.Option("--out", help="Folder that gets generated/ and provisioning/.")]
Only = Annotated[list[str] | None, typer.Argument(metavar="[UID]...", help="Only these dashboards, such as hanan-heat-en.")]


@app.command("build", epilog="Example: hanan grafana build --check")
def build_command(
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 and the list of stale files.")] = False,
    registry: Annotated[
        Path | None,
        typer.Option("--registry", help="Devices whose zones get colours and outlines; default the simulated city's."),
    ] = None,
    out: Out = _OUT,
) -> None:
    """Write dashboards in both languages and the files by which a Grafana provisions itself."""
    with _clear():
        wanted = {out / "generated" / path: text for path, text in build.files(_documents(registry, "")).items()}
        wanted |= {out / "provisioning" / path: text for path, text in provisioning.files().items()}
    there = [*sorted((out / "generated").rglob("*.json")), *sorted((out / "provisioning").rglob("*.yaml"))]
    orphans = [path for path in there if path not in wanted]
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if check:
        for path in stale + orphans:
            sys.stdout.write(f"{path}\n")
        if stale or orphans:
            fail("stale: run `hanan grafana build`")
        return
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
        sys.stdout.write(f"wrote {path}\n")
    for path in orphans:
        path.unlink()
        sys.stdout.write(f"removed {path}\n")
    if not stale and not orphans:
        sys.stdout.write(f"{len(wanted)} files are current\n")


@app.command(epilog="Example: hanan grafana diff hanan-heat-en")
def diff(only: Only = None, as_json: Json = False) -> None:
    """Show what a push would change; exit code 1 when anything differs."""
    with _server() as (server, documents):
        found = server.compare(_chosen(documents, only))
    if as_json:
        print_json([_as_row(each) | {"changes": _lines(each)} for each in found])
    else:
        for each in found:
            sys.stdout.write(f"{each.change.value:7} {each.uid}  {each.title}\n")
            sys.stdout.writelines(f"        {line}\n" for line in _lines(each))
    if any(each.change is not Change.SAME for each in found):
        raise typer.Exit(FAILED)


@app.command(epilog="Example: hanan grafana push --overwrite hanan-city-zh")
def push(
    only: Only = None,
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also what somebody edited in Grafana.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the dashboards to the Grafana of grafana_url. Exit code 1 when an edited one was left alone."""
    with _server() as (server, documents):
        done = [(each, server.push(each, overwrite=overwrite)) for each in server.compare(_chosen(documents, only))]
    kept = [each for each, written in done if each.change is Change.EDITED and not written]
    if as_json:
        print_json([_as_row(each) | {"written": written} for each, written in done])
    else:
        for each, written in done:
            what = "written" if written else "left as somebody edited it" if each in kept else "same"
            sys.stdout.write(f"{what:27} {each.uid}\n")
    if kept:
        fail("edited in Grafana: `hanan grafana diff` shows how, `pull` keeps them, `push --overwrite` replaces them")


@app.command(epilog="Example: hanan grafana pull hanan-heat-en --to kept/")
def pull(
    only: Only = None, *, to: Annotated[Path, typer.Option("--to", help="Folder for the files.")] = Path("grafana-pulled")
) -> None:
    """Save the dashboards as they are in Grafana, to keep or to learn from."""
    with _server() as (server, documents):
        found = {each["uid"]: server.pull(each["uid"]) for each in _chosen(documents, only)}
    for uid, document in found.items():
        if document is None:
            sys.stdout.write(f"{uid} is not there\n")
            continue
        path = to / f"{uid}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        sys.stdout.write(f"wrote {path}\n")


@contextmanager
def _clear() -> Iterator[Settings]:
    with clear_errors() as settings:
        try:
            yield settings
        except (RegistryError, RulesError, GrafanaError) as error:
            fail(str(error))


@contextmanager
def _server() -> Iterator[tuple[Server, list[build.Document]]]:
    with _clear() as settings:
        if not settings.grafana_url:
            fail("no Grafana is named: set HANAN_GRAFANA_URL, and HANAN_GRAFANA_TOKEN to a service account's token", USAGE)
        server = Server(settings.grafana_url, settings.grafana_token.get_secret_value())
        yield server, documents_of(settings)


def documents_of(settings: Settings) -> list[build.Document]:
    """With the zones of the registry's file where one is named, else the simulated city's; alerts in the words of the rules."""
    own = settings.registry != Settings.model_fields["registry"].default
    return _documents(settings.registry if own else None, settings.grafana_tiles, settings.alert_rules)


def _documents(registry: Path | None, tiles: str, rules: Path = PACKS) -> list[build.Document]:
    district = load_district()
    devices = load_devices(registry) if registry else district_devices(district)
    names = {zone.id: Words(zone.en, zone.zh) for zone in district.zones}
    return build.all_dashboards(options_of(devices, "en", tiles, names, rule_texts(rules)))


def rule_texts(folder: Path = PACKS) -> Mapping[str, Words]:
    return {name: Words(rule.en.summary, rule.zh.summary) for name, rule in load_book(pack_files(folder)).rules.items()}


def _chosen(documents: list[build.Document], only: list[str] | None) -> list[build.Document]:
    known = {each["uid"]: each for each in documents}
    if unknown := [uid for uid in only or () if uid not in known]:
        fail(f"no dashboard {unknown[0]}; there are {', '.join(known)}", USAGE)
    return [known[uid] for uid in only] if only else documents


def _lines(difference: Difference) -> list[str]:
    if difference.theirs is None:
        return []
    return differences.changes(stripped(difference.theirs), stripped(difference.ours))


def _as_row(difference: Difference) -> dict[str, Any]:
    return {"uid": difference.uid, "title": difference.title, "change": difference.change.value, "version": difference.version}
