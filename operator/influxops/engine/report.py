"""What a connection says of itself: its status, its events, its metrics."""

from __future__ import annotations

import contextlib
from typing import Any

from influxops.api.common import RECONCILE_AT
from influxops.core.connection_status import ConnectionFacts, connection_status
from influxops.core.keys import Key, Kind
from influxops.core.outcome import Done, Reason, Stalled, Wait
from influxops.core.record import pack, unpack
from influxops.engine.link import LiveLink
from influxops.engine.target import ESSENTIAL
from influxops.engine.tools import Tools
from influxops.kube.errors import KubeError
from influxops.reconcile.context import Problem

SOUND = "2.7.7"
"""The first version without the bug that stops tasks at the end of daylight saving."""


def _is_old(version: str) -> bool:
    """Whether a version such as ``v2.7.6`` is older than SOUND; one that cannot be read is not."""
    try:
        numbers = [int(part) for part in version.removeprefix("v").split("-")[0].split(".")]
    except ValueError:
        return False
    return numbers < [int(part) for part in SOUND.split(".")]


class Report:
    """The voice of one connection."""

    def __init__(self, link: LiveLink, tools: Tools) -> None:
        self._link = link
        self._tools = tools
        self._context = tools.context
        self._packed_status = b""
        self._counts: dict[str, int] = {}
        self._foreign = ""
        """A task of another InfluxDB user than the token's."""

    def status(self) -> dict[str, Any]:
        """The status as last written, or as found at the start."""
        if self._packed_status:
            return unpack(self._packed_status)
        record = self._context.objects.get(self._link.key)
        return record.status() if record is not None else {}

    async def say(self, lacking: frozenset[str], generation: int) -> None:
        """Write the connection's status, if it differs."""
        link = self._link
        record = self._context.objects.get(link.key)
        if record is None or record.deleting:
            return  # what is being deleted says so elsewhere
        previous = self.status()
        outcome = self._outcome(lacking)
        counts = self._counts or self._count()
        facts = ConnectionFacts(
            version=link.version or str(previous.get("version") or ""),
            url=link.spec.url if link.org_id else str(previous.get("url") or ""),
            org_id=link.org_id or str(previous.get("orgID") or ""),
            found_org_id=link.problem.found_org_id if link.problem else "",
            user=link.user.name if link.user else str(previous.get("user") or ""),
            user_id=link.user.id if link.user else str(previous.get("userID") or ""),
            breaker=link.breaker.state.value,
            handled_reconcile_at=record.annotations.get(RECONCILE_AT, ""),
            foreign_example=self._foreign,
            shard=self._tools.shard,
            **counts,
        )
        status = connection_status(previous, outcome, facts, generation, self._context.now())
        self._packed_status = pack(status)
        try:
            await self._context.statuses.now(record.key, record.uid, status)
        except KubeError:
            return  # the next turn writes it
        before = {item.get("type"): item.get("message") for item in previous.get("conditions") or []}.get("Ready")
        if not isinstance(outcome, Done) and before != outcome.message:
            self._context.recorder.event(record, outcome.reason, outcome.message, warning=True)
            self._context.recorder.action(record.key, "not ready", outcome.reason, message=outcome.message)
        elif isinstance(outcome, Done) and before != outcome.message:
            did = "suspended" if outcome.reason is Reason.SUSPENDED else "ready"
            self._context.recorder.action(record.key, did, outcome.reason, message=outcome.message)

    def _outcome(self, lacking: frozenset[str]) -> Done | Wait | Stalled:
        problem = self._link.problem
        if problem is None:
            old = (
                f"; versions before {SOUND} stop tasks at the end of daylight saving (influxdb#25110): upgrade"
                if _is_old(self._link.version)
                else ""
            )
            optional = sorted(lacking - set(ESSENTIAL))
            lacks = f"; the token lacks {', '.join(optional)}" if optional else ""
            return Done(
                Reason.SYNCED,
                f"connected to InfluxDB {self._link.version}, organization {self._link.spec.org!r}{lacks}{old}",
            )
        if problem.reason is Reason.SUSPENDED:
            return Done(problem.reason, problem.message)
        if problem.stalled:
            return Stalled(problem.reason, problem.message)
        return Wait(problem.reason, problem.message)

    def _count(self) -> dict[str, int]:
        """Look at every task once a turn; metrics and status tell the same."""
        link = self._link
        managed = drifted = failing = late = foreign = 0
        tasks, user = link.snapshot.tasks, link.user.id if link.user is not None else None
        memory = self._context.tasks
        names: list[str] = []
        for key in self._context.objects.tasks_by_connection(link.key):
            state = memory.get(key)
            stored = tasks.get(state.task_id) if state is not None else None
            if state is None or stored is None:
                continue
            managed += 1
            drifted += state.drifted
            failing += state.runs.consecutive_failures > 0
            late += state.late_slot is not None
            if user is not None and stored.owner_id != user:
                foreign += 1
                names.append(f"{key.namespace}/{key.name}")
        self._foreign = min(names, default="")
        counts = {"managed": managed, "drifted": drifted, "failing": failing, "late": late, "foreign_owned": foreign}
        if not link.trust_snapshot():
            old = self.status().get("tasks") or {}
            counts.update({name: int(old.get(name) or 0) for name in ("managed", "drifted", "failing", "late")})
        return counts

    def measure(self, seconds: float, requests: int, problem: Problem | None) -> None:
        metrics, name = self._tools.metrics, f"{self._link.key.namespace}/{self._link.key.name}"
        metrics.set_breaker(name, self._link.breaker.state.value)
        self._counts = {}
        if problem is not None and problem.reason is Reason.SUSPENDED:
            return
        if problem is not None:
            metrics.sweep_failures_total.labels(name).inc()
            return
        metrics.sweep_duration_seconds.labels(name).observe(seconds)
        metrics.sweep_requests.labels(name).set(requests)
        metrics.sweep_last_success_timestamp_seconds.labels(name).set(self._context.now().timestamp())
        counts = self._counts = self._count()
        for state in ("managed", "drifted", "failing", "late"):
            metrics.tasks.labels(name, state).set(counts[state])
        metrics.orphans.labels(name).set(self._orphans())

    def forget_sweeps(self) -> None:
        """No sweep is due while the connection is suspended, so none is overdue."""
        name = f"{self._link.key.namespace}/{self._link.key.name}"
        with contextlib.suppress(KeyError):
            self._tools.metrics.sweep_last_success_timestamp_seconds.remove(name)

    def _orphans(self) -> int:
        """Tasks with our instance's marker whose InfluxTask does not exist."""
        if not self._tools.synced():
            return 0
        instance, get = self._context.instance, self._context.objects.get
        task = Kind.TASK.value
        return sum(
            len(ids)
            for owner, ids in self._link.snapshot.by_owner.items()
            if owner.instance == instance
            and owner.kind == task
            and get(Key(Kind.TASK, owner.namespace, owner.name)) is None
        )
