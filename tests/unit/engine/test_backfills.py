"""Backfills of one loop on its agenda: side by side, over the schedule's windows, dropped, over, and large."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from influxops.api.influxbackfill import InfluxBackfillSpec
from influxops.core.keys import Key, Kind
from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.entry import Entry
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.engine.pipeline.backfill_work import SLICE
from influxops.engine.pipeline.backfills import Backfills
from influxops.reconcile.pipeline_state import BackfillOrder
from tests.support.backfills import all_records, at, pipeline, rollups, stage

NOW = at("2026-03-01T12:00")
DAY = ("2026-02-03T00:00:00Z", "2026-02-04T00:00:00Z")


class Bench:
    """A loop's agenda and backfills, a ledger in memory, and runs that end as the test says."""

    def __init__(self, plan: PipelinePlan, retentions: dict[str, int] | None = None) -> None:
        self.plan, self.agenda = plan, Agenda(plan)
        self.ledger: dict[tuple[str, Any], WindowRecord] = {}
        self.told: dict[str, dict[str, Any]] = {}
        self.kept: list[Entry] = []
        """Windows of deleted backfills that the pipeline runs to their end."""
        buckets = {name: SimpleNamespace(retention=seconds) for name, seconds in (retentions or {}).items()}
        self.link: Any = SimpleNamespace(org_id="o", run=self._run, snapshot=SimpleNamespace(buckets=buckets))
        clock = itertools.count(0.0, 10.0)
        context = SimpleNamespace(objects={}, clock=lambda: next(clock))
        tools: Any = SimpleNamespace(context=context, later=self._later)
        self.backfills = Backfills(tools)
        self.written = True
        """Whether the ledger has taken in what has ended."""
        self.writer: Any = SimpleNamespace(mark=lambda: 0, has=lambda _: self.written)
        self.course: Any = SimpleNamespace(
            plan=self.plan, agenda=self.agenda, writer=self.writer, keep=self.kept.append, unmarked=""
        )

    async def _run(self, _: str, request: Callable[[Any], Awaitable[Any]]) -> Any:
        return await request(SimpleNamespace(ledger_records=self._records))

    async def _records(self, *asked: Any) -> list[WindowRecord]:
        start, stop = asked[3:]
        return [one for one in self.ledger.values() if start <= one.window.start < stop]

    def _later(self, key: Key, uid: str, status: dict[str, Any], *, urgent: bool) -> None:
        self.told[uid] = status

    def order(self, name: str = "a", uid: str = "", span: tuple[str, str] = DAY, **spec: Any) -> str:
        """Ask for a backfill; its uid."""
        whole = {"pipelineRef": {"name": "p"}, "start": span[0], "stop": span[1], **spec}
        key = Key(Kind.BACKFILL, "ns", name)
        read = InfluxBackfillSpec.model_validate(whole)
        self.backfills.order(BackfillOrder(key, uid or f"uid-{name}", 1, NOW, read))
        return uid or f"uid-{name}"

    def drop(self, name: str = "a") -> None:
        """It has been deleted."""
        self.backfills.drop(Key(Kind.BACKFILL, "ns", name))

    async def turn(self) -> None:
        """As a turn of the loop, but without starting runs."""
        await self.backfills.turn(self.link, self.course, NOW)

    def take(self, lane: str) -> Entry | None:
        """Start a run of this lane, as the loop does."""
        lanes = dict([("", 4), *self.backfills.lanes()])
        return self.agenda.take(NOW, lambda _: True, lane) if self.agenda.running(lane) < lanes.get(lane, 0) else None

    def end(self, entry: Entry, *, failed: bool = False) -> None:
        """A run has ended."""
        state = WindowState.FAILED if failed else WindowState.SUCCESS
        if failed:
            self.agenda.failed(entry, NOW, "no", None)
        elif self.agenda.succeeded(entry, NOW) is not None:
            return
        record = WindowRecord(entry.stage, entry.window, state, entry.revision, backfill=entry.backfill, error="no")
        self.ledger[entry.place] = record
        self.backfills.done(record, NOW)

    async def work(self, most: int = 10_000) -> list[str]:
        """Turn until nothing is left to start; ``lane stage end`` of each run."""
        ran: list[str] = []
        while len(ran) < most:
            await self.turn()
            found = [entry for lane in ("", *dict(self.backfills.lanes())) if (entry := self.take(lane)) is not None]
            for entry in found:
                ran.append(f"{entry.lane} {entry.stage} {entry.window.stop:%dT%H}")
                self.end(entry)
            if not self.backfills.publish(self.course, NOW) and not found:
                break
        return ran

    def phase(self, uid: str) -> str:
        """As last told."""
        return str(self.told.get(uid, {}).get("phase"))


