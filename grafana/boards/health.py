"""The pipeline's own figures, as panels. They are measurements `pipeline_…` in `ops`, which `hanan up` writes.

See deploy/health_points.py for what they hold.
"""

from typing import Literal, NamedTuple

from grafana_foundation_sdk.builders import timeseries

from grafana import flux, panels
from grafana.marks import steps
from grafana.options import Options
from grafana.palette import BAD, GOOD
from grafana.words import Words
from schemas.fields import OPS
from schemas.reason import Reason
from schemas.streams import STREAMS

ROLES = ("collect", "validate", "store", "aggregate", "alert", "city", "notify")
SERVERS = ("kafka", "mosquitto", "rabbitmq", "influxdb", "kafka-1", "kafka-2", "kafka-3")
_NAMES = {
    "stream": [stream.name for stream in STREAMS],
    "role": ROLES,
    "server": SERVERS,
    "reason": [each.value for each in Reason],
}


class Health(NamedTuple):
    """One panel of the pipeline's own figures: `field` of `pipeline_<of>`, a line for each value of the tag `by`.

    `grown` shows how much a counter grew in each interval, a restart of its role being no growth.
    """

    title: Words
    why: Words
    of: str
    by: Literal["stream", "role", "server", "reason"]
    field: str
    unit: str
    how: Literal["level", "grown"] = "level"


FLOW = (
    Health(
        Words("Received a second", "每秒接收"),
        Words("Messages that the collectors took from the broker, by stream.", "采集进程每秒收到的消息，按类别。"),
        "stream", "stream", "received_per_s", "suffix: /s",
    ),
    Health(
        Words("Stored a second", "每秒入库"),
        Words("Points that InfluxDB acknowledged, by stream.", "InfluxDB 每秒确认的数据点，按类别。"),
        "stream", "stream", "stored_per_s", "suffix: /s",
    ),
    Health(
        Words("Lag", "积压"),
        Words(
            "Records in Kafka that the role behind has not read yet, by stream. Some are normal; a line that only grows is not.",
            "已写入 Kafka 尚未被后续角色读取的记录数。少量属正常，持续增长则异常。",
        ),
        "stream", "stream", "lag", "none",
    ),
    Health(
        Words("Receipt to storage, p50", "接收到入库延迟 p50"),
        Words(
            "From the collector's receipt to InfluxDB's 204: half of the last minute's readings were quicker.",
            "从采集接收到 InfluxDB 确认的延迟，最近一分钟中位数。",
        ),
        "stream", "stream", "p50_ms", "ms",
    ),
    Health(
        Words("Receipt to storage, p99", "接收到入库延迟 p99"),
        Words(
            "The same: one in a hundred of the last minute's readings took longer. The line is 10 s.",
            "同上，最近一分钟 99 分位。阈值线为 10 秒。",
        ),
        "stream", "stream", "p99_ms", "ms",
    ),
    Health(
        Words("Sensor to storage, p50", "传感器到入库延迟 p50"),
        Words(
            "From the reading's own time to InfluxDB's 204: half of the last minute's were quicker. "
            "What it has more than from receipt is the device's way of sending, or its clock.",
            "从读数自身时间到 InfluxDB 确认，最近一分钟中位数。比接收到入库多出的部分来自设备发送方式或时钟。",
        ),
        "stream", "stream", "age_p50_ms", "ms",
    ),
    Health(
        Words("Sensor to storage, p99", "传感器到入库延迟 p99"),
        Words(
            "The same: one in a hundred took longer. After an outage devices send what they kept, and it is hours.",
            "同上，最近一分钟 99 分位。中断后设备补传，可达数小时。",
        ),
        "stream", "stream", "age_p99_ms", "ms",
    ),
    Health(
        Words("On their way to Kafka", "待 Kafka 确认"),
        Words(
            "Messages that a collector has taken and Kafka has not acknowledged yet; nor have they been to their sender.",
            "采集进程已收、Kafka 尚未确认的消息；数量有上限，未向发送方确认。",
        ),
        "stream", "stream", "in_flight", "none",
    ),
    Health(
        Words("Dead letters, by reason", "死信（按原因）"),
        Words(
            "What could not be understood, in each interval; `hanan dead list` says what to do about each reason.",
            "各时段无法解析的消息，按原因；处置办法见 hanan dead list。",
        ),
        "dead", "reason", "letters", "none", "grown",
    ),
    Health(
        Words("Late readings", "迟到读数"),
        Words(
            "Readings that came more than 15 minutes after their own time: stored, and left out of the windows until those are "
            "computed again.",
            "晚于自身时间 15 分钟以上到达的读数：已入库，重算前不计入窗口。",
        ),
        "stream", "stream", "late", "none", "grown",
    ),
    Health(
        Words("Repeated readings", "重复读数"),
        Words(
            "Readings of an identity that was there already. They count once; many at once mean a resend after an outage.",
            "身份相同的重复读数，只计一次；大量出现说明中断后重发。",
        ),
        "stream", "stream", "repeated", "none", "grown",
    ),
)  # fmt: skip

