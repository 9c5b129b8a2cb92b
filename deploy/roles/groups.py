"""The consumer groups of Kafka, those that the cores do not name themselves."""

from schemas.aggregate import HOUR, QUARTER

VALIDATE = "hanan-validate"
CITY = "hanan-city"
ALERT = "hanan-alert"
STORE = "hanan-store"
RECOMPUTE = "hanan-recompute"
NOTIFY = "hanan-notify"  # commits nothing: it is only who is on duty

JUDGED_LEVELS = (QUARTER, HOUR)
"""Of windows: what rules may be about."""
