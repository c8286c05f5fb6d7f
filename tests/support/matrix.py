"""Runs fault plans a few at a time in the background, in the order in which the tests ask for them.

A plan mostly waits: for sweeps, for a start, for quiet. So several share the machine, each in a world of its own, while
every plan stays a test with a name of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Self

from devstack.stack import Stack
from tests.support.crash import Plan, Result, Workload, run_plan
from tests.support.nursery import Nursery
from tests.support.world import PATIENCE, world

PARALLEL = int(os.environ.get("INFLUXOPS_FAULT_PARALLEL", "8"))
"""Plans at a time."""


class Matrix:
    """Use it with ``with``; plans begin at once."""

    def __init__(
        self, stack: Stack, nursery: Nursery, directory: Path, plans: Iterable[Plan], *, sabotage: Sequence[str] = ()
    ) -> None:
        self._stack = stack
        self._nursery = nursery
        self._directory = directory
        self._sabotage = sabotage
        self._plans = {plan.id: plan for plan in plans}
        self.on_end: Callable[[Result], None] = lambda _: None
        """Told of each plan's result."""
        self._futures: dict[str, Future[Result]] = {name: Future() for name in self._plans}
        self._references: dict[str, asyncio.Task[Result]] = {}
        self._loop = asyncio.new_event_loop()
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="fault plans", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed when all plans are done
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(30.0)

    def result(self, plan_id: str, seconds: float = 4 * PATIENCE + 40.0) -> Result:
        """What a plan came to; waits for it."""
        return self._futures[plan_id].result(seconds)

    def report(self, path: Path) -> None:
        """Write what has been run, as JSON."""
        done = [future.result() for future in self._futures.values() if future.done() and future.exception() is None]
        lines = [{"plan": one.plan.id, "seconds": round(one.seconds, 1), "problems": one.problems} for one in done]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._main = self._loop.create_task(self._all())
        try:
            self._loop.run_until_complete(asyncio.gather(self._main, return_exceptions=True))
        finally:
            self._loop.close()

    def _stop(self) -> None:
        if self._main is not None:
            self._main.cancel()

    async def _all(self) -> None:
        waiting = list(self._plans.values())
        waiting.reverse()

        async def work() -> None:
            while waiting:
                await self._one(waiting.pop())

        workers = [asyncio.create_task(work()) for _ in range(PARALLEL)]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in (*workers, *self._references.values()):
                task.cancel()
            await asyncio.gather(*workers, *self._references.values(), return_exceptions=True)

    async def _one(self, plan: Plan) -> None:
        future = self._futures[plan.id]
        try:
            reference = await self._reference(plan.workload)
            if plan.clean:
                future.set_result(reference)
                return
            if reference.problems:
                raise AssertionError(f"the reference run itself failed: {reference.problems}")
            result = await self._run_one(plan, reference)
            self.on_end(result)
            future.set_result(result)
        except BaseException as error:
            if not future.done():
                future.set_exception(error)
            if not isinstance(error, Exception):
                raise

    async def _reference(self, workload: Workload) -> Result:
        """The run without a fault; once for each workload."""
        task = self._references.get(workload.name)
        if task is None:
            task = self._references[workload.name] = asyncio.create_task(self._run_one(self._unbroken(workload), None))
        return await asyncio.shield(task)

    def _unbroken(self, workload: Workload) -> Plan:
        return Plan(workload)

    async def _run_one(self, plan: Plan, reference: Result | None) -> Result:
        # A reference is never sabotaged: it shows what is right.
        sabotage = self._sabotage if reference is not None else ()
        async with world(self._stack, self._nursery, self._directory, sabotage=sabotage) as made:
            return await run_plan(plan, made, reference)
