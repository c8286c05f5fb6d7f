"""Checks of a pipeline against scripts with one fault each: what each check catches, what it cannot, and what it says."""

from __future__ import annotations

from tests.support import past
from tests.support.course import check
from tests.support.lab import PIPELINE, Lab, Object
from tests.support.sensors import HOUR

START = 1_790_000_000 // HOUR * HOUR
SENSORS, POINTS = 3, 12
COUNT = (
    '|> aggregateWindow(every: 1h, fn: count, createEmpty: false, timeSrc: "_start") |> set(key: "_field", value: "n")'
)
SCRIPTS = {
    "right": f"data {COUNT} |> keep_()",
    "drops-sensor": f'data |> filter(fn: (r) => r.sensor != "s1") {COUNT} |> keep_()',
    "counts-twice": f"union(tables: [data, data |> map(fn: (r) => ({{r with _value: 0.0}}))]) {COUNT} |> keep_()",
    "loses-points": f"data |> filter(fn: (r) => r._value < 9.0) {COUNT} |> keep_()",
    "stamps-end": f"data {COUNT.replace('_start', '_stop')} |> keep_()",
    "writes-twice": f"data {COUNT} |> keep_()\ndata {COUNT} |> map(fn: (r) => ({{r with _value: 7}})) |> keep_()",
    "forgets-tag": f'data |> group(columns: ["_measurement", "_field"]) {COUNT} |> keep_()',
    "doubles-series": f'data {COUNT} |> keep_()\ndata {COUNT} |> map(fn: (r) => ({{r with copy: "yes"}})) '
    '|> group(columns: ["_measurement", "_field", "sensor", "copy"]) |> keep_()',
}
CHECKS = {
    "rowcount": check("RowCount", min=SENSORS, max=SENSORS),
    "coverage": check("Coverage", by=["sensor"]),
    "conservation": check("Conservation", countField="n"),
    "checksum": check("Checksum"),
}
SPAN = f"{past.told(START)}/{past.told(START + HOUR)}"
FEWER, MORE = "look whether the source has its points", "look for series that should not be there"
END = "a point stamped at the end of the window belongs to the next one, so write timeSrc"
CAUGHT = {
    ("drops-sensor", "rowcount"): f"2 rows written for {SPAN}, expected 3; {FEWER} and what the script filters",
    ("drops-sensor", "coverage"): "2 of 3 series of the source have points in the destination for "
    f"{SPAN}, expected 100 %; missing by sensor: sensor=s1; look at what the script filters",
    ("drops-sensor", "conservation"): f"36 points in the source for {SPAN}, 24 counted in n of the destination (-12)",
    ("counts-twice", "conservation"): "72 counted in n of the destination (+36); each point is counted 2 times",
    ("loses-points", "conservation"): "27 counted in n of the destination (-9); look at what the script filters",
    ("stamps-end", "coverage"): f"expected 100 %: the destination is empty; {END}",
    ("stamps-end", "conservation"): f"the destination is empty; {END}",
    ("stamps-end", "checksum"): f"0 of 0 in the destination, expected the same; {END}",
    ("writes-twice", "rowcount"): f"6 rows written for {SPAN}, expected 3; {MORE}",
    ("writes-twice", "checksum"): "two values for one series and time",
    ("forgets-tag", "rowcount"): "1 row written",
    ("forgets-tag", "coverage"): "missing by sensor: sensor=s0, sensor=s1, sensor=s2",
    ("doubles-series", "rowcount"): f"6 rows written for {SPAN}, expected 3; {MORE}",
    (
        "doubles-series",
        "conservation",
    ): "each point is counted 2 times: the script reads or writes a series more than once, or by other tags too",
}
"""What catches what. That nothing else does so is a part of the proof: a check says no more than it compares."""
EITHER = "writes-twice-conservation"
"""Which of two values for one series and time stands, nobody knows."""


