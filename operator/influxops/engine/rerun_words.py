"""What is told of slots that are run again, or given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from influxops.core.conditions import rfc3339
from influxops.core.outcome import Reason
from influxops.core.record import Record
from influxops.core.reruns import CatchUpPolicy, Cause, Decision, Policy, Rerun
from influxops.core.slot_book import SlotBook, SlotFacts
from influxops.reconcile.context import Recorder


def tell(recorder: Recorder, record: Record, rerun: Rerun, facts: SlotFacts, policy: Policy, run_id: str) -> None:
    """A run was asked for."""
    if rerun.cause is Cause.RETRY:
        cause = f" ({facts.cause})" if facts.cause else ""
        text = f"slot {rfc3339(rerun.slot)} failed{cause}; trying it again, {rerun.failures} of {policy.retries}"
        recorder.event(record, Reason.RETRYING, text)
        recorder.action(record.key, "retry", Reason.RETRYING, slot=rfc3339(rerun.slot), run=run_id, message=text)
    else:
        recorder.action(record.key, "catchup", Reason.CATCHING_UP, slot=rfc3339(rerun.slot), run=run_id)


def announce(recorder: Recorder, record: Record, book: SlotBook, decision: Decision) -> None:
    """Missed slots are about to be run: told once for all that were found together."""
    slots = [one.slot for one in decision.run if one.cause is Cause.CATCH_UP]
    if slots and (book.announced is None or slots[-1] > book.announced):
        book.announced = slots[-1]
        recorder.event(record, Reason.CATCHING_UP, f"InfluxDB missed {_span(slots)}; catching up")


def given_up(missed: Sequence[datetime], policy: Policy, name: str, namespace: str) -> str:
    """Slots were missed and are not run: why, and what to do."""
    why = {
        CatchUpPolicy.LATEST: "spec.catchUp.policy Latest runs the newest only",
        CatchUpPolicy.ALL: f"spec.catchUp.maxWindows is {policy.max_windows}",
    }.get(policy.catch_up or CatchUpPolicy.NONE, "spec.catchUp.policy is None")
    example = f"influxops run {name} -n {namespace} --at {rfc3339(missed[-1])}"
    return f"InfluxDB missed {_span(missed)}; not caught up, for {why}. To run one by hand: {example}"


def spent(slot: datetime, facts: SlotFacts) -> str:
    """No retry is left."""
    cause = f": {facts.cause}" if facts.cause else ""
    return f"slot {rfc3339(slot)} failed {len(facts.failed)} times and is not tried again (spec.retry.limit){cause}"


def _span(slots: Sequence[datetime]) -> str:
    if len(slots) == 1:
        return f"slot {rfc3339(slots[0])}"
    return f"{len(slots)} slots, from {rfc3339(slots[0])} to {rfc3339(slots[-1])}"
