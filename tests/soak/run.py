"""One soak from its begin to its report."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from devstack.stack import Stack
from tests.soak import judge
from tests.soak.objects import BACKFILL, PIPELINE, STAGES, Sizes, connection, five_before, pipeline, surroundings
from tests.soak.observer import KINDS, Observer
from tests.soak.replicas import Replicas
from tests.soak.schedule import schedule
from tests.soak.site import CONNECTION, Site, site
from tests.soak.strikes import Striker
from tests.soak.tape import rows_of
from tests.soak.users import Users
from tests.soak.windows import doubled, spans
from tests.support.operator import faults_in
from tests.support.oracles import View
from tests.support.stack import install_crds

TELL_EVERY = 20.0
"""Seconds between two lines of progress while something is waited for."""
LEASE_SECONDS = 30.0
"""Seconds after a fault in which the leader may still change: the lease's and some more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for; times in seconds."""

    minutes: float
    objects: int
    seed: int
    calm: float = 60.0
    """With users and without faults, before the storm."""
    quiet: float = 60.0
    """Without a write, at the end."""
    patience: float = 300.0
    """In which all must be as the objects say after the last fault."""

    @property
    def storm(self) -> float:
        """Seconds of faults."""
        return self.minutes * 60


@dataclass
class Outcome:
    """What came of it."""

    plan: Plan
    striker: Striker
    users: Users
    observer: Observer
    replicas: Replicas
    made: Site
    problems: list[str] = field(default_factory=list)
    settle_in: float = 0.0
    """Seconds until all was Ready for the first time."""
    storm: tuple[float, float] = (0.0, 0.0)
    """Begin and end, monotonic."""
    converged: float = 0.0
    """Seconds from the end of the last fault."""
    quiet: float = 0.0
    """Seconds without a write, at the end."""
    excused: int = 0
    """Windows that ran again because the leader changed just then."""
    windows: int = 0
    live: int = 0
    """Objects at the end."""


def say(text: str) -> None:
    """A line of progress."""
    seconds = int(time.monotonic() - _began)
    print(f"[{seconds // 60:3d}:{seconds % 60:02d}] {text}", file=sys.stderr, flush=True)


_began = time.monotonic()


def soak(plan: Plan, directory: Path) -> Outcome:
    """Run it on servers of its own."""
    with Stack.start(controller_manager=False, audit=False) as stack:
        install_crds(stack)
        return asyncio.run(on(stack, plan, directory))


async def on(stack: Stack, plan: Plan, directory: Path) -> Outcome:
    """Run it on these servers; their faults are part of it."""
    strikes = schedule(plan.seed, plan.storm)
    sizes = Sizes.of(plan.objects)
    say(f"seed {plan.seed}: {len(strikes)} faults in {plan.minutes:g} minutes over {plan.objects} objects")
    begin = five_before(datetime.now(UTC))
    async with AsyncExitStack() as open_:
        made = await open_.enter_async_context(site(stack, directory))
        foreign = await surroundings(made, begin, plan.storm + 3600)
        await made.admin.create("InfluxConnection", CONNECTION, connection(made))
        observer = await open_.enter_async_context(Observer(made))
        replicas = await open_.enter_async_context(Replicas(made))
        users = Users(made, observer, sizes, plan.seed, begin, backfills=min(30, 1 + int(plan.minutes / 2)))
        outcome = Outcome(plan, Striker(made, replicas), users, observer, replicas, made)
        await _course(outcome, foreign, begin)
        outcome.problems += [*users.problems, *replicas.problems, *outcome.striker.problems, *_logs(replicas)]
        return outcome


