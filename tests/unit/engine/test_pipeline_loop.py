"""Decisions of a pipeline's loop that depend on what comes while a window runs, and on what a kill may cut off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock, MagicMock

from influxops.core.keys import Key, Kind
from influxops.core.pipeline.agenda import Agenda
from influxops.core.pipeline.catch_up import GivenUp
from influxops.core.pipeline.circuit import Circuit, CircuitState
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.result import QueryResult
from influxops.core.pipeline.window import Window
from influxops.engine.pipeline.late_look import Found
from influxops.engine.pipeline.loop import PipelineLoop
from influxops.engine.pipeline.window_run import Outcome
from tests.support.pipeline_plans import StageOf, plan_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOW = Window(NOW - HOUR, NOW)


def loop() -> PipelineLoop:
    """A loop of two stages, one behind the other, whose ledger is empty."""
    tools = MagicMock()
    tools.context.now.return_value = NOW
    tools.context.clock.return_value = 0.0
    made = PipelineLoop(
        Key(Kind.PIPELINE, "default", "env"),
        "uid",
        Key(Kind.CONNECTION, "default", "main"),
        tools,
        lambda _: None,
        lambda _: None,
    )
    made.plan = plan_of({"a": StageOf(), "b": StageOf(after=("a",))})
    made.agenda = Agenda(made.plan)
    made._writer = MagicMock(drain=AsyncMock())
    made._circuits = {name: Circuit(1, 60.0) for name in made.plan.stages}
    return made


def written(made: PipelineLoop) -> list[WindowRecord]:
    """What went to the ledger."""
    writer = made._writer
    assert isinstance(writer, MagicMock)
    return [call.args[0] for call in writer.put.call_args_list]


def test_a_trial_whose_source_changed_closes_the_circuit_all_the_same() -> None:
    """The run does not count, for its window runs again; the circuit must not wait for its verdict for ever."""
    made = loop()
    agenda, circuit = made.agenda, made._circuits["a"]
    assert agenda is not None
    circuit.failed(NOW - HOUR)
    agenda.add("a", WINDOW, NOW)
    entry = agenda.take(NOW, lambda _: circuit.admits(NOW))
    assert entry is not None
    circuit.started()
    agenda.add("a", WINDOW, NOW, cause=Cause.LATE_DATA, revision=2)
    made._succeeded_run(entry, Outcome(QueryResult(1, 1, 1, "")), None, 0.1)
    assert circuit.state is CircuitState.CLOSED
    assert (entry.state, entry.revision) == (WindowState.READY, 2)
    assert written(made) == []


async def test_marks_of_late_windows_are_written_children_first() -> None:
    """A kill between two requests to the ledger may leave a child to run once too often, never once too few."""
    made = loop()
    reruns = tuple(
        WindowRecord(name, WINDOW, WindowState.READY, revision=2, cause=cause)
        for name, cause in (("a", Cause.LATE_DATA), ("b", Cause.UPSTREAM))
    )
    made._late = MagicMock(look=AsyncMock(return_value=Found(reruns)))
    await made._look_for_late(MagicMock(), NOW)
    assert [(record.stage, record.state) for record in written(made)] == [
        ("b", WindowState.READY),
        ("a", WindowState.READY),
    ]
    assert made.agenda is not None
    first = made.agenda.take(NOW, lambda _: True)
    assert first is not None
    assert first.stage == "a", "they run parents first"


def test_windows_that_are_given_up_stay_so_after_a_restart() -> None:
    """The ledger says of a failed one that it was given up; a restart would take it up again otherwise."""
    made = loop()
    agenda = made.agenda
    assert agenda is not None
    agenda.add("a", WINDOW, NOW)
    entry = agenda.take(NOW, lambda _: True)
    assert entry is not None
    agenda.failed(entry, NOW, "broken", None)
    made._give_up(GivenUp((("a", WINDOW),), (entry,)))
    assert [(one.state, one.cause, one.error) for one in written(made)] == [
        (WindowState.FAILED, Cause.GIVEN_UP, "broken")
    ]
