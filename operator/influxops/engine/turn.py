"""The loop of one connection: connect, sweep, compare, wake what waited, say how it stands."""

from __future__ import annotations

import asyncio
import contextlib
import random
from datetime import timedelta

from influxops.api.common import FINALIZER
from influxops.core.keys import Key
from influxops.core.outcome import Reason
from influxops.engine import sweep
from influxops.engine.compare import enqueue_changed, publish_runs, states_of
from influxops.engine.link import LiveLink
from influxops.engine.next_look import AGAIN
from influxops.engine.queue import Priority
from influxops.engine.report import Report
from influxops.engine.reruns import Reruns
from influxops.engine.run_collector import RunCollector
from influxops.engine.target import Refused, Target
from influxops.engine.tools import Tools
from influxops.influx.errors import Forbidden, InfluxError, Invalid, RateLimited, Unauthorized
from influxops.kube.errors import KubeError, MissingReference, NotLeader
from influxops.reconcile.context import POLL, POLL_FOR, Problem
from influxops.telemetry.logs import get_logger

log = get_logger(__name__)

SUSPENDED = Problem(Reason.SUSPENDED, "spec.suspend is true: InfluxDB is neither read nor written")
ENDING = 30.0
"""Seconds that a suspension waits for what is under way; a server that hangs must not hold it up for ever."""
ENDING_LOOK = 0.1
HURRY = timedelta(seconds=1)
"""Least time between two looks for runs while slots are being run again."""
SPARING = 10
"""Looks for runs take at most one part in so many of the time."""