async def test_two_backfills_of_the_same_windows_run_each_once_and_both_end() -> None:
    """The second counts what the first runs for it, and runs what is its own."""
    bench = Bench(rollups())
    a, b = bench.order("a"), bench.order("b", span=(DAY[0], "2026-02-05T00:00:00Z"))
    ran = await bench.work()
    assert len(ran) == len({one.partition(" ")[2] for one in ran}) == 50
    assert [bench.phase(one) for one in (a, b)] == ["Succeeded", "Succeeded"]
    assert [bench.told[one]["succeeded"] for one in (a, b)] == [25, 50]


async def test_what_a_deleted_backfill_was_to_run_for_another_is_run_by_that() -> None:
    """Its windows leave the agenda; the other has waited for them."""
    bench = Bench(rollups())
    bench.order("a")
    await bench.turn()
    b = bench.order("b")
    await bench.work(3)
    bench.drop("a")
    ran = await bench.work()
    assert {one.split()[0] for one in ran} == {b}
    assert (bench.phase(b), bench.told[b]["succeeded"]) == ("Succeeded", 25)
    assert len(bench.agenda) == 0


async def test_one_deleted_and_made_again_at_once_waits_for_the_runs_under_way() -> None:
    """Between two turns, with a run of the first going on: nothing stays on the agenda, and what has run is left alone."""
    bench = Bench(rollups())
    old = bench.order("a")
    await bench.turn()
    for _ in range(3):
        entry = bench.take(old)
        assert entry is not None
        bench.end(entry)
    running = bench.take(old)
    assert running is not None
    bench.drop("a")
    new = bench.order("a", uid="other")
    await bench.turn()
    assert {one.lane for one in bench.agenda.entries.values()} == {old}
    bench.end(running)
    ran = await bench.work()
    assert {one.split()[0] for one in ran} == {new}
    assert (len(ran), bench.told[new]["succeeded"], bench.told[new]["skipped"]) == (21, 21, 4)
    assert len(bench.agenda) == 0


@pytest.mark.parametrize(("reprocess", "runs"), [("None", 1), ("Completed", 2)])
async def test_a_window_that_the_schedule_is_running_just_now(reprocess: str, runs: int) -> None:
    """Without a record its run is the one that is asked for; to run all again means after what is there now."""
    bench = Bench(pipeline(stage("hour", cadence("1h"))))
    [window] = bench.plan.stages["hour"].cadence.between(at("2026-02-03T04:00"), at("2026-02-03T05:00"))
    bench.agenda.add("hour", window, NOW)
    running = bench.take("")
    assert running is not None
    uid = bench.order(span=("2026-02-03T04:00:00Z", "2026-02-03T05:00:00Z"), reprocess=reprocess)
    await bench.turn()
    bench.end(running)
    ran = await bench.work()
    assert len(ran) == runs - 1
    assert (bench.phase(uid), bench.told[uid]["succeeded"]) == ("Succeeded", 1)
    assert bench.ledger["hour", window].backfill == uid


async def test_a_failed_window_of_another_holds_back_and_both_tell_of_it() -> None:
    """The hour fails in the lane of the first; the day waits for it in both."""
    bench = Bench(rollups())
    a = bench.order("a")
    await bench.turn()
    b = bench.order("b")
    await bench.turn()
    while (entry := bench.take(a)) is not None:
        bench.end(entry, failed=entry.window.stop == at("2026-02-03T05:00"))
    await bench.work()
    for uid in (a, b):
        assert bench.phase(uid) == "Failed"
        assert (bench.told[uid]["succeeded"], bench.told[uid]["failed"]) == (23, 1), uid
    assert len(bench.agenda) == 0


