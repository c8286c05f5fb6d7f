"""Plans that wait: for a human's approval, or because drift is only to be told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from influxops.api.common import APPROVE, Approval, Drift
from influxops.core.conditions import rfc3339
from influxops.core.outcome import Done, Outcome, Reason, Wait
from influxops.core.pending import Actions, in_words, is_rest_of, pending
from influxops.core.record import Record
from influxops.reconcile.context import Context


class Consent(Protocol):
    """The part of a spec that says who lets a change happen."""

    @property
    def drift(self) -> Drift:
        """What happens when InfluxDB is changed by hand."""
        ...

    @property
    def approval(self) -> Approval:
        """Who lets a change happen."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A plan as it is shown, and everything that it rests on."""

    actions: Actions
    basis: Any


@dataclass(frozen=True, slots=True)
class Held:
    """A plan that is not to be applied now: what to say of it, and the ``status.plan`` that shows it."""

    outcome: Outcome
    plan: dict[str, Any]


def asks(spec: Consent, *, drift: bool) -> bool:
    """Whether a change needs consent at all."""
    return spec.approval is Approval.MANUAL or (drift and spec.drift is Drift.WARN)


def hold(
    context: Context,
    record: Record,
    spec: Consent,
    shown: Shown,
    begun: Shown | None,
    previous: Mapping[str, Any] | None,
    *,
    drift: bool,
    interval: float,
) -> Held | None:
    """Whether a plan has to wait; None when it may be applied: nobody asks for consent, or this very plan has it.

    ``begun`` is the plan as it was before a pause of the task, if that may have been our own doing. What was approved as a
    whole goes on until its end: the world has changed only by our own steps.
    """
    if not asks(spec, drift=drift):
        return None
    now = rfc3339(context.now())
    plan = pending(shown.actions, shown.basis, previous, now)
    approved = record.annotations.get(APPROVE, "")
    if approved == plan["hash"]:
        return None
    looks = [look for look in (shown, begun) if look is not None]
    whole = previous if previous and approved == previous.get("hash") else None
    if whole is not None and any(is_rest_of(whole, look.actions, look.basis) for look in looks):
        return None
    key = record.key
    remedy = (
        f"kubectl annotate {key.kind.value.lower()} -n {key.namespace} {key.name} --overwrite {APPROVE}={plan['hash']}"
    )
    what = in_words(shown.actions)
    if drift and spec.drift is Drift.WARN:
        if previous is None or previous.get("hash") != plan["hash"]:
            context.recorder.drift(key, corrected=False)
            context.recorder.action(key, "drift", Reason.DRIFTED, message=what)
            context.recorder.event(
                record, Reason.DRIFTED, f"InfluxDB was changed by hand; not corrected: {what}", warning=True
            )
        message = f"InfluxDB was changed by hand, and spec.drift is Warn; to put it right ({what}): {remedy}"
        return Held(Done(Reason.DRIFTED, message), plan)
    return Held(Wait(Reason.PLAN_PENDING, f"waits for approval: {what}; {remedy}", after=interval), plan)
