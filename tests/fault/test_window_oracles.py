"""The oracles of pipelines are tested too: a history that was tampered with does not pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.history import INFLUX, KUBE, Exchange
from tests.support.steps import Run, nth, runs_of, step_of
from tests.support.task_runs import task_runs
from tests.support.window_oracles import End, Shape, judge, order, twice, values

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SHAPE = Shape({"a": HOUR, "b": 2 * HOUR}, {"b": ["a"]}, BEGIN, BEGIN + 4 * HOUR)


def run(stage: str, hour: int, asked: float, *, length: int = 1, succeeded: bool = True) -> Run:
    """A run that takes one second."""
    start = BEGIN + hour * HOUR
    return Run(stage, start, start + length * HOUR, asked, asked + 1, succeeded)


RUNS = [
    run("a", 0, 0),
    run("a", 1, 0),
    run("b", 0, 2, length=2),
    run("a", 2, 3),
    run("a", 3, 3),
    run("b", 2, 5, length=2),
]
STATUS = {
    "windows": {"pending": 0, "ready": 0, "running": 0, "succeeded": 6, "failed": 0},
    "watermark": "2026-01-01T04:00:00Z",
}
GOOD = End(RUNS, dict.fromkeys(SHAPE.places(), "SUCCESS"), "points", STATUS)


def test_a_good_end_is_no_problem() -> None:
    assert judge(SHAPE, GOOD) == []
    assert twice(SHAPE, RUNS, RUNS, 0) == values("points", "points") == []


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        (replace(GOOD, runs=[replace(RUNS[2], asked=0.5), *RUNS[:2], *RUNS[3:]]), "ORDER: b"),
        (replace(GOOD, runs=[replace(RUNS[1], succeeded=False), RUNS[0], *RUNS[2:]]), "ORDER: b"),
        (replace(GOOD, runs=[*RUNS, run("a", 1, 9)]), "STALE: b"),
        (replace(GOOD, runs=[one for one in RUNS if one is not RUNS[5]]), "SKIPPED: b"),
        (replace(GOOD, ledger={**GOOD.ledger, SHAPE.places()[1]: "FAILED"}), "is FAILED"),
        (replace(GOOD, ledger=dict(list(GOOD.ledger.items())[1:])), "LEDGER: nothing of a"),
        (replace(GOOD, status={**STATUS, "windows": {"pending": 0, "ready": 1, "running": 0, "failed": 0}}), "ready"),
        (replace(GOOD, status={**STATUS, "watermark": "2026-01-01T03:00:00Z"}), "watermark"),
        (replace(GOOD, status={**STATUS, "exceptions": [{"stage": "a"}]}), "exceptions"),
    ],
    ids=["early", "parent-failed", "stale", "skipped", "failed", "no-record", "busy", "watermark", "exceptions"],
)
def test_each_kind_of_wrong_end_is_named(end: End, problem: str) -> None:
    assert any(problem in found for found in judge(SHAPE, end)), judge(SHAPE, end)


def test_other_values_and_doubled_runs_are_named() -> None:
    assert "VALUES differ" in values("a\nb", "a\nc")[0]
    assert twice(SHAPE, RUNS, [*RUNS, *RUNS], 1) == []
    assert "TWICE: a" in twice(SHAPE, RUNS, [*RUNS, RUNS[0], RUNS[0]], 1)[0]


def test_a_run_that_never_reached_the_server_opens_no_edge() -> None:
    lost = [replace(one, succeeded=False) if one.stage == "a" else one for one in RUNS]
    assert len(order(SHAPE, lost)) == 4


def query(flux: str, **more: str) -> Exchange:
    """A request to run a query."""
    text = "".join(f', "{name}": "{value}"' for name, value in more.items())
    body = f'{{"query": "{flux}"{text}}}'.encode()
    return Exchange(0, INFLUX, "POST", "/api/v2/query", "orgID=1", body, 1.0, status=200, ended=2.0)


def test_steps_are_told_apart() -> None:
    """Each by what only it has; what is no step of the protocol is none."""
    script = (
        "// stage: a\\noption v = {timeRangeStart: 2026-01-01T00:00:00Z, timeRangeStop: 2026-01-01T01:00:00Z, x: 1}"
    )
    ran = query(script, now="2026-01-01T01:00:00Z")
    write = Exchange(0, INFLUX, "POST", "/api/v2/write", "bucket=influxops-ledger", b"window_state,owner=x", 0.0)
    status = "/apis/influxops.dev/v1alpha1/namespaces/n/influxpipelines/env/status"
    assert step_of(ran) == "run"
    assert step_of(query(script, extern="x")) == ""
    assert step_of(write) == "ledger-write"
    assert step_of(replace(write, body=b"watermark,owner=x stop=1i")) == "mark-write"
    assert step_of(replace(write, query="bucket=raw")) == ""
    assert step_of(Exchange(0, KUBE, "PATCH", status, "", b"", 0.0)) == "status"
    assert step_of(Exchange(0, KUBE, "GET", status, "", b"", 0.0)) == ""
    assert runs_of([ran, write]) == [Run("a", BEGIN, BEGIN + HOUR, 1.0, 2.0, succeeded=True)]
    asked = Exchange(0, INFLUX, "POST", "/api/v2/tasks/00000000000000aa/runs", "", b"{}", 0.0)
    assert step_of(asked) == "run-request"
    assert (
        step_of(Exchange(0, INFLUX, "DELETE", "/api/v2/tasks/00000000000000aa", "", b"", 0.0, "a-task"))
        == "task-delete"
    )
    assert step_of(Exchange(0, INFLUX, "POST", "/api/v2/tasks", "", b"{}", 0.0, "a-task")) == "task-create"
    assert step_of(Exchange(0, INFLUX, "POST", "/api/v2/tasks", "", b"{}", 0.0)) == ""
    assert (
        step_of(Exchange(0, KUBE, "PATCH", status.replace("influxpipelines", "influxtasks"), "", b"", 0.0))
        == "task-status"
    )
    accepts = nth("run", 2)
    assert [accepts(one) for one in (ran, write, ran, ran)] == [False, False, True, False]


def test_a_task_reckons_its_window_from_now() -> None:
    """Of a script without times the slot and the stage's length tell the window; without a length it is no run of a stage."""
    ran = query("// stage: a\\noption v = {timeRangeStart: date.sub(from: now(), d: 1h)}", now="2026-01-01T01:00:00Z")
    assert runs_of([ran]) == []
    assert runs_of([ran], {"a": HOUR}) == [Run("a", BEGIN, BEGIN + HOUR, 1.0, 2.0, succeeded=True)]


def test_runs_that_influxdb_noted_are_runs_of_their_stage() -> None:
    """With the slot's window and the moment at which they began; runs of the tasks of others are none."""
    row = {
        "_time": "2026-01-01T05:00:00.123456789Z",
        "finishedAt": "2026-01-01T05:00:02.123456789Z",
        "scheduledFor": "2026-01-01T01:00:00Z",
        "status": "success",
        "taskID": "ours",
    }
    late = {**row, "_time": "2026-01-01T05:00:01Z", "status": "failed"}
    first, second = task_runs([late, {**row, "taskID": "theirs"}, row], "a", HOUR, ["theirs"])
    assert (first.place, first.succeeded, second.succeeded) == (("a", BEGIN, BEGIN + HOUR), True, False)
    assert first.ended - first.asked == pytest.approx(2.0)
