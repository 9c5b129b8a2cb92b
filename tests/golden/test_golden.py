"""Folders of messages and what becomes of them: `<stream>/<case>/input.jsonl` gives `expected.lp` and `expected_dead.jsonl`.

A line of input is {"topic", "body" or "text", "received_at"}. With HANAN_GOLDEN=write the expected files are written anew, to be
read with `git diff` before they are believed.
"""

import json
import os
from pathlib import Path

import pytest

from deploy.registry_file import load_devices
from processors.points import line
from processors.validate import ValidateTask
from schemas import topics
from schemas.codec import decode_reading, dumps
from schemas.dead import from_record
from schemas.device import Registry, encode
from schemas.instants import DAY_MS, parse_rfc3339
from schemas.ports import Position, Record
from schemas.raw import key_of
from schemas.streams import BY_NAME

HERE = Path(__file__).parent
CASES = sorted(path.parent for stream in BY_NAME for path in HERE.glob(f"{stream}/*/input.jsonl"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_case(case: Path) -> None:
    points, dead = _run(case)
    found = {"expected.lp": points, "expected_dead.jsonl": dead}
    for name, lines in found.items():
        text = "".join(f"{each}\n" for each in lines)
        if os.environ.get("HANAN_GOLDEN") == "write":
            (case / name).write_text(text)
        assert text == (case / name).read_text(), name


def test_every_stream_has_its_cases() -> None:
    assert {case.parent.name for case in CASES} == set(BY_NAME)


def _run(case: Path) -> tuple[list[str], list[str]]:
    registry = Registry()
    for device in load_devices(case / "devices.yaml"):
        registry.apply(device.device_id, encode(device))
    stream = BY_NAME[case.parent.name]
    task = ValidateTask(stream, registry, 30 * DAY_MS, Position(0))
    out = task.feed(
        [_record(stream.name, n, json.loads(text)) for n, text in enumerate((case / "input.jsonl").read_text().splitlines())]
    )
    points, dead = [], []
    for record in out.records:
        if record.topic == topics.DEAD:
            letter = from_record(Record(record.topic, 0, 0, record.key, record.value, record.headers, record.timestamp_ms))
            shown = {"reason": letter.reason, "detail": letter.detail, "places": letter.places, "origin": letter.origin}
            dead.append(json.dumps(shown, ensure_ascii=False))
        else:
            points.append(line(decode_reading(stream.name, record.value or b"")))
    return points, dead


def _record(stream: str, offset: int, message: dict[str, str]) -> Record:
    payload = message["text"].encode() if "text" in message else dumps(message["body"])
    at_ms = parse_rfc3339(message["received_at"])
    return Record(topics.raw(stream), 0, offset, key_of(message["topic"], "c"), payload, (), at_ms)
