"""Durations in manifests: what each may hold, and what a user reads when it does not."""

from __future__ import annotations

from typing import Annotated

from influxops.api.patterns import FIXED_LENGTH, filled, length_rule, pattern_rule
from influxops.api.rules import Checked, Rule
from influxops.core.durations import DAY, HOUR, INFINITE, SECOND, Duration, parse_duration, parse_retention

LONGEST = 36500 * DAY
"""A hundred years: InfluxDB counts nanoseconds in 64 bits, which end after 292 years."""

_NO_DURATION = (
    "{self} is not a duration; write whole numbers with the units w, d, h, m and s, largest first, such as "
    "30s, 15m, 1h30m or 7d"
)
_UNIT_OF_CALENDAR = "[0-9](y|mo|w)"
_CALENDAR_OR_FIXED = f"^(([0-9]{{1,3}}y)?([0-9]{{1,4}}mo)?|{FIXED_LENGTH[1:-1]})$"
_ZERO = "^(0+(y|mo|w|d|h|m|s))+$"

_fixed = filled(FIXED_LENGTH, _NO_DURATION)
_window = filled(
    _CALENDAR_OR_FIXED,
    "{self} is not a window length; write a fixed length such as 15m, 1h or 7d, or a calendar length such as 1mo or 1y, "
    "not both together",
)
_not_zero = pattern_rule(_ZERO, "{self} is empty; write a length above zero, such as 1h", negate=True)
_bounded = length_rule(0, LONGEST, "{self} is out of range; write at most 36500d")


def _between(minimum: int, maximum: int, message: str) -> tuple[Rule, ...]:
    return (_fixed, length_rule(minimum, maximum, message))


def _duration(rules: tuple[Rule, ...]) -> Checked:
    return Checked(rules, parse_duration, max_length=32)


_not_calendar = pattern_rule(
    _UNIT_OF_CALENDAR,
    "{self} would not begin at the start of a week, month or year; write cron instead of every, in UTC: "
    '"0 0 * * MON" for each week, "0 0 1 * *" for each month, "0 0 1 1 *" for each year',
    negate=True,
)
_steps = Rule(
    f"self.matches('{_UNIT_OF_CALENDAR}') || ({_fixed.cel})",
    _NO_DURATION,
    lambda text: not _not_calendar.check(text) or _fixed.check(text),
)

Every = Annotated[
    Duration,
    _duration(
        (
            _not_calendar,
            _steps,
            length_rule(SECOND, LONGEST, "{self} is out of range; InfluxDB takes 1s to 36500d between two runs"),
        )
    ),
]
"""The step of a schedule: fixed, whole seconds, at least one."""

Offset = Annotated[
    Duration,
    _duration(
        (
            pattern_rule(
                "^-",
                "{self} is negative; an offset delays the run: remove the minus, or move the schedule with cron",
                negate=True,
            ),
            Rule(
                f"self.startsWith('-') || ({_fixed.cel})",
                _NO_DURATION,
                lambda text: text[:1] == "-" or _fixed.check(text),
            ),
            length_rule(0, LONGEST, "{self} is out of range; write 0s to 36500d"),
        )
    ),
]
"""A delay after the scheduled time."""

Interval = Annotated[Duration, _duration(_between(SECOND, LONGEST, "{self} is out of range; write 1s to 36500d"))]
"""Any fixed length of at least a second."""

Delay = Annotated[Duration, _duration(_between(0, LONGEST, "{self} is out of range; write 0s to 36500d"))]
"""Any fixed length, also none."""

ShortInterval = Annotated[Duration, _duration(_between(SECOND, HOUR, "{self} is out of range; write 1s to 1h"))]
"""A time-out or a polling interval."""

Pause = Annotated[Duration, _duration(_between(SECOND, DAY, "{self} is out of range; write 1s to 1d"))]
"""Time between two attempts."""

WindowLength = Annotated[Duration, _duration((_window, _not_zero, _bounded))]
"""The length of a window: fixed or calendar, above zero."""

Lookback = Annotated[Duration, _duration((_window, _bounded))]
"""An extension of a window into the past; may be zero."""

_TOO_SHORT = "{self} is out of range; InfluxDB keeps whole shards of at least 1h: write 1h to 36500d"

ShardGroup = Annotated[Duration, _duration(_between(HOUR, LONGEST, _TOO_SHORT))]
"""The time that one shard group of a bucket spans."""

_kept = Rule(
    f"self == '{INFINITE}' || ({_fixed.cel})",
    "{self} is not a retention; write whole numbers with the units w, d, h, m and s, largest first, such as 30d, or "
    f"{INFINITE}",
    lambda text: text == INFINITE or _fixed.check(text),
)
Retention = Annotated[
    Duration,
    Checked(
        (_kept, length_rule(HOUR, LONGEST, "{self} is out of range; write 1h to 36500d, or " + INFINITE)),
        parse_retention,
        max_length=32,
    ),
]
"""How long a bucket keeps its points; ``infinite`` has 0 seconds."""
