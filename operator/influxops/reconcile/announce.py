"""An event and a log line when an object gets into trouble or out of it."""

from __future__ import annotations

from influxops.core.outcome import Gone, Outcome, Stalled, Wait
from influxops.core.record import Record
from influxops.reconcile.context import Context


def announce(context: Context, record: Record, before: Outcome | None, after: Outcome) -> None:
    """An event and a log line when an object gets into trouble or out of it; silence while nothing changes."""
    if before == after or isinstance(after, Gone):
        return
    if isinstance(after, Stalled | Wait):
        if isinstance(before, Stalled | Wait) and (before.reason, before.message) == (after.reason, after.message):
            return
        kind = "stalled" if isinstance(after, Stalled) else "waiting"
        context.recorder.action(record.key, kind, after.reason, message=after.message)
        context.recorder.event(record, after.reason, after.message, warning=True)
    elif isinstance(before, Stalled | Wait):
        context.recorder.action(record.key, "ready", after.reason, message=after.message)
