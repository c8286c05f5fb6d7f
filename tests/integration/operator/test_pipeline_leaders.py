"""Two operators and one pipeline: whoever leads goes on from the ledger, and who does not leads nothing."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.operator.test_lease import Yard, bare, own, yard
from tests.support.expect import eventually
from tests.support.lab import PIPELINE, Lab
from tests.support.windowed import (
    GUARD,
    hours_ago,
    pipeline,
    points,
    prepare,
    stage,
    stamp,
    states,
    times,
    windows,
)

__all__ = ["bare", "own", "yard"]
SECOND = timedelta(seconds=1)
SHORT = ("--lease-duration", "3", "--lease-renew-deadline", "2", "--lease-retry-period", "0.5")


@pytest.mark.prove
def test_another_operator_goes_on_from_the_ledger(own: Lab, yard: Yard) -> None:
    """The leader stands still until its lease is lost, and wakes up again; then the next is killed. No window is lost or odd."""
    assert own.operator.stop() == 0
    own.operator = yard.start(*SHORT)
    own.operator.leads(60)
    begin = datetime.now(UTC).replace(microsecond=0) + 2 * SECOND
    prepare(own.influx, "out", "behind")
    own.influx.write("raw", *points(begin, 600, SECOND))
    own.connect()
    stages = stage("out"), stage("behind", "out", dependsOn=["out"])
    own.create(PIPELINE, "env", pipeline(begin, "1s", *stages))
    eventually("windows have run", lambda: windows(own.influx), lambda all_: len(all_) >= 6, story=own.operator.tail)

    first, second = own.operator, yard.start(*SHORT)
    eventually("stands by", lambda: second.get("/readyz")[0], lambda code: code == 200, story=second.tail)
    first.process.send_signal(signal.SIGSTOP)
    second.leads(30)
    own.operator = second
    then = datetime.now(UTC)
    own.until(PIPELINE, "env", "goes on", lambda one: one["status"].get("watermark", "") > stamp(then), 75)
    first.process.send_signal(signal.SIGCONT)
    eventually("the first has seen it", yard.leaders, lambda all_: all_ == [second], story=first.tail)
    ran = first.metric("influxops_influx_requests_total", operation="run_script") if first.process.poll() is None else 0
    third = yard.start(*SHORT)
    eventually("stands by", lambda: third.get("/readyz")[0], lambda code: code == 200, story=third.tail)
    now = datetime.now(UTC)
    own.until(PIPELINE, "env", "goes on", lambda one: one["status"].get("watermark", "") > stamp(now), 75)
    if first.process.poll() is None:
        # What is counted of a connection goes with it, at once or a moment after the lease.
        more = first.metric("influxops_influx_requests_total", operation="run_script")
        assert more in {0.0, ran}, "it leads no more"
        first.kill()
    second.kill()
    third.leads(30)
    own.operator = third
    last = datetime.now(UTC)
    own.until(PIPELINE, "env", "goes on", lambda one: one["status"].get("watermark", "") > stamp(last), 75)
    own.patch(PIPELINE, "env", suspend=True)
    own.rests(PIPELINE, "env", "Suspended")
    ledger = windows(own.influx)
    assert {row["state"] for row in ledger.values()} == {"SUCCESS"}
    wanted = [stamp(begin + n * SECOND) for n in range(int((last - begin) / SECOND))]
    for name in ("out", "behind"):
        assert [start for stage_, start in sorted(ledger) if stage_ == name][: len(wanted)] == wanted
    found = times(own.influx, "behind")
    assert found == times(own.influx, "raw")[: len(found)]
    assert found[-1] >= wanted[-1]


def test_failed_windows_run_again_by_an_annotation_that_came_while_nobody_led(own: Lab, yard: Yard) -> None:
    """The ledger tells the next operator what has failed, and it is told to try again before it has read that."""
    begin = hours_ago(2)
    prepare(own.influx, "out", "switch")
    own.influx.write("raw", *points(begin, 2, timedelta(hours=1)))
    own.connect()
    breaker = {"consecutiveFailures": 1000}
    spec = pipeline(begin, "1h", stage("out", first=GUARD), retry={"limit": 0}, circuitBreaker=breaker)
    own.create(PIPELINE, "env", spec)
    own.until(PIPELINE, "env", "failed", lambda one: (one["status"].get("windows") or {}).get("failed") == 2)
    eventually("the ledger tells", lambda: states(own.influx, "out"), lambda found: found == ["FAILED"] * 2)
    assert own.operator.stop() == 0
    own.influx.write("switch", "switch on=1 1")
    own.annotate(PIPELINE, "env", reconcile_requested_at=stamp(datetime.now(UTC)))
    own.operator = yard.start(*SHORT)
    own.operator.leads(60)
    own.in_influx("they ran", lambda: states(own.influx, "out"), lambda found: found == ["SUCCESS"] * 2)
    assert times(own.influx, "out") == times(own.influx, "raw")
