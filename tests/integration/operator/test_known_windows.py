"""Windows that are more than hours of UTC, against answers worked out in Python by the calendar."""

from __future__ import annotations

from itertools import pairwise

from tests.support import past, sensors
from tests.support.lab import PIPELINE, Lab
from tests.support.sensors import DAY, HOUR, Place


def total(source: str, destination: str, measurement: str = "env") -> str:
    """Add up what a window holds, by sensor, stamped with its start."""
    return f"""\
from(bucket: "{source}")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == "value")
    |> sum()
    |> map(fn: (r) => ({{r with _time: v.timeRangeStart, _measurement: "{measurement}"}}))
    |> group(columns: ["_measurement", "_field", "sensor"])
    |> to(bucket: "{destination}")
"""


def cut(bucket: str, every: str, zone: str) -> str:
    """The same of raw points with ``aggregateWindow``, which cuts by UTC unless the script says where it is."""
    return f"""\
import "timezone"

option location = timezone.location(name: "{zone}")

from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == "value")
    |> aggregateWindow(every: {every}, fn: sum, createEmpty: false, timeSrc: "_start")
    |> to(bucket: "{bucket}")
"""


def stage(name: str, source: str, **fields: object) -> dict[str, object]:
    """A stage that adds up into a bucket of its name, with checks."""
    place = {"bucket": name, "measurement": "env"}
    checks = [{"type": "Checksum"}, {"type": "Coverage"}]
    read = {"bucket": source, "measurement": "env", "field": "value"}
    return {"name": name, "flux": total(source, name), "source": read, "destination": place, "checks": checks, **fields}


