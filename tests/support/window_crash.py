"""Runs one fault plan over a pipeline in a world of its own, and judges how it ended."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.crash import Plan, Result, Workload
from tests.support.faults import Rule
from tests.support.history import Exchange
from tests.support.matrix import Matrix
from tests.support.operator import SOON
from tests.support.oracles import compare_summaries, ownership, summary, untouched
from tests.support.steps import LEDGER, nth, runs_of, step_of
from tests.support.task_runs import QUERY, task_runs
from tests.support.window_oracles import End, Place, Shape, judge, twice, values
from tests.support.world import INSTANCE, PATIENCE, NotSettled, World, world

PIPELINE = "env"
QUIET = 2.0
"""Seconds without a change on either side, after which a pipeline counts as at rest: two sweeps, and the ledger is written and a
window's retry comes sooner.
"""


async def always(_: World) -> bool:
    """Nothing more is waited for."""
    return True


async def status_of(made: World) -> dict[str, Any]:
    """The pipeline's status."""
    return dict((await made.admin.get("InfluxPipeline", PIPELINE)).get("status") or {})


def _reads_ledger(exchange: Exchange) -> bool:
    return step_of(exchange) == "ledger-read" and exchange.status == 200


@dataclass(frozen=True)
class PipelineWorkload(Workload):
    """What happens to a pipeline while the operator is killed."""

    shape: Shape = field(kw_only=True)
    seed: Callable[[World], Awaitable[None]] = field(kw_only=True)
    """Buckets and points that are there before all."""
    done: Callable[[World], Awaitable[bool]] = always
    """What must be seen beside an idle pipeline, such as a backfill's end."""
    extra: int = 1
    """How often a window may be asked for beyond the run without a fault."""
    native: str = ""
    """The stage whose windows InfluxDB runs: its runs are those that InfluxDB has noted."""
    once: bool = False
    """No kill explains a further run of a window of that stage: what has been asked for is found again."""
    buckets: tuple[str, ...] = ("clean", "hourly", "blocks")
    """Destinations that are as after the clean run."""
    told: Callable[[World], Awaitable[dict[str, Any]]] = status_of
    """What is told of the windows, in the words of a pipeline's status."""
    awake: Callable[[Exchange], bool] = _reads_ledger
    """A request of an operator that has come back to its windows."""


