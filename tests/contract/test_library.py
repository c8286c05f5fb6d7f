"""The templates of the library over generated points on a real influxd, against a computation that knows no Flux."""

from __future__ import annotations

import csv
import io
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import pytest

from influxops.api.template import Library
from influxops.influx.client import InfluxClient
from influxops.library.catalogue import TEMPLATES
from tests.support.influx_admin import Admin, Site
from tests.support.library import over, rendered

BUCKETS = ("raw", "clean", "rejected", "hourly", "daily", "direct", "inventory", "alerts")
DAY = datetime(2026, 3, 10, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
Series: TypeAlias = tuple[str, str, frozenset[tuple[str, str]]]
"""Measurement, field, tags."""
Points: TypeAlias = dict[Series, dict[datetime, Any]]


class Lab:
    """One organization with the buckets of these tests."""

    def __init__(self, admin: Admin, site: Site) -> None:
        self.admin, self.org_id = admin, site.org_id

    async def write(self, bucket: str, points: Points) -> None:
        lines = []
        for (measurement, field, tags), values in points.items():
            head = ",".join([measurement, *(f"{name}={value}" for name, value in sorted(tags))])
            lines += [f"{head} {field}={_literal(value)} {int(at.timestamp())}" for at, value in values.items()]
        await self.admin.write(self.org_id, bucket, *lines)

    async def run(self, name: Library, values: Mapping[str, Any], start: datetime, stop: datetime) -> str:
        """Run a template over one window; twice, the second of which must change nothing. The destination's text."""
        script = over(rendered(name, values), start, stop)
        await self.admin.query(self.org_id, script)
        once = await self.text(values["toBucket"])
        await self.admin.query(self.org_id, script)
        assert await self.text(values["toBucket"]) == once, "a second run changed the destination"
        return once

    async def text(self, bucket: str) -> str:
        return await self.admin.query(
            self.org_id, f'from(bucket: "{bucket}") |> range(start: 2025-01-01T00:00:00Z, stop: 2027-01-01T00:00:00Z)'
        )

    async def read(self, bucket: str) -> Points:
        return parsed(await self.text(bucket))


@pytest.fixture
async def lab(admin: Admin, site: Site, real: InfluxClient) -> Lab:
    for bucket in BUCKETS:
        await real.create_bucket(site.org_id, bucket, "", 0, 7 * 86400)
    return Lab(admin, site)


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value}i" if isinstance(value, int) else repr(value)


