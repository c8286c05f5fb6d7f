"""What a second run leaves of the first, when the script writes other series than before: Replace against Overwrite."""

from __future__ import annotations

from tests.support import past
from tests.support.lab import PIPELINE, Lab
from tests.support.sensors import HOUR, Place

START, HOURS = 1_790_000_000 // HOUR * HOUR, 6
AGAIN = range(2, 4)
"""Hours that run once more."""


def counting(tag: str, measurement: str) -> str:
    """Points by hour and sensor, with the sensor's name in this tag."""
    renamed = "" if tag == "sensor" else f'|> rename(columns: {{sensor: "{tag}"}})'
    return f"""\
from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == "temperature")
    |> aggregateWindow(every: 30m, fn: count, createEmpty: false, timeSrc: "_start")
    |> set(key: "_measurement", value: "{measurement}")
    {renamed}
    |> to(bucket: "out")
"""


def stages(tag: str) -> list[dict[str, object]]:
    """The same twice: into a measurement that is replaced, and into one that is overwritten."""
    return [
        {
            "name": name.lower(),
            "flux": counting(tag, name),
            "destination": {"bucket": "out", "measurement": name},
            "writeDisposition": name,
        }
        for name in ("Replace", "Overwrite")
    ]


def counts(measurement: str, tag: str, hours: range) -> dict[Place, float]:
    """Six points of each of two sensors in each half of these hours."""
    return {
        (measurement, "temperature", ((tag, sensor),), START + half * HOUR // 2): 6.0
        for sensor in ("s0", "s1")
        for half in range(2 * hours.start, 2 * hours.stop)
    }


def test_replace_leaves_no_old_series_and_overwrite_does(lab: Lab) -> None:
    """A tag is renamed and two hours run again: Replace leaves nothing of their old series and all of their neighbours',
    whose first point stands at the very end of the range; Overwrite leaves the old series beside the new ones.
    """
    for bucket in ("out", past.LEDGER):
        lab.influx.new_bucket(bucket)
    stop = START + HOURS * HOUR
    moments = range(START, stop, 300)
    lab.influx.write("raw", *(f"env,sensor=s{number} temperature=1.5 {at}" for at in moments for number in range(2)))
    lab.influx.write("out", *(f"Other,sensor=s0 temperature=3 {START + hour * HOUR}" for hour in range(HOURS)))
    lab.connect()
    lab.create(PIPELINE, "tags", past.past(START, stop, stages("sensor")))
    past.settled(lab, "tags", stop)
    others = {("Other", "temperature", (("sensor", "s0"),), START + hour * HOUR): 3.0 for hour in range(HOURS)}
    old = {name: counts(name, "sensor", range(HOURS)) for name in ("Replace", "Overwrite")}
    past.same(past.points(lab, "out"), others | old["Replace"] | old["Overwrite"], "before")

    lab.patch(PIPELINE, "tags", stages=stages("device"))
    past.settled(lab, "tags", stop)
    first, end = START + AGAIN.start * HOUR, START + AGAIN.stop * HOUR
    done = past.backfilled(lab, "again", "tags", first, end, reprocess="Completed")
    assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "4/4")
    gone = counts("Replace", "sensor", AGAIN).keys()
    kept = {place: value for place, value in old["Replace"].items() if place not in gone}
    new = counts("Replace", "device", AGAIN) | counts("Overwrite", "device", AGAIN)
    past.same(past.points(lab, "out"), others | kept | old["Overwrite"] | new, "after")


def test_windows_that_are_replaced_side_by_side_lose_nothing(lab: Lab) -> None:
    """All six hours at a time, four times over and without checks. InfluxDB itself loses nearly all of them when deletes and
    writes of one series meet.
    """
    for bucket in ("out", past.LEDGER):
        lab.influx.new_bucket(bucket)
    stop = START + HOURS * HOUR
    lab.influx.write(
        "raw", *(f"env,sensor=s{n} temperature=1.5 {at}" for at in range(START, stop, 300) for n in range(2))
    )
    lab.connect()
    lab.create(PIPELINE, "side", past.past(START, stop, stages("sensor")[:1]))
    past.settled(lab, "side", stop)
    for turn in range(3):
        done = past.backfilled(lab, f"turn-{turn}", "side", START, stop, reprocess="Completed", maxActiveWindows=HOURS)
        assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "6/6")
        past.same(past.points(lab, "out"), counts("Replace", "sensor", range(HOURS)), f"turn {turn}")
