"""What a Lease says, and who may take it. Pure: monotonic seconds and wall time come in as arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, as client-go has them.

    ``duration``: how long others leave a lease alone that is not renewed. ``deadline``: after how long without a
    renewal its holder stops. ``retry``: the pause between two attempts.
    """

    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.deadline < self.duration:
            raise ValueError("a lease needs 0 < retry < deadline < duration")


class Observer:
    """Watches another's lease change.

    Their clock is never compared with ours: a lease is expired when *we* have seen no change of it for the duration
    that it names.
    """

    def __init__(self) -> None:
        self._seen: tuple[Any, ...] = ()
        self._since = float("-inf")

    def expired(self, lease: Mapping[str, Any], now: float, timing: Timing) -> bool:
        """Whether the lease may be taken. Each call is an observation, made at ``now`` monotonic seconds."""
        spec = lease.get("spec") or {}
        if not spec.get("holderIdentity"):
            return True
        state = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if state != self._seen:
            self._seen, self._since = state, now
        duration = float(spec.get("leaseDurationSeconds") or timing.duration)
        return now - self._since >= duration


def claimed(
    lease: Mapping[str, Any] | None, namespace: str, name: str, identity: str, timing: Timing, now: datetime
) -> dict[str, Any]:
    """The lease as it should be written to take or renew it. ``None``: there is none yet."""
    old: Mapping[str, Any] = (lease or {}).get("spec") or {}
    mine = old.get("holderIdentity") == identity
    transitions = int(old.get("leaseTransitions") or 0)
    spec: dict[str, Any] = {
        "holderIdentity": identity,
        "leaseDurationSeconds": math.ceil(timing.duration),
        "acquireTime": old.get("acquireTime") if mine and old.get("acquireTime") else micro_time(now),
        "renewTime": micro_time(now),
        "leaseTransitions": transitions if mine or lease is None else transitions + 1,
    }
    return _body(lease, namespace, name, spec)


def released(lease: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The lease as it should be written to give it up: the next one need not wait."""
    metadata = lease["metadata"]
    spec = dict(lease["spec"]) | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": micro_time(now)}
    return _body(lease, metadata["namespace"], metadata["name"], spec)


def holder(lease: Mapping[str, Any] | None) -> str:
    """Who holds it; empty: nobody."""
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def micro_time(moment: datetime) -> str:
    """A ``MicroTime``: UTC, always with six digits."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _body(lease: Mapping[str, Any] | None, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": namespace, "name": name}
    if lease is not None:
        metadata = dict(lease["metadata"])
        metadata.pop("managedFields", None)
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