async def test_what_a_circuit_that_closed_has_run_again_is_waited_for() -> None:
    """All its windows have ended once; those that had failed are on the agenda again, and some of them have started."""
    bench = Bench(rollups())
    uid = bench.order(stages=["hour"], includeDescendants=False)
    await bench.turn()
    while (entry := bench.take(uid)) is not None:
        bench.end(entry, failed=entry.window.stop != at("2026-02-04T00:00"))
    assert len(bench.agenda.revive(NOW, lambda _: True)) == 23
    assert (bench.take(uid) is None, bench.backfills.publish(bench.course, NOW)) == (False, False)
    assert bench.phase(uid) == "Running"
    for entry in [one for one in bench.agenda.entries.values() if one.state is WindowState.RUNNING]:
        bench.end(entry)
    assert len(await bench.work()) == 22
    assert (bench.phase(uid), bench.told[uid]["succeeded"]) == ("Succeeded", 24)


async def test_a_window_that_late_data_takes_out_of_its_lane_is_waited_for() -> None:
    """The pipeline runs it itself then; only when it has, the backfill has succeeded."""
    bench = Bench(rollups())
    uid = bench.order(stages=["hour"], includeDescendants=False)
    await bench.turn()
    late = next(entry for entry in bench.agenda.entries.values() if entry.window.stop == at("2026-02-03T05:00"))
    bench.agenda.add("hour", late.window, NOW, cause=Cause.LATE_DATA, revision=2)
    while (entry := bench.take(uid)) is not None:
        bench.end(entry)
    bench.backfills.publish(bench.course, NOW)
    assert (bench.phase(uid), bench.told[uid]["progress"]) == ("Running", "23/24")
    assert await bench.work() == [" hour 03T05"]
    assert (bench.phase(uid), bench.told[uid]["progress"]) == ("Succeeded", "24/24")


async def test_a_mark_that_nobody_means_any_more_is_no_reason_to_skip_a_window() -> None:
    """It was to run again for a backfill that was deleted before it did; one that the pipeline is about to run is left to it."""
    bench = Bench(rollups())
    for one in all_records(bench.plan, "2026-02-03", "2026-02-04"):
        hour = one.stage == "hour" and one.window.stop in {at("2026-02-03T05:00"), at("2026-02-03T06:00")}
        bench.ledger[one.stage, one.window] = replace(one, state=WindowState.READY, cause=Cause.REPAIR) if hour else one
    meant = bench.plan.stages["hour"].cadence.stopping_at(at("2026-02-03T06:00"))
    assert meant is not None
    bench.agenda.add("hour", meant, NOW, cause=Cause.REPAIR, revision=2)
    uid = bench.order(stages=["hour"], includeDescendants=False)
    assert sorted(await bench.work()) == [" hour 03T06", f"{uid} hour 03T05"]
    assert bench.told[uid]["progress"] == "1/1"


async def test_it_is_over_once_the_ledger_has_all_its_records() -> None:
    """A crash before that takes them back: until then it is under way, with all its windows counted."""
    bench = Bench(rollups())
    bench.written = False
    uid = bench.order()
    for _ in range(25):
        await bench.work(1)
    assert (bench.phase(uid), bench.told[uid]["progress"]) == ("Running", "25/25")
    assert bench.backfills.publish(bench.course, NOW), "there is more to tell"
    bench.written = True
    assert not bench.backfills.publish(bench.course, NOW)
    assert bench.phase(uid) == "Succeeded"


async def test_while_the_connection_is_down_it_says_so() -> None:
    """Pending with the reason and with its numbers, and Running again when it is back; also before anything is chosen."""
    bench = Bench(rollups())
    a = bench.order("a")
    await bench.work(7)
    b = bench.order("b")
    bench.backfills.publish(bench.course, NOW, "it is down")
    assert [bench.phase(one) for one in (a, b)] == ["Pending", "Pending"]
    assert [bench.told[one]["conditions"][0]["message"] for one in (a, b)] == ["it is down"] * 2
    assert bench.told[a]["progress"] == "7/25"
    bench.backfills.publish(bench.course, NOW)
    assert bench.phase(a) == "Running"
    await bench.work()
    assert [bench.phase(one) for one in (a, b)] == ["Succeeded", "Succeeded"]


async def test_one_under_way_is_not_refused_after_a_restart_and_a_new_one_is() -> None:
    """Points of the source have begun to go meanwhile; what was begun is finished."""
    kept = {"raw": int((NOW - at("2026-02-03T10:00")).total_seconds())}
    bench = Bench(rollups(), kept)
    hour = replace(all_records(bench.plan, DAY[0][:10], "2026-02-03T01:00")[0], backfill="uid-a")
    bench.ledger[hour.stage, hour.window] = hour
    begun, new = bench.order("a"), bench.order("b")
    await bench.turn()
    bench.backfills.publish(bench.course, NOW)
    assert (bench.phase(begun), bench.told[begun]["progress"]) == ("Running", "1/25")
    assert bench.phase(new) == "Refused"


