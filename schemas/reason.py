"""Why a message became a dead letter, or a value was flagged: the code, what it means, and what to do about it."""

from enum import StrEnum
from typing import Self


class _Told(StrEnum):
    """A code with what it means and what to do about it, for the engineer who reads it."""

    meaning: str
    advice: str

    def __new__(cls, code: str, meaning: str = "", advice: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.advice = advice
        return member


class Reason(_Told):
    """Dead-letter reasons, as `hanan dead list` shows them."""

    # The topic
    BAD_TOPIC = "bad_topic", "the topic does not have the five levels of the contract", "correct the publisher's topic"
    UNKNOWN_KIND = "unknown_kind", "the stream has no such kind of device", "correct the topic, or declare the kind"
    UNKNOWN_CHANNEL = "unknown_channel", "the last topic level is none of the kind's channels", "correct the topic"
    BAD_DEVICE_ID = "bad_device_id", "the device id in the topic is not of the contract's form", "rename the device"
    # The payload as bytes
    EMPTY_PAYLOAD = "empty_payload", "the message has no bytes", "look at the device's firmware"
    TOO_LARGE = "too_large", "the payload is larger than the contract allows", "send arrays in smaller pieces"
    NOT_UTF8 = "not_utf8", "the payload is not UTF-8 text", "look at the encoding, or for a corrupted link"
    NOT_JSON = "not_json", "the payload is not JSON", "look at the device's firmware; truncated text is often a full buffer"
    NOT_FINITE = "not_finite", "the payload holds NaN or a number beyond a double", "send null where there is no value"
    # The payload as a message
    WRONG_SHAPE = "wrong_shape", "neither an object nor an array of objects", "follow the contract's payload form"
    TOO_MANY_ITEMS = "too_many_items", "an array of more items than the contract allows", "send arrays in smaller pieces"
    BAD_SENML = "bad_senml", "not a SenML pack that can be resolved", "follow RFC 8428 and the contract's notes on it"
    SENML_TIME = "senml_time", "a SenML record without an absolute time", "give base time or time as an absolute epoch"
    # A reading
    MISSING_TS = "missing_ts", "the reading has no ts", "send ts: RFC 3339 with offset, or epoch milliseconds"
    BAD_TS = "bad_ts", "ts is neither RFC 3339 with an offset nor epoch milliseconds", "correct the device's ts"
    MISSING_EVENT_ID = "missing_event_id", "an event without its event_id", "send a unique event_id with each event"
    DEVICE_MISMATCH = "device_mismatch", "the payload names another device than the topic", "look for a spoofed device"
    UNKNOWN_METRIC = "unknown_metric", "a field that the kind does not declare", "correct the name, or declare the metric"
    MISSING_METRIC = "missing_metric", "a field that the kind requires is absent", "send all required metrics"
    NO_METRIC = "no_metric", "a reading that measures nothing", "send at least one metric"
    WRONG_TYPE = "wrong_type", "a field is not of its declared type", "numbers as numbers, states as the declared words"
    IMPOSSIBLE_VALUE = "impossible_value", "a value outside the metric's possible range", "look at the sensor and its unit"
    # The reading and what is known of the device and the time
    UNKNOWN_DEVICE = "unknown_device", "the registry does not know the device", "add it with hanan devices load, then replay"
    WRONG_KIND = "wrong_kind", "the registry knows the device as another kind", "correct the topic or the registry"
    FROM_THE_FUTURE = "from_the_future", "ts lies more than five minutes after its receipt", "set the device's clock"
    BEYOND_RETENTION = "beyond_retention", "ts is older than the store keeps", "set the device's clock"
    # The store
    REFUSED_BY_STORE = "refused_by_store", "InfluxDB refused the point", "read the detail; replay after the fix"


class Flag(_Told):
    """Why a value that is kept is nonetheless suspect."""

    SENTINEL = "sentinel", "the device's word for no value; it is not stored", "look at the sensor or its wiring"
    OUT_OF_RANGE = "out_of_range", "outside the metric's plausible range", "look at the sensor, its unit and calibration"
    RATE_OF_CHANGE = "rate_of_change", "moved faster than the measured thing can", "look for a loose contact or interference"
    STUCK = "stuck", "has not moved by a digit for too long", "look whether the sensor is frozen, fouled or held by its logger"
    OVER_CAPACITY = "over_capacity", "counts at a station sum to more than its docks", "correct the station's count, or its docks"
    INCONSISTENT = "inconsistent", "values of one reading contradict each other", "look for swapped sensors or a wrong entry"
