"""All dashboards in all languages, as the files under grafana/generated/."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import flux, palette
from grafana.boards.alerts import alerts_board
from grafana.boards.city import city_board
from grafana.boards.device import device_board
from grafana.boards.dispatch import dispatch_board
from grafana.boards.extras import extras_of
from grafana.boards.pipeline import pipeline_board
from grafana.boards.stream import stream_board
from grafana.options import Options
from grafana.target import SOURCE
from grafana.words import LANGUAGES
from schemas.kind import Stream
from schemas.streams import STREAMS

Document = dict[str, Any]


def dashboards(options: Options, streams: Sequence[Stream] = STREAMS) -> list[Document]:
    """In one language, in the order in which people look at them."""
    boards = [city_board(options)]
    boards += [stream_board(stream, options, extras_of(stream.name, options)) for stream in streams]
    boards += [dispatch_board(options), alerts_board(options), device_board(options), pipeline_board(options)]
    made = [document(board) for board in boards]
    for stream, board in zip(streams, made[1:], strict=False):
        board["annotations"] = {"list": [alerts_on(stream, options)]}
    return made


def all_dashboards(options: Options, streams: Sequence[Stream] = STREAMS) -> list[Document]:
    return [each for language in LANGUAGES for each in dashboards(replace(options, language=language), streams)]


def files(documents: Iterable[Document]) -> Mapping[str, str]:
    """Path under `generated/` -> text."""
    return {f"{each['tags'][-1]}/{each['uid']}.json": json.dumps(each, indent=1, ensure_ascii=False) + "\n" for each in documents}


def document(board: Dashboard) -> Document:
    """As Grafana keeps it: panels numbered, nothing that Grafana itself adds."""
    made: Document = json.loads(json.dumps(board.build(), cls=JSONEncoder))
    number = 0
    for panel in made["panels"]:
        for each in (panel, *panel.get("panels", ())):
            number += 1
            each["id"] = number
    for variable in made["templating"]["list"]:
        # The SDK gives all of them one id, and Grafana, which keeps variables by id, then knows only the last
        variable["id"] = variable["name"]
    return made


def alerts_on(stream: Stream, options: Options) -> Document:
    """The alerts of a stream as marks on its trends. The SDK has no place for a Flux query there."""
    return {
        "name": options.say("Alerts", "告警"),
        "datasource": SOURCE.to_json(),
        "enable": True,
        "iconColor": palette.BAD,
        "target": {"refId": "Anno", "query": flux.annotations(stream.name)},
    }