async def test_a_new_plan_goes_on_where_the_old_one_was() -> None:
    """Reloaded in the middle, as after a restart: nothing that has ended runs again."""
    bench = Bench(rollups())
    uid = bench.order()
    first = await bench.work(10)
    bench.agenda = bench.course.agenda = Agenda(bench.plan)
    bench.backfills.reload()
    ran = await bench.work()
    assert len(first) + len(ran) == len({*first, *ran}) == 25
    assert (bench.phase(uid), bench.told[uid]["progress"]) == ("Succeeded", "25/25")


async def test_one_that_is_over_is_not_begun_again() -> None:
    """By a new plan, by another order of the same object, or by one after a restart."""
    bench = Bench(rollups())
    uid = bench.order()
    await bench.work()
    told = bench.told.pop(uid)
    bench.ledger.clear()
    bench.backfills.reload()
    bench.order()
    assert await bench.work() == []
    assert bench.backfills.lanes() == []
    assert (told["phase"], bench.told) == ("Succeeded", {})


async def test_a_dry_run_of_an_old_range_is_estimated_by_what_has_run_lately() -> None:
    """The ledger has nothing of the range, and a week of February's end: hours, and three days or more."""
    bench = Bench(rollups())
    for one in all_records(bench.plan, "2026-02-20", "2026-03-01"):
        bench.ledger[one.stage, one.window] = replace(one, duration=2.0, rows=10)
    uid = bench.order(dryRun=True, maxActiveWindows=1, span=("2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"))
    await bench.work()
    assert bench.told[uid]["estimate"] == {"windows": 25, "duration": "50s", "rows": 250}
    assert len(bench.agenda) == 0


async def test_many_windows_do_not_hold_others_up() -> None:
    """20,000 windows are chosen elsewhere and come on the agenda a slice at a time; others have their turn between any two."""
    bench = Bench(pipeline(stage("a", cadence("1m")), stage("b", cadence("1m"), "a")))
    bench.order(span=("2026-02-03T00:00:00Z", "2026-02-10T00:00:00Z"))
    sizes: list[int] = []

    async def watch() -> None:
        while True:
            sizes.append(len(bench.agenda))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await bench.turn()
    watching.cancel()
    assert len(bench.agenda) == 20_160
    assert sizes.count(0) > 10, "nobody had a turn while they were chosen"
    assert max(after - before for before, after in itertools.pairwise(sizes)) <= SLICE


def test_a_week_holds_windows_enough_for_an_estimate_unless_they_are_long() -> None:
    """200 minutes, a week of hours, and three months."""
    from influxops.core.pipeline.backfill.recent import recent_from
    from influxops.core.pipeline.backfill.selection import Chosen, Selection

    def since(every: str) -> timedelta:
        grid = cadence(every)
        plan = pipeline(stage("s", grid))
        return _now - recent_from(plan, Selection((Chosen("s", grid.latest(_now)),)), _now)

    _now: datetime = at("2026-03-01")
    assert since("1m") == timedelta(minutes=200)
    assert since("1h") == timedelta(days=7)
    assert timedelta(days=84) <= since("1mo") <= timedelta(days=93)
    assert recent_from(pipeline(stage("s", cadence("1h"))), Selection(()), _now) == _now


async def test_a_ledger_that_cannot_be_told_is_said_to_be_what_it_waits_for() -> None:
    """Nothing is deleted before the ledger knows; while it cannot, the status says why nothing goes on. Without Replace all goes on."""
    plan = rollups()
    stages = {**plan.stages, "hour": replace(plan.stages["hour"], replace=True)}
    plain, bench = Bench(plan), Bench(replace(plan, stages=stages))
    other, uid = plain.order(), bench.order()
    await plain.work(7)
    plain.course.unmarked = "the token needs write:buckets"
    plain.backfills.publish(plain.course, NOW)
    assert plain.phase(other) == "Running"
    await bench.work(7)
    bench.course.unmarked = "the token needs write:buckets"
    bench.backfills.publish(bench.course, NOW)
    assert bench.phase(uid) == "Pending"
    assert bench.told[uid]["conditions"][0]["message"] == "the ledger takes no records: the token needs write:buckets"
    bench.course.unmarked = ""
    await bench.work()
    assert bench.phase(uid) == "Succeeded"