def stage(name: str, script: str, *checks: dict[str, object]) -> dict[str, object]:
    """A stage with a measurement of its own."""
    flux = (
        'data = from(bucket: "raw")\n'
        "    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n"
        '    |> filter(fn: (r) => r._measurement == "env" and r._field == "temperature")\n'
        f'keep_ = (tables=<-) => tables |> set(key: "_measurement", value: "{name}") |> to(bucket: "out")\n{script}\n'
    )
    return {
        "name": name,
        "flux": flux,
        "source": {"bucket": "raw", "measurement": "env", "field": "temperature"},
        "destination": {"bucket": "out", "measurement": name},
        "checks": list(checks),
    }


def test_checks_catch_what_they_compare(lab: Lab) -> None:
    """One hour of three sensors: all four checks pass over a right script; over a wrong one those fail that can see it."""
    for bucket in ("out", past.LEDGER):
        lab.influx.new_bucket(bucket)
    points = [(sensor, number) for sensor in range(SENSORS) for number in range(POINTS)]
    lab.influx.write("raw", *(f"env,sensor=s{s} temperature={n}.5 {START + n * 300}" for s, n in points))
    lab.connect()
    stages = [stage("right", SCRIPTS["right"], *CHECKS.values())]
    stages += [
        stage(f"{fault}-{name}", script, one)
        for fault, script in SCRIPTS.items()
        for name, one in CHECKS.items()
        if fault != "right"
    ]
    lab.create(PIPELINE, "faults", past.past(START, START + HOUR, stages, retry={"limit": 0}))

    def over(one: Object) -> bool:
        windows = one["status"].get("windows") or {}
        return windows.get("succeeded", 0) + windows.get("failed", 0) == len(stages)

    done = lab.until(PIPELINE, "faults", "has run all stages", over)
    found = {odd["stage"]: odd["message"] for odd in done["status"]["exceptions"]}
    found.pop(EITHER, "")
    assert found.keys() == {"-".join(place) for place in CAUGHT}
    wrong = {place: found["-".join(place)] for place, words in CAUGHT.items() if words not in found["-".join(place)]}
    assert not wrong, wrong


ODD = (
    r"odd\ one,name=a\,b\ c\=d,two=\"q\" i=9007199254740993i,u=18446744073709551615u,b=true 1789999200000000001",
    r"odd\ one,name=größe f=1e300,g=1e-300,h=-0.0,k=0.1 1789999200123456789",
    'odd\\ one s="a,b;\\"c\\"\nd 😀",e="" 1790002799999999999',
)
"""Values and names that a CSV or a float could spoil; the first and the last nanosecond of the hour."""


def test_checks_pass_over_odd_values(lab: Lab) -> None:
    """Every type, quotes, line ends, great and small numbers: copied by a stage, they pass Checksum and Coverage, and all of
    them stand in the destination.
    """
    assert ODD[0].endswith(f"{START}000000001")
    assert ODD[2].endswith(f"{START + HOUR - 1}999999999")
    for bucket in ("out", past.LEDGER):
        lab.influx.new_bucket(bucket)
    status, text = lab.influx.raw("POST", "write", "\n".join(ODD), orgID=lab.org.org_id, bucket="raw", precision="ns")
    assert status == 204, text
    lab.connect()
    copy = {
        "name": "copy",
        "flux": 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> to(bucket: "out")\n',
        "source": {"bucket": "raw"},
        "destination": {"bucket": "out"},
        "checks": [check("RowCount", min=9, max=9), check("Coverage", by=["name", "two"]), check("Checksum")],
    }
    lab.create(PIPELINE, "odd", past.past(START, START + HOUR, [copy], retry={"limit": 0}))
    done = past.settled(lab, "odd", START + HOUR)
    completion = done["status"]["stages"][0]["lastCompletion"]
    assert (completion["rows"], completion["series"]) == (9, 9)
    read = '|> range(start: 0) |> map(fn: (r) => ({r with _value: string(v: r._value)})) |> group() |> sort(columns: ["_field"])'
    found = [
        [
            (row["_time"], row["_measurement"], row["_field"], row["_value"])
            for row in lab.influx.rows(f'from(bucket: "{bucket}") {read}')
        ]
        for bucket in ("raw", "out")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 9
