"""The loop of one connection: connect, sweep, compare, wake what waited, say how it stands."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from influxops.core.connection_status import ConnectionFacts, connection_status
from influxops.core.keys import Key, Kind
from influxops.core.marker import Owner, sha256
from influxops.core.outcome import Done, Reason, Stalled, Wait
from influxops.core.record import pack, unpack
from influxops.core.snapshot import NEVER, Snapshot
from influxops.core.task_status import outcome_changed
from influxops.engine import sweep
from influxops.engine.connect import ClientFactory, Secrets, credentials
from influxops.engine.link import LiveLink
from influxops.engine.queue import Priority
from influxops.engine.run_collector import RunCollector
from influxops.influx.errors import Forbidden, InfluxError, Invalid, Unauthorized
from influxops.influx.settings import ConnectionSettings
from influxops.kube.errors import KubeError, MissingReference, NotLeader
from influxops.reconcile.context import ACCEPT_TARGET, POLL, POLL_FOR, RECONCILE_AT, Context, Problem
from influxops.reconcile.state import TaskState
from influxops.reconcile.visit import current_task_status, state_of
from influxops.telemetry.logs import get_logger
from influxops.telemetry.metrics import Metrics
from influxops.telemetry.redact import Redactor

log = get_logger(__name__)

ESSENTIAL = ("read:orgs", "read:tasks", "write:tasks", "read:buckets")
"""Rights without which nothing can be managed safely: a token that may not read tasks gets an empty list."""
RIGHTS_EVERY = 20
"""Rights, user and version are asked for anew every so many sweeps."""


@dataclass(slots=True)
class Tools:
    """What the loops of all connections share."""

    context: Context
    secrets: Secrets
    client: ClientFactory
    enqueue: Callable[[Key, Priority], None]
    later: Callable[..., None]
    metrics: Metrics
    redactor: Redactor
    synced: Callable[[], bool]


class ConnectionLoop:
    """Runs one ``LiveLink``."""

    def __init__(self, link: LiveLink, tools: Tools, uid: str) -> None:
        self.link = link
        self.uid = uid
        self._tools = tools
        self._context = tools.context
        self._runs = RunCollector(tools.context)
        self._digest = ""
        self._refused_digest = ""
        self._lacking: frozenset[str] = frozenset()
        self._turns = 0
        self._asked_at = 0
        self._troubled_since: float | None = None
        self._packed_status = b""
        self._secrets: list[str] = []

    async def run(self) -> None:
        """Turn until cancelled. Whatever goes wrong in a turn is told in the connection's status."""
        try:
            while True:
                self.link.wake.clear()
                try:
                    delay = await self._turn()
                except NotLeader:
                    return
                except Exception:
                    log.exception(
                        "a sweep failed in a way it should not: please report this", connection=str(self.link.key)
                    )
                    delay = 30.0
                try:
                    async with asyncio.timeout(delay):
                        await self.link.wake.wait()
                        await asyncio.sleep(0.2)  # several objects may have met the same trouble
                except TimeoutError:
                    continue
        finally:
            if self.link.port is not None:
                await self.link.port.close()

    async def _turn(self) -> float:
        """One turn; the seconds until the next."""
        link, clock = self.link, self._context.clock
        interval = float(link.spec.sync_interval.seconds)
        started, before = clock(), link.requests
        problem: Problem | None = None
        delay = interval * random.uniform(0.9, 1.0)  # noqa: S311  (jitter, no secret)
        try:
            link.breaker.trial()
            if await self._connect():
                await self._sweep()
        except MissingReference as error:
            problem, delay = Problem(Reason.DEPENDENCY_NOT_READY, str(error)), self._poll(interval)
        except KubeError as error:
            problem, delay = (
                Problem(Reason.CONNECTION_NOT_READY, f"a Secret cannot be read: {error}"),
                self._poll(interval),
            )
        except _Refused as refused:
            problem, delay = refused.problem, self._poll(interval)
        except (Unauthorized, Forbidden) as error:
            self._refused_digest = self._digest
            reason = Reason.UNAUTHORIZED if isinstance(error, Unauthorized) else Reason.NOT_ALLOWED
            message = f"{error}: put a valid token with the rights it needs into the Secret"
            problem, delay = Problem(reason, message, stalled=True), self._poll(interval)
        except InfluxError as error:
            if not isinstance(error, Invalid):
                link.breaker.open()
            delay = link.breaker.trial_in() or interval
            problem = Problem(Reason.CONNECTION_NOT_READY, str(error), stalled=isinstance(error, Invalid))
        was = link.problem
        link.problem = problem
        self._troubled_since = None if problem is None else (self._troubled_since or clock())
        self._measure(clock() - started, link.requests - before, problem)
        await self._say()
        if problem is None:
            self._wake(was)
        return delay

    def _poll(self, interval: float) -> float:
        waited = 0.0 if self._troubled_since is None else self._context.clock() - self._troubled_since
        return min(POLL, interval) if waited < POLL_FOR else interval

    async def _connect(self) -> bool:
        """Have a client with the Secret's present token, and know where it leads. False: a refused token, unchanged."""
        link = self.link
        found = await credentials(self._tools.secrets, link.key.namespace, link.spec)
        if found.digest == self._refused_digest and link.problem is not None and self._turns - self._asked_at < 6:
            self._turns += 1
            raise _Refused(link.problem)
        fresh = found.digest != self._digest
        if fresh or link.port is None:
            self._keep_secret(found.settings)
            old, link.port = link.port, self._tools.client(found.settings)
            self._digest = found.digest
            if old is not None:
                await old.close()
            self._release_refused()
        self._asked_at = self._turns
        self._refused_digest = ""
        if fresh or self._turns % RIGHTS_EVERY == 0 or not link.org_id:
            link.version = await link.send("version", lambda port: port.version())
        org_id = await link.send("org", lambda port: port.org_id(link.spec.org))
        if org_id is None:
            raise _Refused(
                Problem(
                    Reason.DEPENDENCY_NOT_READY,
                    f"organization {link.spec.org!r} does not exist in InfluxDB at {link.spec.url}, or the token may not read "
                    "it (it needs read:orgs): correct spec.org, or the token",
                )
            )
        self._check_target(org_id)
        if fresh or self._turns % RIGHTS_EVERY == 0:
            link.user = await link.send("me", lambda port: port.me())
            self._lacking = await link.send("probe", lambda port: port.probe(org_id))
        essential = [right for right in ESSENTIAL if right in self._lacking]
        if essential:
            self._refused_digest = self._digest
            raise _Refused(
                Problem(
                    Reason.NOT_ALLOWED,
                    f"the token lacks {', '.join(essential)} in organization {link.spec.org!r}: give the token these rights, "
                    "or put another token into the Secret",
                    stalled=True,
                )
            )
        if link.org_id != org_id:
            link.org_id, link.snapshot = org_id, Snapshot(NEVER, org_id)
        return True

    def _keep_secret(self, settings: ConnectionSettings) -> None:
        """Tell the redactor what must not be seen; what was rotated out is forgotten after the new one is known."""
        old, self._secrets = self._secrets, [text for text in (settings.token, settings.client_key_pem) if text]
        for secret in self._secrets:
            self._tools.redactor.add(secret)
        for secret in old:
            self._tools.redactor.discard(secret)

    def _check_target(self, org_id: str) -> None:
        """Tasks of one database must not be written into another because a url or an org was edited."""
        link = self.link
        record = self._context.objects.get(link.key)
        remembered = str(self._status().get("orgID") or "")
        if not remembered or remembered == org_id:
            return
        if record is not None and record.annotations.get(ACCEPT_TARGET) == org_id:
            return
        raise _Refused(
            Problem(
                Reason.TARGET_CHANGED,
                f"spec.url and spec.org lead to organization id {org_id} now, and led to {remembered} before: nothing is "
                f"written. If that is meant, annotate this InfluxConnection with {ACCEPT_TARGET}={org_id}",
                stalled=True,
            )
        )

    async def _sweep(self) -> None:
        link, clock = self.link, self._context.clock
        states = self._states()
        own = [state.task_id for state in states.values() if state.task_id]
        if sweep.wants_full(link, len(own), self._turns):
            snapshot = await sweep.read_all(link, clock)
        else:
            snapshot = await sweep.read_own(link, own, clock)
        snapshot.carry_over(link.snapshot)
        link.snapshot = snapshot
        self._turns += 1
        changed = await self._runs.collect(link, states, lambda state: snapshot.tasks.get(state.task_id))
        self._publish_runs(changed, states)
        await self._compare(states, snapshot)

    def _states(self) -> dict[Key, TaskState]:
        """The memory of every task of this connection, by key."""
        states: dict[Key, TaskState] = {}
        for key in self._context.objects.tasks_by_connection(self.link.key):
            record = self._context.objects.get(key)
            if record is not None:
                states[key] = state_of(self._context, record)
        return states

    def _publish_runs(self, changed: list[Key], states: dict[Key, TaskState]) -> None:
        for key in changed:
            record, state = self._context.objects.get(key), states[key]
            if record is None or record.deleting or state.outcome is None:
                continue  # its first visit will say it all at once
            before = unpack(state.packed_status)
            status = current_task_status(self._context, record, state)
            state.packed_status = pack(status)
            self._tools.later(key, record.uid, status, urgent=outcome_changed(before, status))

    async def _compare(self, states: dict[Key, TaskState], snapshot: Snapshot) -> None:
        instance = self._context.instance
        for key, state in states.items():
            if sweep.differs(state, Owner(instance, key.kind.value, key.namespace, key.name), snapshot):
                self._tools.enqueue(key, Priority.RESYNC)
        for key in self._context.objects.policies_by_connection(self.link.key):
            self._tools.enqueue(key, Priority.RESYNC)
        await self._compare_templates(states)

    async def _compare_templates(self, states: dict[Key, TaskState]) -> None:
        """Look at each ConfigMap that templates come from, once."""
        seen: dict[tuple[str, str], dict[str, Any] | None] = {}
        for key, state in states.items():
            name, config_key, digest = state.configmap
            if not name:
                continue
            where = (key.namespace, name)
            if where not in seen:
                found = await self._context.kube.get_configmap(*where)
                seen[where] = None if found is None else dict(found.get("data") or {})
            data = seen[where]
            text = None if data is None else data.get(config_key)
            if text is None or sha256(text) != digest:
                state.recheck = True
                self._tools.enqueue(key, Priority.CHANGE)

    def _wake(self, was: Problem | None) -> None:
        """Visit what waited for the connection."""
        parked, self.link.parked = self.link.parked, set()
        for key in parked:
            outcome = self._context.tasks[key].outcome if key in self._context.tasks else None
            if was is None and isinstance(outcome, Stalled) and outcome.reason is Reason.NOT_ALLOWED:
                self.link.refused.add(key)
            else:
                self._tools.enqueue(key, Priority.RETRY)

    def _release_refused(self) -> None:
        """Another token: what lacked a right may have it now."""
        self.link.parked |= self.link.refused
        self.link.refused = set()

    def _status(self) -> dict[str, Any]:
        if self._packed_status:
            return unpack(self._packed_status)
        record = self._context.objects.get(self.link.key)
        return record.status() if record is not None else {}

    async def _say(self) -> None:
        """Write the connection's status, if it differs."""
        link = self.link
        record = self._context.objects.get(link.key)
        if record is None:
            return
        previous = self._status()
        outcome = self._outcome()
        counts = self._counts()
        facts = ConnectionFacts(
            version=link.version or str(previous.get("version") or ""),
            url=link.spec.url if link.org_id else str(previous.get("url") or ""),
            org_id=link.org_id or str(previous.get("orgID") or ""),
            user=link.user.name if link.user else str(previous.get("user") or ""),
            user_id=link.user.id if link.user else str(previous.get("userID") or ""),
            breaker=link.breaker.state.value,
            handled_reconcile_at=record.annotations.get(RECONCILE_AT, ""),
            **counts,
        )
        status = connection_status(previous, outcome, facts, record.generation, self._context.now())
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
            self._context.recorder.action(record.key, "ready", outcome.reason, message=outcome.message)

    def _outcome(self) -> Done | Wait | Stalled:
        problem = self.link.problem
        if problem is None:
            optional = sorted(self._lacking - set(ESSENTIAL))
            lacks = f"; the token lacks {', '.join(optional)}" if optional else ""
            return Done(
                Reason.SYNCED, f"connected to InfluxDB {self.link.version}, organization {self.link.spec.org!r}{lacks}"
            )
        if problem.stalled:
            return Stalled(problem.reason, problem.message)
        return Wait(problem.reason, problem.message)

    def _counts(self) -> dict[str, int]:
        link = self.link
        counts = {"managed": 0, "drifted": 0, "failing": 0, "late": 0, "foreign_owned": 0}
        for state in self._states().values():
            stored = link.snapshot.tasks.get(state.task_id) if state.task_id else None
            if stored is None:
                continue
            counts["managed"] += 1
            counts["drifted"] += state.drifted
            counts["failing"] += state.runs.consecutive_failures > 0
            counts["late"] += state.late_slot is not None
            counts["foreign_owned"] += link.user is not None and stored.owner_id != link.user.id
        if not link.trust_snapshot():
            old = self._status().get("tasks") or {}
            counts.update({name: int(old.get(name) or 0) for name in ("managed", "drifted", "failing", "late")})
        return counts

    def _measure(self, seconds: float, requests: int, problem: Problem | None) -> None:
        metrics, name = self._tools.metrics, f"{self.link.key.namespace}/{self.link.key.name}"
        metrics.set_breaker(name, self.link.breaker.state.value)
        if problem is not None:
            metrics.sweep_failures_total.labels(name).inc()
            return
        metrics.sweep_duration_seconds.labels(name).observe(seconds)
        metrics.sweep_requests.labels(name).set(requests)
        metrics.sweep_last_success_timestamp_seconds.labels(name).set(self._context.now().timestamp())
        counts = self._counts()
        for state in ("managed", "drifted", "failing", "late"):
            metrics.tasks.labels(name, state).set(counts[state])
        metrics.orphans.labels(name).set(self._orphans())

    def _orphans(self) -> int:
        """Tasks with our instance's marker whose InfluxTask does not exist."""
        if not self._tools.synced():
            return 0
        instance, get = self._context.instance, self._context.objects.get
        return sum(
            len(ids)
            for owner, ids in self.link.snapshot.by_owner.items()
            if owner.instance == instance
            and owner.kind == Kind.TASK.value
            and get(Key(Kind.TASK, owner.namespace, owner.name)) is None
        )


class _Refused(Exception):
    """The turn ends with this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem
