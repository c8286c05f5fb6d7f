"""Cron expressions in manifests.

InfluxDB's parser (github.com/influxdata/cron) takes more than this grammar and gives some of it an unusual meaning:
``*/30`` as a minute also fires at minute 59, ``MON-FRI/2`` fires on Tuesday and Thursday, and ``3/2`` as a month also
fires in January. They are refused here with the spelling that does what it says; ``core.cron`` still computes what the
server does with them. Where day of month, month and day of week are all limited, the parser can read out of bounds:
measured on influxd 2.7.12, ``0 3 1 6,12 1`` is answered with 500 and stored all the same, and from then on influxd panics
at every start. So all three together are refused.
"""

from __future__ import annotations

from typing import Annotated

from influxops.api.patterns import pattern_rule
from influxops.api.rules import Checked, Rule


def _list(number: str, step: str) -> str:
    span = f"({number})(-({number}))?"
    item = f"([*]|{span})(/({step}))?"
    return f"{item}(,{item})*"


_SIXTY = _list("[0-5]?[0-9]", "[1-9]|[1-5][0-9]")
_HOUR = _list("[01]?[0-9]|2[0-3]", "[1-9]|1[0-9]|2[0-3]")
_DAY = _list("0?[1-9]|[12][0-9]|3[01]", "[1-9]|[12][0-9]|30")
_MONTH = _list("0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)", "[1-9]|1[0-2]")
_WEEKDAY = _list("[0-6]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT)", "[1-7]")
_GRAMMAR = f"^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|({_SIXTY} +)?{_SIXTY} +{_HOUR} +{_DAY} +{_MONTH} +{_WEEKDAY})$"

_zone = pattern_rule(
    "TZ=",
    "{self} names a time zone, but InfluxDB runs cron in UTC only; remove it and write the hours in UTC",
    negate=True,
)
_every = pattern_rule(
    "^@every", "{self} is not a cron expression; write every instead of cron, such as every: 1h", negate=True
)
_half = pattern_rule(
    "^([^ ]+ +)?([^ ]*,)?([*]|0+|0+-59)/30(,[^ ]*)?( +[^ ]+){4,5}$",
    "{self} has a step of 30, at which InfluxDB also runs at 59; write 0,30 in its place",
    negate=True,
)
_weekdays = pattern_rule(
    "[0-9A-Za-z]/[0-9]+(,[^ ]*)?$",
    "{self} has a step after days of the week, which InfluxDB counts from Sunday; list the days, such as MON,WED,FRI",
    negate=True,
)
_months = pattern_rule(
    "^([^ ]+ +)?([^ ]+ +){3}([^ ]*,)?[0-9A-Za-z]+/[0-9]+(,[^ ]*)? +[^ ]+$",
    "{self} has a step after a single month, which InfluxDB counts on into the next year; write the range, such as 3-12/3",
    negate=True,
)
_limited = "([^* ][^ ]*|[*][^ ]+)"
_crash = pattern_rule(
    f"^([^ ]+ +)?[^ ]+ +[^ ]+ +{_limited} +{_limited} +{_limited}$",
    "{self} limits day of month, month and day of week at once, with which InfluxDB can crash and never start again; "
    "write * for one of the three",
    negate=True,
)
_grammar = pattern_rule(_GRAMMAR, "")

Cron = Annotated[
    str,
    Checked(
        (
            _zone,
            _every,
            Rule(
                f"!({_zone.cel} && {_every.cel}) || {_grammar.cel}",
                "{self} is not a cron expression of InfluxDB; write minute, hour, day of month, month and day of week "
                '(0-6 or SUN-SAT), such as "0 3 * * *" for 03:00 UTC each day, or @hourly, @daily, @weekly, @monthly, '
                "@yearly",
                lambda text: not (_zone.check(text) and _every.check(text)) or _grammar.check(text),
            ),
            _half,
            _weekdays,
            _months,
            _crash,
        ),
        max_length=256,
    ),
]
"""When a task runs, in UTC: five fields, six with seconds in front, or one of the @ words."""
