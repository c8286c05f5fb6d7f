"""spec.policy of an InfluxConnection: what its owner does not let tasks do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.expect import condition
from tests.support.lab import CONNECTION, HOURLY, PIPELINE, TASK, Lab, fresh
from tests.support.windowed import hours_ago, pipeline, points, prepare, stage, times

ALLOWED = """\
import "date"

range_of = (from, to) => date.sub(d: 1h, from: to)
from(bucket: "raw")
    |> range(start: range_of(from: 1, to: now()))
    |> map(fn: (r) => ({r with to: r.from}))
    |> to(bucket: "down")
"""
"""Columns and parameters may be named as they like."""
HTTP = 'import "http"\n' + HOURLY


@pytest.fixture(scope="module")
def limited(crowd: Lab) -> Lab:
    """A connection ``limited`` whose scripts may read raw and write down, beside a bucket that they may not touch."""
    crowd.influx.new_bucket("secret")
    crowd.influx.new_bucket("down")
    crowd.connect("limited", policy={"allowedBuckets": {"read": ["raw"], "write": ["down"]}})
    return crowd


def test_denied_packages(lab: Lab) -> None:
    """A package stands for those below it; the message names package, policy and whom to ask; others are welcome."""
    lab.connect(policy={"deniedFluxPackages": ["http", "experimental"]})
    lab.task("direct", HTTP)
    lab.rests(TASK, "direct", "NotAllowed", "http", "deniedFluxPackages")
    lab.task("below", 'import "http/requests"\n' + HOURLY)
    lab.rests(TASK, "below", "NotAllowed", "http/requests")
    lab.task("renamed", 'import web "http"\n' + HOURLY)
    lab.rests(TASK, "renamed", "NotAllowed", "http")
    lab.task("fine", 'import "strings"\n' + HOURLY)
    lab.synced(TASK, "fine")
    assert len(lab.influx.tasks()) == 1


@pytest.mark.parametrize("spec", [{"every": "30s"}, {"cron": "*/1 * * * *"}, {"cron": "0,1 0 * * *"}])
def test_the_shortest_time_between_two_runs(lab: Lab, spec: dict[str, str]) -> None:
    """For every and cron alike; also a cron that is rare on the whole and dense once a day."""
    lab.connect(policy={"minEvery": "5m"})
    lab.task("dense", **spec)
    lab.rests(TASK, "dense", "NotAllowed", "5m")
    lab.patch(TASK, "dense", **(dict.fromkeys(spec) | {"every": "5m"}))
    lab.synced(TASK, "dense")


def test_a_script_with_its_own_option_is_held_against_the_policy(lab: Lab) -> None:
    """There is no way around by writing the schedule into the script."""
    lab.connect(policy={"minEvery": "5m"})
    lab.task("own", 'option task = {name: "own", every: 10s}\n' + HOURLY, every=None)
    lab.rests(TASK, "own", "NotAllowed", "5m")


@pytest.mark.parametrize(
    ("flux", "words"),
    [
        ('from(bucket: "secret") |> range(start: -1h)\n', ("read", "'secret'")),
        ('from(bucket: "raw") |> range(start: -1h) |> to(bucket: "raw")\n', ("write", "'raw'")),
        ('b = "raw"\nfrom(bucket: b) |> range(start: -1h)\n', ("literal",)),
        ('from(bucketID: "0123456789abcdef") |> range(start: -1h)\n', ("bucketID",)),
        ('from(bucket: "raw", host: "http://elsewhere") |> range(start: -1h)\n', ("host",)),
        ('f = from\nf(bucket: "secret") |> range(start: -1h)\n', ("literal",)),
        ('r = {f: from}\nr.f(bucket: "secret") |> range(start: -1h)\n', ("literal",)),
        ('r = {from}\nr.from(bucket: "secret") |> range(start: -1h)\n', ()),
        ('call = (g) => g(bucket: "secret")\ncall(g: from) |> range(start: -1h)\n', ("literal",)),
        ('import "influxdata/influxdb"\nf = influxdb.from\nf(bucket: "secret") |> range(start: -1h)\n', ("literal",)),
        ('import "influxdata/influxdb"\ninfluxdb["from"](bucket: "secret") |> range(start: -1h)\n', ("'secret'",)),
        ('import s "influxdata/influxdb/schema"\ns.measurements(bucket: "secret")\n', ("'secret'",)),
        ('import "experimental"\nfrom(bucket: "raw") |> range(start: -1h) |> experimental.to(bucket: "raw")\n', ()),
        ('import "experimental/query"\nf = query.fromRange\nf(bucket: "secret", start: -1h)\n', ("literal",)),
        ('import "experimental/query"\nq = query\nq.fromRange(bucket: "secret", start: -1h)\n', ("literal",)),
        ('import "influxdata/influxdb"\ng = () => influxdb\nw = g().from\nw(bucket: "secret") |> range(start: -1h)\n', ("literal",)),
        ('cardinality(bucket: "secret", start: -1h)\n', ("'secret'",)),
        ('option x = 1\nt = (tables=<-) => tables |> to(bucket: "raw")\nfrom(bucket: "raw") |> range(start: -1h) |> t()\n', ()),
    ],
    ids=[
        "read", "write", "no literal", "id", "host", "alias of from", "from in a record", "from by its own name",
        "from as an argument", "alias by package", "index of package", "schema", "another to", "alias of query", "package as a value",
        "package from a function", "cardinality", "to in a function",
    ],
)  # fmt: skip
def test_buckets_that_are_not_allowed(limited: Lab, flux: str, words: tuple[str, ...]) -> None:
    """NotAllowed before anything is stored, however the script gets at the bucket."""
    name = fresh()
    reference = {"name": "limited"}
    limited.task(name, flux, connectionRef=reference)
    item = limited.rests(TASK, name, "NotAllowed", *words)
    assert "taskID" not in item["status"]
    limited.patch(TASK, name, flux=ALLOWED)
    limited.synced(TASK, name)


def test_a_policy_that_becomes_strict_or_loose(lab: Lab) -> None:
    """It holds for tasks that are there already; what it stalls goes on running, and a looser one heals it."""
    lab.connect()
    lab.task("cpu", HTTP)
    task_id = lab.task_id("cpu")
    lab.patch(CONNECTION, "main", policy={"deniedFluxPackages": ["http"]})
    item = lab.rests(TASK, "cpu", "NotAllowed", "http")
    assert condition(item, "Stalled")
    assert lab.influx.task(task_id)["status"] == "active"
    lab.patch(CONNECTION, "main", policy={"deniedFluxPackages": []})
    assert lab.task_id("cpu") == task_id


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"destination": {"bucket": "secret"}}, ("destination.bucket", "'secret'", "down")),
        (
            {"destination": {"bucket": "secret", "measurement": "env"}, "writeDisposition": "Replace"},
            ("destination.bucket", "'secret'"),
        ),
        ({"source": {"bucket": "secret"}}, ("source.bucket", "'secret'", "raw")),
        ({"ledger": {"bucket": "secret"}}, ("spec.ledger.bucket", "'secret'")),
    ],
    ids=["destination", "replace", "source", "ledger"],
)
def test_buckets_that_a_pipeline_itself_names(limited: Lab, more: dict[str, Any], words: tuple[str, ...]) -> None:
    """They are counted, deleted in and written by the operator: the policy holds for them as for scripts."""
    name = fresh()
    ledger = {key: more[key] for key in more if key == "ledger"}
    one = stage("copy", writes="down", **{key: more[key] for key in more if key != "ledger"})
    limited.create(PIPELINE, name, pipeline(hours_ago(2), "1h", one, **ledger) | {"connectionRef": {"name": "limited"}})
    limited.rests(PIPELINE, name, "NotAllowed", *words)


def test_replace_deletes_nowhere_but_where_the_script_writes(lab: Lab) -> None:
    """A slip in the destination must not cost anybody their points."""
    prepare(lab.influx, "out", "precious")
    begin = hours_ago(3)
    lab.influx.write("raw", *points(begin, 6, timedelta(minutes=30)))
    lab.influx.write("precious", *points(begin, 6, timedelta(minutes=30)))
    lab.connect()
    slip = {"destination": {"bucket": "precious", "measurement": "env"}, "writeDisposition": "Replace"}
    lab.create(PIPELINE, "slip", pipeline(begin, "1h", stage("copy", writes="out", **slip)))
    lab.rests(PIPELINE, "slip", "InvalidSpec", "destination.bucket", "'precious'", "'out'")
    assert len(times(lab.influx, "precious")) == 6
