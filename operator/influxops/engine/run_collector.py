"""Collects finished runs: one query for all tasks of a connection, and a second, small one for the causes of failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from influxops.core.keys import Key
from influxops.core.observed import RUNS_KEPT, Run, RunState, TaskRecord
from influxops.core.runs import fold, with_errors
from influxops.engine.link import LiveLink
from influxops.engine.next_look import Dues
from influxops.engine.reruns import Reruns
from influxops.influx.errors import Forbidden, InfluxError, NotFound
from influxops.reconcile.context import Context
from influxops.reconcile.state import TaskState
from influxops.reconcile.task_times import look_for_lateness, set_next_run

SKEW = timedelta(minutes=1)
"""Allowed between our clock and InfluxDB's."""
FIRST_LOOK = timedelta(hours=1)
"""How far the first query looks back when no status tells of an earlier run."""
EARLY = timedelta(hours=1)
"""Slots that are settled no further than a moment may have begun before it: a negative offset, a clock that differs."""
STRAGGLER = timedelta(minutes=10)
"""A slot that has no finished run for so long is asked for by the task's own endpoint."""
STRAGGLERS = 50
"""At most so many of them in one sweep, in turn."""


TRY_AGAIN = 20
"""A token that could not read ``_tasks`` may have been changed: tried again every so many sweeps."""


