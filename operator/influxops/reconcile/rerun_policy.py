"""From the fields ``retry`` and ``catchUp`` to what the decision needs."""

from __future__ import annotations

from influxops.api.common import Backoff
from influxops.api.influxtask import InfluxTaskSpec
from influxops.core.reruns import CatchUpPolicy, Pauses, Policy


def rerun_policy(spec: InfluxTaskSpec) -> Policy:
    """Without ``retry`` no failed slot is run again; without ``catchUp`` nobody looks for missed ones."""
    retry, catch_up = spec.retry, spec.catch_up
    return Policy(
        retries=retry.limit if retry else 0,
        pauses=pauses(retry.backoff) if retry else Pauses(),
        catch_up=CatchUpPolicy(catch_up.policy.value) if catch_up else None,
        max_windows=catch_up.max_windows if catch_up else 0,
    )


def pauses(backoff: Backoff) -> Pauses:
    """The same in seconds."""
    return Pauses(float(backoff.initial.seconds), backoff.factor, float(backoff.max.seconds), backoff.jitter)