async def _course(outcome: Outcome, foreign: list[str], begin: datetime) -> None:
    plan, made, users, striker = outcome.plan, outcome.made, outcome.users, outcome.striker
    started = time.monotonic()
    await users.settle_in(lambda name: pipeline(name, begin))
    if not await _converge(outcome, "at first"):
        return
    outcome.settle_in = time.monotonic() - started
    before = judge.foreign(await _view(made), foreign)
    living = asyncio.create_task(users.live())
    try:
        say(f"all are Ready after {outcome.settle_in:.0f} s; users change them for {plan.calm:.0f} s without a fault")
        await _unless_ended(living, asyncio.sleep(plan.calm))
        begun = time.monotonic()
        say("the storm begins")
        await _unless_ended(living, striker.storm(schedule(plan.seed, plan.storm), say))
        outcome.storm = begun, time.monotonic()
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
    say("the storm is over; users have ended")
    await users.resume()
    if await _converge(outcome, "after the storm"):
        outcome.converged = time.monotonic() - outcome.storm[1]
        say(f"all is as the objects say after {outcome.converged:.0f} s")
    outcome.live = len(outcome.observer.objects)
    await _judge(outcome, before, foreign)
    await users.rest()
    if await _converge(outcome, "before the quiet"):
        await _quiet(outcome)


async def _unless_ended(living: asyncio.Task[None], work: object) -> None:
    """Do the work; an error of the users ends it."""
    doing = asyncio.ensure_future(work)  # type: ignore[call-overload]
    await asyncio.wait({living, doing}, return_when=asyncio.FIRST_COMPLETED)
    if living.done():
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        living.result()
    await doing


async def _view(made: Site) -> View:
    return View(await made.admin.objects(KINDS), await made.tasks(), await made.buckets())


async def _converge(outcome: Outcome, when: str) -> bool:
    """Wait until everything is as the objects say; what is not becomes a problem."""
    limit = time.monotonic() + outcome.plan.patience
    tell = time.monotonic() + TELL_EVERY
    while True:
        view = await _view(outcome.made)
        left = judge.unsettled(view.objects, datetime.now(UTC)) + judge.unowned(view)
        if not left:
            return True
        if time.monotonic() > limit:
            outcome.problems += [f"not settled {when}: {one}" for one in left[:20]]
            say(f"not settled {when}: {len(left)} problems, such as {left[0]}")
            return False
        if time.monotonic() > tell:
            tell += TELL_EVERY
            say(f"not settled yet {when}: {len(left)}, such as {left[0]}")
        await asyncio.sleep(0.5)


async def _judge(outcome: Outcome, before: str, foreign: list[str]) -> None:
    """The oracles that need no waiting: things of others, windows."""
    made = outcome.made
    view = await _view(made)
    after = judge.foreign(view, foreign)
    if after != before:
        outcome.problems.append(f"FOREIGN: changed\n{before}\nto\n{after}")
    for name, item in view.live(PIPELINE).items():
        watermark = datetime.fromisoformat(item["status"]["watermark"])
        rows = {stage: await _points(made, stage, name) for stage in STAGES}
        outcome.problems += judge.windows(name, rows, outcome.users.oldest[name], watermark)
    book = made.tape.book
    problems, outcome.excused = doubled(book, spans(outcome.striker.handovers(), LEASE_SECONDS))
    outcome.problems += problems
    outcome.windows = len(book.settled)
    say(f"{len(book.settled)} windows, {len(view.live(BACKFILL))} backfills; {len(outcome.problems)} problems so far")


async def _points(made: Site, bucket: str, measurement: str) -> dict[datetime, float]:
    flux = (
        f'from(bucket: "{bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z)'
        f' |> filter(fn: (r) => r._measurement == "{measurement}")'
    )
    rows = rows_of(await made.influxdb.query(made.org.org_id, flux))
    return {datetime.fromisoformat(row["_time"]): float(row["_value"]) for row in rows if row.get("_time")}


async def _quiet(outcome: Outcome) -> None:
    """Wait for a span without a write on either side."""
    plan, tape = outcome.plan, outcome.made.tape
    begun = time.monotonic()
    limit = begun + plan.patience + plan.quiet
    while (now := time.monotonic()) < limit:
        outcome.quiet = now - max(begun, tape.last_write)
        if outcome.quiet >= plan.quiet:
            say(f"no write for {outcome.quiet:.0f} s")
            return
        await asyncio.sleep(0.5)
    outcome.problems.append(f"UNQUIET: writes go on, the last ones were\n{tape.tail()}")


def _logs(replicas: Replicas) -> list[str]:
    """Lines of the logs that tell of a bug, or hold a token."""
    found = []
    for life in replicas.lives:
        found += [f"LOG of {life.name}: {line}" for line in faults_in(life.process.text().splitlines())]
    return found