RUNNING = (
    Health(
        Words("Processes", "进程数"),
        Words("Processes of each role that answer.", "各角色在线进程数。"),
        "role", "role", "processes", "none",
    ),
    Health(
        Words("CPU of the roles", "角色 CPU"),
        Words("Each role, its processes together; 100 % is one core.", "各角色合计，100% 为一个核。"),
        "role", "role", "cpu_percent", "percent",
    ),
    Health(
        Words("Memory of the roles", "角色内存"),
        Words("Resident memory of each role, all its processes together.", "各角色常驻内存合计。"),
        "role", "role", "resident_mb", "decmbytes",
    ),
    Health(
        Words("Servers up", "服务器在线"),
        Words(
            "1 while the broker, Kafka or InfluxDB of this home runs. No line at all: InfluxDB was away, or `hanan up`.",
            "本机 MQTT、Kafka、InfluxDB 进程在线为 1。完全无线：InfluxDB 或 hanan up 未运行。",
        ),
        "server", "server", "up", "none",
    ),
    Health(
        Words("CPU of the servers", "服务器 CPU"),
        Words("Each server that this home runs; 100 % is one core.", "各服务器进程，100% 为一个核。"),
        "server", "server", "cpu_percent", "percent",
    ),
    Health(
        Words("Memory of the servers", "服务器内存"),
        Words("Resident memory of each server that this home runs.", "各服务器常驻内存。"),
        "server", "server", "resident_mb", "decmbytes",
    ),
    Health(
        Words("Broker reconnects", "MQTT 重连"),
        Words("How often the collectors had to connect to the broker again.", "采集进程重新连接 MQTT 的次数。"),
        "stream", "stream", "reconnects", "none", "grown",
    ),
)  # fmt: skip


def health(each: Health, options: Options) -> timeseries.Panel:
    grown = each.how == "grown"
    pool = "sum" if grown else "last"
    growth = "\n  |> difference(nonNegative: true)" if grown else ""
    query = f"""from(bucket: "{OPS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => r._measurement == "pipeline_{each.of}" and r._field == "{each.field}"){growth}
  |> aggregateWindow(every: v.windowPeriod, fn: {pool}, createEmpty: false)
  |> group(columns: ["{each.by}", "_time"])
  |> sum()
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, series: r.{each.by}}}))
  |> group(columns: ["series"])
  |> sort(columns: ["_time"])"""
    draw = panels.bars if grown else panels.lines
    panel = draw(each.title.of(options.language), each.why.of(options.language), [query], each.unit).span(8).min(0)
    panels.coloured(panel, _NAMES[each.by])
    if each.field == "p99_ms":
        return panels.drawn(panel.thresholds(steps([(None, GOOD), (10_000, BAD)])))
    return panel
