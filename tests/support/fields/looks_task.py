"""What the operator makes of the spec of an InfluxTask: what InfluxDB holds after its visits, and which slots it runs again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from influxops.core.keys import Key, Kind
from influxops.core.observed import RunState, Task, TaskStatus
from influxops.core.reruns import decide
from influxops.core.runs import fold
from influxops.core.schedule import Schedule
from influxops.core.slot_book import SlotBook, SlotFacts
from influxops.reconcile.visit import current_task_status
from tests.support.fields.bench import NOON, Bench, outcome_of, stored_of

Object = dict[str, Any]
NAME = "walked"
THEIRS = 'option task = {name: "%s", every: 1h}\n\nfrom(bucket: "theirs") |> range(start: -1h)\n'


async def stored(spec: Object) -> object:
    """What InfluxDB holds, by connection."""
    return await stored_of(Kind.TASK, NAME, spec)


async def changed_by_hand(spec: Object) -> object:
    """The same after somebody has described the task anew in InfluxDB."""
    bench = Bench()
    key = bench.put(Kind.TASK, NAME, spec)
    await bench.settle(key)
    tasks = bench.fake().tasks
    for task_id, task in list(tasks.items()):
        tasks[task_id] = replace(task, description="by hand")
    await bench.sweep()
    return outcome_of(await bench.settle(key)), bench.stored()


async def beside_others(spec: Object) -> object:
    """The same where InfluxDB holds tasks of nobody: one of the name, and two more."""
    bench = Bench()
    tasks = bench.fake().tasks
    for number, name in enumerate((f"ns/{NAME}", "first", "second")):
        tasks[f"{number:016x}"] = _task(bench, f"{number:016x}", name)
    await bench.sweep()
    outcome = await bench.settle(bench.put(Kind.TASK, NAME, spec))
    return outcome_of(outcome), sorted((one.id, one.name, one.flux) for one in tasks.values())


async def deleted(spec: Object) -> object:
    """What InfluxDB holds after the object is deleted."""
    return await stored_of(Kind.TASK, NAME, spec, delete=True)


async def lateness(spec: Object) -> object:
    """Whether the task is called late twenty minutes after a slot that no run is known of."""
    bench = Bench()
    key = bench.put(Kind.TASK, NAME, {**spec, "every": "1h"})
    await bench.settle(key)
    bench.wall = NOON.replace(hour=13, minute=20)
    await bench.settle(key)
    return [one["reason"] for one in bench.told[key]["conditions"] if one["type"] == "Late"]


async def history(spec: Object) -> object:
    """The runs that status lists of a hundred."""
    bench = Bench()
    key = bench.put(Kind.TASK, NAME, spec)
    await bench.settle(key)
    state = bench.context.tasks[key]
    fake = bench.fake()
    runs = [fake.add_run(state.task_id, RunState.SUCCESS, NOON - timedelta(hours=hours)) for hours in range(100)]
    state.runs = fold(state.runs, runs, state.history_limit)
    return [one["scheduledFor"] for one in current_task_status(bench.context, state)["history"]]


async def run_again(spec: Object) -> object:
    """What is decided of a slot that has failed so many times, and of three hundred slots that nobody has run."""
    bench = Bench()
    key = bench.put(Kind.TASK, NAME, spec)
    await bench.settle(key)
    policy = bench.context.tasks[key].rerun_policy
    assert policy is not None
    schedule = Schedule(600, None)
    slots = [NOON.replace(minute=0) - timedelta(minutes=10 * number) for number in range(300)]
    decided = []
    for failures in range(1, 12):
        ends = {f"run-{number}": NOON for number in range(failures)}
        book = SlotBook(("task", "10m"), slots[0], open={slots[0]: SlotFacts(failed=ends, quiet_since=NOON)})
        decision = decide(schedule, policy, book, NOON)
        decided.append((decision.settled, decision.next_look))
    book = SlotBook(("task", "10m"), slots[0], open={slot: SlotFacts(quiet_since=NOON) for slot in slots})
    missed = decide(schedule, policy, book, NOON)
    return decided, len(missed.run), len(missed.missed), len(missed.settled)


def _task(bench: Bench, task_id: str, name: str) -> Task:
    org = bench.link(Key(Kind.CONNECTION, "ns", "main")).org_id
    return Task(task_id, org, "u", name, TaskStatus.ACTIVE, "", THEIRS % name, "1h", "", "", NOON, NOON)
