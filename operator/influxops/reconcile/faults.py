"""From an error of InfluxDB to an outcome: the one place where that is decided."""

from __future__ import annotations

from influxops.core.outcome import Outcome, Reason, Stalled, Wait
from influxops.influx.errors import Conflict, Forbidden, InfluxError, Invalid, NotFound, RateLimited, Unauthorized


def outcome_of(error: InfluxError) -> Outcome:
    """What an error means for the object that was being worked.

    A connection that is down or a token that is wrong parks the object: it comes again when the connection is back or
    its Secret has changed, not by time.
    """
    match error:
        case RateLimited(retry_after=after):
            return Wait(Reason.RATE_LIMITED, str(error), after=after or 5.0)
        case Unauthorized():
            return Wait(Reason.UNAUTHORIZED, f"{error}: put a valid token into the connection's Secret", parked=True)
        case Forbidden(right=right):
            missing = f"; the token needs {right}" if right else ""
            return Stalled(Reason.NOT_ALLOWED, f"{error}{missing}")
        case NotFound() | Conflict():
            return Wait(Reason.UPDATING, f"InfluxDB has changed meanwhile: {error}")
        case Invalid():
            return Stalled(Reason.INVALID_SPEC, f"InfluxDB refuses it: {error}")
        case _:
            return Wait(Reason.CONNECTION_NOT_READY, str(error), parked=True)