def parsed(text: str) -> Points:
    """The points of a CSV answer, numbers as floats."""
    found: Points = defaultdict(dict)
    header: list[str] = []
    for row in csv.reader(io.StringIO(text)):
        if not row:
            header = []
        elif not header:
            header = row
        else:
            cells = dict(zip(header, row, strict=True))
            own = {"", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"}
            tags = frozenset((name, value) for name, value in cells.items() if name not in own and value != "")
            at = datetime.fromisoformat(cells["_time"])
            try:
                value: Any = float(cells["_value"])
            except ValueError:
                value = cells["_value"]
            found[cells["_measurement"], cells["_field"], tags][at] = value
    return dict(found)


def series(field: str, **tags: str) -> Series:
    return ("env", field, frozenset(tags.items()))


def generated(seed: int, start: datetime = DAY, hours: int = 24) -> Points:
    """Three devices with a float and an integer field at uneven times, with hours in which one of them is silent."""
    chance = random.Random(seed)
    points: Points = {}
    for number, device in enumerate(("a", "b", "c")):
        silent = set(chance.sample(range(hours), hours // 4)) if number else set()
        times = [
            start + timedelta(hours=hour, seconds=second)
            for hour in range(hours)
            if hour not in silent
            for second in sorted(chance.sample(range(3600), chance.randint(1, 6)))
        ]
        points[series("temp", device=device, site="x")] = {at: round(chance.uniform(-20, 90), 2) for at in times}
        points[series("load", device=device, site="x")] = {at: chance.randint(-5, 50) for at in times[::2]}
    return points


def rolled(points: Points, bounds: Callable[[datetime], datetime]) -> Points:
    """Sum, count, minimum, maximum and mean of each series by step."""
    found: Points = defaultdict(dict)
    for (measurement, field, tags), values in points.items():
        steps: dict[datetime, list[float]] = defaultdict(list)
        for at, value in values.items():
            steps[bounds(at)].append(value)
        for step, held in steps.items():
            of = {"sum": sum(held), "count": len(held), "min": min(held), "max": max(held)}
            of["mean"] = of["sum"] / of["count"]
            for name, value in of.items():
                found[measurement, f"{field}_{name}", tags][step] = value
    return dict(found)


def same(found: Points, wanted: Points) -> None:
    """Equal to the last point; sums of floats may differ in their last bits."""
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        texts = {at: value for at, value in values.items() if isinstance(value, str)}
        numbers = {at: value for at, value in values.items() if at not in texts}
        assert {at: value for at, value in found[key].items() if at in texts} == texts, key
        assert {at: value for at, value in found[key].items() if at not in texts} == pytest.approx(
            numbers, rel=1e-12
        ), key


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0)


FIELDS = ["temp", "load"]
DOWN = {"bucket": "raw", "measurement": "env", "fields": FIELDS, "toBucket": "hourly"}
UP = {"bucket": "hourly", "measurement": "env", "fields": FIELDS, "toBucket": "daily"}


@pytest.mark.parametrize("seed", [1, 2])
async def test_downsample_to_steps(lab: Lab, seed: int) -> None:
    """Every hour of every series, none for an hour without points, stamped with the hour's start."""
    points = generated(seed)
    await lab.write("raw", points)
    text = await lab.run(Library.DOWNSAMPLE, {**DOWN, "every": "1h"}, DAY, NEXT)
    same(parsed(text), rolled(points, hour_of))


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-07-01"])
async def test_downsample_a_local_day(lab: Lab, day: str) -> None:
    """One row for a local day of 23, 25 or 24 hours, stamped with its start; its neighbours' points are not in it."""
    start = datetime.fromisoformat(day).replace(tzinfo=BERLIN)
    stop = (start + timedelta(days=1)).replace(tzinfo=BERLIN)
    first, last = start.astimezone(UTC), stop.astimezone(UTC)
    around = generated(3, first - timedelta(hours=2), 30)
    await lab.write("raw", around)
    inside = {key: {at: value for at, value in values.items() if first <= at < last} for key, values in around.items()}
    text = await lab.run(Library.DOWNSAMPLE, DOWN, first, last)
    same(parsed(text), rolled(inside, lambda _: first))


@pytest.mark.parametrize("seed", [4, 5, 6])
@pytest.mark.parametrize("every", ["6h", None])
async def test_reaggregate_gives_what_the_raw_points_give(lab: Lab, seed: int, every: str | None) -> None:
    """Raw to hours to steps of six hours, or to the whole day, is raw to the same at once: no mean of means."""
    await lab.write("raw", generated(seed))
    await lab.run(Library.DOWNSAMPLE, {**DOWN, "every": "1h"}, DAY, NEXT)
    text = await lab.run(Library.REAGGREGATE, {**UP, "every": every}, DAY, NEXT)
    direct = await lab.run(Library.DOWNSAMPLE, {**DOWN, "every": every, "toBucket": "direct"}, DAY, NEXT)
    same(parsed(text), parsed(direct))
    same(parsed(text), rolled(generated(seed), (lambda at: at.replace(hour=at.hour // 6 * 6, minute=0, second=0)) if every else lambda _: DAY))  # fmt: skip


async def test_reaggregate_what_it_wrote_itself(lab: Lab) -> None:
    """Hours to six hours to the day is the same as raw to the day."""
    points = generated(7)
    await lab.write("raw", points)
    await lab.run(Library.DOWNSAMPLE, {**DOWN, "every": "1h"}, DAY, NEXT)
    await lab.run(Library.REAGGREGATE, {**UP, "every": "6h", "toMeasurement": "six"}, DAY, NEXT)
    again = {**UP, "bucket": "daily", "measurement": "six", "toBucket": "direct", "toMeasurement": "env"}
    same(parsed(await lab.run(Library.REAGGREGATE, again, DAY, NEXT)), rolled(points, lambda _: DAY))


async def test_validate_parts_good_points_from_bad(lab: Lab) -> None:
    """Out of range, of an unknown field, of the wrong type, without a required tag: rejected; the rest passes as it is."""
    points = generated(8)
    points[series("temp", site="x")] = {DAY: 20.0, DAY + timedelta(minutes=1): 200.0}
    points[series("note", device="a", site="x")] = {DAY: "hello"}
    points[series("state", device="a", site="x")] = {DAY: "on"}
    await lab.write("raw", points)
    rules = {"temp": {"min": -10, "max": 85.5}, "load": {"min": 0}, "state": {"type": "string"}}
    good: Points = defaultdict(dict)
    bad: Points = defaultdict(dict)
    for key, values in points.items():
        for at, value in values.items():
            rule: Any = rules.get(key[1])
            right = rule is not None and "device" in dict(key[2])
            if right and "type" not in rule:
                right = rule["min"] <= value <= rule.get("max", value)
            (good if right else bad)[key][at] = value
    values = {"bucket": "raw", "measurement": "env", "fields": rules, "requiredTags": ["device"], "toBucket": "clean"}
    same(parsed(await lab.run(Library.VALIDATE, values, DAY, NEXT)), dict(good))
    assert await lab.text("rejected") in {"", "\r\n"}
    await lab.run(Library.VALIDATE, {**values, "rejectedBucket": "rejected"}, DAY, NEXT)
    same(await lab.read("rejected"), dict(bad))


@pytest.mark.parametrize("keep", ["first", "last"])
async def test_deduplicate_within_steps(lab: Lab, keep: str) -> None:
    """One point of each step of ten minutes, the first or the last, with its own time."""
    points = generated(9)
    await lab.write("raw", points)
    values = {"bucket": "raw", "measurement": "env", "fields": FIELDS, "toBucket": "clean"}
    text = await lab.run(Library.DEDUPLICATE, {**values, "within": "10m", "keep": keep}, DAY, NEXT)
    same(parsed(text), {key: _thinned(found.items(), keep) for key, found in points.items()})


async def test_deduplicate_unchanged_values(lab: Lab) -> None:
    """A value is kept when it differs from the one before it in its series, in both modes at once, too."""
    points: Points = {
        series("load", device=device): {DAY + timedelta(minutes=n): value for n, value in enumerate(held)}
        for device, held in (("a", [1, 1, 2, 2, 2, 1]), ("b", [3, 3, 3]), ("c", [0, 0, -1, 0]))
    }
    points[series("temp", device="a")] = {DAY + timedelta(minutes=n): v for n, v in enumerate([0.5, 0.5, 0.25])}
    await lab.write("raw", points)
    values = {"bucket": "raw", "measurement": "env", "fields": FIELDS, "dropUnchanged": True}
    text = await lab.run(Library.DEDUPLICATE, {**values, "toBucket": "clean"}, DAY, NEXT)
    same(parsed(text), {key: _changes(found) for key, found in points.items()})
    both = await lab.run(Library.DEDUPLICATE, {**values, "toBucket": "direct", "within": "2m"}, DAY, NEXT)
    thin = {key: {at: v for at, v in found.items() if at.minute % 2 == 0} for key, found in points.items()}
    same(parsed(both), {key: _changes(found) for key, found in thin.items()})


def _thinned(items: Iterable[tuple[datetime, Any]], keep: str) -> dict[datetime, Any]:
    steps: dict[datetime, list[tuple[datetime, Any]]] = defaultdict(list)
    for at, value in sorted(items):
        steps[at.replace(minute=at.minute // 10 * 10, second=0)].append((at, value))
    return dict(held[0 if keep == "first" else -1] for held in steps.values())


def _changes(values: dict[datetime, Any]) -> dict[datetime, Any]:
    kept, before = {}, None
    for at, value in sorted(values.items()):
        if value != before:
            kept[at] = value
        before = value
    return kept


async def test_enrich_takes_the_latest_metadata_of_each_device(lab: Lab) -> None:
    """Also where they are missing, empty, older than the lookback, or newer than the window; the set of tags is fixed."""
    points = {("env", field, frozenset({("device", dict(tags)["device"])})): values for (_, field, tags), values in generated(10).items()}  # fmt: skip
    points["env", "temp", frozenset()] = {DAY: 1.5}
    await lab.write("raw", points)
    old, late = DAY - timedelta(days=400), NEXT + timedelta(days=1)
    device = lambda name, **more: frozenset({("device", name), *more.items()})  # noqa: E731
    inventory: Points = {
        ("devices", "site", device("a", rack="1")): {DAY - timedelta(days=9): "kiel", late: "later"},
        ("devices", "site", device("a", rack="2")): {DAY - timedelta(days=2): "bonn, am Rhein"},
        ("devices", "floor", device("a")): {DAY - timedelta(days=2): 3},
        ("devices", "site", device("b")): {old: "forgotten"},
        ("devices", "floor", device("b")): {DAY: 7},
        ("devices", "site", device("c")): {DAY: ""},
    }
    await lab.write("inventory", inventory)
    values = {
        "bucket": "raw",
        "measurement": "env",
        "fields": FIELDS,
        "by": "device",
        "metadata": {"bucket": "inventory", "measurement": "devices", "fields": ["site", "floor"]},
        "toBucket": "clean",
    }
    known = {"a": ("bonn, am Rhein", "3"), "b": ("unknown", "7")}
    wanted: Points = {}
    for (measurement, field, tags), held in points.items():
        site, floor = known.get(dict(tags).get("device", ""), ("unknown", "unknown"))
        wanted[measurement, field, tags | {("site", site), ("floor", floor)}] = held
    same(parsed(await lab.run(Library.ENRICH, values, DAY, NEXT)), wanted)
    nothing = {**values, "metadata": {**values["metadata"], "measurement": "none"}, "toBucket": "direct"}  # type: ignore[dict-item]
    for key in await lab.run(Library.ENRICH, nothing, DAY, NEXT) and await lab.read("direct"):
        assert {("site", "unknown"), ("floor", "unknown")} <= key[2]


async def test_alert_writes_what_crosses_a_threshold(lab: Lab) -> None:
    """Each point beyond a threshold with the worst level that it crosses, under another measurement, others not at all."""
    points = generated(11)
    await lab.write("raw", points)
    wanted: Points = defaultdict(dict)
    for (_, field, tags), values in points.items():
        for at, value in values.items() if field == "temp" else ():
            level = "crit" if value > 80 or value < -15 else "warn" if value > 60.5 else ""
            if level:
                wanted["alerts", field, tags | {("level", level)}][at] = value
    levels = [{"level": "crit", "above": 80, "below": -15}, {"level": "warn", "above": 60.5}]
    values = {"bucket": "raw", "measurement": "env", "field": "temp", "levels": levels, "toBucket": "alerts"}
    same(parsed(await lab.run(Library.ALERT, values, DAY, NEXT)), dict(wanted))


@pytest.mark.parametrize("name", list(Library))
async def test_an_empty_window_writes_nothing_and_does_not_fail(lab: Lab, name: Library) -> None:
    """With the example's values, over buckets that hold nothing; and it keeps its promise of what is pushed down."""
    entry = TEMPLATES[name]
    values = {**entry.example, "bucket": "raw", "toBucket": "clean"}
    if "metadata" in values:
        values["metadata"] = {**values["metadata"], "bucket": "inventory"}
    assert parsed(await lab.run(name, values, DAY, NEXT)) == {}


_WHOLE = [
    pytest.param(name, True, id=f"{name}, whole window") for name in Library if "every" in TEMPLATES[name].example
]


@pytest.mark.parametrize(("name", "whole"), [*((name, False) for name in Library), *_WHOLE])
async def test_what_is_promised_of_push_down_is_in_the_plan(lab: Lab, name: Library, whole: bool) -> None:
    """Every node of the plan that reads begins as the catalogue says; metadata are looked up with their own push-down."""
    entry = TEMPLATES[name]
    values = {**entry.example, "bucket": "raw", "toBucket": "clean"}
    if "metadata" in values:
        values["metadata"] = {**values["metadata"], "bucket": "inventory"}
    if whole:
        values.pop("every")
    answer = await lab.admin.query(lab.org_id, over(rendered(name, values), DAY, NEXT, profiled=True))
    plan = answer[answer.index("digraph") :]
    sources = _sources(plan)
    if name is Library.ENRICH:  # the lookups come before it, and are selected in the storage
        assert all(node.startswith("ReadWindowAggregate") for node in sources[:-1])
        sources = sources[-1:]
    assert sources
    assert all(node.removeprefix("merged_").startswith(entry.pushed_down) for node in sources), plan


def _sources(plan: str) -> list[str]:
    nodes = [line.strip().strip('"') for line in plan.splitlines() if line.startswith('  ""') and "->" not in line]
    return [node for node in nodes if "Read" in node]
