"""Each lint finds what it is for, at its place, and nothing in scripts that are right."""

from __future__ import annotations

import pytest

from influxops.core.lint.catalogue import RULES
from influxops.core.lint.rule import Rule
from tests.support.lints import hits, names, written

READ = 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)'
LOCATION = ', location: timezone.location(name: "Europe/Berlin")'
TO = '|> to(bucket: "five")'


def window(fn: str = "max", every: str = "5m", more: str = "") -> str:
    """An aggregateWindow that no lint minds."""
    return f'|> aggregateWindow(every: {every}, fn: {fn}, timeSrc: "_start"{more})'


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.bad], ids=lambda rule: rule.name)
def test_a_rules_own_examples(rule: Rule) -> None:
    assert rule.name in names(rule.bad)
    assert names(rule.good) == []


def test_every_rule_says_why_and_what_to_do() -> None:
    for rule in RULES:
        assert rule.summary.endswith(".")
        assert rule.why.endswith(".")
        assert not rule.remedy.endswith(".")
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    "script",
    [
        f"{READ} {window()} {TO}",
        f'{READ} |> aggregateWindow(every: v.windowPeriod, fn: mean, timeSrc: "_start", createEmpty: false) {TO}',
        # through variables and functions, with two outputs of one read
        f"""
        five = (tables=<-, fn) => tables {window("fn")}
        data = {READ} |> filter(fn: (r) => r._measurement == "cpu")
        data |> five(fn: mean) |> set(key: "_field", value: "mean") {TO}
        data |> five(fn: count) |> set(key: "_field", value: "count") |> to(bucket: "counts")
        """,
        f"""
        left = {READ} {window()}
        right = {READ} {window("min")}
        union(tables: [left, right]) {TO}
        """,
        f'{READ} |> group(columns: ["host", "_measurement", "_field"]) {window("mean")} {TO}',
        (
            f'{READ} |> group() |> sum() |> set(key: "_measurement", value: "m") |> set(key: "_field", value: "f") '
            f"|> map(fn: (r) => ({{r with _time: now()}})) {TO}"
        ),
        (
            f'import "influxdata/influxdb"\n{READ} |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") '
            '|> influxdb.wideTo(bucket: "five")'
        ),
        (
            f'import "date"\nfrom(bucket: "raw") |> range(start: date.truncate(t: -1h, unit: 1h), '
            f"stop: date.truncate(t: now(), unit: 1h)) {window()} {TO}"
        ),
        'import "influxdata/influxdb/schema"\nschema.tagValues(bucket: "raw", tag: "host") |> yield()',
        'import "array"\narray.from(rows: [{_time: now(), _measurement: "m", _field: "f", _value: 1}]) |> to(bucket: "x")',
        f'{READ} |> filter(fn: (r) => r._measurement == "cpu") |> set(key: "_measurement", value: "cpu5") |> to(bucket: "raw")',
        'from = (bucket) => 1\nx = from(bucket: "raw")',
    ],
)
def test_scripts_that_are_right(script: str) -> None:
    assert [hit.message for hit in hits(script)] == []


