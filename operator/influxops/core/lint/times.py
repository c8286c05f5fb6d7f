"""What a time or a duration of a script is in the run of one slot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from influxops.core.durations import Duration, DurationError, parse_duration
from influxops.core.flux.facts import literal_text
from influxops.core.lint.flow import Builtin, Call, Open, Value
from influxops.core.lint.script import Script

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHIFTS = {
    ("date", "add"): ("to", 1),
    ("date", "sub"): ("from", -1),
    ("experimental", "addDuration"): ("to", 1),
    ("experimental", "subDuration"): ("from", -1),
}


def duration(script: Script, value: Value | None) -> Duration | None:
    """A duration, with its sign; None when the text does not tell."""
    match value:
        case Builtin("task.every") if script.schedule and script.schedule.every:
            return Duration(f"{script.schedule.every}s", script.schedule.every * 1_000_000_000)
        case Builtin("v.windowPeriod") if script.prelude:
            return _parsed(script.prelude.period)
        case Open(node, scope) if node.get("type") == "UnaryExpression" and node.get("operator") == "-":
            inner = duration(script, script.flows.resolve(node.get("argument") or {}, scope))
            return None if inner is None else Duration(f"-{inner.text}", -inner.nanoseconds, -inner.months)
        case Open(node, _) if node.get("type") == "DurationLiteral":
            return _parsed(literal_text(node) or "")
        case _:
            return None


def instant(script: Script, value: Value | None, now: datetime) -> datetime | None:
    """The time that an expression means in the run whose ``now()`` is given; None when the text does not tell.

    Integers are seconds since 1970, as ``range`` takes them.
    """
    match value:
        case None | Call("now", "") | Builtin("now"):
            return now
        case Call("today", ""):
            return truncate(now, parse_duration("1d"))
        case Builtin("v.timeRangeStop") if script.prelude:
            return _stop(script, now)
        case Builtin("v.timeRangeStart") if script.prelude:
            stop = _stop(script, now)
            back = [_parsed(script.prelude.period), _parsed(script.prelude.lookback or "0s")]
            for part in back:
                stop = None if stop is None or part is None else shift(stop, part, -1)
            return stop
        case Call("time", "", arguments):
            return _time(script, arguments.get("v"))
        case Call("truncate", "date", arguments):
            moment = instant(script, arguments.get("t"), now)
            unit = duration(script, arguments.get("unit"))
            return None if moment is None or unit is None else truncate(moment, unit)
        case Call(name, package, arguments) if (package, name) in _SHIFTS:
            argument, sign = _SHIFTS[package, name]
            moment = instant(script, arguments.get(argument), now)
            by = duration(script, arguments.get("d"))
            return None if moment is None or by is None else shift(moment, by, sign)
        case _:
            return _literal(script, value, now)


def _literal(script: Script, value: Value | None, now: datetime) -> datetime | None:
    by = duration(script, value)
    if by is not None:
        return shift(now, by, 1)
    node = script.flows.literal(value) or {}
    text = str(node.get("value", ""))
    try:
        match node.get("type"):
            case "DateTimeLiteral":
                moment = datetime.fromisoformat(text)
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            case "IntegerLiteral":
                return _EPOCH + timedelta(seconds=int(text))
            case _:
                return None
    except (ValueError, OverflowError):
        return None


def _time(script: Script, value: Value | None) -> datetime | None:
    """``time(v: …)`` of a text or of nanoseconds since 1970."""
    node = script.flows.literal(value) or {}
    text = str(node.get("value", ""))
    try:
        if node.get("type") == "IntegerLiteral":
            return _EPOCH + timedelta(microseconds=int(text) / 1000)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stop(script: Script, now: datetime) -> datetime | None:
    unit = _parsed(script.prelude.align) if script.prelude else None
    return None if unit is None else truncate(now, unit)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Duration | None:
    try:
        return parse_duration(text)
    except DurationError:
        return None


def truncate(moment: datetime, unit: Duration) -> datetime | None:
    """Flux's ``date.truncate``: whole multiples of the unit since 1970 (weeks begin on a Thursday); months by the calendar.

    None for a unit that mixes months with a fixed length.
    """
    if unit.months > 0 and unit.nanoseconds == 0:
        months = (moment.year - 1970) * 12 + moment.month - 1
        months -= months % unit.months
        return datetime(1970 + months // 12, months % 12 + 1, 1, tzinfo=UTC)
    if unit.months or unit.nanoseconds <= 0:
        return None
    nanoseconds = _nanoseconds(moment)
    return moment - timedelta(microseconds=nanoseconds % unit.nanoseconds / 1000)


def shift(moment: datetime, by: Duration, sign: int) -> datetime | None:
    """A time later (``sign`` 1) or earlier (-1); a month keeps its day where it can. None when it leaves the calendar."""
    try:
        if by.months:
            months = moment.year * 12 + moment.month - 1 + sign * by.months
            moment = moment.replace(year=months // 12, month=months % 12 + 1, day=min(moment.day, 28))
        return moment + timedelta(microseconds=sign * by.nanoseconds / 1000)
    except (ValueError, OverflowError):
        return None


def aligned(moment: datetime, every: Duration, offset: Duration | None = None) -> bool:
    """Whether a time lies on the bounds of windows of this length."""
    shifted = shift(moment, offset, -1) if offset else moment
    return shifted is not None and truncate(shifted, every) == shifted


def _nanoseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
