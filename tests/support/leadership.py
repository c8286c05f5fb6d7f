"""Who led when, and who wrote when, judged from what passed the proxies.

A leader's right ends ``deadline`` seconds after it *sent* its last renewal that was answered. The proxy sees a renewal a
moment after it was sent, and a write a moment after it was begun: so a write may be seen a little after the end of the
right (``SLACK``), and a successor may surely not have claimed the lease by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from influxops.kube.lease_state import Timing
from tests.support.history import KUBE, Exchange, decoded

SHORT = Timing(4.0, 3.0, 0.5)
"""What tests use that are not about the times themselves."""
USUAL = Timing()
SLACK = 0.5
"""Seconds that a proxy may see a write after it was begun: it shares two cores with both operators and all servers."""


def arguments(timing: Timing) -> list[str]:
    """For ``influxops operator``."""
    return [
        *("--lease-duration", f"{timing.duration:g}", "--lease-renew-deadline", f"{timing.deadline:g}"),
        *("--lease-retry-period", f"{timing.retry:g}"),
    ]


@dataclass(frozen=True, slots=True)
class Claim:
    """A renewal, or the giving up, of the lease, as its sender learnt of it."""

    who: str
    sent: float
    answered: float
    given_up: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came out."""

    problems: list[str]
    writes: int
    """That were judged."""
    latest: float
    """Seconds that the latest of all writes began after the right to it had ended; negative: before."""


def claims(exchanges: Iterable[Exchange]) -> list[Claim]:
    """The successful claims whose answer reached the sender, in their order."""
    return [
        Claim(one.who, one.started, one.ended, not (decoded(one.body).get("spec") or {}).get("holderIdentity"))
        for one in exchanges
        if one.server == KUBE and "/leases" in one.path and one.method in {"PUT", "POST"}
        if one.committed and not one.fault and one.ended is not None
    ]


def judge(exchanges: Sequence[Exchange], timing: Timing) -> Judgement:
    """Every write was begun by who led, before its deadline, and before anybody else could lead."""
    held = claims(exchanges)
    problems, writes, latest = [], 0, float("-inf")
    for write in exchanges:
        if not write.changes:
            continue
        writes += 1
        if not write.who:  # its connection was gone before the proxy could ask whose it is
            if not any(one.answered <= write.started <= one.sent + timing.deadline + SLACK for one in held):
                problems.append(f"NO LEASE: {write} was begun while nobody held the lease")
            continue
        mine = [one for one in held if one.who == write.who and one.answered <= write.started]
        if not mine or mine[-1].given_up:
            problems.append(f"NO LEASE: {write} was begun by who did not hold the lease")
            continue
        over = write.started - mine[-1].sent - timing.deadline
        latest = max(latest, over)
        if over > SLACK:
            problems.append(f"AFTER DEADLINE: {write} was begun {over:.2f} s after the deadline")
        others = [one for one in held if one.who != write.who and mine[-1].sent < one.sent < write.started]
        if others:
            problems.append(
                f"TWO LEADERS: {write} was begun {write.started - others[0].sent:.2f} s after another had the lease"
            )
    return Judgement(problems, writes, latest)