@pytest.mark.parametrize(
    ("script", "rule", "line", "column"),
    [
        ('x = from(bucket: "raw")\nx |> filter(fn: (r) => true) |> yield()', "unbounded-read", 1, 5),
        ('from(bucket: "raw") |> range(start: 0) |> to(bucket: "b")', "unbounded-read", 1, 24),
        ('from(bucket: "raw")\n  |> range(start: 2025-06-01T00:00:00Z)\n  |> yield()', "absolute-range", 2, 6),
        ('from(bucket: "raw") |> range(start: -10m) |> to(bucket: "b")', "gap-between-runs", 1, 24),
        (f'from(bucket: "raw") |> range(start: -30m) {window(every="1h")} |> yield()', "unaligned-range", 1, 24),
        (f"{READ} {window(every='7m')} |> yield()", "unaligned-range", 1, 24),
        (f"{READ}\n  |> aggregateWindow(every: 5m, fn: max)\n  {TO}", "window-time-src", 2, 6),
        (f'{READ} |> aggregateWindow(every: 5m, fn: max, timeSrc: "_stop") {TO}', "window-time-src", 1, 81),
        (f"{READ} {window(more=', period: 10m')} {TO}", "no-push-down", 1, 81),
        (f'import "timezone"\n{READ} {window(more=LOCATION)} {TO}',
         "no-push-down", 2, 81),
        (f'import "timezone"\noption location = timezone.location(name: "Europe/Berlin")\n{READ} {window()} {TO}',
         "no-push-down", 3, 81),
        (f'{READ} {window("mean")} |> group(columns: ["_measurement", "_field"]) |> mean() |> yield()',
         "mean-of-means", 1, 186),
        (f"{READ} {window('count')} |> group() |> count() |> yield()", "count-of-counts", 1, 152),
        ((f"{READ} {window('(column, tables=<-) => tables |> quantile(q: 0.9, column: column)')} "
         f"{window('(column, tables=<-) => tables |> quantile(q: 0.9, column: column)', '1h')} {TO}"),
         "median-of-medians", 1, 201),
        (f'{READ} |> drop(columns: ["_measurement"]) {TO}', "lost-column", 1, 81),
        (f'{READ} |> rename(columns: {{_field: "name"}}) {TO}', "lost-column", 1, 81),
        (f"{READ} |> map(fn: (r) => ({{_time: r._time, _value: r._value}})) {TO}", "lost-column", 1, 81),
        (f"{READ} |> mean() {TO}", "lost-column", 1, 81),
        (f"{READ} |> quantile(q: 0.9) {TO}", "lost-column", 1, 81),
        (f'{READ} |> group(columns: ["host"]) |> timedMovingAverage(every: 5m, period: 10m) {TO}', "lost-column", 1, 109),
        (f'{READ} |> drop(fn: (column) => column == "_measurement") {TO}', "lost-column", 1, 81),
        (f"{READ} |> reduce(identity: {{n: 0}}, fn: (r, accumulator) => ({{n: accumulator.n + 1}})) {TO}",
         "lost-column", 1, 81),
        (f'{READ} |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") {TO}', "lost-column", 1, 81),
        ('x = (from(bucket: "raw") |> findColumn(fn: (key) => true, column: "a"))[0]', "unbounded-read", 1, 6),
        ('from(bucket: "raw") |> range(start: time(v: "2020-01-01T00:00:00Z")) |> yield()', "absolute-range", 1, 24),
        ('from(bucket: "raw") |> range(start: time(v: 0)) |> yield()', "unbounded-read", 1, 24),
        (f'{READ} |> to(bucket: "raw", org: "mine")', "source-is-destination", 1, 81),
        (f'{READ} |> to(bucket: "x", host: "https://elsewhere", token: "t", org: "o")', "denied-package", 1, 81),
        ('import "slack"', "denied-package", 1, 1),
        (f"{READ} {window('median')} {window('stddev', '1h')} {TO}", "median-of-medians", 1, 142),
        (f"{READ} {TO} // why // influxops:ignore[lost-column] x", "bad-ignore", 1, 100),
        (f"{READ} {TO} // Influxops: ignore[lost-column] x", "bad-ignore", 1, 100),
        (f"{READ} {TO} // influxops:ignore[unused-ignore] x", "bad-ignore", 1, 100),
        (f'{READ} |> group(columns: ["host"]) {window("mean")} {TO}', "lost-column", 1, 109),
        (f'import "influxdata/influxdb"\n{READ} |> influxdb.wideTo(bucket: "raw")', "source-is-destination", 2, 81),
        ('option task = {name: "a", every: 1h, concurrency: 2}', "ignored-task-option", 1, 38),
        ('import h "experimental/http"\nx = h.get(url: "http://a/b")', "denied-package", 1, 1),
        (f'ä = "ü" // 1\n{READ} |> keep(columns: ["é"]) {TO}', "lost-column", 2, 81),
    ],
)  # fmt: skip
def test_what_is_found_and_where(script: str, rule: str, line: int, column: int) -> None:
    assert (rule, line, column) in [(hit.rule.name, hit.line, hit.column) for hit in hits(script)]


@pytest.mark.parametrize(
    ("every", "cron", "found"),
    [
        ("1h", "", []),
        ("15m", "", ["unaligned-range"]),
        ("", "0 * * * *", []),
        ("", "17 * * * *", ["unaligned-range"]),
        ("", "0 3 * * *", ["gap-between-runs"]),
    ],
)
def test_a_range_is_held_against_the_schedule(every: str, cron: str, found: list[str]) -> None:
    assert names(f'from(bucket: "raw") |> range(start: -1h) {window(every="1h")} {TO}', every, cron) == found


