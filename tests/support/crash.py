"""Runs one fault plan in a world of its own, and judges how it ended."""

from __future__ import annotations

import difflib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.exceptions import as_if_cleaned_up, let_go_of, not_deleted
from tests.support.faults import Fault, Rule, write_named
from tests.support.oracles import compare_summaries, ownership, picture, summary, untouched
from tests.support.world import INSTANCE, PATIENCE, NotSettled, World

Steps = Callable[[World], Awaitable[None]]
Check = Callable[[World], Awaitable[list[str]]]


async def fine(_: World) -> list[str]:
    """Nothing else."""
    return []


@dataclass(frozen=True)
class Workload:
    """What a user does while faults strike: ``act``, after ``prepare`` has come to rest."""

    name: str
    prepare: Steps
    act: Steps
    accepted: Mapping[str, str] = field(default_factory=dict)
    """Object -> the reason it rests with, where that is not Ready."""
    early: frozenset[str] | set[str] = frozenset()
    """Objects in InfluxDB that may end before they begin: for them creates and deletes need only balance."""
    unmade: frozenset[str] = frozenset()
    """InfluxTasks that have no task in the end."""
    may_stay: Mapping[str, str] = field(default_factory=dict)
    """Objects (``kind/name``) whose counterpart may be left behind when a restarted operator has no token: its name in write ids."""
    tuning: tuple[str, ...] = ()
    """Functions of tests/support/tuning.py for its operators."""
    check: Check = fine
    """What else must hold in the end."""


@dataclass(frozen=True)
class Plan:
    """One fault at one write of one workload. ``write`` and ``fault`` are empty in a reference run."""

    workload: Workload
    write: str = ""
    fault: Fault | None = None

    @property
    def at_start(self) -> bool:
        """Whether the fault waits for its write from the first start on, and not only once the workload begins."""
        return False

    @property
    def clean(self) -> bool:
        """Whether nothing is broken: a reference run."""
        return self.fault is None

    @property
    def id(self) -> str:
        """How it is asked for again."""
        return "-".join(filter(None, (self.workload.name, self.write, self.fault.name if self.fault else "")))

    def rule(self) -> Rule | None:
        """What strikes; None in a reference run."""
        return None if self.fault is None else Rule(write_named(self.write), self.fault)


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    plan: Plan
    problems: list[str]
    end: str = ""
    counts: Any = None
    writes: tuple[str, ...] = ()
    """Ids of the writes since ``act`` began."""
    seconds: float = 0.0
    log: str = ""
    record: tuple[str, ...] = ()
    """What passed the proxies, a line each: writes, steps of pipelines, and all that was tampered with."""


async def run_plan(plan: Plan, made: World, reference: Result | None = None, *, patience: float = PATIENCE) -> Result:
    """Run a plan in a fresh world and judge how it ended."""
    started = time.monotonic()
    workload = plan.workload
    rule = plan.rule()
    problems: list[str] = []
    await made.plant_foreign()
    made.tuning = workload.tuning
    if rule is not None and plan.at_start:
        _arm(made, rule)
    made.start()
    await workload.prepare(made)
    try:
        at_first = await made.rest(sweeps=1, seconds=patience)
    except NotSettled as error:
        return Result(plan, [f"before the fault: {error}"], seconds=time.monotonic() - started)
    since = made.history.recount()
    if rule is not None and not plan.at_start:
        _arm(made, rule)
    try:
        await workload.act(made)
        view = await made.rest(workload.accepted, patience)
    except NotSettled as error:
        seconds, log = time.monotonic() - started, read_log(made)
        return Result(plan, [*problems, str(error)], seconds=seconds, log=log, record=made.history.lines(since))
    if rule is not None and not rule.struck:
        seen = ", ".join(write.write_id for write in made.history.writes(since))
        problems.append(f"NOT STRUCK: the write {plan.write} never came; there were {seen}")
    writes = list(made.history.writes(since))
    counts, wanted = summary(writes), reference.counts if reference is not None else None
    if made.strikes and (stayed := let_go_of(read_log(made), workload.may_stay)):
        view, wrong = as_if_cleaned_up(view, at_first, stayed, INSTANCE)
        problems += wrong
        if wanted is not None:
            wanted = not_deleted(wanted, counts, {workload.may_stay[name] for name in stayed})
    before = at_first.foreign(made.foreign)
    end = picture(view, made.words())
    problems += await workload.check(made)
    problems += ownership(view, INSTANCE, unmade=workload.unmade)
    problems += made.faults_in_log()
    problems += untouched(before, view.foreign(made.foreign))
    if reference is not None and wanted is not None:
        problems += compare_summaries(counts, wanted, workload.early)
        problems += difference(reference.end, end)
    return Result(
        plan,
        problems,
        end,
        counts,
        tuple(write.write_id for write in writes),
        time.monotonic() - started,
        read_log(made) if problems else "",
        made.history.lines(since),
    )


def _arm(made: World, rule: Rule) -> None:
    made.influx.rules.append(rule)
    made.kube.rules.append(rule)


def read_log(made: World) -> str:
    """All that the operators of a world have logged."""
    assert made.operator is not None
    return made.operator.log.read_text(encoding="utf-8", errors="replace")


def difference(reference: str, found: str) -> list[str]:
    """The lines that differ from the reference's end state."""
    if reference == found:
        return []
    lines = list(
        difflib.unified_diff(reference.splitlines(), found.splitlines(), "reference", "this run", n=3, lineterm="")
    )
    return ["END STATE differs from the reference:\n" + "\n".join(lines[:80])]
