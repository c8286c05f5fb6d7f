"""InfluxBackfill on real servers: windows of a range run once, for a pipeline and for a task."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

from tests.integration.operator.test_pipeline import buckets, stages
from tests.support import command
from tests.support.lab import BACKFILL, PIPELINE, Lab

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
COUNT = """\
from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env")
    |> group(columns: ["_measurement", "_field"])
    |> count()
    |> map(fn: (r) => ({_time: v.timeRangeStop, _measurement: "env", _field: "count", _value: r._value}))
    |> to(bucket: "hourly")
"""
NUMBERS = """\
from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "words")
    |> map(fn: (r) => ({r with _value: float(v: r._value)}))
    |> to(bucket: "clean")
"""
DAILY = """\
from(bucket: "clean")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "words")
    |> count()
    |> map(fn: (r) => ({r with _time: v.timeRangeStart}))
    |> to(bucket: "daily")
"""


def day(ago: int) -> str:
    return f"{TODAY - timedelta(days=ago):%Y-%m-%d}"


def backfill(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command.influxops("backfill", *arguments, "-n", lab.namespace, KUBECONFIG=str(lab.stack.kubeconfig))


def points(lab: Lab, days: int) -> None:
    """A point of a sensor each ten minutes."""
    begin = TODAY - timedelta(days=days)
    lines = [
        f"env,sensor=s1 temperature={minute % 50}.5 {int((begin + timedelta(minutes=minute)).timestamp())}"
        for minute in range(0, days * 1440, 10)
    ]
    lab.influx.write("raw", *lines)


def counts(lab: Lab, bucket: str, field: str) -> list[str]:
    """Values by time."""
    rows = lab.influx.rows(
        f'from(bucket: "{bucket}") |> range(start: 0) |> filter(fn: (r) => r._field == "{field}") |> group() '
        '|> sort(columns: ["_time"])'
    )
    return [f"{row['_time']} {row['_value']}" for row in rows]


def pipeline(lab: Lab) -> None:
    """It begins today; what is older is for backfills."""
    lab.connect()
    spec = {"connectionRef": {"name": "main"}, "window": {"every": "1h"}, "begin": f"{TODAY:%Y-%m-%dT%H:%M:%SZ}"}
    lab.create(PIPELINE, "env", {**spec, "stages": stages()})


def test_what_is_older_than_the_pipeline_is_run_in_order(lab: Lab) -> None:
    """Two days of three stages: dry run, run, and once more with nothing left to do. Each day has all its hours."""
    buckets(lab)
    points(lab, 3)
    pipeline(lab)
    range_ = ("pipeline/env", "--from", day(3), "--to", day(1))
    dry = backfill(lab, *range_, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "windows: 98" in dry.stdout
    assert counts(lab, "daily", "temperature_count") == []
    done = backfill(lab, *range_, "--wait")
    assert done.returncode == 0, done.stderr
    assert "Succeeded: 98 windows succeeded" in done.stderr
    assert counts(lab, "daily", "temperature_count") == [f"{day(3)}T00:00:00Z 144", f"{day(2)}T00:00:00Z 144"]
    again = backfill(lab, *range_, "--wait")
    assert again.returncode == 0, again.stderr
    assert "all 98 windows of the range have run before" in again.stderr


def test_a_window_that_was_run_again_takes_what_is_made_of_it_along(lab: Lab) -> None:
    """One hour of a day that has run: that hour of each stage and the day run, and nothing else."""
    buckets(lab)
    points(lab, 2)
    pipeline(lab)
    assert backfill(lab, "pipeline/env", "--from", day(2), "--to", day(1), "--wait").returncode == 0
    lab.influx.write(
        "raw", f"env,sensor=s1 temperature=1 {int((TODAY - timedelta(days=2)).timestamp()) + 5 * 3600 + 1}"
    )
    hour = (f"{day(2)}T05:00:00Z", f"{day(2)}T06:00:00Z")
    again = ("pipeline/env", "--from", hour[0], "--to", hour[1], "--reprocess", "completed", "--wait")
    done = backfill(lab, *again)
    assert "Succeeded: 3 windows succeeded" in done.stderr, done.stderr
    assert counts(lab, "daily", "temperature_count") == [f"{day(2)}T00:00:00Z 145"]


def test_the_windows_of_a_task(lab: Lab) -> None:
    """Its script runs for each slot of the past, over the windows that its own runs would have covered."""
    buckets(lab)
    points(lab, 2)
    lab.connect()
    lab.task("count", COUNT, every="6h", window={"period": "6h"})
    lab.task_id("count")
    done = backfill(lab, "task/count", "--from", day(2), "--to", day(1), "--wait")
    assert done.returncode == 0, done.stderr
    begin = TODAY - timedelta(days=2)
    assert counts(lab, "hourly", "count") == [
        f"{begin + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ} 36" for hours in (6, 12, 18, 24)
    ]


def test_windows_whose_points_have_begun_to_go_are_refused(lab: Lab) -> None:
    """With the bucket, its retention and the start to write; nothing runs, and the pipeline goes on."""
    buckets(lab)
    lab.influx.new_bucket("short", 86400)
    lab.connect()
    first = {"name": "clean", "flux": 'from(bucket: "short") |> range(start: v.timeRangeStart) |> to(bucket: "clean")'}
    spec = {"connectionRef": {"name": "main"}, "window": {"every": "1h"}}
    lab.create(PIPELINE, "env", {**spec, "stages": [first]})
    done = backfill(lab, "pipeline/env", "--from", day(9), "--to", day(8), "--wait")
    assert done.returncode == 1
    assert "Refused: bucket short keeps 1d" in done.stderr
    assert "None of the windows can run" in done.stderr
    [made] = [one for kind, one in lab.objects() if kind == BACKFILL]
    assert made["status"]["phase"] == "Refused"


def test_a_window_that_fails_is_told_and_run_again_when_it_is_asked_for(lab: Lab) -> None:
    """One hour of a day fails and holds its day back; mended, reprocess Failed runs the two of them and nothing else."""
    buckets(lab)
    lab.connect()
    begin = int((TODAY - timedelta(days=2)).timestamp())
    lines = [f'words said="{hour}.5" {begin + hour * 3600}' for hour in range(24)]
    lab.influx.write("raw", *lines)
    lab.influx.write("raw", f'words said="hot" {begin + 5 * 3600}')
    numbers = {"name": "numbers", "flux": NUMBERS}
    daily = {"name": "daily", "dependsOn": ["numbers"], "window": {"every": "1d"}, "flux": DAILY}
    spec = {"connectionRef": {"name": "main"}, "window": {"every": "1h"}, "begin": f"{TODAY:%Y-%m-%dT%H:%M:%SZ}"}
    lab.create(PIPELINE, "words", {**spec, "retry": {"limit": 0}, "stages": [numbers, daily]})
    range_ = ("pipeline/words", "--from", day(2), "--to", day(1), "--wait")
    done = backfill(lab, *range_)
    assert done.returncode == 1
    assert "1 of 25 windows failed and 1 window could not run" in done.stderr
    assert f"numbers   {day(2)}T05:00:00Z/{day(2)}T06:00:00Z" in done.stdout
    assert "waits for stage numbers" in done.stdout
    lab.influx.write("raw", f'words said="5.5" {begin + 5 * 3600}')
    again = backfill(lab, *range_, "--reprocess", "failed")
    assert again.returncode == 0, again.stderr
    assert "Succeeded: 2 windows succeeded" in again.stderr
    assert counts(lab, "daily", "said") == [f"{day(2)}T00:00:00Z 24"]