def test_a_calendar_month_is_aligned_by_the_calendar() -> None:
    bounds = "start: date.truncate(t: -5d, unit: 1mo), stop: date.truncate(t: now(), unit: 1mo)"
    script = f'import "date"\nfrom(bucket: "raw") |> range({bounds}) {window(every="1mo")} {TO}'
    assert names(script, cron="0 0 1 * *", every="") == []
    assert names(script.replace("unit: 1mo", "unit: 1d"), cron="0 0 2 * *", every="") == [
        "gap-between-runs",
        "unaligned-range",
    ]


def test_a_range_beyond_the_retention_of_its_bucket() -> None:
    script = 'from(bucket: "raw") |> range(start: -30d) |> to(bucket: "b")'
    assert names(script, retention={"raw": 7 * 86400}) == ["window-exceeds-retention"]
    assert names(script, retention={"raw": 0}) == []
    assert "reads 30d back, and bucket 'raw' keeps 7d" in hits(script, retention={"raw": 7 * 86400})[0].message


def test_what_another_task_has_aggregated_is_known() -> None:
    upstream = written(f'{READ} |> filter(fn: (r) => r._measurement == "cpu") {window("mean")} {TO}')
    again = 'from(bucket: "five") |> range(start: -1h) %s |> aggregateWindow(every: 1h, fn: mean, timeSrc: "_start") '
    again += '|> to(bucket: "hourly")'
    (hit,) = hits(again % "", upstream=upstream)
    assert hit.rule.name == "mean-of-means"
    assert "task other wrote to bucket 'five'" in hit.message
    assert names(again % '|> filter(fn: (r) => r._measurement == "mem")', upstream=upstream) == []
    assert names(again % '|> filter(fn: (r) => r._measurement == "cpu" or r._measurement == "mem")', upstream=upstream)
    assert names((again % "").replace("fn: mean", "fn: max"), upstream=upstream) == []


@pytest.mark.parametrize("predicate", ['r._measurement != "cpu"', "r._measurement =~ /^disk/", 'r.agg == "max"'])
def test_what_another_task_wrote_may_be_left_out(predicate: str) -> None:
    upstream = written(
        f'{READ} |> filter(fn: (r) => r._measurement == "cpu") |> set(key: "agg", value: "mean") {window("mean")} {TO}'
    )
    again = f'from(bucket: "five") |> range(start: -1h) |> filter(fn: (r) => {predicate}) {window("mean", "1h")} '
    assert names(f'{again}|> to(bucket: "hourly")', upstream=upstream) == []


def test_a_policy_that_denies_makes_an_error() -> None:
    (hit,) = hits('import "math"\nx = math.pi', denies=lambda package: package == "math")
    assert (hit.rule.name, hit.severity) == ("denied-package", "error")


def test_comments_silence_a_lint_on_a_line() -> None:
    bad = 'from(bucket: "raw") |> range(start: -10m) |> to(bucket: "b")'
    assert names(f"{bad} // influxops:ignore[gap-between-runs] the sensor sends every hour") == []
    assert names(f"// influxops:ignore[gap-between-runs] the sensor sends every hour\n\n// why\n{bad}") == []
    assert names(f"{bad} // influxops:ignore[gap-between-runs]") == ["gap-between-runs", "bad-ignore"]
    assert names(f"{bad} // influxops:ignore because") == ["gap-between-runs", "bad-ignore"]
    assert names(f"{bad} // influxops:ignore[gaps] because") == ["gap-between-runs", "bad-ignore"]
    assert names(f"// influxops:ignore[lost-column] because\n{bad}") == ["unused-ignore", "gap-between-runs"]


def test_only_a_comment_silences() -> None:
    text = 'x = "// influxops:ignore[gap-between-runs] not a comment" ' + "y = /\\/\\/influxops:ignore/"
    bad = 'from(bucket: "raw") |> range(start: -10m) |> to(bucket: "b")'
    assert names(f"{text}\n{bad}") == ["gap-between-runs"]


def test_a_script_that_unfolds_without_end_is_given_up() -> None:
    from influxops.core.lint.flow import TooBig

    lines = ['a0 = from(bucket: "raw") |> range(start: -1h)']
    lines += [
        f"f{n} = (t=<-) => union(tables: [t |> f{n - 1}(), t |> f{n - 1}()])"
        if n
        else "f0 = (t=<-) => t |> limit(n: 1)"
        for n in range(24)
    ]
    with pytest.raises(TooBig):
        hits("\n".join([*lines, "a0 |> f23() |> yield()"]))