def fill(lab: Lab, start: int, stop: int, step: int, *buckets: str) -> dict[int, float]:
    """Make the buckets, write points of one sensor, and give them."""
    for bucket in (*buckets, past.LEDGER):
        lab.influx.new_bucket(bucket)
    points = {at: (at // step * 7919 % 801) / 8 for at in range(start, stop, step)}
    lab.influx.write("raw", *(f"env,sensor=s0 value={value} {at}" for at, value in points.items()))
    return points


def answers(points: dict[int, float], windows: list[tuple[int, int]]) -> dict[Place, float]:
    """The sum of each window, at its start."""
    sums = {}
    for start, stop in windows:
        inside = [value for at, value in points.items() if start <= at < stop]
        if inside:
            sums["env", "value", (("sensor", "s0"),), start] = sum(inside)
    return sums


def test_sliding_windows_over_tumbling_ones(lab: Lab) -> None:
    """Each hour the sum of the last 24 hours, of hourly sums; the first of them is the first that begins in the pipeline.
    Late points in one hour run it again, and the 24 windows that it is in.
    """
    start = 1_790_000_000 // DAY * DAY
    stop = start + 52 * HOUR
    points = fill(lab, start, stop, 900, "hours", "days")
    lab.connect()
    slide = stage("days", "hours", dependsOn=["hours"], window={"every": "1h", "period": "24h"}, checks=[])
    lateness = {"allowed": "3650d", "checkEvery": "1h"}
    lab.create(PIPELINE, "slide", past.past(start, stop, [stage("hours", "raw"), slide], lateness=lateness))
    past.settled(lab, "slide", stop)
    windows = [(at, at + DAY) for at in range(start, stop - DAY + 1, HOUR)]
    past.same(past.points(lab, "days"), answers(points, windows), "sliding")

    late = start + 26 * HOUR
    points |= {late + 1: 5.0, late + 2: 6.5}
    lab.influx.write("raw", *(f"env,sensor=s0 value={points[at]} {at}" for at in (late + 1, late + 2)))
    lab.patch(PIPELINE, "slide", lateness={"checkEvery": "2h"})
    lab.until(PIPELINE, "slide", "has run the late hour", lambda one: one["status"]["lateWindows"] == 1)
    past.settled(lab, "slide", stop)
    revisions = {("days", one): 1 + (one <= late < end) for one, end in windows}
    revisions |= {("hours", at): 1 + (at == late) for at in range(start, stop, HOUR)}
    past.in_ledger(lab, revisions)
    past.same(past.points(lab, "days"), answers(points, windows), "sliding")


def test_months_over_days_of_berlin(lab: Lab) -> None:
    """Months of local days, from raw points: October 2026 has 31 days of which one has 25 hours; a month that is not over
    has not run.
    """
    zone = "Europe/Berlin"
    start, stop = sensors.midnight(zone, 2026, 10, 1), sensors.midnight(zone, 2026, 11, 4)
    points = fill(lab, start, stop, 1800, "days", "months", "cut")
    lab.connect()
    months = stage("months", "days", dependsOn=["days"], window={"every": "1mo"})
    window = {"every": "1d", "timezone": zone}
    located = stage("cut", "raw", flux=cut("cut", "1d", zone))
    lab.create(PIPELINE, "months", past.past(start, stop, [stage("days", "raw"), months, located], window=window))
    past.settled(lab, "months", stop)
    begins = sorted({sensors.day_of(zone)(at) for at in points})
    assert len(begins) == 31 + 3
    days = answers(points, list(zip(begins, [*begins[1:], stop], strict=True)))
    past.same(past.points(lab, "days"), days, "days")
    past.same(past.points(lab, "cut"), days, "days by aggregateWindow")
    firsts = [sensors.midnight(zone, 2026, month, 1) for month in (10, 11)]
    assert firsts[1] - firsts[0] == 31 * DAY + HOUR
    past.same(past.points(lab, "months"), answers(points, list(pairwise(firsts))), "months")


def test_hours_and_days_of_a_zone_with_half_hours(lab: Lab) -> None:
    """Hours of Asia/Kolkata begin at half past by UTC, and its days at 18:30; both hold what the clock there says."""
    zone = "Asia/Kolkata"
    start, stop = sensors.midnight(zone, 2026, 9, 1), sensors.midnight(zone, 2026, 9, 3)
    assert start % HOUR == HOUR // 2
    points = fill(lab, start - DAY, stop + DAY, 600, "hours", "days", "cut")
    lab.connect()
    days = stage("days", "hours", dependsOn=["hours"], window={"every": "1d"})
    window = {"every": "1h", "timezone": zone}
    located = stage("cut", "raw", flux=cut("cut", "1h", zone))
    lab.create(PIPELINE, "half", past.past(start, stop, [stage("hours", "raw"), days, located], window=window))
    past.settled(lab, "half", stop)
    hours = [(at, at + HOUR) for at in range(start, stop, HOUR)]
    past.same(past.points(lab, "hours"), answers(points, hours), "hours")
    past.same(past.points(lab, "cut"), answers(points, hours), "hours by aggregateWindow")
    whole = [(sensors.midnight(zone, 2026, 9, day), sensors.midnight(zone, 2026, 9, day + 1)) for day in (1, 2)]
    past.same(past.points(lab, "days"), answers(points, whole), "days")


def test_only_the_latest_window_is_caught_up(lab: Lab) -> None:
    """catchUp Latest, begun three days ago: of each stage only the newest window runs, and the watermark passes the rest."""
    start = 1_790_000_000 // DAY * DAY
    stop = start + 3 * DAY
    points = fill(lab, start, stop, 900, "hours", "days")
    lab.connect()
    stages = [stage("hours", "raw"), stage("days", "raw", dependsOn=["hours"], window={"every": "1d"})]
    lab.create(PIPELINE, "latest", past.past(start, stop, stages, catchUp={"policy": "Latest"}))
    past.settled(lab, "latest", stop)
    past.in_ledger(lab, {("hours", stop - HOUR): 1, ("days", stop - DAY): 1})
    past.same(past.points(lab, "hours"), answers(points, [(stop - HOUR, stop)]), "hours")
    past.same(past.points(lab, "days"), answers(points, [(stop - DAY, stop)]), "days")


def test_windows_beyond_the_most_are_given_up_and_told(lab: Lab) -> None:
    """maxWindows 7 of 48 hours that wait: the newest seven run, and no day, for both would be made of a part of their hours;
    not after the plan was read again either. An event tells it, and a backfill runs what is missing.
    """
    start = 1_790_000_000 // DAY * DAY
    stop = start + 2 * DAY
    edge = stop - 7 * HOUR
    points = fill(lab, start, stop, 900, "hours", "days")
    lab.connect()
    stages = [stage("hours", "raw"), stage("days", "hours", dependsOn=["hours"], window={"every": "1d"})]
    lab.create(PIPELINE, "most", past.past(start, stop, stages, catchUp={"maxWindows": 7}))
    past.settled(lab, "most", stop)
    ran = {("hours", at): 1 for at in range(edge, stop, HOUR)}
    past.in_ledger(lab, ran)
    assert lab.event("most", "GivenUp")["note"] == (
        "more than 7 windows (spec.catchUp.maxWindows) waited; older ones are not run, nor what is made of them: hours up to "
        f"{past.told(edge)}, days up to {past.told(stop)}. An InfluxBackfill of that range runs them"
    )
    lab.patch(PIPELINE, "most", concurrency={"maxActiveWindows": 2})
    past.settled(lab, "most", stop)
    past.in_ledger(lab, ran)
    assert past.points(lab, "days") == {}

    done = past.backfilled(lab, "older", "most", start, stop)
    assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "43/43")
    past.same(past.points(lab, "hours"), answers(points, [(at, at + HOUR) for at in range(start, stop, HOUR)]), "hours")
    past.same(past.points(lab, "days"), answers(points, [(at, at + DAY) for at in (start, start + DAY)]), "days")


def test_a_stage_added_later_runs_from_the_watermark_on(lab: Lab) -> None:
    """Two hours close after a stage was added: it runs over these alone, and an hourly stage that was there does, too; what
    is older is left to a backfill of the new stage.
    """
    start = 1_790_000_000 // DAY * DAY
    stop = start + 10 * HOUR
    later = stop + 2 * HOUR
    points = fill(lab, start, later, 900, "hours", "extra")
    lab.connect()
    hours, extra = stage("hours", "raw"), stage("extra", "hours", dependsOn=["hours"])
    lab.create(PIPELINE, "grows", past.past(start, stop, [hours]))
    past.settled(lab, "grows", stop)
    before = {("hours", at): 1 for at in range(start, stop, HOUR)}
    past.in_ledger(lab, before)
    lab.patch(PIPELINE, "grows", stages=[hours, extra])
    lab.synced(PIPELINE, "grows")
    lab.patch(PIPELINE, "grows", watermark=past.delay_to(later))
    new = {(name, at): 1 for name in ("hours", "extra") for at in range(stop, later, HOUR)}
    past.in_ledger(lab, before | new)
    done = past.backfilled(lab, "older", "grows", start, stop, stages=["extra"])
    assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "10/10")
    windows = [(at, at + HOUR) for at in range(start, later, HOUR)]
    past.same(past.points(lab, "extra"), answers(points, windows), "extra")
