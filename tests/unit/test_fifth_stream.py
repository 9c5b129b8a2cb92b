"""A stream is one module and its registration: done here in a copy of the project, with the module that the docs show."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("schemas", "ingest", "processors", "deploy")

# Runs inside the copy. It names the new stream, and nothing but what is derived from its declaration.
USE = """
from ingest.slots import slots_of
from processors.city.role import topics_read
from processors.points import line
from processors.validate import ValidateTask
from schemas import codec, topics
from schemas.contract import documents
from schemas.device import Device, Registry, encode
from schemas.ports import Position, Record
from schemas.raw import key_of
from schemas.streams import BY_NAME, STREAMS

assert [stream.name for stream in STREAMS][-1] == "tunnel"
assert slots_of(STREAMS)[-1].filters == ("hanan/tunnel/+/+/+",)
assert [topic for topic in topics_read(BY_NAME) if "tunnel" in topic] == [f"aggregate-{n}.tunnel" for n in ("15m", "1h", "1d")]
assert any("tunnel" in name for name in documents()), sorted(documents())

sump = Device(device_id="TS-1", stream="tunnel", kind="sump", zone="z", site="s", lat=45, lon=126, params={"depth_m": 1.5})
registry = Registry()
registry.apply("TS-1", encode(sump))
task = ValidateTask(BY_NAME["tunnel"], registry, 10**9, Position(0))
now = 1_768_435_200_000

def message(offset, body):
    return Record("raw.tunnel", 0, offset, key_of("hanan/tunnel/sump/TS-1/reading", "c1"), codec.dumps(body), (), now)

bodies = [
    {"ts": now, "level_m": 0.4, "pump": "on"},
    {"ts": now + 1, "level_m": 1.9, "pump": "off"},
    {"ts": now + 2, "level_m": 2.6},
    {"ts": now + 3, "pump": "asleep"},
]
out = task.feed([message(offset, body) for offset, body in enumerate(bodies)])
for record in out.records:
    if record.topic == "reading.tunnel":
        print(line(codec.decode_reading("tunnel", record.value)))
    else:
        print(record.topic, dict(record.headers)["reason"].decode())
"""


def test_a_fifth_stream_is_one_module_and_its_registration(tmp_path: Path) -> None:
    for package in CODE:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    page = (ROOT / "docs" / "adding-a-stream.md").read_text()
    module = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "STREAM = Stream" in block)
    (tmp_path / "schemas" / "tunnel.py").write_text(module)
    registration = tmp_path / "schemas" / "streams.py"
    before = registration.read_text()
    after = re.sub(r"import bike,", "import tunnel, bike,", before).replace(
        "    drainage.STREAM,\n", "    drainage.STREAM,\n    tunnel.STREAM,\n"
    )
    assert after.count("tunnel") == 2
    registration.write_text(after)
    done = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'tunnel_sump,device_id=TS-1 level_m=0.4,pump="on",quality="good",reasons="-" 1768435200000000000',
        'tunnel_sump,device_id=TS-1 level_m=1.9,pump="off",quality="suspect",reasons="level_m:out_of_range" 1768435200001000000',
        "dead impossible_value",
        "dead wrong_type",
    ]
