"""Looks for late data: one counting query a source, held against what the ledger says was there when the window ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from influxops.core.pipeline.agenda.entry import Place
from influxops.core.pipeline.agenda.invalid import invalidated
from influxops.core.pipeline.agenda.late import Change, changed, comparable, watched_stages
from influxops.core.pipeline.agenda.restore import longest_window
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.counting import count_windows, expiry_of

AGAIN = timedelta(minutes=1)
"""From a look that could not be made to the next."""
_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """What a look has found."""

    reruns: tuple[WindowRecord, ...] = ()
    """Windows that are to run again, READY, parents before children."""
    changes: tuple[Change, ...] = ()
    """Windows whose own source has changed; where they are only told (``onLate: Report``), each change once."""
    expired: tuple[Change, ...] = ()
    """Of those, the ones whose source is about to expire or has begun to; they are told and not run."""
    partial: tuple[Place, ...] = ()
    """Windows that are made of some that run again, and cannot run themselves: their own source has begun to expire."""


class LateLook:
    """Of one pipeline."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._not_before = _AT_ONCE
        self._told: set[tuple[str, Window, int, bool]] = set()

    def begin(self) -> None:
        """A plan begins: look at once, for nobody has looked while this process was away."""
        self._last, self._not_before = None, _AT_ONCE

    def ended(self, now: datetime) -> None:
        """A look has been made; a slow one is not due again at once."""
        self._last = now

    def postpone(self, now: datetime) -> None:
        """A look could not be made: not another one before a while."""
        self._not_before = now + AGAIN

    def earlier(self, by: timedelta) -> None:
        """The clock was set back by so much."""
        self._last = self._last and self._last - by
        self._not_before -= by

    def next_at(self, plan: PipelinePlan) -> datetime | None:
        """When the next look is due, long ago for the first one; None without lateness."""
        if plan.allowed is None:
            return None
        due = _AT_ONCE if self._last is None else self._last + timedelta(seconds=plan.check_every)
        return max(due, self._not_before)

    def due(self, plan: PipelinePlan, now: datetime) -> bool:
        """Whether it is time."""
        moment = self.next_at(plan)
        return moment is not None and moment <= now

    async def look(self, link: LiveLink, plan: PipelinePlan, now: datetime, fresh: Mapping[Place, int]) -> Found:
        """Look once. Errors of InfluxDB pass through, and the look is due again. ``fresh`` gets the windows that succeed meanwhile, with
        their revision: one that is made of a window that has changed may have run before that runs again.
        """
        since = now - timedelta(seconds=plan.allowed or 0)
        records = await link.run(
            "ledger_records",
            lambda port: port.ledger_records(
                link.org_id, plan.bucket, plan.owner, since - longest_window(plan, now), now + timedelta(days=1)
            ),
        )
        changes: list[Change] = []
        for name in watched_stages(plan):
            stage, source = plan.stages[name], plan.stages[name].source
            if source is None:
                continue
            mine = [
                one
                for one in records
                if one.stage == name
                and one.window.start >= since
                and comparable(one, source)
                and stage.cadence.has(one.window)
            ]
            if mine:
                counts = await count_windows(link, source, [one.window for one in mine], stage.timeout)
                changes += changed(mine, counts, expiry_of(link, [source.bucket], now))
        if not plan.rerun_late:
            news = self._untold(changes, all_=True)
            return Found(changes=tuple(c for c in news if not c.expired), expired=tuple(c for c in news if c.expired))
        known = {(one.stage, one.window): one.revision for one in records if one.cause is not Cause.GIVEN_UP}
        known |= fresh
        changed_places = [(c.record.stage, c.record.window) for c in changes if not c.expired]
        expiry = {name: expiry_of(link, stage.inputs, now) for name, stage in plan.stages.items()}
        reruns = invalidated(plan, changed_places, now, known=known)
        lost = [(name, one) for name, one, _ in reruns if (edge := expiry[name]) is not None and one.start < edge]
        if lost:
            reruns = invalidated(plan, changed_places, now, known=known, lost=set(lost))
        again = tuple(
            WindowRecord(stage, window, WindowState.READY, revision=known[stage, window] + 1, cause=cause)
            for stage, window, cause in reruns
            if (stage, window) in known
        )
        return Found(
            again,
            tuple(c for c in changes if not c.expired),
            self._untold(changes),
            tuple(one for one in lost if one in known),
        )

    def _untold(self, changes: list[Change], *, all_: bool = False) -> tuple[Change, ...]:
        """Those that do not run again, each once: those that cannot, or all."""
        left = {_key(c): c for c in changes if c.expired or all_}
        self._told &= left.keys()  # what no look finds any more need not be remembered
        fresh = {key: c for key, c in left.items() if key not in self._told and (c.now > c.was or not c.expired)}
        self._told |= fresh.keys()
        return tuple(fresh.values())


def _key(change: Change) -> tuple[str, Window, int, bool]:
    return change.record.stage, change.record.window, change.now, change.expired