class RunCollector:
    """Of one connection."""

    def __init__(self, context: Context, reruns: Reruns) -> None:
        self._context = context
        self._reruns = reruns
        self._last_sweep: datetime | None = None
        self._longest = timedelta()
        self._turn = 0
        self._by_endpoint = False
        self._unexplained: dict[str, datetime] = {}
        """Failed runs whose cause is still to be asked for: run id -> its start."""
        self._next_look: datetime | None = None

    def next_look(self, other: datetime | None = None) -> datetime | None:
        """When runs are worth a look before the next sweep; None: leave it to the sweep. ``other``: somebody else's wish."""
        wishes = [wish for wish in (self._next_look, other) if wish is not None]
        return None if self._by_endpoint else min(wishes, default=None)

    async def collect(
        self,
        link: LiveLink,
        states: Mapping[Key, TaskState],
        stored: Callable[[TaskState], TaskRecord | None],
        *,
        look: bool = False,
    ) -> list[Key]:
        """Fold new runs into the states. Returns the keys whose runs or lateness changed.

        ``look``: between two sweeps, with the one query only and no task asked for by its own endpoint.
        """
        now = self._context.now()
        by_task = {state.task_id: (key, state) for key, state in states.items() if state.task_id}
        dues = Dues(now)
        since, stragglers = self._window(states.values(), stored, now, dues)
        if look:
            stragglers = []
        unread = self._reruns.prepare(states.values(), stored, now)
        requested = any(state.rerun_policy and state.rerun_policy.catch_up for state in states.values())
        runs = await self._runs(link, since, stragglers, by_task, requested=requested)
        runs += await self._since_settled(link, unread, since, now)
        changed: set[Key] = set()
        fresh: dict[str, list[Run]] = {}
        for run in runs:
            if run.task_id in by_task:
                fresh.setdefault(run.task_id, []).append(run)
        for task_id, found in fresh.items():
            key, state = by_task[task_id]
            self._reruns.take(state, stored(state), found)
            known = {run.id for run in state.runs.recent}
            summary = fold(state.runs, found, state.history_limit)
            if summary is state.runs:
                continue
            state.runs = summary
            changed.add(key)
            record = stored(state)
            if record is not None and state.active:
                set_next_run(self._context, state, record, only_if_past=False)
            for run in summary.recent:
                if run.id not in known:
                    self._measure(run)
                    if run.state is RunState.FAILED and not run.error:
                        self._unexplained[run.id] = run.started_at or run.scheduled_for
        await self._explain(link, by_task, changed, now)
        for key, state in states.items():
            before = state.late_slot
            look_for_lateness(self._context, state, stored(state))
            if state.late_slot != before:
                changed.add(key)
        self._last_sweep = now
        self._next_look = dues.next_look()
        return sorted(changed)

    def _measure(self, run: Run) -> None:
        if run.started_at and run.finished_at:
            self._longest = min(max(self._longest, run.finished_at - run.started_at), timedelta(hours=6))

    def _window(
        self,
        states: Iterable[TaskState],
        stored: Callable[[TaskState], TaskRecord | None],
        now: datetime,
        dues: Dues,
    ) -> tuple[datetime, list[str]]:
        """From when to query, and which tasks are too far behind to be covered by that."""
        states = list(states)
        oldest = self._last_sweep or self._resume(states, now)
        stragglers: list[str] = []
        for state in states:
            record = stored(state)
            if record is None or not state.active:
                continue
            slot = dues.open_slot(state, record)
            if slot is None:
                continue
            if slot < now - STRAGGLER:
                stragglers.append(state.task_id)
            else:
                oldest = min(oldest, slot)
        since = max(oldest - self._longest - SKEW, now - RUNS_KEPT)
        return since, stragglers

    def _resume(self, states: Iterable[TaskState], now: datetime) -> datetime:
        """Where the process before this one had got to, by the latest run that any status tells of."""
        ends = [run.finished_at for state in states for run in state.runs.recent[:1] if run.finished_at]
        return min(max(ends) - SKEW, now) if ends else now - FIRST_LOOK

    async def _since_settled(
        self, link: LiveLink, unread: list[TaskState], since: datetime, now: datetime
    ) -> list[Run]:
        """Runs further back, of those tasks alone whose slots are settled no further: once, in one query."""
        from_ = {state.task_id: state.slots.walked for state in unread if state.slots is not None}
        older = {task_id for task_id, settled in from_.items() if settled < since}
        runs: list[Run] = []
        if older and not self._by_endpoint:
            start = max(min(from_.values()) - EARLY, now - RUNS_KEPT)
            try:
                runs = await link.send(
                    "recent_runs", lambda port: port.recent_runs(link.org_id, start, older, requested=True)
                )
            except (NotFound, Forbidden):
                self._by_endpoint = True
        for state in unread:
            if state.slots is not None:
                state.slots.loaded = True
        return runs

    async def _runs(
        self,
        link: LiveLink,
        since: datetime,
        stragglers: list[str],
        by_task: Mapping[str, object],
        *,
        requested: bool = False,
    ) -> list[Run]:
        runs: list[Run] = []
        if self._turn % TRY_AGAIN == 0:
            self._by_endpoint = False
        if not self._by_endpoint:
            try:
                runs = await link.send(
                    "recent_runs", lambda port: port.recent_runs(link.org_id, since, requested=requested)
                )
            except (NotFound, Forbidden):
                # The token may not read the _tasks bucket: each task's own endpoint tells too, only slower.
                self._by_endpoint = True
        asked = sorted(by_task) if self._by_endpoint else sorted(stragglers)
        if not asked:
            return runs
        start = (self._turn * STRAGGLERS) % len(asked)
        self._turn += 1
        for task_id in (asked + asked)[start : start + min(STRAGGLERS, len(asked))]:
            runs += await _runs_of(link, task_id)
        return runs

    async def _explain(
        self, link: LiveLink, by_task: Mapping[str, tuple[Key, TaskState]], changed: set[Key], now: datetime
    ) -> None:
        """Ask for the causes of failed runs. When that fails, the runs are shown without, and it is asked again."""
        self._unexplained = {run: start for run, start in self._unexplained.items() if start > now - RUNS_KEPT}
        if not self._unexplained:
            return
        since, run_ids = min(self._unexplained.values()) - SKEW, set(self._unexplained)
        try:
            errors = await link.send("run_errors", lambda port: port.run_errors(link.org_id, since, run_ids))
        except (NotFound, Forbidden):
            errors = {}
        except InfluxError:
            return
        self._unexplained.clear()
        for key, state in by_task.values():
            explained = with_errors(state.runs, errors) if errors else state.runs
            if explained is not state.runs:
                state.runs = explained
                changed.add(key)


async def _runs_of(link: LiveLink, task_id: str) -> list[Run]:
    try:
        return await link.send("list_runs", lambda port: port.list_runs(task_id, 10))
    except NotFound:
        return []
