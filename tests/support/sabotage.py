"""Operators that are broken on purpose, so that the oracles show that they notice.

Each function is called in the operator's own process before it starts (``Nursery.run(sabotage=...)``).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


def ignore_markers() -> None:
    """Look for no marker: a task is known by the id in status alone."""
    from influxops.core import ownership
    from influxops.core.observed import TaskRecord

    original = ownership.match

    def match(
        claim: ownership.Claim, marked: Iterable[TaskRecord], by_id: TaskRecord | None, *others: Any
    ) -> ownership.Match:
        known = [by_id] if by_id is not None else []
        return original(claim, known, by_id, *others)

    _replace(original, match)


def ignore_fence() -> None:
    """Write whether or not the lease is still held."""
    from influxops.kube.lease import LeaderElector

    LeaderElector.check = lambda _: 1e6  # type: ignore[method-assign]


def forget_to_delete() -> None:
    """Take the finalizer off without deleting the task."""
    from influxops.reconcile import task_writes

    async def nothing(*_: Any) -> None:
        return

    _replace(task_writes.delete_stored, nothing)


def forget_the_guard() -> None:
    """Shorten a retention without asking."""
    from influxops.core import bucket_plan

    _replace(bucket_plan.shortening, lambda *_: None)


def never_look_back() -> None:
    """Find no window whose source has changed."""
    from influxops.core.pipeline.agenda import late

    _replace(late.changed, lambda *_: [])


def never_quiet_ledger() -> None:
    """Write the watermark at every turn."""
    from datetime import timedelta

    from influxops.engine.pipeline import course

    course.MARK_EVERY = timedelta(0)


def forget_the_ledger() -> None:
    """Begin each life as if nothing had run."""
    from influxops.core.pipeline.agenda.recalled import Recalled
    from influxops.engine.pipeline import loading

    def take(_: Recalled, records: Iterable[Any]) -> None:
        list(records)

    Recalled.take = take  # type: ignore[method-assign]
    _replace(loading._begin, lambda plan, *_: plan.begin)


def delete_of_others() -> None:
    """Replace deletes another measurement's points, too."""
    from influxops.influx import write

    original = write.delete_points

    async def delete_points(http: Any, org_id: str, bucket: str, window: Any, measurement: str) -> None:
        for one in (measurement, "other"):
            await original(http, org_id, bucket, window, one)

    _replace(original, delete_points)


def ask_without_a_look() -> None:
    """Ask InfluxDB for a run of every slot, also of one that has its run already."""
    from influxops.engine.pipeline import native_run

    look, known = native_run._runs, set[Any]()

    async def runs(link: Any, native: Any, window: Any) -> list[Any]:
        if window in known:
            return list(await look(link, native, window))
        known.add(window)
        return []

    native_run._runs, native_run.CONFIRM = runs, 0.0


def trust_the_watch() -> None:
    """Never compare what the watches told with what is there."""
    from influxops.watch.relist import Gaps, Relist

    async def nothing(*_: Any) -> Gaps:
        return Gaps()

    Relist.once = nothing  # type: ignore[method-assign]


def never_quiet() -> None:
    """Take every status for a new one, and write it."""
    from influxops.kube import status

    numbers = itertools.count()
    _replace(status._digest, lambda _: str(next(numbers)).encode())


def touch_strangers() -> None:
    """Take a stranger's task of any name for a double, and delete it without a look."""
    from influxops.core import ownership
    from influxops.reconcile import task_writes

    original = ownership.match

    def match(claim: ownership.Claim, *others: Any) -> ownership.Match:
        found = original(claim, *others)
        strangers = _strangers.pop("tasks", ())
        return ownership.Match(found.ours, found.marker_lost, tuple(strangers) or found.doubles, found.copies)

    from influxops.core.snapshot import Snapshot

    keep = Snapshot.put_task

    def put_task(self: Snapshot, task: Any, wrote: float | None = None) -> None:
        if task.name == "by hand":
            _strangers["tasks"] = (task,)
        keep(self, task, wrote)

    async def delete(visit: Any, task_id: str, _: str) -> None:
        await visit.link.call("delete_task", lambda port: port.delete_task(task_id), write=True)
        visit.link.snapshot.drop_task(task_id, visit.context.clock())

    Snapshot.put_task = put_task  # type: ignore[method-assign]
    _replace(original, match)
    _replace(task_writes.delete_stored, delete)


_strangers: dict[str, tuple[Any, ...]] = {}


@contextmanager
def for_a_while(name: str) -> Iterator[None]:
    """Break the operator of this very process, by the name of a function above, and mend it afterwards."""
    from influxops.core.snapshot import Snapshot

    modules = [module for key, module in sys.modules.items() if key.startswith("influxops") and module is not None]
    before = [(module, dict(vars(module))) for module in modules]
    put_task = Snapshot.put_task
    try:
        globals()[name]()
        yield
    finally:
        Snapshot.put_task = put_task  # type: ignore[method-assign]
        _strangers.clear()
        for module, names in before:
            for key, value in names.items():
                if vars(module)[key] is not value:
                    setattr(module, key, value)


def _replace(original: Any, other: Any) -> None:
    """Put a function in the place of another wherever it has been imported to."""
    replaced = 0
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()) if module is not None else ():
            if value is original and getattr(module, "__name__", "").startswith("influxops"):
                setattr(module, name, other)
                replaced += 1
    assert replaced, f"{original} is nowhere to be found"
