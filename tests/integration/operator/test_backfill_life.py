"""The life of an InfluxBackfill on real servers: the operator restarts, what it refers to changes or goes, and its own end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.integration.operator.test_backfill import COUNT, TODAY, buckets, counts, day, pipeline, points
from tests.support import stack as support
from tests.support.expect import eventually
from tests.support.lab import BACKFILL, CONNECTION, PIPELINE, TASK, Lab, Object
from tests.support.operator import OperatorProcess

LOOKBACK = """\
from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env")
    |> group(columns: ["_measurement", "_field"])
    |> count()
    |> map(fn: (r) => ({_time: v.timeRangeStop, _measurement: "env", _field: "day", _value: r._value}))
    |> to(bucket: "daily")
"""
FAILS = """\
from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "words")
    |> map(fn: (r) => ({r with _value: float(v: r._value)}))
    |> to(bucket: "clean")
"""


def ask(lab: Lab, name: str, first: int, last: int, **spec: object) -> str:
    """An InfluxBackfill of whole days, so many days ago; its uid."""
    range_ = {"start": f"{day(first)}T00:00:00Z", "stop": f"{day(last)}T00:00:00Z"}
    return str(lab.create(BACKFILL, name, {**range_, **spec})["metadata"]["uid"])


def ends(lab: Lab, name: str, phase: str = "Succeeded") -> Object:
    """Wait for its end; its status."""
    over = {"Succeeded", "Failed", "Refused"}
    made = lab.until(BACKFILL, name, "is over", lambda one: one.get("status", {}).get("phase") in over, 90)
    assert made["status"]["phase"] == phase, made["status"]
    return dict(made["status"])


def goes(lab: Lab, name: str, least: int = 1) -> None:
    """Wait until some of its windows have succeeded."""
    lab.until(BACKFILL, name, "goes on", lambda one: one.get("status", {}).get("succeeded", 0) >= least, 60)


def waits(lab: Lab, name: str, *parts: str) -> None:
    """Wait until it is Pending, and says for what."""

    def told(one: Object) -> bool:
        status = one.get("status", {})
        text = str(status.get("conditions"))
        return status.get("phase") == "Pending" and all(part in text for part in parts)

    lab.until(BACKFILL, name, f"waits: {parts}", told, 30)


def has_loop(lab: Lab, name: str) -> bool:
    """Whether the operator has metrics of a loop, which it forgets as the loop ends."""
    return f'"{lab.namespace}/{name}"' in lab.operator.get("/metrics")[1]


def no_loop(lab: Lab, name: str) -> None:
    """Wait until the loop of a backfill of a task has ended."""
    eventually(f"the loop of {name} ends", lambda: has_loop(lab, name), lambda seen: not seen)


def records(lab: Lab, uid: str) -> dict[str, str]:
    """When each window of a backfill succeeded."""
    rows = lab.influx.rows(
        'from(bucket: "influxops-ledger") |> range(start: 0) |> filter(fn: (r) => r._measurement == "window_state") '
        '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> group()'
        f' |> filter(fn: (r) => r.backfill == "{uid}" and r.state == "SUCCESS")'
    )
    return {f"{row['stage']} {row['_time']}": row["finished_at"] for row in rows}


@pytest.fixture(scope="module")
def bare() -> Iterator[Stack]:
    """A stack on which no operator runs but those that a test starts."""
    with Stack.start() as started:
        support.install_crds(started)
        yield started


@pytest.fixture
def own(bare: Stack, tmp_path: Path) -> Iterator[Lab]:
    """A lab with an operator of its own, which ``restart`` kills."""
    with support.fresh_namespace(bare) as namespace, support.fresh_org(bare) as org:
        lab = Lab(bare, start(bare, namespace, tmp_path / "1.log"), namespace, org)
        lab.operator.leads(60)
        yield lab
        lab.clear()
        lab.close()
        lab.operator.kill()


def start(stack: Stack, namespace: str, log: Path) -> OperatorProcess:
    """An operator for one namespace."""
    scope = ("--namespaces", namespace, "--instance-id", "yard", "--lease-namespace", namespace)
    quick = ("--lease-duration", "3", "--lease-renew-deadline", "2", "--lease-retry-period", "0.5")
    return OperatorProcess(stack.kubeconfig, log, *scope, *quick)


def restart(lab: Lab) -> None:
    """Kill -9, and the next."""
    lab.operator.kill()
    log = lab.operator.log
    lab.operator = start(lab.stack, lab.namespace, log.with_name(f"{int(log.stem) + 1}.log"))
    lab.operator.leads(60)


def test_a_restart_in_the_middle_goes_on_and_begins_nothing_that_is_over(own: Lab) -> None:
    """Killed with windows left: every window has a record, and what had one before the kill was not run again."""
    buckets(own)
    points(own, 3)
    pipeline(own)
    ask(own, "early", 1, 0, pipelineRef={"name": "env"})
    early = ends(own, "early")
    uid = ask(own, "long", 3, 1, pipelineRef={"name": "env"}, maxActiveWindows=1)
    goes(own, "long", 5)
    before = records(own, uid)
    restart(own)
    status = ends(own, "long")
    assert (status["progress"], status["failed"]) == ("98/98", 0)
    after = records(own, uid)
    assert len(after) == 98
    assert {place: finished for place, finished in after.items() if place in before} == before
    assert counts(own, "daily", "temperature_count") == [f"{day(ago)}T00:00:00Z 144" for ago in (3, 2, 1)]
    assert own.status(BACKFILL, "early") == early


def test_what_it_refers_to_is_suspended_changed_deleted_and_made_again(lab: Lab) -> None:
    """It waits, says for what, and goes on where it was; at the end each day has all its points."""
    buckets(lab)
    points(lab, 12)
    pipeline(lab)
    uid = ask(lab, "long", 12, 1, pipelineRef={"name": "env"}, maxActiveWindows=1)
    goes(lab, "long")
    lab.patch(CONNECTION, "main", suspend=True)
    lab.rests(CONNECTION, "main", "Suspended")
    held = lab.status(BACKFILL, "long")["succeeded"]
    lab.patch(CONNECTION, "main", suspend=False)
    goes(lab, "long", held + 5)
    lab.patch(PIPELINE, "env", retry={"limit": 1})
    lab.synced(PIPELINE, "env")
    goes(lab, "long", held + 15)
    done = records(lab, uid)
    made = lab.get(PIPELINE, "env")
    assert made is not None
    lab.delete(PIPELINE, "env")
    lab.gone(PIPELINE, "env")
    waits(lab, "long", "does not exist: create it")
    lab.create(PIPELINE, "env", made["spec"])
    status = ends(lab, "long")
    assert (status["progress"], status["failed"]) == ("539/539", 0)
    after = records(lab, uid)
    assert {place: finished for place, finished in after.items() if place in done} == done
    assert counts(lab, "daily", "temperature_count") == [f"{day(ago)}T00:00:00Z 144" for ago in range(12, 1, -1)]


@pytest.mark.prove
def test_tasks_with_lookback_and_cron_and_one_that_fails(lab: Lab) -> None:
    """Their points, their ends, and no loop is left; the one that is to be deleted at its end is."""
    buckets(lab)
    points(lab, 4)
    lab.influx.write("raw", f'words said="hot" {int((TODAY - timedelta(days=2)).timestamp()) + 5}')
    lab.connect()
    lab.task("looks", LOOKBACK, every="1d", window={"period": "1d", "lookback": "1d"})
    lab.task("cron", COUNT, cron="0 */12 * * *", window={"period": "12h"})
    lab.task("fails", FAILS, every="12h", window={"period": "12h"})
    for name in ("looks", "cron", "fails"):
        lab.task_id(name)
    ask(lab, "of-looks", 4, 1, taskRef={"name": "looks"}, ttlSecondsAfterFinished=0)
    ask(lab, "of-cron", 3, 1, taskRef={"name": "cron"})
    ask(lab, "of-fails", 2, 1, taskRef={"name": "fails"})
    lab.gone(BACKFILL, "of-looks", 60)
    assert counts(lab, "daily", "day") == [f"{day(ago)}T00:00:00Z 288" for ago in (2, 1)]
    assert ends(lab, "of-cron")["progress"] == "4/4"
    halves = [TODAY - timedelta(days=3) + timedelta(hours=12 * number) for number in (1, 2, 3, 4)]
    assert counts(lab, "hourly", "count") == [f"{moment:%Y-%m-%dT%H:%M:%SZ} 72" for moment in halves]
    status = ends(lab, "of-fails", "Failed")
    assert (status["succeeded"], status["failed"]) == (1, 1)
    assert "cannot parse" in status["failures"][0]["message"] or "hot" in status["failures"][0]["message"]
    for name in ("of-looks", "of-cron", "of-fails"):
        no_loop(lab, name)


def test_a_backfill_of_a_task_that_changes_goes_and_is_deleted_itself(lab: Lab) -> None:
    """What is left runs by the new script; without its task it waits; deleted while it runs, its loop ends. Another one of the
    task waits for that, lest windows run twice.
    """
    buckets(lab)
    points(lab, 4)
    lab.connect()
    lab.task("count", COUNT, every="1m", window={"period": "1m"})
    lab.task_id("count")
    ask(lab, "long", 4, 1, taskRef={"name": "count"}, maxActiveWindows=1)
    goes(lab, "long")
    lab.patch(TASK, "count", flux=COUNT.replace('"count",', '"other",'))
    assert has_loop(lab, "long")
    lab.in_influx("the new script runs", lambda: counts(lab, "hourly", "other"))
    lab.delete(TASK, "count")
    waits(lab, "long", "does not exist: create it")
    no_loop(lab, "long")
    lab.task("count", COUNT, every="1m", window={"period": "1m"})
    done = lab.status(BACKFILL, "long")["succeeded"]
    goes(lab, "long", done + 2)
    ask(lab, "same", 4, 3, taskRef={"name": "count"})
    waits(lab, "same", f"InfluxBackfill {lab.namespace}/long has windows of the same InfluxTask run")
    lab.delete(BACKFILL, "long")
    no_loop(lab, "long")
    goes(lab, "same")
