"""Plans of stale views over pipelines: the same protocol as when the operator is killed, and no kill."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.support.crash import Plan, Result, Workload
from tests.support.lens import Lens
from tests.support.operator import SOON
from tests.support.stale import ARGUMENTS, StalePlan, afterwards, live_deletes
from tests.support.watch_faults import How
from tests.support.window_crash import Ended, PipelineWorkload, WindowMatrix, at_rest, run_window_plan
from tests.support.world import World, world

PATIENCE = 60.0
SILENCE = 150.0


@dataclass(frozen=True)
class StalePipeline(PipelineWorkload):
    """What a user does to a pipeline while the operator does not see all of it."""

    kind: str = field(kw_only=True)
    target: str = field(kw_only=True)
    events: int = field(kw_only=True)


class StaleWindowMatrix(WindowMatrix):
    """Such plans, each held against a clean run and against its workload without a fault."""

    def _unbroken(self, workload: Workload) -> Plan:
        return StalePlan(workload)

    async def _run_one(self, plan: Plan, reference: Result | None) -> Result:
        assert isinstance(plan, StalePlan)
        clean = await self._reference(self.clean) if plan.workload.name != self.clean.name else None
        assert clean is None or isinstance(clean, Ended)
        assert reference is None or isinstance(reference, Ended)
        async with world(self._stack, self._nursery, self._directory) as made:
            made.arguments = (*ARGUMENTS, *SOON)
            lens = Lens(made.kube)
            ended = await run_window_plan(_armed(plan, lens), made, clean, reference)
            problems = [*ended.problems, *live_deletes(made.history.writes(), made.admin.deleted)]
            if plan.seen is not None and not made.history.tampered:
                problems.append(f"NOT STRUCK: event {plan.seen.at} of {plan.seen.kind}/{plan.seen.name} never came")
            if problems:
                problems += [f"seen: {one}" for one in made.history.tampered]
            return replace(ended, plan=plan, problems=problems)


def _armed(plan: StalePlan, lens: Lens) -> StalePlan:
    """The plan with its fault put into what the user does."""
    workload, fault = plan.workload, plan.seen
    assert isinstance(workload, PipelineWorkload)
    if fault is None:
        return plan
    patience = SILENCE if fault.how is How.SILENT else PATIENCE

    async def act(made: World) -> None:
        if fault.how is not How.REBORN:
            lens.arm(fault)
        await workload.act(made)
        await at_rest(made, workload, seconds=patience)
        await afterwards(made, lens, fault)

    return replace(plan, workload=replace(workload, act=act))