class ConnectionLoop:
    """Runs one ``LiveLink``."""

    def __init__(self, link: LiveLink, tools: Tools, uid: str) -> None:
        self.link = link
        self.uid = uid
        self._tools = tools
        self._context = tools.context
        self._target = Target(link, tools)
        self._report = Report(link, tools)
        self._reruns = Reruns(link, tools)
        self._runs = RunCollector(tools.context, self._reruns)
        self._sweeps = 0
        self._troubled_since: float | None = None
        self._left = asyncio.Event()
        self._ending_since: float | None = None
        """Since when a suspension has waited for the end of what is under way."""

    async def run(self) -> None:
        """Turn until cancelled, or told to leave. Whatever goes wrong in a turn is told in the connection's status."""
        woken = 0
        try:
            while not self._left.is_set():
                self.link.wake.clear()
                try:
                    delay = await self._turn()
                except NotLeader:
                    delay = 1.0  # the engine ends this loop when the lease is lost for good
                except Exception:
                    log.exception(
                        "a sweep failed in a way it should not: please report this", connection=str(self.link.key)
                    )
                    delay = 30.0
                if self._left.is_set() or not await self._rest(delay):
                    woken = 0
                    continue
                # Several objects may have met the same trouble; and when turn after turn finds none, it is not to be hurried.
                pause = max(0.2 * 2.0 ** min(woken, 10), self.link.breaker.trial_in())
                woken += 1
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(pause, float(self.link.spec.sync_interval.seconds))):
                        await self._left.wait()
        finally:
            if self.link.port is not None:
                await self.link.port.close()
            self._target.close()

    def leave(self) -> None:
        """End after what is under way."""
        self._left.set()
        self.link.wake.set()

    async def _rest(self, delay: float) -> bool:
        """Wait for the next turn, and look for runs that should have ended meanwhile. True when woken before its time."""
        clock = self._context.clock
        end = clock() + delay
        earliest = clock() + (AGAIN if self._reruns.next_look() is None else HURRY).total_seconds()
        while True:
            look = self._look_at(earliest)
            try:
                async with asyncio.timeout(max(0.0, min(look, end) - clock())):
                    await self.link.wake.wait()
                    return True
            except TimeoutError:
                if look >= end:
                    return False
            began = clock()
            answered = await self._look()
            looked = clock() - began
            if answered:
                await self._run_again()
            least = AGAIN if self._reruns.next_look() is None else HURRY
            pause = max(least.total_seconds(), SPARING * looked)
            earliest = clock() + pause if answered else end  # the sweep will tell what is wrong

    def _look_at(self, earliest: float) -> float:
        """When to look for finished runs, by our clock."""
        moment = self._runs.next_look(self._reruns.next_look())
        if moment is None or self.link.problem is not None:
            return float("inf")
        return max(earliest, self._context.clock() + (moment - self._context.now()).total_seconds())

    async def _look(self) -> bool:
        """Between two sweeps: only the runs. False when InfluxDB did not answer as it should."""
        states = states_of(self._tools, self.link)
        tasks = self.link.snapshot.tasks
        try:
            changed = await self._runs.collect(self.link, states, lambda state: tasks.get(state.task_id), look=True)
        except InfluxError as error:
            log.info("runs could not be looked for", connection=str(self.link.key), error=str(error))
            return False
        except Exception:
            log.exception(
                "a look for runs failed in a way it should not: please report this", connection=str(self.link.key)
            )
            return False
        publish_runs(self._tools, changed, states)
        return True

    async def _run_again(self) -> None:
        """Run slots again that failed or were missed; what goes wrong with it is no reason to stop looking."""
        states = states_of(self._tools, self.link)
        tasks = self.link.snapshot.tasks
        try:
            changed = await self._reruns.work(states, lambda state: tasks.get(state.task_id))
        except Exception:
            log.exception(
                "running slots again failed in a way it should not: please report this", connection=str(self.link.key)
            )
            return
        publish_runs(self._tools, changed, states)

    async def _turn(self) -> float:
        """One turn; the seconds until the next."""
        if self.link.spec.suspend and not self._farewells():
            return await self._suspended()
        link, clock = self.link, self._context.clock
        interval = float(link.spec.sync_interval.seconds)
        started, before, generation = clock(), link.requests, link.generation
        problem: Problem | None = None
        delay = interval * random.uniform(0.9, 1.0)  # noqa: S311  (jitter, no secret)
        try:
            link.breaker.trial()
            await self._target.connect(self._report.status())
            await self._sweep()
        except MissingReference as error:
            problem, delay = Problem(Reason.DEPENDENCY_NOT_READY, str(error)), self._poll(interval)
        except KubeError as error:
            problem, delay = (
                Problem(Reason.CONNECTION_NOT_READY, f"a Secret cannot be read: {error}"),
                self._poll(interval),
            )
        except Refused as refused:
            problem, delay = refused.problem, self._poll(interval)
        except (Unauthorized, Forbidden) as error:
            self._target.refuse()
            reason = Reason.UNAUTHORIZED if isinstance(error, Unauthorized) else Reason.NOT_ALLOWED
            message = f"{error}: put a valid token with the rights it needs into the Secret"
            problem, delay = Problem(reason, message, stalled=True), self._poll(interval)
        except RateLimited as error:
            problem = Problem(Reason.RATE_LIMITED, str(error))
            delay = max(delay, error.retry_after or 0.0)
        except InfluxError as error:
            if not isinstance(error, Invalid):
                link.breaker.open()
            delay = link.breaker.trial_in() or interval
            problem = Problem(Reason.CONNECTION_NOT_READY, str(error), stalled=isinstance(error, Invalid))
        if problem is None and link.spec.suspend:
            problem = SUSPENDED
        was = link.problem
        link.problem = problem
        self._troubled_since = None if problem is None else (self._troubled_since or clock())
        self._report.measure(clock() - started, link.requests - before, problem)
        await self._report.say(self._target.lacking, generation)
        self._ending_since = None
        if problem is None:
            self._wake(was)
            await self._run_again()
        elif was is None or was.reason is not problem.reason:
            for key in self.link.parked:  # some have waited since before this was known, and have told nobody for what
                self._tools.enqueue(key, Priority.RETRY)
        return delay

    async def _suspended(self) -> float:
        """A turn while nothing is to be asked of InfluxDB, and nothing is being deleted; the seconds until the next."""
        link = self.link
        generation = link.generation
        halfway = any(state.parked_step for state in states_of(self._tools, link).values())
        self._ending_since = self._ending_since or self._context.clock()
        if (link.visitors or halfway) and self._context.clock() - self._ending_since < ENDING:
            return ENDING_LOOK
        if link.problem is not SUSPENDED:
            for key in self._objects():  # some were at work when they were told
                self._tools.enqueue(key, Priority.RESYNC)
        link.problem = SUSPENDED
        link.distrust()
        self._report.forget_sweeps()
        await self._report.say(self._target.lacking, generation)
        return float(link.spec.sync_interval.seconds)

    def _objects(self) -> tuple[Key, ...]:
        objects, key = self._context.objects, self.link.key
        return (*objects.tasks_by_connection(key), *objects.policies_by_connection(key))

    def _farewells(self) -> bool:
        """Whether an object that has something in InfluxDB by this connection is being deleted."""
        records = (self._context.objects.get(key) for key in self._objects())
        return any(record is not None and record.deleting and FINALIZER in record.finalizers for record in records)

    def _poll(self, interval: float) -> float:
        waited = 0.0 if self._troubled_since is None else self._context.clock() - self._troubled_since
        return min(POLL, interval) if waited < POLL_FOR else interval

    async def _sweep(self) -> None:
        link, clock = self.link, self._context.clock
        states = states_of(self._tools, link)
        own = [state.task_id for state in states.values() if state.task_id]
        if sweep.wants_full(link, len(own), self._sweeps):
            snapshot = await sweep.read_all(link, clock)
        else:
            snapshot = await sweep.read_own(link, own, clock)
        if not snapshot.tasks or any(task_id not in snapshot.tasks for task_id in own):
            await self._target.still_seen()
        snapshot.carry_over(link.snapshot)
        link.snapshot = snapshot
        self._sweeps += 1
        changed = await self._runs.collect(link, states, lambda state: snapshot.tasks.get(state.task_id))
        publish_runs(self._tools, changed, states)
        await enqueue_changed(self._tools, link, states)

    def _wake(self, was: Problem | None) -> None:
        """Visit what waited for the connection."""
        parked, self.link.parked = self.link.parked, set()
        for key in parked:
            outcome = self._context.tasks[key].outcome if key in self._context.tasks else None
            if was is None and outcome is not None:
                self._tools.retry(key)  # the connection is well, and yet this object fails
            else:
                self._tools.enqueue(key, Priority.RETRY)
        for key in self.link.refused.turn(lambda key: self._context.objects.get(key) is not None):
            self._tools.enqueue(key, Priority.RETRY)
