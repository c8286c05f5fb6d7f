"""Runs slots again: those that failed and those that InfluxDB missed, a few at a time, and never one that succeeded.

Who decides is ``core.reruns``; here it is looked, asked and told. A slot is asked for only after two looks at its own runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from influxops.api.common import RECREATE
from influxops.core.conditions import rfc3339
from influxops.core.keys import Key
from influxops.core.observed import Run, TaskRecord, TaskStatus
from influxops.core.outcome import Done, Reason
from influxops.core.record import Record
from influxops.core.reruns import Cause, Decision, Policy, Rerun, decide
from influxops.core.runs import RunSummary, fold
from influxops.core.schedule import Schedule, of_texts
from influxops.core.slot_book import DOUBT, RECHECK, SlotBook
from influxops.core.task_status import SlotsFacts
from influxops.engine import rerun_words as words
from influxops.engine.link import LiveLink
from influxops.engine.tools import Tools
from influxops.influx.errors import InfluxError, NotFound, Unavailable
from influxops.kube.errors import NotLeader
from influxops.reconcile.state import TaskState
from influxops.reconcile.task_times import slots_status
from influxops.reconcile.task_writes import HASH
from influxops.telemetry.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")

OF_A_TASK = 4
"""Runs of one task that are asked for and not over, at most."""
OF_A_CONNECTION = 32
"""The same of all tasks of a connection."""
LOOKS = 40
"""Tasks whose runs are looked for in one round."""
PACE = timedelta(seconds=2)
"""Between two rounds while there is something to do."""
NEW = timedelta(minutes=2)
"""A task that was changed so lately was made, or given this schedule, just now: its slots count since then."""
YIELD = 500
"""Tasks that are judged before others get their turn of the event loop."""
RUNS = 500
"""Runs that InfluxDB shows at once."""

Stored = Callable[[TaskState], TaskRecord | None]


@dataclass(slots=True)
class _Case:
    """One task in one round."""

    key: Key
    record: Record
    state: TaskState
    book: SlotBook
    schedule: Schedule
    policy: Policy
    decision: Decision
    runs: RunSummary
    """As they were when the round began."""
    before: SlotsFacts | None

    def changed(self) -> bool:
        """Whether the round has changed what status tells."""
        return self.state.runs is not self.runs or slots_status(self.state) != self.before


class Reruns:
    """Of one connection."""

    def __init__(self, link: LiveLink, tools: Tools) -> None:
        self._link = link
        self._tools = tools
        self._context = tools.context
        self._turn = 0
        self._next_look: datetime | None = None

    def next_look(self) -> datetime | None:
        """When the next round is worth a look; None when nothing is to be done."""
        return self._next_look

    def prepare(self, states: Iterable[TaskState], stored: Stored, now: datetime) -> list[TaskState]:
        """Open a book for every task whose spec asks for it. Returns those whose runs must be read first."""
        unread = []
        for state in states:
            policy = state.rerun_policy
            if policy is None:
                continue  # not visited yet
            if not policy.wanted:
                state.slots = None
                continue
            record = stored(state)
            if record is None or not isinstance(state.outcome, Done):
                continue
            key = (state.task_id, state.schedule_text)
            if state.slots is None or state.slots.key != key:
                changed = record.updated_at
                state.slots = SlotBook(key, changed if now - NEW <= changed <= now else now)
            if not state.slots.loaded:
                unread.append(state)
        return unread

    def take(self, state: TaskState, record: TaskRecord | None, runs: Iterable[Run]) -> None:
        """Note finished runs."""
        schedule = _schedule(record)
        if state.slots is not None and schedule is not None:
            state.slots.take(schedule, runs)

    async def work(self, states: Mapping[Key, TaskState], stored: Stored) -> list[Key]:
        """One round. Returns the keys of the tasks whose slots or runs changed."""
        self._next_look = None
        if not self._link_is_right():
            return []
        now = self._context.now()
        cases = await self._cases(states, stored, now)
        for case in cases:
            self._settle(case)
        try:
            await self._look(cases)
            await self._run(cases)
        except NotLeader:
            return []
        moments = [case.decision.next_look for case in cases if case.decision.next_look is not None]
        if any(case.book.in_flight() for case in cases):
            moments.append(now + PACE)
        if moments:
            self._next_look = max(min(moments), now + PACE / 2)
        return sorted(case.key for case in cases if case.changed())

    # What there is to do

    def _link_is_right(self) -> bool:
        link = self._link
        return link.problem is None and not link.spec.suspend and link.trust_snapshot() and not link.moving

    def _right(self, key: Key, state: TaskState, stored: TaskRecord | None) -> Record | None:
        """The object, when its task stands in InfluxDB as its spec says, and shall run; otherwise None."""
        record = self._context.objects.get(key)
        if record is None or record.deleting or record.generation != state.generation or stored is None:
            return None
        held = state.plan is not None or state.drifted or state.parked_step or self._link.recreating == key
        asked = record.annotations.get(RECREATE, "") == state.task_id
        right = (
            isinstance(state.outcome, Done)
            and state.outcome.reason is Reason.SYNCED
            and state.active
            and stored.status is TaskStatus.ACTIVE
            and HASH + stored.digest == state.script_hash
        )
        return record if right and not held and not asked else None

    async def _cases(self, states: Mapping[Key, TaskState], stored: Stored, now: datetime) -> list[_Case]:
        """The tasks with open slots. Thousands share a few schedules, so each is worked out once."""
        cases: list[_Case] = []
        lasts: dict[Schedule, datetime | None] = {}
        for number, (key, state) in enumerate(states.items()):
            if number % YIELD == 0:
                await asyncio.sleep(0)
            book, policy = state.slots, state.rerun_policy
            if book is None or policy is None or not book.loaded:
                continue
            known = stored(state)
            schedule = _schedule(known)
            if schedule is None:
                continue
            if schedule not in lasts:
                lasts[schedule] = schedule.slot_at_or_before(now - timedelta(seconds=schedule.offset))
            last = lasts[schedule]
            if not book.open and (last is None or last <= book.walked):
                continue
            record = self._right(key, state, known)
            if record is not None:
                before = slots_status(state)
                book.walk(schedule, last)
                decision = decide(schedule, policy, book, now)
                cases.append(_Case(key, record, state, book, schedule, policy, decision, state.runs, before))
        return cases

    def _settle(self, case: _Case) -> None:
        decision, book, policy = case.decision, case.book, case.policy
        recorder = self._context.recorder
        for slot in decision.settled:
            facts = book.open[slot]
            if policy.retries and not facts.done and len(facts.failed) > policy.retries:
                recorder.event(case.record, Reason.RUN_FAILING, words.spent(slot, facts), warning=True)
        if decision.missed:
            text = words.given_up(decision.missed, policy, case.key.name, case.key.namespace)
            recorder.event(case.record, Reason.SLOTS_MISSED, text, warning=True)
            recorder.action(case.key, "miss", Reason.SLOTS_MISSED, slots=len(decision.missed), message=text)
            self._tools.metrics.slots_missed_total.labels(self._name).inc(len(decision.missed))
        book.settle(decision.settled)
        book.settle(decision.missed, missed=True)

    @property
    def _name(self) -> str:
        return f"{self._link.key.namespace}/{self._link.key.name}"

    # Looks

    async def _look(self, cases: list[_Case]) -> None:
        """Look for the runs of slots of which nothing is known, a request a task."""
        wanted = [case for case in cases if case.decision.look]
        await self._each(self._in_turn(wanted)[:LOOKS], self._look_at)

    async def _look_at(self, case: _Case) -> None:
        """The newest runs of the task; where they do not go back far enough, those of its oldest slot, too."""
        runs = await self._list(case, RUNS)
        reach = min((run.scheduled_for for run in runs), default=None) if len(runs) >= RUNS else None
        now = self._context.now()
        for slot in case.decision.look:
            facts = case.book.open.get(slot)
            if facts is not None and (reach is None or slot > reach):
                facts.looked([run for run in runs if run.scheduled_for == slot], now)
        far = [slot for slot in case.decision.look if reach is not None and slot <= reach and slot in case.book.open]
        for slot in far[:OF_A_TASK]:
            case.book.open[slot].looked(await self._list(case, RUNS, slot), now)

    async def _list(self, case: _Case, limit: int, slot: datetime | None = None) -> list[Run]:
        task_id = case.state.task_id
        runs = await self._link.call("list_runs", lambda port: port.list_runs(task_id, limit, slot))
        case.state.runs = fold(case.state.runs, runs, case.state.history_limit)
        return runs

    def _in_turn(self, cases: list[_Case]) -> list[_Case]:
        """Beginning with another one each time, so that nobody waits for ever."""
        if not cases:
            return []
        self._turn += 1
        start = self._turn * LOOKS % len(cases)
        return cases[start:] + cases[:start]

    # Runs

    async def _run(self, cases: list[_Case]) -> None:
        free = OF_A_CONNECTION - sum(case.book.in_flight() for case in cases)
        chosen: list[tuple[_Case, Rerun]] = []
        now = self._context.now()
        for case in self._in_turn([case for case in cases if case.decision.run]):
            own = OF_A_TASK - case.book.in_flight()
            told = _told(case)
            ready = [
                one
                for one in case.decision.run[: max(0, own)]
                if _confirmed(case, one.slot, now) and (told or one.cause is Cause.RETRY)
            ]
            chosen += [(case, one) for one in ready[: max(0, free - len(chosen))]]
            words.announce(self._context.recorder, case.record, case.book, case.decision)
        await self._each(chosen, self._ask)

    async def _ask(self, chosen: tuple[_Case, Rerun]) -> None:
        """The second look, and the request."""
        case, rerun = chosen
        facts, slot, link = case.book.open[rerun.slot], rerun.slot, self._link
        with link.visited_by(case.key):
            facts.looked(await self._list(case, 100, slot), self._context.now())
            now = self._context.now()
            policy = case.state.rerun_policy
            if policy is None or case.state.slots is not case.book or not self._link_is_right():
                return
            stored = link.snapshot.tasks.get(case.state.task_id)
            if self._right(case.key, case.state, stored) is None or not facts.confirmed(now):
                return
            if rerun not in decide(case.schedule, policy, case.book, now).run:
                return
            facts.asked(now)
            try:
                task_id = case.state.task_id
                run = await link.call("start_run", lambda port: port.start_run(task_id, slot), write=True)
            except Unavailable:
                facts.busy_until = now + DOUBT  # it may have been asked for: it will be looked for first
                raise
            except (InfluxError, NotLeader):
                facts.asked_at, facts.busy_until = None, now + RECHECK
                raise
        self._tools.metrics.slot_reruns_total.labels(self._name, rerun.cause.value).inc()
        words.tell(self._context.recorder, case.record, rerun, facts, policy, run.id)

    async def _each(self, items: Iterable[T], do: Callable[[T], Awaitable[None]]) -> None:
        """All of them at once. One that fails is logged and comes again; without the lease nothing more is done."""
        for answer in await asyncio.gather(*(do(item) for item in items), return_exceptions=True):
            if isinstance(answer, InfluxError) and not isinstance(answer, NotFound):
                log.info("a slot could not be run again", connection=self._name, error=str(answer))
            elif isinstance(answer, BaseException) and not isinstance(answer, NotFound):
                raise answer


def _confirmed(case: _Case, slot: datetime, now: datetime) -> bool:
    facts = case.book.open.get(slot)
    return facts is not None and facts.confirmed(now)


def _told(case: _Case) -> bool:
    """Whether the object's status says which slots are given up: a restart would run them otherwise."""
    given_up = case.book.given_up
    kept = case.record.status().get("slots") or {}
    return given_up is None or kept.get("givenUpUntil") == rfc3339(given_up)


def _schedule(record: TaskRecord | None) -> Schedule | None:
    return None if record is None else of_texts(record.every, record.cron, record.offset)
