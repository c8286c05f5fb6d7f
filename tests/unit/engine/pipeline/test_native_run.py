"""A window that InfluxDB runs by itself: which run counts, and when one is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from influxops.core.observed import Run, RunState
from influxops.core.pipeline.agenda.entry import Entry
from influxops.core.pipeline.plan import NativeTask
from influxops.core.pipeline.record import Cause
from influxops.core.pipeline.windows.window import Window
from influxops.engine.pipeline import native_run
from influxops.engine.pipeline.native_run import run_native
from influxops.engine.pipeline.window_run import Abandoned, AttemptFailed
from tests.support.pipeline_plans import StageOf, plan_of

STOP = datetime(2026, 1, 1, 12, tzinfo=UTC)
WINDOW = Window(STOP - timedelta(hours=1), STOP)
ENTRY = Entry("a", WINDOW, Cause.SCHEDULE, 1, attempt=1)
STAGE = plan_of({"a": StageOf()}).stages["a"]


def run(name: str, state: RunState = RunState.SUCCESS) -> Run:
    """A run of the slot."""
    return Run(name, "t", state, STOP, STOP, STOP)


class Server:
    """Answers with one list of runs after another, a second of the clock apart; keeps the last. A run that is asked for comes and succeeds."""

    def __init__(self, *answers: Sequence[Run]) -> None:
        self.answers = [list(one) for one in answers]
        self.now = STOP + timedelta(minutes=1)
        self.seconds = 0.0
        self.set_back = timedelta()
        """By how much the time of day is set back at the next look."""
        self.asked: list[int] = []
        """At which look a run was asked for."""
        self.looks = 0
        self.org_id = "o"

    async def call(self, name: str, request: Callable[[Any], Awaitable[Any]], *, write: bool = False) -> Any:
        """As a link does."""
        return await request(self)

    async def list_runs(self, *_: object) -> list[Run]:
        """What there is."""
        self.looks += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def start_run(self, *_: object) -> None:
        """Note it."""
        self.asked.append(self.looks)
        self.answers = [[*self.answers[-1], run("asked")]]

    async def sleep(self, seconds: float) -> None:
        """The clocks go on."""
        self.seconds += seconds
        self.now += timedelta(seconds=seconds) - self.set_back
        self.set_back = timedelta()


async def see_through(server: Server, monkeypatch: pytest.MonkeyPatch, **entry: Any) -> str:
    """The id of the run that counts."""
    monkeypatch.setattr(native_run.asyncio, "sleep", server.sleep)
    native = NativeTask(None, "t", 0)  # type: ignore[arg-type]
    clocks = (lambda: server.now), (lambda: server.seconds)
    outcome = await run_native(server, STAGE, native, replace(ENTRY, **entry), *clocks)  # type: ignore[arg-type]
    return outcome.run_id


async def test_what_the_schedule_did_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server([run("own")])
    assert await see_through(server, monkeypatch) == "own"
    assert server.asked == []


@pytest.mark.parametrize("cause", [Cause.LATE_DATA, Cause.UPSTREAM, Cause.BACKFILL])
async def test_what_runs_again_is_run_again(cause: Cause, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that succeeded has read what was there before; so may have one that is under way."""
    under_way = run("second", RunState.STARTED)
    server = Server([run("own"), under_way], [run("own"), under_way], [run("own"), run("second")])
    assert await see_through(server, monkeypatch, cause=cause, revision=2) == "asked"
    assert len(server.asked) == 1


async def test_a_failed_window_whose_slot_succeeded_meanwhile_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server([run("own")])
    assert await see_through(server, monkeypatch, cause=Cause.REPAIR, revision=2) == "own"
    assert server.asked == []


async def test_a_run_that_is_in_neither_list_for_a_moment_is_not_taken_for_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has just ended (docs/adr/0014): asked for again, its slot would succeed twice."""
    server = Server([run("own", RunState.STARTED)], [], [run("own")])
    assert await see_through(server, monkeypatch) == "own"
    assert server.asked == []


async def test_a_missing_run_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server([])
    assert await see_through(server, monkeypatch) == "asked"
    assert server.asked == [3]


async def test_a_clock_that_is_set_back_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the right time the window may not have closed; and a wait by the time of day would take so much longer."""
    server = Server([run("own", RunState.STARTED)])
    server.set_back = timedelta(hours=3)
    with pytest.raises(Abandoned, match="set back"):
        await see_through(server, monkeypatch)


async def test_a_run_that_does_not_end_is_waited_for_until_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server([run("own", RunState.STARTED)])
    with pytest.raises(AttemptFailed, match="ended within"):
        await see_through(server, monkeypatch)
    assert STAGE.timeout <= server.seconds <= STAGE.timeout + 1
