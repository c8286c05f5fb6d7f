"""Runs one plan in which the operator's view of the cluster is stale or has gaps, and judges how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.crash import Plan, Result, Workload, difference
from tests.support.history import INFLUX, Exchange, marker_of
from tests.support.lens import Lens
from tests.support.matrix import Matrix
from tests.support.oracles import compare_summaries, ownership, picture, summary, untouched
from tests.support.until import until
from tests.support.watch_faults import How, WatchFault
from tests.support.world import INSTANCE, NotSettled, World, world

RELIST = 3
"""Seconds between two lists of the operators of these plans; users have 600."""
ARGUMENTS = ("--relist-seconds", str(RELIST))
FOUND = 10.0 * RELIST
"""Seconds after the user's last act from which on nothing may be missing any more."""
PATIENCE = 60.0
SILENCE = 150.0
"""The same where a watch falls silent: it is given up after 70 s."""


@dataclass(frozen=True)
class StaleWorkload(Workload):
    """What a user does while the operator does not see all of it."""

    kind: str = field(kw_only=True)
    target: str = field(kw_only=True)
    """The object whose events are tampered with."""
    events: int = field(kw_only=True)
    """Events about it that surely come while the user acts."""


@dataclass(frozen=True)
class StalePlan(Plan):
    """One fault of the watches in one workload; none in a reference run."""

    seen: WatchFault | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing is broken."""
        return self.seen is None

    @property
    def id(self) -> str:
        """How it is asked for again."""
        return f"{self.workload.name}-{self.seen}" if self.seen else self.workload.name


@dataclass(frozen=True)
class StaleResult(Result):
    """A result, and how often the workload's object was told of."""

    events: int = 0
    settled: float = 0.0
    """Seconds from the end of the user's acts until all was as it should be."""


async def run_stale_plan(plan: Plan, made: World, reference: Result | None = None) -> StaleResult:
    """Run a plan in a fresh world and judge how it ended."""
    assert isinstance(plan, StalePlan)
    started = time.monotonic()
    workload = plan.workload
    assert isinstance(workload, StaleWorkload)
    fault = plan.seen
    lens = Lens(made.kube)
    patience = SILENCE if fault is not None and fault.how is How.SILENT else PATIENCE
    await made.plant_foreign()
    made.arguments = ARGUMENTS
    made.start()
    try:
        await workload.prepare(made)
        before = (await made.rest(sweeps=1, seconds=patience)).foreign(made.foreign)
        since, told = made.history.recount(), len(lens.seen)
        if fault is not None and fault.how is not How.REBORN:
            lens.arm(fault)
        await workload.act(made)
        acted = time.monotonic()
        view = await made.rest(workload.accepted, patience)
        if await afterwards(made, lens, fault):
            view = await made.rest(workload.accepted, patience)
        # An event may be missing that asks for no write, only for another number in a status.
        while (
            reference is not None and picture(view, made.words()) != reference.end and time.monotonic() - acted < FOUND
        ):
            view = await made.rest(workload.accepted, patience, sweeps=1)
        settled = time.monotonic() - acted
    except (NotSettled, TimeoutError) as error:
        problems = [str(error) or type(error).__name__, *map(str, made.history.tampered)]
        seconds, record = time.monotonic() - started, made.history.lines()
        return StaleResult(plan, problems, seconds=seconds, log=_log(made), record=record)
    problems = []
    if fault is not None and not made.history.tampered:
        problems.append(f"NOT STRUCK: event {fault.at} of {fault.kind}/{fault.name} never came")
    writes = list(made.history.writes(since))
    counts, end = summary(writes), picture(view, made.words())
    problems += ownership(view, INSTANCE, unmade=workload.unmade)
    problems += live_deletes(made.history.writes(), made.admin.deleted)
    problems += made.faults_in_log()
    problems += untouched(before, view.foreign(made.foreign))
    if reference is not None:
        problems += compare_summaries(counts, reference.counts, workload.early)
        problems += difference(reference.end, end)
    events = [one for one in lens.seen[told:] if (one.kind, one.name) == (workload.kind, workload.target)]
    if problems:
        problems += [f"seen: {one}" for one in made.history.tampered]
    return StaleResult(
        plan,
        problems,
        end,
        counts,
        tuple(write.write_id for write in writes),
        time.monotonic() - started,
        _log(made) if problems else "",
        record=made.history.lines(since),
        events=len(events),
        settled=settled,
    )


async def afterwards(made: World, lens: Lens, fault: WatchFault | None) -> bool:
    """What a fault keeps for the time when all is at rest; whether there was anything."""
    if fault is None or fault.how not in {How.DELAYED, How.REBORN}:
        return False
    if fault.how is How.DELAYED:
        await lens.release()
    else:
        await new_life(made, lens, fault.kind)
        await lens.replay(fault.kind, fault.name, fault.how)
    return True


async def new_life(made: World, lens: Lens, kind: str) -> None:
    """Kill the operator, start it again, and wait until it watches a kind."""
    assert made.operator is not None
    since = len(made.history.exchanges)
    made.operator.kill()
    await made.operator.wait()
    made.start()
    await until(lambda: lens.watched(kind, since), PATIENCE)


def live_deletes(writes: Iterable[Exchange], deleted: Mapping[str, float]) -> list[str]:
    """Tasks and buckets that were deleted in InfluxDB although nobody had asked for the end of the object that owned them.

    The owner is the one that the mark named last. A bucket or task whose mark is of another installation has none.
    """
    owners: dict[str, str] = {}
    problems = []
    for write in writes:
        if write.server != INFLUX or not write.committed:
            continue
        if write.method == "DELETE":
            uid = owners.get(write.path.rpartition("/")[2], "")
            if deleted.get(uid, float("inf")) > write.started:
                problems.append(
                    f"LIVE DELETE: {write} was of the object with uid {uid or '(unknown)'}, which nobody had deleted"
                )
            continue
        stored = _stored(write)
        marker = marker_of(stored) if stored else None
        if marker is not None:
            owners[str(stored["id"])] = marker.uid
    return problems


def _stored(write: Exchange) -> dict[str, Any]:
    """The task or bucket that InfluxDB answered with."""
    try:
        found = json.loads(write.answer)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "id" in found else {}


def _log(made: World) -> str:
    assert made.operator is not None
    return made.operator.log.read_text(encoding="utf-8", errors="replace")


class StaleMatrix(Matrix):
    """Plans of stale views, each held against its workload without a fault."""

    def _unbroken(self, workload: Workload) -> Plan:
        return StalePlan(workload)

    async def _run_one(self, plan: Plan, reference: Result | None) -> Result:
        sabotage = self._sabotage if reference is not None else ()
        async with world(self._stack, self._nursery, self._directory, sabotage=sabotage) as made:
            return await run_stale_plan(plan, made, reference)