@dataclass(frozen=True)
class Ended(Result):
    """A result with all that oracles look at."""

    seen: End | None = None
    steps: tuple[str, ...] = ()
    """Steps in the order in which they came."""
    tasks: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often which task was created and deleted in InfluxDB."""


async def run_window_plan(
    plan: Plan, made: World, clean: Ended | None, usual: Ended | None, patience: float = PATIENCE
) -> Ended:
    """Run a plan in a fresh world. ``clean``: a single run over all points; ``usual``: the same workload without a fault."""
    started = time.monotonic()
    workload = plan.workload
    assert isinstance(workload, PipelineWorkload)
    await made.plant_foreign()
    await workload.seed(made)
    foreign = (await made.look()).foreign(made.foreign)
    made.start()
    await workload.prepare(made)
    since = len(made.history.exchanges)
    rule: Rule | None = None
    if plan.fault is not None:
        step, _, number = plan.write.rpartition("-")
        rule = Rule(nth(step, int(number)), plan.fault)
        made.influx.rules.append(rule)
        made.kube.rules.append(rule)
    try:
        await workload.act(made)
        await at_rest(made, workload, rule, patience)
    except (NotSettled, TimeoutError) as error:
        seconds, record = time.monotonic() - started, made.history.lines(since)
        return Ended(plan, [str(error) or "TimeoutError"], seconds=seconds, log=_log(made), record=record)
    seen = await look(made, workload)
    tasks = tasks_made(made)
    problems = judge(workload.shape, seen)
    view = await made.look()
    problems += untouched(foreign, view.foreign(made.foreign))
    problems += ownership(view, INSTANCE)
    if clean is not None and clean.seen is not None:
        problems += await differences(made, workload.buckets, clean.seen.destinations, seen.destinations)
    if usual is not None and usual.seen is not None:
        problems += again(workload, usual.seen, seen)
        problems += compare_summaries(tasks, usual.tasks)
    steps = tuple(filter(None, map(step_of, made.history.exchanges[since:])))
    problems += await workload.check(made)
    problems += made.faults_in_log()
    log = _log(made) if problems else ""
    seconds, record = time.monotonic() - started, made.history.lines(since)
    return Ended(plan, problems, seconds=seconds, log=log, record=record, seen=seen, steps=steps, tasks=tasks)


def tasks_made(made: World) -> Counter[tuple[str, str]]:
    """How often which task was created and deleted; a request for a run is neither."""
    return summary(
        one for one in made.history.writes() if one.about.startswith("task-") and not one.path.endswith("/runs")
    )


def again(workload: PipelineWorkload, usual: End, seen: End) -> list[str]:
    """Windows that ran more often than a kill explains."""
    problems = []
    for stage in workload.shape.every:
        extra = 0 if workload.once and stage == workload.native else workload.extra
        of_stage = [run for run in seen.runs if run.stage == stage]
        problems += twice(workload.shape, usual.runs, of_stage, extra)
    return problems


async def differences(made: World, buckets: tuple[str, ...], wanted: str, found: str) -> list[str]:
    """What differs from the clean run, and still does after a while: all is at rest, so nobody mends it meanwhile. Once in some
    hundreds of plans influxd 2.7.12 answered queries of three buckets with no rows at all while it was busy.
    """
    wanted, found = _of(buckets, wanted), _of(buckets, found)
    for _ in range(10):
        if not values(wanted, found):
            break
        await asyncio.sleep(0.5)
        found = _of(buckets, await destinations(made))
    return values(wanted, found)


def _of(buckets: tuple[str, ...], lines: str) -> str:
    return "\n".join(line for line in lines.splitlines() if line.partition(" ")[0] in buckets)


async def at_rest(made: World, workload: PipelineWorkload, rule: Rule | None = None, seconds: float = PATIENCE) -> None:
    """Wait until nothing is left to do and nothing has been run for a while. Raises NotSettled."""
    limit = time.monotonic() + seconds
    why = "nothing was seen"
    while time.monotonic() < limit:
        await asyncio.sleep(0.1)
        assert made.operator is not None
        if not made._struck.is_set() and not made.operator.running:
            raise NotSettled(f"the operator has ended by itself\n{made.operator.tail()}")
        if rule is not None and not rule.struck:
            why = f"NOT STRUCK: {sorted(set(filter(None, map(step_of, made.history.exchanges))))} were seen"
            continue
        if made._struck.is_set():
            continue
        why = await unrest(made, workload)
        if not why:
            return
    raise NotSettled(f"not at rest: {why}")


async def unrest(made: World, workload: PipelineWorkload) -> str:
    """Why the pipeline is not at rest; empty when it is."""
    exchanges = made.history.exchanges
    life = max((one.number for one in exchanges if "kill" in one.fault or one.fault in _KILLS), default=-1)
    reads = [one for one in exchanges[life + 1 :] if workload.awake(one)]
    if not reads:
        return "nobody has come back to the windows since the kill"
    last = max((one.started for one in made.history.changed()), default=0.0)
    read = await workload.told(made)
    windows = read.get("windows") or {}
    busy = {name: windows.get(name) for name in ("pending", "ready", "running") if windows.get(name) != 0}
    if busy or str(read.get("watermark", "")) < f"{workload.shape.end:%Y-%m-%dT%H:%M:%SZ}":
        return f"the status tells of {busy}, watermark {read.get('watermark')}: {read.get('exceptions')}"
    if not await workload.done(made):
        return "what the workload waits for has not come"
    quiet = time.monotonic() - max(last, reads[0].started)
    return "" if quiet > QUIET else f"something was changed {quiet:.1f} s ago"


_KILLS = frozenset({"before", "committed", "after"})


async def look(made: World, workload: PipelineWorkload) -> End:
    """How it ended."""
    shape = workload.shape
    states = await rows(
        made,
        f'from(bucket: "{LEDGER}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "window_state") '
        '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> group() '
        '|> keep(columns: ["stage", "_time", "state"])',
    )
    ledger: dict[Place, str] = {}
    for row in states:
        start = datetime.fromisoformat(row["_time"])
        ledger[row["stage"], start, start + shape.every[row["stage"]]] = row["state"]
    runs = runs_of(made.history.exchanges, shape.every)
    if workload.native:
        noted = await rows(made, QUERY)
        runs += task_runs(noted, workload.native, shape.every[workload.native], made.foreign)
    return End(runs, ledger, await destinations(made), await workload.told(made))


async def destinations(made: World) -> str:
    """All points of the destinations, sorted."""
    lines = []
    for bucket in ("clean", "hourly", "blocks"):
        for row in await rows(made, f'from(bucket: "{bucket}") |> range(start: 0)'):
            kept = {name: value for name, value in row.items() if name not in _PLUMBING and value}
            lines.append(f"{bucket} {sorted(kept.items())}")
    return "\n".join(sorted(lines))


_PLUMBING = frozenset({"", "result", "table", "_start", "_stop"})


async def rows(made: World, flux: str) -> list[dict[str, str]]:
    """The rows of a query, of one schema or several."""
    text = await made.influxdb.query(made.org.org_id, flux)
    return [row for part in text.replace("\r\n", "\n").split("\n\n") for row in csv.DictReader(io.StringIO(part))]


def _log(made: World) -> str:
    assert made.operator is not None
    return made.operator.log.read_text(encoding="utf-8", errors="replace")


class WindowMatrix(Matrix):
    """Plans over pipelines, each held against a clean run and against its workload without a fault."""

    def __init__(self, *arguments: Any, clean: Workload, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.clean = clean

    async def _one(self, plan: Plan) -> None:
        future = self._futures[plan.id]
        try:
            clean = await self._reference(self.clean)
            usual = await self._reference(plan.workload)
            if clean.problems or usual.problems:
                raise AssertionError(f"without a fault: {[*clean.problems, *usual.problems]}\n{usual.log[-4000:]}")
            result = usual if plan.clean else await self._run_one(plan, usual)
            if not plan.clean:
                self.on_end(result)
            future.set_result(result)
        except BaseException as error:
            if not future.done():
                future.set_exception(error)
            if not isinstance(error, Exception):
                raise

    async def _run_one(self, plan: Plan, reference: Result | None) -> Result:
        clean = None
        if plan.workload.name != self.clean.name:
            clean = await self._reference(self.clean)
        sabotage = self._sabotage if reference is not None else ()
        async with world(self._stack, self._nursery, self._directory, sabotage=sabotage) as made:
            made.arguments = SOON
            assert clean is None or isinstance(clean, Ended)
            assert reference is None or isinstance(reference, Ended)
            return await run_window_plan(plan, made, clean, reference)
